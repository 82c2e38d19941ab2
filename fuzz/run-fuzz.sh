#!/usr/bin/env bash
# Runs the fuzz targets, two at a time: called by ./run fuzz and by ./run test, which have built them.
#   run-fuzz.sh SECONDS [TARGET...]   each target that long; with 0 the corpus is replayed, and nothing else
#   APIR_TOP, APIR_BUILD_SANITIZE     the checkout, and the build with sanitizers
#   APIR_FUZZ_MINIMIZE                not empty: takes what was found to reach new code into the corpus
#   APIR_FUZZ_COVERAGE                not empty: has coverage.sh make a report, of APIR_BUILD_COVERAGE
# Ends with a table. Exit code 1 if anything was found.
set -u
top=${APIR_TOP:?}
build=${APIR_BUILD_SANITIZE:?}
seconds=${1:?}
shift
findings=$build/fuzz/findings
work=$(mktemp -d "${TMPDIR:-/tmp}/apir-fuzz.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
mkdir -p "$findings"

MAX_FINDINGS=5 # of one target; each costs a new start
export UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS-}

# The line of the list, without the name.
options_of() { sed -n "s/^$1 //p" "$build/fuzz/list"; }
statistic() { awk -v name="stat::$1:" '$1 == name { sum += $2 } END { print sum + 0 }' "$2"; } # NAME LOG

# libFuzzer once: TARGET SECONDS LOG OPTION... FOLDER...
once() {
  local target=$1 time=$2 log=$3
  shift 3
  # shellcheck disable=SC2046  # one word for each option
  timeout -k 5 $((time + 120)) "$build/fuzz/fuzz-$target" $(options_of "$target") -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$findings/$target-" "$@" >>"$log" 2>&1 </dev/null
}

# What a target does in its time. Findings are counted by the files that libFuzzer writes.
fuzz() { # TARGET
  local target=$1 log=$work/$1.log end found=0
  local corpus=$top/fuzz/corpus/$1 own=$build/fuzz/corpus/$1
  mkdir -p "$own"
  : >"$log"
  if [ -d "$corpus" ]; then
    once "$target" 300 "$log" -runs=0 "$corpus" || found=1
    own="$own $corpus"
  fi
  end=$((SECONDS + seconds))
  while [ $found -lt $MAX_FINDINGS ] && [ $SECONDS -lt $end ]; do
    # shellcheck disable=SC2086  # two folders
    ! once "$target" $((end - SECONDS)) "$log" -max_total_time=$((end - SECONDS)) -reload=0 $own || break
    found=$((found + 1))
  done
  echo "$found" >"$work/$target.found"
  report "$target" >"$work/$target.row"
  progress "$target"
}

progress() {
  local total
  total=$(statistic number_of_executed_units "$work/$1.log")
  printf -- '-- %s: %d executions, %d findings\n' "$1" "$total" "$(cat "$work/$1.found")"
  [ "$(cat "$work/$1.found")" = 0 ] || show_findings "$1"
}

# Where and what, and how it is seen again.
show_findings() {
  grep -hE 'ERROR: |runtime error:|SUMMARY: ' "$work/$1.log" | sort -u | head -n 20 | sed 's/^/   | /'
  cp "$work/$1.log" "$findings/$1.log"
  echo "   log: $findings/$1.log"
  sed -n 's/.*Test unit written to \(.*\)/\1/p' "$work/$1.log" | while read -r file; do
    echo "   again: ./run sandbox -- $build/fuzz/fuzz-$1 $file"
  done
}

# The row of the table: from the last line of libFuzzer that has numbers.
report() {
  local log=$work/$1.log total rate edges units
  total=$(statistic number_of_executed_units "$log")
  rate=$((seconds > 0 ? total / seconds : 0))
  edges=$(grep -oE ' cov: [0-9]+' "$log" | tail -n 1 | grep -oE '[0-9]+')
  units=$(grep -oE ' corp: [0-9]+/[0-9]+[KMb]*' "$log" | tail -n 1 | sed 's/ corp: //')
  printf '%-20s %12s %8s %16s %8s %9s\n' "$1" "$total" "$rate" "${units:--}" "${edges:-0}" "$(cat "$work/$1.found")"
}

# Takes what the corpus in the checkout lacks; all of it anew, so that it stays small.
minimize() { # TARGET
  local kept=$top/fuzz/corpus/$1 own=$build/fuzz/corpus/$1
  mkdir -p "$kept" "$own" "$work/$1.small"
  once "$1" 900 "$work/$1.merge" -set_cover_merge=1 -use_counters=0 "$work/$1.small" "$kept" "$own" || { tail -n 20 "$work/$1.merge"; return 1; }
  rm -rf "$kept" "$own"
  mv "$work/$1.small" "$kept"
  printf -- '-- %s: corpus of %d files, %d KiB\n' "$1" "$(find "$kept" -type f | wc -l)" "$(du -ks --apparent-size "$kept" | cut -f1)"
}

# CMD... for each target, two at a time.
two_at_a_time() {
  local target
  for target in "${targets[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
    "$1" "$target" &
  done
  wait
}

mapfile -t all < <(cut -d' ' -f1 "$build/fuzz/list")
targets=("${@:-${all[@]}}")
for target in "${targets[@]}"; do
  printf '%s\n' "${all[@]}" | grep -qxF -- "$target" || { echo "run-fuzz.sh: no target named $target; there are: ${all[*]}" >&2; exit 2; }
done

two_at_a_time fuzz
printf '\n%-20s %12s %8s %16s %8s %9s\n' target executions exec/s corpus edges findings
for target in "${targets[@]}"; do cat "$work/$target.row"; done
printf '%-20s %12d %8s %16s %8s %9d\n' all "$(awk '{ n += $2 } END { print n }' "$work"/*.row)" '' '' '' \
  "$(cat "$work"/*.found | awk '{ n += $1 } END { print n }')"
status=0
for target in "${targets[@]}"; do [ "$(cat "$work/$target.found")" = 0 ] || status=1; done
[ $status = 0 ] || echo "findings are in $findings"
[ -z "${APIR_FUZZ_MINIMIZE-}" ] || two_at_a_time minimize
[ -z "${APIR_FUZZ_COVERAGE-}" ] || "$top/fuzz/coverage.sh" || status=1
exit $status
