#!/bin/bash
# A guest without a usable device: tests/vm/refusal.sh PLUGIN TEXT [LIMIT_MS]. The plug-in declines at once (or within LIMIT_MS)
# and in silence, programs go on with their CPU, and apir info gives a reason that contains TEXT.
# shellcheck source=tests/vm/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"
plugin=$1 text=$2 limit=${3:-300} # the processor is emulated, and may be shared
declines() {
  "$(dirname "$(dirname "$plugin")")/tests/load-plugin" "$plugin" "$limit" >/tmp/load 2>/tmp/load.err || { cat /tmp/load.err; return 1; }
  cat /tmp/load /tmp/load.err
  grep -q 'devices 0$' /tmp/load && [ ! -s /tmp/load.err ]
}
goes_on() { test-backend-ops test -b CPU -o ABS; }
reason() {
  ! apir info >/tmp/info 2>&1 || return 1
  cat /tmp/info
  grep -qi -- "$text" /tmp/info
}
check "the plug-in declines" declines
check "a program goes on with its CPU" goes_on
check "apir info says why" reason
finish
