#!/bin/bash
# A machine whose GPU serves both: ggml's Vulkan backend through Mesa's Venus, and our device, one after the other and at
# once. Run in the guest of --door virglrenderer.
here=$(dirname "$0")
# shellcheck source=tests/vm/guest-lib.sh
. "$here/guest-lib.sh"
# only the driver of virtio-gpu: no device at all if Venus does not work
out=$(mktemp -d)
export VK_DRIVER_FILES=/usr/share/vulkan/icd.d/virtio_icd.json GGML_VK_VISIBLE_DEVICES=0

ops() { # DEVICE OUT: a few seconds of ops
  test-backend-ops test -b "$1" -o "$3" >"$2" 2>&1 && grep -q '\[.*mOK\|: OK' "$2" && ! grep -q FAIL "$2"
}
venus() { ops Vulkan0 "$out/venus" "${1:-ABS}"; }
ours() { ops '[virtgpu] CPU' "$out/ours" "${1:-ABS}"; }
both() {
  venus SCALE &
  local other=$!
  ours SCALE
  local status=$?
  wait $other || { tail -n 5 "$out/venus"; return 1; }
  return $status
}
context_lives() { # ours computes all the while that Venus contexts come and go
  llama-bench -m "$1" -ngl 99 -dev '[virtgpu] CPU' -p 0 -n 200 -r 1 >"$out/bench" 2>&1 &
  local bench=$!
  venus ABS && venus SQR || return 1
  wait $bench || { tail -n 5 "$out/bench"; return 1; }
}

check "Venus computes in the guest" venus
check "our device computes in the guest" ours
check "both at once" both
check "Venus comes and goes while ours computes" context_lives "$1"
finish
