# shellcheck shell=bash disable=SC2154  # set by who sources it
# The deployed halves of APIR against ours, without a virtual machine: sourced by run-tests.sh (part upstream) and
# run-suites.sh (part leaks), after lib.sh. They have set top, build, work, plugin and device.

vectors=$top/tests/upstream/vectors
backend_library=$build/lib/libggml-virtgpu-backend.so
host_pid=
host_socket=$work/upstream.sock

# --- hosts ----------------------------------------------------------------------------------------------------------

# host_start PROGRAM ARGUMENTS...: starts a host that listens at $host_socket. Afterwards $host_pid is set.
host_start() {
  rm -f "$host_socket"
  env -u APIR_LLAMA_CPP_GGML_LIBRARY_PATH -u APIR_LLAMA_CPP_GGML_LIBRARY_REG GGML_NO_BACKTRACE=1 \
    "$@" >"$work/host.log" 2>&1 &
  host_pid=$!
  for _ in $(seq 200); do
    [ -S "$host_socket" ] && return 0
    sleep 0.05
  done
  cat "$work/host.log"
  return 1
}
host_stop() {
  kill "$host_pid" 2>/dev/null
  wait "$host_pid" 2>/dev/null
  tail -n 20 "$work/host.log"
}

# Ours: a daemon that serves deployed guests.
start_daemon() { host_start "$build/bin/apird" --listen "$host_socket" --ggml-library cpu --threads 1 "$@"; }
# Theirs, around our library: all contexts in one process, one call at a time, no sizes, fences that never signal.
# It has no option for threads.
start_renderer() {
  host_start env OMP_THREAD_LIMIT=1 "$build/tests/apir-test-renderer" --socket "$host_socket" \
    --backend-library "$backend_library" --ggml-library cpu --no-fences "$@"
}

# on_host START CMD...: runs CMD while a host runs that START started; $host_pid is the host's.
on_host() {
  local start=$1 status=0
  shift
  # shellcheck disable=SC2086  # start is a function and its arguments
  $start || return 1
  "$@" || status=$?
  host_stop
  return $status
}

# --- guests ---------------------------------------------------------------------------------------------------------

# A guest that speaks only 0.x, from the samples.
deployed_guest() { timeout 120 "$build/tests/apir-deployed-guest" --socket "$host_socket" --samples "$vectors" "$@"; }
# Calls and graphs, and the memory of the host's process (or of its worker) before and after.
leak_loop() { timeout 3600 "$build/tests/apir-deployed-guest" --socket "$host_socket" --samples "$vectors" \
  --loop "$1" --watch "$host_pid"; }

# Private memory of the host's process, or of its worker, in KiB.
host_memory() {
  local worker
  worker=$(pgrep -n -P "$host_pid" apird-worker)
  awk '/^RssAnon:/ { print $2 }' "/proc/${worker:-$host_pid}/status" 2>/dev/null
}
# The same with our plug-in in a program, whose own memory counts, too.
soak_0x() { # CALLS GRAPHS
  local pid first='' last='' now status=0 limit=2048
  with_0x apir-soak "$1" "$2" >"$work/soak" 2>"$work/soak.err" </dev/null &
  pid=$!
  while kill -0 $pid 2>/dev/null; do
    now=$(host_memory)
    if grep -q ^start "$work/soak" && ! grep -q ^end "$work/soak" && [ -n "$now" ]; then
      first=${first:-$now} last=$now
    fi
    sleep 0.1
  done
  wait $pid || status=$?
  cat "$work/soak" "$work/soak.err"
  [ "$status" = 0 ] && [ -n "$last" ] || return 1
  now=$(($(sed -n 's/^end //p' "$work/soak") - $(sed -n 's/^start //p' "$work/soak")))
  echo "$1 calls, $2 graphs: host $first KiB, then $last KiB; program $now KiB more"
  [ $((last - first)) -le $limit ] && [ "$now" -le $limit ]
}

# A program of ggml's or llama.cpp's whose plug-in speaks 0.x.
with_0x() {
  env GGML_VIRTGPU_SOCKET="$host_socket" GGML_VIRTGPU_PROTOCOL=0 GGML_BACKEND_PATH="$plugin" timeout 300 "$@"
}

# complete SESSION RUN...: 24 greedy tokens of the small model. RUN runs a command where it is to run.
complete() {
  local session=$1
  shift
  rm -f "$session"
  "$@" llama-completion --model "$upstream_model" --prompt 'once upon a time' --predict 24 --ctx-size 256 --temp 0 \
    --seed 1 --ignore-eos --no-conversation --no-repack --fit off --threads 1 --gpu-layers 99 \
    --prompt-cache "$session" --prompt-cache-all --color off </dev/null
}
native() { env -u GGML_BACKEND_PATH timeout 300 "$@"; }
as_natively() { # SESSION
  [ -e "$work/0x.native" ] || complete "$work/0x.native" native || return 1
  apir-compare "$upstream_model" "$work/0x.native" "$1"
}
same_tokens() { complete "$work/0x.remote" with_0x && as_natively "$work/0x.remote"; }
two_at_once() {
  local first status=0
  complete "$work/0x.first" with_0x >"$work/0x.first.out" 2>&1 &
  first=$!
  complete "$work/0x.second" with_0x || status=1
  wait $first || status=1
  [ "$status" = 0 ] && as_natively "$work/0x.first" && as_natively "$work/0x.second"
}

# --- faults ---------------------------------------------------------------------------------------------------------

# ends_by_itself SECONDS PID: the program ends with an error of its own within that time.
ends_by_itself() {
  local limit=$1 pid=$2 status=0 start=$SECONDS
  while kill -0 "$pid" 2>/dev/null && [ $((SECONDS - start)) -le "$limit" ]; do
    sleep 0.2
  done
  if kill "$pid" 2>/dev/null; then
    wait "$pid"
    echo "it still ran after $limit s"
    return 1
  fi
  wait "$pid" || status=$?
  cat "$work/0x.bench"
  echo "ended with exit code $status after $((SECONDS - start)) s"
  [ "$status" -gt 0 ] && [ "$status" -lt 124 ]
}
start_bench() { # RUN...
  "$@" llama-bench -m "$upstream_model" -ngl 99 -p 0 -n 100000 -r 1 >"$work/0x.bench" 2>&1 </dev/null &
  bench_pid=$!
}
killed_while_computing() {
  start_bench with_0x
  sleep 4
  kill -9 "$host_pid"
  ends_by_itself 5 "$bench_pid"
}
stalled() {
  start_bench env GGML_VIRTGPU_TIMEOUT=3 GGML_VIRTGPU_SOCKET="$host_socket" GGML_VIRTGPU_PROTOCOL=0 \
    GGML_BACKEND_PATH="$plugin" timeout 120
  ends_by_itself 30 "$bench_pid"
}
# A graph whose numbers make no sense may end the worker, and nothing else.
survives_bad_graphs() {
  deployed_guest --graphs && deployed_guest
}

# A guest that dies in the middle of its work takes nobody with it.
killed_guest() {
  "$build/tests/apir-deployed-guest" --socket "$host_socket" --samples "$vectors" --loop 1000000 >/dev/null 2>&1 &
  local victim=$!
  sleep 1
  kill -9 $victim && ! wait $victim && deployed_guest
}

# --- parts ----------------------------------------------------------------------------------------------------------

upstream_ops='ADD,MUL,SCALE,CPY,CONT,GET_ROWS,NORM,RMS_NORM,SOFT_MAX,ROPE,SUM_ROWS,MUL_MAT'
upstream_sample='type_a=(f32|f16|q4_0|q8_0),type_b=f32,m=16,n=(1|9),k=256|^type=f32,ne=\[(10|16|64|128|256),[0-9]{1,2},|ne_a=\[128,32,2,1\],n_dims=128,mode=(0|2),n_ctx=512,fs=1.0*,ef=0.0*,af=1.0*,ff=0,v=0,|type_src=(f32|f16|q8_0),type_dst=(f32|f16),ne_src=\[256,[0-9],|type=(f32|q4_0),n=256,m=5,'

ops_0x() { # LABEL START
  local start=$2
  $start || return 1
  backend_ops "$1" with_0x test-backend-ops test -b "$device" -o "$upstream_ops" -p "$upstream_sample"
  host_stop >/dev/null
}

upstream_part() {
  local base
  section "deployed halves against ours"
  upstream_model=$(small_model)
  for base in 0 331; do
    check "deployed guest on our daemon, commands from $base" on_host start_daemon deployed_guest --base $base
    check "deployed guest on our backend library, commands from $base" \
      on_host "start_renderer --base $base" deployed_guest --base $base
  done
  check "deployed guest, buffers of its memory, on our daemon" on_host start_daemon deployed_guest --fromptr
  check "deployed guest, buffers of its memory, on our backend library" on_host start_renderer deployed_guest --fromptr
  check "two deployed guests at once on our daemon" on_host start_daemon deployed_guest --many
  check "two contexts at once on our backend library" on_host start_renderer deployed_guest --many
  check "a deployed guest that is killed harms nobody on our daemon" on_host start_daemon killed_guest
  check "a deployed guest that is killed harms nobody in a renderer" on_host start_renderer killed_guest
  check "two contexts, a renderer that tells sizes" on_host 'start_renderer --say-sizes' deployed_guest --many
  check "our plug-in in 0.x on our daemon: the tokens are as natively" on_host start_daemon same_tokens
  check "our plug-in in 0.x on our backend library: the tokens are as natively" on_host start_renderer same_tokens
  check "two programs in 0.x at once on our daemon" on_host start_daemon two_at_once
  check "two programs in 0.x at once in one renderer" on_host start_renderer two_at_once
  ops_0x "ops in 0.x on our daemon" start_daemon
  ops_0x "ops in 0.x on our backend library" start_renderer
  check "renderer killed while a program computes" on_host start_renderer killed_while_computing
  check "renderer that stops to answer" on_host 'start_renderer --stall-after 400' stalled
  check "graphs that make no sense end only their worker" on_host start_daemon survives_bad_graphs
  check "2,000 calls and 200 graphs leave nothing on our daemon" on_host start_daemon leak_loop 2000
  check "2,000 calls and 200 graphs leave nothing in a renderer" on_host start_renderer leak_loop 2000
  check "20,000 calls and 2,000 graphs of ours leave nothing on our daemon" on_host start_daemon soak_0x 20000 2000
  check "20,000 calls and 2,000 graphs of ours leave nothing in a renderer" on_host start_renderer soak_0x 20000 2000
  section_end
}

# Prints what was measured, too.
measured() { # LABEL START CMD...
  check "$1" on_host "${@:2}"
  grep ' calls, ' "$work/out" | sed 's/^/        /'
}
leaks_part() {
  section "100,000 calls and 10,000 graphs in 0.x"
  measured "memory of our daemon's worker is flat" start_daemon leak_loop 100000
  measured "memory of a renderer with our library is flat" start_renderer leak_loop 100000
  measured "memory of our daemon's worker and of our plug-in is flat" start_daemon soak_0x 100000 10000
  measured "memory of a renderer and of our plug-in is flat" start_renderer soak_0x 100000 10000
  section_end
}
