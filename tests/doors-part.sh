# shellcheck shell=bash
# The other doors, and the deployed protocol over each, in real machines: sourced by run-tests.sh.

# The worker is killed while a program of the machine computes: the program ends by its own error handling, and the next one
# works.
worker_killed_under() { # DOOR
  local model vm result=1
  model=$(small_model)
  # shellcheck disable=SC2016  # the guest's shell expands it
  "$run" vm --door "$1" --timeout 300 -- bash -c '
    echo one; llama-bench -m "$1" -ngl 99 -p 0 -n 100000 -r 1 >/dev/null 2>/tmp/err; echo "ended one $?"
    llama-bench -m "$1" -ngl 99 -p 0 -n 4 -r 1 >/dev/null 2>/tmp/err; echo "ended two $?"' bash "$model" \
    >"$work/vm" 2>"$work/vm.err" </dev/null &
  vm=$!
  if vm_says one && kill_at_work $vm apird-worker && vm_says 'ended one 1' && vm_says 'ended two 0'; then
    result=0
  else
    kill $vm
  fi
  wait $vm
  cat "$work/vm" "$work/vm.err"
  return $result
}

doors_part() {
  local model
  model=$(small_model)
  section "the door through virglrenderer"
  vm_tap "programs in the guest" --door virglrenderer -- "$top/tests/vm/suite.sh" "$model"
  vm_tap "reboot with live contexts" --door virglrenderer --reboots 1 -- "$top/tests/vm/reboot.sh" "$model"
  vm_tap "Venus beside ours" --door virglrenderer -- "$top/tests/vm/side-by-side.sh" "$model"
  check "worker killed under a virtual machine" worker_killed_under virglrenderer
  section_end
}

deployed_part() {
  local model
  model=$(small_model)
  section "the deployed protocol in virtual machines"
  GGML_VIRTGPU_PROTOCOL=0 vm_tap "vhost-user" -- "$top/tests/vm/suite.sh" "$model"
  # all Venus contexts are APIR's there, as guests with ggml's own virtgpu backend need it
  VIRGL_ROUTE_VENUS_TO_APIR=1 GGML_VIRTGPU_PROTOCOL=0 \
    vm_tap "virglrenderer" --door virglrenderer -- "$top/tests/vm/suite.sh" "$model" short
  GGML_VIRTGPU_PROTOCOL=0 check "worker killed under vhost-user" worker_killed_under vhost-user
  section_end
}
