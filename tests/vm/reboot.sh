#!/bin/bash
# Leaves a process with a live context behind when the guest reboots: tests/vm/reboot.sh MODEL, run in every boot.
# shellcheck source=tests/vm/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"
check "boot ${APIR_BOOT:-0}: the device works" computes "$1"
llama-bench -m "$1" -ngl 99 -p 0 -n 10000 -r 1 >/dev/null 2>&1 &
# under emulation a program takes its time to start
for _ in $(seq 300); do
  ! ls -l "/proc/$!/fd" | grep -q renderD || break
  sleep 0.1
done
sleep 2
in_use() { ls -l "/proc/$1/fd" | grep renderD; }
check "boot ${APIR_BOOT:-0}: a context is in use" in_use $!
finish
