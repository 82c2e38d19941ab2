#!/bin/bash
# What stock programs do in the guest with the remote device: tests/vm/suite.sh MODEL OPS. Run by run-tests.sh.
here=$(dirname "$0")
# shellcheck source=tests/vm/guest-lib.sh
. "$here/guest-lib.sh"
model=$1
device='[virtgpu] CPU'

list_devices() { llama-bench --list-devices 2>&1 | grep -F "$device"; }
# The number of layers off the guest's processor shows in the row; the device in the list of what was used.
bench() {
  llama-bench -m "$model" -ngl 99 -p 16 -n 4 -r 1 -o csv >/tmp/bench 2>/tmp/bench.err && cat /tmp/bench &&
    grep -F virtgpu /tmp/bench
}
small() { test-backend-ops test -b "$device" -o "$1" 2>&1 | tee /tmp/ops.$$ | tail -n 3 && grep -q 'OK' /tmp/ops.$$; }
two_at_once() {
  small 'ADD,MUL,RMS_NORM' >/tmp/one 2>&1 &
  local one=$!
  small 'ROPE' >/tmp/two 2>&1
  local two=$?
  wait $one && [ $two = 0 ]
}
# A process that dies in the middle of its work takes nobody with it.
killed() {
  llama-bench -m "$model" -ngl 99 -p 0 -n 1000 -r 1 >/dev/null 2>&1 &
  local victim=$!
  sleep 2
  kill -9 $victim && ! wait $victim
  small ADD
}
conformance() { APIR_CONFORMANCE=open conformance-test; }
reload() {
  local module
  for module in virtio_gpu; do rmmod $module || return 1; done
  [ ! -e /dev/dri/renderD128 ] && insmod "$(find_module virtio-gpu)" && wait_node && small ADD
}
find_module() { find /lib/modules /usr/lib/apir-kernel/lib/modules -name "$1.ko*" 2>/dev/null | head -n 1; }
wait_node() {
  for _ in $(seq 50); do
    [ -e /dev/dri/renderD128 ] && return 0
    sleep 0.1
  done
  return 1
}

check "apir info finds the device" apir info
check "llama-bench lists the remote device" list_devices
check "llama-bench uses the remote device" bench
check "test-backend-ops: elementwise ops" small 'ADD,MUL,SCALE,SQR'
check "test-backend-ops: norms, softmax, rope" small 'RMS_NORM,SOFT_MAX,ROPE'
check "two processes at once" two_at_once
check "a killed process harms nobody" killed
check "driver reload" reload
check "conformance over virtgpu" conformance
check "shared memory over virtgpu" virtgpu-device
finish
