# shellcheck shell=bash
# Long tests against hostile guests and faults. tests/run-torture.sh does the work, in the sandbox, with the environment
# that scripts/test.sh describes.

cmd_torture() {
  local arguments=("$@") arg
  for arg; do
    case $arg in
      --quick | [a-z]*) ;;
      '' | *[!0-9]* | 0) usage_error "torture: unknown argument: $arg" ;;
    esac
  done
  require_root
  go_inside torture "${arguments[@]}"
  leave_nothing_behind
  ensure_build
  run_tests run-torture.sh "${arguments[@]}"
}
