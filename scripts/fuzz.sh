# shellcheck shell=bash
# The fuzz targets. fuzz/run-fuzz.sh does the work, in the sandbox.

cmd_fuzz() {
  local seconds=${1-} minimize='' coverage='' targets=() arguments=("$@") status=0
  [ $# -gt 0 ] || usage_error "fuzz needs the number of seconds"
  need_number fuzz "$seconds"
  shift
  while [ $# -gt 0 ]; do
    case $1 in
      --minimize) minimize=1 ;;
      --coverage) coverage=1 ;;
      -*) usage_error "fuzz: unknown option: $1" ;;
      *) targets+=("$1") ;;
    esac
    shift
  done
  go_inside fuzz "${arguments[@]}"
  leave_nothing_behind
  build_variant sanitize
  [ -z "$coverage" ] || build_variant coverage
  temporary_folder
  APIR_TOP=$top APIR_BUILD_SANITIZE=$(build_folder sanitize) APIR_BUILD_COVERAGE=$(build_folder coverage) \
    APIR_FUZZ_MINIMIZE=$minimize APIR_FUZZ_COVERAGE=$coverage APIR_TEMPORARY=$temporary \
    attended bash "$top/fuzz/run-fuzz.sh" "$seconds" "${targets[@]}" || status=$?
  exit "$status"
}
