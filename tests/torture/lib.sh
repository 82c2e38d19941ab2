# shellcheck shell=bash
# What the parts of ./run torture share: how much to do, progress, and the table at the end. Sourced after tests/lib.sh,
# of which the parts use $work (a folder that is removed), $run, $build, $top, small_model and section.

default_minutes=30
minutes=$default_minutes  # what the caller gave
quick=                    # 1: only that it works
figures=0 missed=0
figure_rows=()
# APIR_TORTURE_MACHINES=none: only what is done over the socket.
in_machines() { [ "${APIR_TORTURE_MACHINES-}" != none ]; }
# Plots and the figures they are drawn from stay here.
torture_out=$build/torture
mkdir -p "$torture_out"

# scaled N [LEAST]: N is what is done in the default time; prints what is to be done in the given one, at least LEAST
# (default 1).
scaled() {
  local n=$((($1 * minutes + default_minutes - 1) / default_minutes)) least=${2:-1}
  [ "$n" -ge "$least" ] || n=$least
  echo "$n"
}

# A line about how it gets on.
progress() { printf '   %5d s  %s\n' $SECONDS "$*"; }

# figure NAME WANTED MEASURED STATUS: a row of the table; STATUS 0 is a pass.
figure() {
  local result=PASS
  [ "$4" = 0 ] || result=MISS missed=$((missed + 1))
  figures=$((figures + 1))
  figure_rows+=("$1|$2|$3|$result")
  printf '   %s: %s (wanted %s): %s\n' "$1" "$3" "$2" "$result"
}

# Compares two numbers, which may have fractions: compare A OP B. What is no number is a miss.
compare() {
  [[ $1 =~ ^-?[0-9]+(\.[0-9]+)?$ && $3 =~ ^-?[0-9]+(\.[0-9]+)?$ ]] && awk "BEGIN { exit !($1 $2 $3) }"
}

# NAME LIMIT MEASURED [UNIT]
figure_at_least() {
  local status=0
  compare "$3" '>=' "$2" || status=1
  figure "$1" "at least $2${4:+ $4}" "${3:-nothing}${4:+ $4}" $status
}
figure_at_most() {
  local status=0
  compare "$3" '<=' "$2" || status=1
  figure "$1" "at most $2${4:+ $4}" "${3:-nothing}${4:+ $4}" $status
}
# NAME WANTED MEASURED [UNIT]
figure_is() {
  local status=0
  [ "$3" = "$2" ] || status=1
  figure "$1" "$2${4:+ $4}" "${3:-nothing}${4:+ $4}" $status
}

# The table of all figures; the exit code says whether all passed.
figures_table() {
  printf '\n'
  printf '%s\n' 'figure|wanted|measured|' "${figure_rows[@]}" | awk -F'|' '
    { for (i = 1; i <= 4; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
    END { for (r = 1; r <= NR; r++)
      printf "%-*s | %-*s | %-*s | %s\n", width[1], cell[r, 1], width[2], cell[r, 2], width[3], cell[r, 3], cell[r, 4] }'
  printf '\n%d figures, %d missed, %d s\n' "$figures" "$missed" "$SECONDS"
  [ "$missed" = 0 ] && [ "$figures" -gt 0 ]
}
