#!/usr/bin/env bash
# The long suites, in the sandbox: called by ./run suites. About an hour on two cores.
#   APIR_BUILD, APIR_BUILD_THREADS   the build folders, the second one with ThreadSanitizer
# Arguments: parts to run (splits leaks soak vulkan archs service ops threads valgrind), all without any.
set -u
top=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
build=${APIR_BUILD:?}
# shellcheck source=tests/lib.sh
. "$top/tests/lib.sh"
device='[virtgpu] CPU'
plugin=$build/lib/libggml-virtgpu-apir.so
# shellcheck source=tests/upstream-part.sh
. "$top/tests/upstream-part.sh"
# shellcheck source=tests/leaks.sh
. "$top/tests/leaks.sh"

ops_part() {
  section "every case of test-backend-ops"
  backend_ops "all ops" "$run" local -- test-backend-ops test -b "$device"
  section_end
}

# All devices of the process at once: ours, the CPU, and ggml's device made of several.
all_devices() {
  "$run" local --threads 2 -- test-llama-archs -s 1 >"$work/all" 2>&1 </dev/null
  sed -i 's/\x1b\[[0-9;]*m//g' "$work/all"
  grep '^Summary' "$work/all"
  grep -q 'loaded virtgpu backend' "$work/all" && grep -qE '^Summary: all [0-9]+ test' "$work/all"
}
archs_part() {
  section "every architecture of test-llama-archs"
  archs "llama architectures" ''
  check "llama architectures on all devices" all_devices
  grep '^Summary' "$work/out" | sed 's/^/        /'
  section_end
}

# Lavapipe is slow, but a backend whose buffers are not the host's memory.
vulkan_ops='ADD,MUL,SUB,DIV,SCALE,SQR,CLAMP,CPY,CONT,GET_ROWS,NORM,RMS_NORM,SOFT_MAX,ROPE,CONCAT,ARGSORT,SUM_ROWS'
vulkan_part() {
  section "17 ops on Vulkan (lavapipe)"
  backend_ops "ops on Vulkan" "$run" local --host-library vulkan -- \
    test-backend-ops test -b '[virtgpu] Vulkan0' -o "$vulkan_ops"
  section_end
}

# generate SESSION RUN... -- OPTIONS: 48 greedy tokens, the same on all sides but for where they are computed.
generate() {
  local session=$1 where=()
  shift
  while [ "$1" != -- ]; do
    where+=("$1")
    shift
  done
  shift
  rm -f "$session"
  "$run" "${where[@]}" -- llama-completion --model "$model" --prompt 'once upon a time' --predict 48 --ctx-size 512 \
    --temp 0 --seed 1 --ignore-eos --no-conversation --no-repack --fit off --threads 1 --gpu-layers 99 \
    --prompt-cache "$session" --prompt-cache-all --color off "$@"
}
same_text() { # OPTIONS
  generate "$work/native" sandbox -- "$@" && generate "$work/remote" local --threads 1 -- "$@" &&
    apir-compare "$model" "$work/native" "$work/remote"
}
splits_part() {
  section "graphs that are split between the guest and the host"
  model=$(small_model)
  check "the same tokens with all on the host" same_text
  check "the same tokens with the KV cache in the guest" same_text -nkvo
  check "the same tokens with one matrix in the guest" same_text -ot 'blk.5.ffn_down=CPU'
  section_end
}

# apird.service in a machine that systemd runs.
service_part() {
  local status=0
  section "the service of systemd"
  "$run" vm --systemd --door none -- "$top/tests/vm/service.sh" "$build" >"$work/service" 2>&1 </dev/null || status=$?
  tap "apird.service" "$work/service" "$status"
  section_end
}

# All is slower, so only the reports of the sanitizer count, and that every figure that is none of time is met.
torture_threads() {
  APIR_BUILD=$APIR_BUILD_THREADS APIR_TORTURE_MACHINES=none PATH=$APIR_BUILD_THREADS/bin:$APIR_BUILD_THREADS/tests:$PATH \
    "$top/tests/run-torture.sh" 3 hostile kills soak
}
threads_part() {
  local name
  section "unit tests, with ThreadSanitizer"
  while read -r name; do
    # ggml's own threads are OpenMP's, whose barriers ThreadSanitizer does not see
    cmocka "$name" env OMP_THREAD_LIMIT=1 timeout 600 "${APIR_BUILD_THREADS:?}/tests/$name"
  done <"$APIR_BUILD_THREADS/tests/list"
  check "hostile clients, kills and soak" torture_threads
  sed 's/^/        /' "$work/out"
  section_end
}

# Not under valgrind: what a process may do at all (valgrind does some of it itself), whether memory is mapped (asked by
# system calls about addresses that are not), how a program that cannot be started is noticed (valgrind's vfork does not
# share memory), how much memory or how many descriptors a process may have, and what a page holds that a signal's handler
# has put there.
not_under_valgrind='jail-.*|upstream-bounds-posix-test|interposer-lifetime-test'
case_not_under_valgrind() { # PROGRAM
  case $1 in
    virtio-gpu-test) echo 'a_worker_that_cannot_start_*' ;;
    virtqueue-test) echo 'more_memory_than_*' ;;
    vhost-user-test) echo 'nobody_is_let_in_while_descriptors_*' ;;
    vhost-user-queue-test) echo 'machine_whose_memory_is_cut_short_*' ;;
    upstream-*) echo '*graphs_leave_nothing_behind' ;;
  esac
}

valgrind_part() {
  local name
  section "unit tests, with valgrind"
  while read -r name; do
    CMOCKA_SKIP_FILTER=$(case_not_under_valgrind "$name") APIR_TEST_SLOWNESS=50 \
      cmocka "$name" timeout 900 valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
      "$build/tests/$name"
  done < <(grep -vxE "$not_under_valgrind" "$build/tests/list")
  section_end
}

parts=("$@")
[ $# -gt 0 ] || parts=(splits leaks soak vulkan archs service ops threads valgrind)
for part in "${parts[@]}"; do
  case $part in
    splits | leaks | soak | vulkan | archs | service | ops | threads | valgrind) "${part}_part" ;;
    *) echo "run-suites.sh: no part named $part" >&2; exit 2 ;;
  esac
done
summary
