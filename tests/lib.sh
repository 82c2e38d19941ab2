# shellcheck shell=bash
# Counting and running, for run-tests.sh and run-suites.sh. A test of ours and a case of a suite each count one.
# The caller has set: top (the checkout), build (its build folder).

passed=0 failed=0 skipped=0
run=$top/run
triplet=$(uname -m)-linux-gnu
work=$(mktemp -d "${TMPDIR:-/tmp}/apir-tests.XXXXXX")
chmod 711 "$work" # workers are users of their own, and load libraries from there
trap 'rm -rf -- "$work"' EXIT
export APIR_NO_BUILD=1
PATH=$build/bin:$build/tests:/usr/libexec/$triplet/ggml:/usr/libexec/$triplet/llama.cpp-tests:/usr/libexec/$triplet/llama/bin:$PATH

section() {
  printf '\n== %s\n' "$*"
  section_start=$SECONDS said=$SECONDS
}
section_end() { printf '   (%d s)\n' $((SECONDS - section_start)); }

# say WORD TEXT: one line of the result, with the seconds since the last one where they are many.
say() {
  local took=$((SECONDS - ${said:-$SECONDS}))
  [ $took -ge 5 ] && took=" ($took s)" || took=
  said=$SECONDS
  printf '%-7s %s%s\n' "$1" "$2" "$took"
}
ok() { passed=$((passed + 1)); say ok "$*"; }
not_ok() { failed=$((failed + 1)); say FAILED "$*"; }
skip() { skipped=$((skipped + 1)); say skipped "$*"; }

# check NAME CMD...: one test, whose output is shown when it fails.
check() {
  local name=$1 status=0
  shift
  "$@" >"$work/out" 2>&1 </dev/null || status=$?
  if [ "$status" = 0 ]; then
    ok "$name"
  else
    not_ok "$name (exit code $status)"
    tail -n 30 "$work/out" | sed 's/^/        | /'
  fi
}

# fails CMD...: succeeds when CMD ends by itself with an exit code other than 0.
fails() {
  local status=0
  "$@" || status=$?
  [ "$status" -gt 0 ] && [ "$status" -lt 124 ]
}

# tap LABEL FILE STATUS: counts the lines "ok ..." and "not ok ..." of a program's output. A program that died, or said
# nothing, is a failure of its own.
tap() {
  local label=$1 file=$2 status=$3 good bad
  good=$(grep -c '^ok ' "$file")
  bad=$(grep -c '^not ok ' "$file")
  passed=$((passed + good)) failed=$((failed + bad))
  grep '^not ok ' "$file" | sed "s/^not ok [0-9]* *-* */FAILED  $label: /"
  if [ "$good" = 0 ] || { [ "$status" != 0 ] && [ "$bad" = 0 ]; }; then
    not_ok "$label: ended with exit code $status after $good tests"
    bad=1
  fi
  [ "$bad" = 0 ] || tail -n 40 "$file" | sed 's/^/        | /'
  say ok "$label: $good tests"
}

# cmocka LABEL CMD...: a cmocka program.
cmocka() {
  local label=$1 status=0
  shift
  CMOCKA_MESSAGE_OUTPUT=TAP "$@" >"$work/tap" 2>&1 </dev/null || status=$?
  tap "$label" "$work/tap" "$status"
}

# backend_ops LABEL CMD...: test-backend-ops in test mode; counts its cases (those the device does not support are
# left out, ggml computes them elsewhere). Afterwards $work/ops.names has their ops.
backend_ops() {
  local label=$1 status=0 good bad
  shift
  "$@" >"$work/ops" 2>"$work/ops.err" </dev/null || status=$?
  sed -i -e 's/\x1b\[[0-9;]*m//g' -e '/^ *Backend /d' "$work/ops"
  good=$(grep -cE ': OK$' "$work/ops")
  bad=$(grep -cE ': FAIL$' "$work/ops")
  passed=$((passed + good)) failed=$((failed + bad))
  grep -E ': FAIL$' "$work/ops" | head -n 20 | sed "s/^ */FAILED  $label: /"
  if [ "$good" = 0 ] || { [ "$status" != 0 ] && [ "$bad" = 0 ]; }; then
    not_ok "$label: ended with exit code $status after $good cases"
    tail -n 20 "$work/ops" "$work/ops.err" | sed 's/^/        | /'
  fi
  grep -E ': OK$' "$work/ops" | sed 's/^ *//; s/(.*//' | sort -u >"$work/ops.names"
  say ok "$label: $good cases of $(wc -l <"$work/ops.names") ops"
}

# test-llama-archs: a row for each architecture that it could make, compared with the CPU on random weights. With some
# seeds a row fails natively too, where a router of experts is undecided: so the seed is fixed, and every row has to be
# what it is natively, to the last digit. (With a device beside the CPU the suite has a few rows more.)
arch_rows() { # FILE
  sed 's/\x1b\[[0-9;]*m//g' "$1" | grep -E '^\| +[a-z0-9]'
}
same_rows() {
  [ -s "$work/rows.native" ] || return 1
  ! grep -vxFf "$work/rows" "$work/rows.native"
}
archs() { # LABEL REGEX (empty: all)
  local status=0 good bad
  "$run" sandbox -- test-llama-archs -s 1 -b CPU ${2:+-a "$2"} >"$work/archs.native" 2>&1 </dev/null
  "$run" local --threads 2 -- test-llama-archs -s 1 -b "$device" ${2:+-a "$2"} >"$work/archs" 2>&1 </dev/null || status=$?
  arch_rows "$work/archs.native" >"$work/rows.native"
  arch_rows "$work/archs" >"$work/rows"
  bad=$(grep -c FAIL "$work/rows")
  good=$(grep -v FAIL "$work/rows" | grep -c 'OK')
  passed=$((passed + good)) failed=$((failed + bad))
  if [ "$status" != 0 ] || [ "$bad" != 0 ] || [ "$good" = 0 ]; then
    not_ok "$1: exit code $status, $bad failures"
    tail -n 30 "$work/archs" | sed 's/^/        | /'
  fi
  check "$1: every row is as natively" same_rows
  say ok "$1: $good architectures"
}

# The model that most tests share, made once; prints its path.
small_model() {
  local file=$build/tests/small.gguf
  [ -e "$file" ] || apir-make-model --small "$file" >&2 || return 1
  echo "$file"
}

# The closing line; the exit code says whether all passed.
summary() {
  printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}
