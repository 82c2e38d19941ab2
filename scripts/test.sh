# shellcheck shell=bash
# Running the tests. tests/run-tests.sh and tests/run-suites.sh run in the sandbox as programs of their own, and
# use ./run for all they need: `"$APIR_TOP/run" local -- CMD` and `"$APIR_TOP/run" vm -- CMD`, which build
# nothing there. Their environment says where things are:
#   APIR_TOP        the checkout
#   APIR_BUILD      the build under test: $APIR_BUILD/bin, $APIR_BUILD/lib, $APIR_BUILD/tests
#   APIR_BUILD_SANITIZE   the build with sanitizers and fuzz targets (for run-tests.sh)
#   APIR_TEMPORARY  a folder that is removed at the end

cmd_test() {
  go_inside test "$@"
  leave_nothing_behind
  build_variant release
  build_variant sanitize
  run_tests run-tests.sh "$@"
}

cmd_suites() {
  go_inside suites "$@"
  leave_nothing_behind
  build_variant release
  case " $* " in '  ' | *' threads '*) build_variant threads ;; esac
  run_tests run-suites.sh "$@"
}

run_tests() {
  local script=$top/tests/$1 status=0
  shift
  [ "$(id -u)" != 0 ] || setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$build/tests" ||
    die "the tests start workers as users of their own, who cannot read $build: have APIR_CACHE name a folder that others may read"
  temporary_folder
  if [ ! -e "$script" ]; then
    say "run: $script does not exist: there is nothing to run"
    echo "0 passed, 0 failed, 0 skipped"
    exit 1
  fi
  APIR_TOP=$top APIR_BUILD=$build \
    APIR_BUILD_SANITIZE=$(build_folder sanitize) \
    APIR_BUILD_THREADS=$(build_folder threads) \
    APIR_NO_BUILD=1 APIR_TEMPORARY=$temporary \
    PATH=$(program_path) attended bash "$script" "$@" || status=$?
  exit "$status"
}
