#!/usr/bin/env bash
# Hostile guests and faults, in the sandbox: called by ./run torture.
#   APIR_BUILD   the build folder
# Arguments: --quick, MINUTES, parts to run (all without any): see ./run help torture. A part is tests/torture/NAME-part.sh
# with a function NAME_part; it does what it does `scaled`, tells how it gets on with `progress`, and enters what it has
# found into the table with `figure`. tests/torture/lib.sh has these.
# APIR_TORTURE_MACHINES=none: without virtual machines.
set -u
top=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
build=${APIR_BUILD:?}
# shellcheck source=tests/lib.sh
. "$top/tests/lib.sh"
# shellcheck source=tests/torture/lib.sh
. "$top/tests/torture/lib.sh"

# In this order; what is not listed comes last.
order=(hostile kills clients faults soak)

known_parts() {
  local name file
  for name in "${order[@]}"; do
    [ ! -e "$top/tests/torture/$name-part.sh" ] || echo "$name"
  done
  for file in "$top"/tests/torture/*-part.sh; do
    name=${file##*/}
    name=${name%-part.sh}
    case " ${order[*]} " in
      *" $name "*) ;;
      *) echo "$name" ;;
    esac
  done
}

mapfile -t known < <(known_parts)
parts=()
for arg; do
  case $arg in
    --quick) quick=1 minutes=1 ;;
    [0-9]*) minutes=$arg ;;
    *)
      case " ${known[*]} " in
        *" $arg "*) parts+=("$arg") ;;
        *) echo "run-torture.sh: no part named $arg; there are: ${known[*]}" >&2; exit 2 ;;
      esac ;;
  esac
done
[ ${#parts[@]} -gt 0 ] || parts=("${known[@]}")

for part in "${parts[@]}"; do
  # shellcheck source=/dev/null
  . "$top/tests/torture/$part-part.sh"
  section "$part"
  before=$figures
  "${part}_part"
  [ "$figures" -gt "$before" ] || figure "$part: figures" "some" "none" 1
  section_end
done
figure_is "reports of sanitizers, if this is a build with them" 0 \
  "$(grep -rhoE 'WARNING: ThreadSanitizer.*|ERROR: [A-Za-z]*Sanitizer.*|runtime error: .*' "$work" | wc -l)"
figures_table
