#!/bin/bash
# Leaves a process with a live context behind when the guest reboots: tests/vm/reboot.sh MODEL, run in every boot.
# shellcheck source=tests/vm/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"
works() { test-backend-ops test -b '[virtgpu] CPU' -p 'ne=\[64,5,4,3\]' 2>&1 | tee /tmp/ops | tail -n 3 && grep -q OK /tmp/ops; }
check "boot ${APIR_BOOT:-0}: the device works" works
llama-bench -m "$1" -ngl 99 -p 0 -n 10000 -r 1 >/dev/null 2>&1 &
sleep 2
check "boot ${APIR_BOOT:-0}: a context is in use" kill -0 $!
finish
