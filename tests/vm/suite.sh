#!/bin/bash
# What stock programs do in the guest with the remote device: tests/vm/suite.sh MODEL [short]. Run by run-tests.sh; the short
# one is for doors that differ from one with the whole suite only in how they are reached.
here=$(dirname "$0")
# shellcheck source=tests/vm/guest-lib.sh
. "$here/guest-lib.sh"
model=$1
length=${2:-whole}
device='[virtgpu] CPU'
elementwise='ne=\[10,5,4,3\]|ne_a=\[5,7,11,13\]'
norms='ne=\[10,10,10,10\]|ne=\[64,5,4,3\]'
matrices='type_a=(q8_0|q4_0|f16|f32),type_b=f32,m=16,n=1,k=256,bs=\[1,1\],nr=\[1,1\]'

list_devices() { llama-bench --list-devices 2>&1 | grep -F "$device"; }
# Cases of test-backend-ops by their parameters: small ones, for the reference is computed in the guest, which may be
# emulated.
small() {
  local out status=0
  out=$(mktemp)
  test-backend-ops test -b "$device" -p "$1" >"$out" 2>&1 || status=$?
  tail -n 5 "$out"
  [ "$status" = 0 ] && grep -q 'OK' "$out"
}
two_at_once() {
  small 'ne=\[16,5,4,3\]' >/tmp/one 2>&1 &
  local one=$!
  small 'ne=\[64,5,4,3\]' >/tmp/two 2>&1
  local two=$?
  wait $one && [ $two = 0 ]
}
# A process that dies in the middle of its work takes nobody with it.
killed() {
  llama-bench -m "$model" -ngl 99 -p 0 -n 1000 -r 1 >/dev/null 2>&1 &
  local victim=$!
  sleep 2
  kill -9 $victim && ! wait $victim
  computes "$model"
}
conformance() { APIR_CONFORMANCE=open conformance-test; }
reload() {
  rmmod virtio_gpu || return 1
  [ ! -e /dev/dri/renderD128 ] && insmod "$(find_module virtio-gpu)" && wait_node && computes "$model"
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
check "llama-bench uses the remote device" computes "$model"
if [ "$length" = short ]; then
  check "test-backend-ops: elementwise ops" small "$elementwise"
  check "a killed process harms nobody" killed
  finish
  exit
fi
check "test-backend-ops: elementwise ops, norms, reductions, matrices" small "$elementwise|$norms|$matrices"
check "two processes at once" two_at_once
check "a killed process harms nobody" killed
# of apir's own protocol
[ "${GGML_VIRTGPU_PROTOCOL-}" = 0 ] || check "conformance over virtgpu" conformance
check "shared memory over virtgpu" virtgpu-device
check "driver reload" reload
finish
