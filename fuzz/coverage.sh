#!/usr/bin/env bash
# Which lines of src/ the corpus of all targets reaches: replays it in the build with counters, and prints a line for each
# file of src/server and src/executor, and one for all of each folder. Called by run-fuzz.sh.
#   APIR_TOP, APIR_BUILD_COVERAGE   the checkout, and the build with counters
# The report, with every line, is fuzz/coverage.txt of that build.
set -u
top=${APIR_TOP:?}
build=${APIR_BUILD_COVERAGE:?}
report=$build/fuzz/coverage.txt
work=$(mktemp -d "${TMPDIR:-/tmp}/apir-coverage.XXXXXX")
trap 'rm -rf -- "$work"' EXIT

programs=()
while read -r target options; do
  programs+=(-object "$build/fuzz/fuzz-$target")
  [ -d "$top/fuzz/corpus/$target" ] || continue
  # shellcheck disable=SC2086  # one word for each option
  LLVM_PROFILE_FILE=$work/$target.profraw timeout 600 "$build/fuzz/fuzz-$target" $options -runs=0 -timeout=60 \
    "$top/fuzz/corpus/$target" >"$work/log" 2>&1 </dev/null || { echo "coverage.sh: $target failed:"; tail -n 5 "$work/log"; }
done <"$build/fuzz/list"

llvm-profdata merge -o "$work/all" "$work"/*.profraw || exit 1
show() { llvm-cov "$1" "${programs[@]:1}" -instr-profile="$work/all" "${@:2}" 2>/dev/null; }
show show --show-branches=count "$top/src" >"$report"

# Lines of a folder: each file's, then all.
echo
printf '%-36s %8s %8s %8s\n' file lines reached percent
for folder in executor server wire attach interposer; do
  show export -summary-only -format=lcov "$top/src/$folder" >"$work/lcov"
  awk -F: -v top="$top/" -v folder="src/$folder" '
    $1 == "SF" { file = $2; sub(top, "", file) }
    $1 == "LF" { lines = $2 }
    $1 == "LH" { hit = $2 }
    $1 == "end_of_record" && file ~ /\.c$/ {
      if (folder ~ /executor|server/) printf "%-36s %8d %8d %7.1f%%\n", file, lines, hit, lines ? 100 * hit / lines : 100
      all += lines; reached += hit
    }
    END { if (all) printf "%-36s %8d %8d %7.1f%%\n", folder " in all", all, reached, 100 * reached / all }' "$work/lcov"
done
echo "every line: $report"
