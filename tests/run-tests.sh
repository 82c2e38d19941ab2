#!/usr/bin/env bash
# Every test of the gate, in the sandbox: called by ./run test, which has built all variants.
#   APIR_BUILD, APIR_BUILD_SANITIZE   the build folders
# Arguments: parts to run (unit sanitize fuzz local counters devices upstream refusals confined faults vm doors deployed demo), all
# without any.
set -u
top=$(cd -- "$(dirname -- "$0")/.." && pwd -P)
build=${APIR_BUILD:?}
# shellcheck source=tests/lib.sh
. "$top/tests/lib.sh"

device='[virtgpu] CPU'
plugin=$build/lib/libggml-virtgpu-apir.so
server_pid=

# Programs with tests that want something done within a fraction of a second.
unit_alone='backend-decline-test|interposer-worker-test|server-queue-test'

unit_run() { # FOLDER PROGRAM
  local status=0
  CMOCKA_MESSAGE_OUTPUT=TAP timeout 300 "$1/tests/$2" >"$work/unit.$2" 2>&1 </dev/null || status=$?
  echo "$status" >"$work/unit.$2.status"
}
# The cmocka programs of a build folder, two at a time: they wait as much as they compute.
unit() { # LABEL FOLDER
  local name
  section "$1"
  for name in $(grep -vxE "$unit_alone" "$2/tests/list"); do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
    unit_run "$2" "$name" &
  done
  wait
  for name in $(grep -xE "$unit_alone" "$2/tests/list"); do
    unit_run "$2" "$name"
  done
  while read -r name; do
    tap "$1: $name" "$work/unit.$name" "$(cat "$work/unit.$name.status")"
  done <"$2/tests/list"
  section_end
}

exported_symbols() {
  local symbols
  symbols=$(nm -D --defined-only "$plugin" | awk '{ print $3 }' | sort | tr '\n' ' ')
  echo "$symbols"
  [ "$symbols" = 'ggml_backend_init ggml_backend_score ' ]
}

# --- without a VM ------------------------------------------------------------------------------

# Ops that carry function pointers of the guest are the only ones that may differ; the suite has none.
same_support() {
  test-backend-ops support -b CPU --output csv 2>/dev/null >"$work/native.csv"
  "$run" local -- test-backend-ops support -b "$device" --output csv 2>/dev/null >"$work/remote.csv"
  local side
  for side in native remote; do
    awk -F'","' 'NR > 1 && $2 !~ /^(CUSTOM|MAP_CUSTOM)/ { print $2, $3, $5 }' "$work/$side.csv" >"$work/$side.txt"
  done
  echo "native: $(grep -c ' 1$' "$work/native.txt") supported of $(wc -l <"$work/native.txt")"
  echo "remote: $(grep -c ' 1$' "$work/remote.txt") supported of $(wc -l <"$work/remote.txt")"
  [ "$(grep -c ' 1$' "$work/native.txt")" -gt 10000 ] && cmp "$work/native.txt" "$work/remote.txt"
}

# Ops with thousands of cases, of which the gate takes a part; all of them are in ./run suites.
large_ops='FLASH_ATTN_EXT|CONV_2D|MUL_MAT|IM2COL_3D|OUT_PROD|MUL_MAT_ID|CPY|SET_ROWS|CONV_3D|TOP_K|ROPE_BACK|LIGHTNING_INDEXER|ARGSORT|CONV_TRANSPOSE_1D'
large_sample='type_a=(f32|f16|q4_0|q8_0|q6_K),type_b=f32,m=16,n=(1|9),k=256|type_a=(f32|q4_0|q8_0|q4_K),type_b=f32,m=256,n=1,k=(1|16),|hsk=64,hsv=64,nh=4,nr23=\[1,1\],kv=113,nb=1,|ne_input=\[10,10,10,9\]|ne_input=\[1,1,1,2\],ne_kernel=\[1,1,1,|type_src=(f32|f16|bf16|q4_0|q8_0),type_dst=(f32|f16|q8_0|i32)|type=(f32|f16|q8_0),type_idx=i64,ne=\[256|n_mats=4,n_used=2,b=0,m=512,n=1,|ne=\[16|ne_input=\[(197|13,1)|ne_a=\[128,12,2,1\]|nh=4,kv=256,nb=1,ns=1|IC=.,ID=5|ne=\[64,1,1,1\]'

all_ops() { test-backend-ops support -b CPU --output csv 2>/dev/null | awk -F'","' 'NR > 1 { print $2 }' | sort -u; }
# Their cases are dealt to as many programs, for these compute with one thread.
small_ops() { # N: of 4
  all_ops | grep -vxE "$large_ops" | awk -v part="$1" 'NR % 4 == part % 4' | paste -sd,
}
small_ops_part() { backend_ops "ops, small, $1 of 4" "$run" local -- test-backend-ops test -b "$device" -o "$(small_ops "$1")"; }
ops1_part() { small_ops_part 1; }
ops2_part() { small_ops_part 2; }
ops3_part() { small_ops_part 3; }
ops4_part() { small_ops_part 4; }
large_ops_part() {
  backend_ops "ops, sample of the large" "$run" local --threads 2 -- \
    test-backend-ops test -b "$device" -o "$(tr '|' , <<<"$large_ops")" -p "$large_sample"
}
numbering_part() {
  backend_ops "ops in another numbering" "$run" local -- env GGML_VIRTGPU_SHUFFLE=7 \
    test-backend-ops test -b "$device" -o 'ADD,MUL_MAT,GELU,SWIGLU,ROPE,SOFT_MAX,SSM_SCAN' \
    -p 'type_a=q4_0,type_b=f32,m=16,n=1,|ne=\[(10|16),|ne_a=\[(128,2,2,2|5,7,11,13|128,12|128,40)|d_state'
}
threads_part() { backend_ops "ops by 4 threads" "$run" local -- test-backend-ops test -j 4 -b "$device" -o 'ADD,RMS_NORM,ROPE'; }

local_part() {
  local model
  section "ggml's and llama.cpp's own suites through the plug-in, over the socket"
  cmocka "conformance over the socket" "$run" local -- env APIR_CONFORMANCE=open "$build/tests/conformance-test"
  check "the same cases are supported as natively" same_support
  sed 's/^/        /' "$work/out"
  two_at_a_time ops1 ops2 ops3 ops4 large_ops numbering threads
  check "every op that the CPU supports, 4000 cases and more" enough_ops
  # A driver that compiles programs, in the sandbox of its worker; more of it is in ./run suites.
  backend_ops "an op on Vulkan" "$run" local --host-library vulkan -- test-backend-ops test -b '[virtgpu] Vulkan0' -o SQR
  model=$(small_model)
  check "test-opt" "$run" local -- test-opt
  check "test-thread-safety" "$run" local -- test-thread-safety -m "$model" -ngl 99 -np 4 -n 16 -p hello
  check "the benchmark" "$run" bench --quick --no-vm
  archs "llama architectures" 'llama|qwen2|gemma|mamba|rwkv|bert|deepseek2|phi'
  section_end
}

enough_ops() {
  local part cases=0
  for part in ops1 ops2 ops3 ops4 large_ops; do
    cases=$((cases + $(cut -d' ' -f1 "$work/$part.counts")))
  done
  test-backend-ops support -b CPU --output csv 2>/dev/null |
    awk -F'","' 'NR > 1 && $5 == "1" { print $2 }' | sort -u >"$work/wanted.names"
  sort -u "$work"/ops[1-4]/ops.names "$work/large_ops/ops.names" | comm -23 "$work/wanted.names" - >"$work/missing.names"
  echo "$cases cases, wanted 4000; ops without a case: $(paste -sd' ' "$work/missing.names")"
  [ "$cases" -ge 4000 ] && [ -s "$work/wanted.names" ] && [ ! -s "$work/missing.names" ]
}

# --- fuzz targets ------------------------------------------------------------------------------

# The corpus once, then each target for a short while: long runs are ./run fuzz.
fuzz_part() {
  local target rest
  section "fuzz targets"
  APIR_TOP=$top "$top/fuzz/run-fuzz.sh" 10 >"$work/fuzz" 2>&1 </dev/null
  awk '/^target / { table = 1; next } /^all / { table = 0 } table' "$work/fuzz" >"$work/fuzz.rows"
  while read -r target rest; do
    if [ "${rest##* }" = 0 ]; then ok "fuzz: $target, ${rest%% *} executions"; else not_ok "fuzz: $target"; fi
  done <"$work/fuzz.rows"
  [ -s "$work/fuzz.rows" ] || not_ok "fuzz: no target ran"
  grep -E '^ +(\||log:|again:)|^run-fuzz' "$work/fuzz"
  section_end
}

# --- refusals ----------------------------------------------------------------------------------

# The plug-in declines: no device, quickly, and not a word; the program goes on.
declines() { # ENVIRONMENT...
  env "$@" load-plugin "$plugin" >"$work/load" 2>"$work/load.err" || return 1
  cat "$work/load" "$work/load.err"
  grep -q 'devices 0$' "$work/load" && [ ! -s "$work/load.err" ]
}
# With GGML_VIRTGPU_DEBUG it says why.
explains() { # TEXT ENVIRONMENT...
  local text=$1
  shift
  env "$@" GGML_VIRTGPU_DEBUG=1 load-plugin "$plugin" 2>&1 | tee "$work/why"
  grep -qi -- "$text" "$work/why"
}
info_says() { # TEXT CMD...
  local text=$1
  shift
  if "$@" >"$work/info" 2>&1; then
    cat "$work/info"
    return 1
  fi
  cat "$work/info"
  grep -qi -- "$text" "$work/info"
}
# A program of llama.cpp goes on with its CPU.
goes_on() { env "$@" "$run" sandbox -- test-backend-ops test -b CPU -o ABS; }

start_apird() { # ARGUMENTS...: on $work/apird.sock, log in $work/apird.log
  rm -f "$work/apird.sock"
  env -u APIR_LLAMA_CPP_GGML_LIBRARY_PATH -u APIR_LLAMA_CPP_GGML_LIBRARY_REG \
    "$build/bin/apird" --listen "$work/apird.sock" "$@" >"$work/apird.log" 2>&1 &
  server_pid=$!
  for _ in $(seq 100); do
    [ -S "$work/apird.sock" ] && return 0
    sleep 0.05
  done
  cat "$work/apird.log"
  return 1
}
stop_apird() {
  kill "$server_pid" && wait "$server_pid"
}
# apird says what is wrong with its library, the guest sees no device, apir info repeats the reason.
library_refused() { # TEXT ARGUMENTS...
  local text=$1 status=0
  shift
  start_apird "$@" || return 1
  declines GGML_VIRTGPU_SOCKET="$work/apird.sock" &&
    info_says "$text" apir info --socket "$work/apird.sock" || status=1
  stop_apird
  cat "$work/apird.log"
  grep -qi -- "$text" "$work/apird.log" && [ "$status" = 0 ]
}

# A variable that users of the deployed code know.
ggml_log_has_a_file() {
  local status=0
  APIR_LLAMA_CPP_LOG_TO_FILE=$work/ggml.log start_apird --ggml-library cpu || return 1
  apir info --socket "$work/apird.sock" || status=1
  stop_apird
  cat "$work/ggml.log"
  grep -q 'libggml-cpu' "$work/ggml.log" && [ "$status" = 0 ]
}

refusals_part() {
  section "refusals"
  check "only two symbols are exported" exported_symbols
  check "no virtio-gpu node" declines -u GGML_VIRTGPU_SOCKET
  check "no virtio-gpu node: explained when asked" explains 'no .*node\|no virtio-gpu\|no render node' -u GGML_VIRTGPU_SOCKET
  check "no virtio-gpu node: apir info" info_says 'virtio-gpu\|render node' apir info
  check "socket path missing" declines GGML_VIRTGPU_SOCKET="$work/missing.sock"
  check "socket path missing: apir info" info_says 'apird' apir info --socket "$work/missing.sock"
  : >"$work/refused.sock"
  check "socket refused" declines GGML_VIRTGPU_SOCKET="$work/refused.sock"
  check "unknown ggml generation" declines LD_PRELOAD="$build/tests/other-ggml.so" GGML_VIRTGPU_SOCKET="$work/missing.sock"
  check "unknown ggml generation: explained when asked" explains '0\.99\.0' LD_PRELOAD="$build/tests/other-ggml.so"
  check "a program goes on with its CPU" goes_on GGML_VIRTGPU_SOCKET="$work/missing.sock"
  check "host library unset" library_refused 'APIR_LLAMA_CPP_GGML_LIBRARY_PATH'
  check "host library missing" library_refused 'cannot open' --ggml-library "$work/missing.so"
  check "one of two host libraries missing" library_refused "$work/missing.so" --ggml-library cpu --ggml-library "$work/missing.so"
  check "host library without the symbol" library_refused 'symbol' --ggml-library "$plugin" --ggml-reg no_such_symbol
  check "ggml's log goes to a file of its own" ggml_log_has_a_file
  check "host library without a device" library_refused 'no device' --ggml-library "$build/tests/no-device.so"
  section_end
}

# --- faults ------------------------------------------------------------------------------------

# The worker is killed while llama-bench computes: it ends by its own error handling, within seconds, and the next session works.
worker_killed() {
  local model status=0 worker
  model=$(small_model)
  start_apird --ggml-library cpu --threads 1 || return 1
  GGML_VIRTGPU_SOCKET=$work/apird.sock timeout 60 "$run" sandbox -- env GGML_VIRTGPU_SOCKET="$work/apird.sock" \
    GGML_BACKEND_PATH="$plugin" llama-bench -m "$model" -ngl 99 -p 0 -n 100000 -r 1 >"$work/bench" 2>&1 &
  local bench=$!
  sleep 3
  worker=$(pgrep -P "$server_pid" apird-worker)
  kill -9 $worker || return 1
  local start=$SECONDS
  wait $bench || status=$?
  cat "$work/bench"
  echo "llama-bench ended with exit code $status, $((SECONDS - start)) s after the worker"
  [ "$status" -gt 0 ] && [ "$status" -lt 124 ] && [ $((SECONDS - start)) -le 3 ] || return 1
  apir info --socket "$work/apird.sock" || return 1
  stop_apird
}

# The processes called NAME below process PID.
below() { # PID NAME
  local child
  for child in $(pgrep -P "$1"); do
    [ "$(cat "/proc/$child/comm" 2>/dev/null)" != "$2" ] || echo "$child"
    below "$child" "$2"
  done
}
# Waits for a worker below process PID, lets it compute for a while, then kills the process NAME.
kill_at_work() { # PID NAME
  for _ in $(seq 600); do
    [ -z "$(below "$1" apird-worker)" ] || break
    sleep 0.1
  done
  sleep 6
  # shellcheck disable=SC2046  # one word for each process
  kill -9 $(below "$1" "$2")
}
# Waits for a line of the output of the VM, whose ./run is the job $vm. A boot that hangs is tried once more.
vm_says() { # LINE
  local end=$((SECONDS + 300))
  while [ $SECONDS -lt $end ] && kill -0 "$vm" 2>/dev/null; do
    ! grep -qx "$1" "$work/vm" || return 0
    sleep 0.1
  done
  ! grep -qx "$1" "$work/vm" || return 0
  echo "the guest did not say: $1"
  return 1
}
# The same in the VM; then the daemon is killed, which leaves nobody to tell the guest: its wait must end all the same.
# ./run starts another and plugs the device in again: then the guest computes as before.
killed_under_vm() {
  local model vm result=1
  model=$(small_model)
  # shellcheck disable=SC2016  # the guest's shell expands it
  "$run" vm --timeout 300 -- bash -c '
    bench() { llama-bench -m "$1" -ngl 99 -p 0 -n 100000 -r 1 >/dev/null 2>/tmp/err; }
    echo one; bench "$1"; echo "ended one $?"
    echo two; bench "$1"; echo "ended two $?"
    for _ in $(seq 60); do apir info >/dev/null 2>&1 && break; sleep 1; done
    llama-bench -m "$1" -ngl 99 -p 0 -n 4 -r 1 2>&1; echo "ended three $?"' bash "$model" >"$work/vm" 2>"$work/vm.err" </dev/null &
  vm=$!
  if vm_says one && kill_at_work $vm apird-worker && vm_says 'ended one 1' &&
    vm_says two && kill_at_work $vm apird && vm_says 'ended two 1' &&
    vm_says 'ended three 0' && grep -q 'VirtGPU\|virtgpu' "$work/vm"; then
    result=0
  else
    kill $vm
  fi
  wait $vm
  cat "$work/vm" "$work/vm.err"
  return $result
}

# A host that is slow to take back what the guest has freed: its worker stands still most of the time.
slow_host() {
  local vm worker status=0
  "$run" vm --timeout 300 -- sh -c 'echo started; exec virtgpu-device' >"$work/vm" 2>"$work/vm.err" </dev/null &
  vm=$!
  vm_says started || status=1
  while kill -0 $vm 2>/dev/null; do
    worker=$(below $vm apird-worker)
    # shellcheck disable=SC2086  # one word for each process
    while [ -n "$worker" ] && kill -STOP $worker; do sleep 0.3; kill -CONT $worker; sleep 0.02; done 2>/dev/null
    sleep 0.02
  done
  wait $vm || status=$?
  cat "$work/vm" "$work/vm.err"
  return $status
}

# shellcheck source=tests/torture/faults.sh
. "$top/tests/torture/faults.sh"

faults_part() {
  local fault
  section "faults"
  for fault in "${quick_faults[@]}"; do
    check "${fault//_/ }" "$fault"
  done
  check "worker killed during compute" worker_killed
  check "worker, then daemon killed under a virtual machine" killed_under_vm
  check "memory that was freed is there again on a slow host" slow_host
  section_end
}

# --- in the VM ---------------------------------------------------------------------------------

vm_tap() { # LABEL OPTIONS... -- CMD...
  local label=$1 status=0
  shift
  "$run" vm --timeout 600 "$@" >"$work/vm" 2>"$work/vm.err" </dev/null || status=$?
  # an emulated machine that hangs before its kernel has said a word is started once more by ./run, but not if it restarts
  if [ "$status" = 75 ] && grep -q 'did not reach its init' "$work/vm.err"; then
    status=0
    "$run" vm --timeout 600 "$@" >"$work/vm" 2>"$work/vm.err" </dev/null || status=$?
  fi
  grep -hE '^(ok|not ok|#) ' "$work/vm" >"$work/vm.tap"
  grep '^ok ' "$work/vm.tap" | sed 's/^ok [0-9]* - /ok      VM: /'
  tap "$label" "$work/vm.tap" "$status"
  [ "$status" = 0 ] || tail -n 20 "$work/vm.err" | sed 's/^/        | /'
}

# The device itself, by a guest of system calls alone and a worker that only echoes.
device_test() {
  local status=0
  "$top/tests/attach/guest-test.sh" "$build" >"$work/device" 2>&1 </dev/null || status=$?
  tap "the device" "$work/device" "$status"
}

vm_part() {
  local model
  section "in the VM"
  model=$(small_model)
  device_test
  vm_tap "programs in the guest" -- "$top/tests/vm/suite.sh" "$model"
  vm_tap "reboot with live contexts" --reboots 1 -- "$top/tests/vm/reboot.sh" "$model"
  vm_tap "no device, and control groups" --door none -- sh -c '"$0" "$1" "$2"; a=$?; "$3" "$4" && exit $a' \
    "$top/tests/vm/refusal.sh" "$plugin" 'virtio-gpu\|render node' "$top/tests/vm/cgroup.sh" "$build"
  vm_tap "host without APIR, tried all the same as well" --door virtio-gpu-gl -- \
    sh -c '"$0" "$1" APIR; a=$?; GGML_VIRTGPU_CAPSET=venus "$0" "$1" answer 3000 && exit $a' "$top/tests/vm/refusal.sh" "$plugin"
  vm_tap "node not readable" --user nobody -- "$top/tests/vm/refusal.sh" "$plugin" 'permission'
  section_end
}

demo_part() {
  section "the demo"
  check "demo: same tokens as natively" "$run" demo --tokens 16
  section_end
}

# shellcheck source=tests/confined-part.sh
. "$top/tests/confined-part.sh"
# shellcheck source=tests/counters-part.sh
. "$top/tests/counters-part.sh"
# shellcheck source=tests/devices-part.sh
. "$top/tests/devices-part.sh"
# shellcheck source=tests/doors-part.sh
. "$top/tests/doors-part.sh"
# shellcheck source=tests/upstream-part.sh
. "$top/tests/upstream-part.sh"

# Parts that keep one processor busy, each in a shell of its own. What they print comes when all have ended.
two_at_a_time() { # PART...
  local part folder=$work good bad left_out
  printf '\n-- side by side: %s\n' "$*"
  for part; do
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
    (
      work=$folder/$part passed=0 failed=0 skipped=0 said=$SECONDS
      mkdir "$work"
      "${part}_part" >"$folder/$part.out" 2>&1
      echo "$passed $failed $skipped" >"$folder/$part.counts"
    ) &
  done
  wait
  for part; do
    cat "$folder/$part.out"
    if read -r good bad left_out <"$folder/$part.counts"; then
      passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left_out))
    else
      not_ok "$part: ended early"
    fi
  done
}

# --- all ---------------------------------------------------------------------------------------

parts=("$@")
[ $# -gt 0 ] || parts=(unit sanitize fuzz local counters devices upstream refusals confined machines)
for part in "${parts[@]}"; do
  case $part in
    unit) unit "unit tests" "$build" ;;
    sanitize) unit "unit tests, sanitized" "${APIR_BUILD_SANITIZE:?}" ;;
    fuzz | local | counters | devices | upstream | refusals | confined | faults | vm | doors | deployed | demo) "${part}_part" ;;
    # two that are emulated at once take longer to start
    machines) APIR_VM_BOOT_LIMIT=${APIR_VM_BOOT_LIMIT:-150} two_at_a_time vm doors deployed faults demo ;;
    *) echo "run-tests.sh: no part named $part" >&2; exit 2 ;;
  esac
done
summary
