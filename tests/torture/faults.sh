# shellcheck shell=bash
# What can go wrong around a daemon and its workers, over the socket: functions that succeed when it is borne, a few seconds
# each. Sourced by run-tests.sh (after lib.sh) and by the part `faults` of ./run torture.

fault_socket=
fault_daemon=

# start_fault_daemon [WRAP... --] OPTION...: WRAP runs the daemon.
start_fault_daemon() {
  local -a wrap=()
  case " $* " in
    *" -- "*)
      while [ "$1" != -- ]; do
        wrap+=("$1")
        shift
      done
      shift ;;
  esac
  fault_socket=$work/fault.sock
  : >"$work/fault.log"
  "${wrap[@]}" "$build/bin/apird" --listen "$fault_socket" --threads 1 "$@" >>"$work/fault.log" 2>&1 </dev/null &
  fault_daemon=$!
  for _ in {1..100}; do
    [ ! -S "$fault_socket" ] || return 0
    sleep 0.05
  done
  return 1
}
# Ends it; what it left is told. Fails if it did not end well.
stop_fault_daemon() {
  local status=0
  kill "$fault_daemon"
  wait "$fault_daemon" || status=$?
  [ "$status" = 0 ] || { echo "apird ended with exit code $status"; tail -n 5 "$work/fault.log"; }
  [ ! -e "$fault_socket" ] || { echo "its socket is left"; status=1; }
  return $status
}
fault_session() {
  GGML_VIRTGPU_SOCKET=$fault_socket GGML_BACKEND_PATH=$build/lib/libggml-virtgpu-apir.so timeout 60 apir-session "$@"
}
serves() { fault_session --is-well 1; }
# Not the one that only tries the library.
fault_worker() { pgrep -P "$fault_daemon" -f 'apird-worker --fd'; }
fault_workers() { fault_worker | wc -l; }
no_fault_worker_within() { # TENTHS
  local i
  for ((i = 0; i < $1; i++)); do
    [ "$(fault_workers)" != 0 ] || return 0
    sleep 0.1
  done
  echo "$(fault_workers) workers are left after $1 tenths of a second"
  return 1
}
wait_for_no_child() {
  local i
  for ((i = 0; i < 300; i++)); do
    pgrep -P "$fault_daemon" >/dev/null || return 0
    sleep 0.1
  done
  return 1
}
wait_for_worker() {
  local i
  for ((i = 0; i < 100; i++)); do
    [ "$(fault_workers)" = 0 ] || return 0
    sleep 0.1
  done
  return 1
}
# Peers stay until this is called: their input is a pipe.
start_peer() { # WHAT...
  rm -f "$work/peer.in" "$work/peer"
  mkfifo "$work/peer.in"
  apir-peer "$fault_socket" "$@" <"$work/peer.in" >"$work/peer" &
  peer=$!
  exec {peer_in}>"$work/peer.in"
  for _ in {1..300}; do
    [ ! -s "$work/peer" ] || return 0
    sleep 0.1
  done
  return 1
}
end_peer() {
  exec {peer_in}>&-
  wait "$peer"
}

half_messages_end_one_worker_only() {
  local result=0
  start_fault_daemon --ggml-library cpu || return 1
  apir-peer "$fault_socket" cut 5 && no_fault_worker_within 30 || result=1
  start_peer half 3 && serves || result=1
  end_peer
  no_fault_worker_within 30 || result=1
  serves || result=1
  stop_fault_daemon && return $result
}

a_peer_that_reads_nothing_is_ended() {
  local result=0
  start_fault_daemon --ggml-library cpu || return 1
  start_peer answers && grep -q 'then 0' "$work/peer" || result=1
  cat "$work/peer"
  no_fault_worker_within 30 || result=1
  end_peer
  serves || result=1
  stop_fault_daemon && return $result
}

# Processor time of the daemon, in hundredths of a second.
fault_ticks() { awk '{ print $14 + $15 }' "/proc/$fault_daemon/stat"; }

too_few_descriptors_refuse_clients_for_a_time() {
  local result=0 ticks
  start_fault_daemon prlimit --nofile=40:40 -- --ggml-library cpu || return 1
  wait_for_no_child || result=1 # its look at the library has descriptors too, which it gives back
  start_peer many 80 || result=1
  cat "$work/peer"
  ticks=$(fault_ticks)
  ! timeout 20 apir info --socket "$fault_socket" >/dev/null || { echo "there was room for one more"; result=1; }
  sleep 1
  [ $(($(fault_ticks) - ticks)) -le 30 ] || { echo "the daemon is busy: $(($(fault_ticks) - ticks)) ticks"; result=1; }
  end_peer
  no_fault_worker_within 80 || result=1
  serves || result=1
  stop_fault_daemon && return $result
}

a_full_disk_for_logs_stops_nothing() {
  local result=0
  start_fault_daemon --ggml-library cpu --verbose --log /dev/full || return 1
  serves && serves || result=1
  stop_fault_daemon && return $result
}

a_worker_without_memory_refuses_buffers() {
  local result=0
  start_fault_daemon prlimit --as=1500000000:1500000000 -- --ggml-library cpu || return 1
  fault_session --exhaust || result=1
  serves || result=1
  stop_fault_daemon && return $result
}

a_stopped_worker_goes_with_its_program() {
  local result=0 program worker
  start_fault_daemon --ggml-library cpu || return 1
  GGML_VIRTGPU_SOCKET=$fault_socket GGML_BACKEND_PATH=$build/lib/libggml-virtgpu-apir.so \
    apir-session --one 7 >"$work/one" 2>/dev/null &
  program=$!
  wait_for_worker || result=1
  worker=$(fault_worker)
  kill -STOP "$worker"
  serves || result=1
  grep -q '^State:[[:space:]]*T' "/proc/$worker/status" || { echo "worker $worker was not stopped"; result=1; }
  kill -KILL "$program"
  wait "$program"
  no_fault_worker_within 60 || result=1
  stop_fault_daemon && return $result
}

a_stopped_program_goes_on_later() {
  local result=0 program
  start_fault_daemon --ggml-library cpu || return 1
  GGML_VIRTGPU_SOCKET=$fault_socket GGML_BACKEND_PATH=$build/lib/libggml-virtgpu-apir.so apir-sessions --calls 100000 &
  program=$!
  wait_for_worker || result=1
  kill -STOP "$program"
  serves || result=1
  kill -CONT "$program"
  wait "$program" || { echo "it failed"; result=1; }
  stop_fault_daemon && return $result
}

# A device that never answers: a program that leaves is not held up, nor does its worker stay.
a_hanging_driver_holds_nobody() {
  local result=0 start
  start_fault_daemon --ggml-library "$build/tests/fake-stuck.so" || return 1
  start=$SECONDS
  fault_session --leave >"$work/one" && grep -q '^ready' "$work/one" || { echo "it did not exit"; result=1; }
  [ $((SECONDS - start)) -le 5 ] || { echo "it took $((SECONDS - start)) s to exit"; result=1; }
  no_fault_worker_within 40 || result=1
  stop_fault_daemon && return $result
}
a_hanging_driver_is_an_error_in_time() {
  local result=0 start
  start_fault_daemon --ggml-library "$build/tests/fake-stuck.so" --max-compute-time 2 || return 1
  start=$SECONDS
  fault_session --one 3 >"$work/one" && grep -q '^ready' "$work/one" || result=1
  [ $((SECONDS - start)) -le 8 ] && grep -q '^failed' "$work/one" || { cat "$work/one"; result=1; }
  no_fault_worker_within 40 || result=1
  stop_fault_daemon && return $result
}

# Whether a process is gone within TENTHS of a second, or waits only for its parent.
ends_within() { # TENTHS PID
  local i
  for ((i = 0; i < $1; i++)); do
    grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$2/status" || return 0
    sleep 0.1
  done
  return 1
}
a_killed_daemon_leaves_no_worker() {
  local result=0 program worker workers
  start_fault_daemon --ggml-library "$build/tests/fake-stuck.so" || return 1
  fault_session --one 5 >"$work/one" 2>/dev/null &
  program=$!
  wait_for_worker || result=1
  sleep 0.5
  mapfile -t workers < <(pgrep -P "$fault_daemon") # its probe of the library hangs, too
  kill -KILL "$fault_daemon"
  wait "$program" && grep -q '^ready' "$work/one" || { echo "the program did not live on"; result=1; }
  for worker in "${workers[@]}"; do
    ends_within 30 "$worker" || { echo "worker $worker is left"; result=1; }
  done
  [ ${#workers[@]} -gt 0 ] || result=1
  wait "$fault_daemon" 2>/dev/null
  start_fault_daemon --ggml-library cpu || result=1
  serves || result=1
  stop_fault_daemon && return $result
}

# Those for every day.
quick_faults=(
  half_messages_end_one_worker_only a_peer_that_reads_nothing_is_ended a_full_disk_for_logs_stops_nothing
  a_stopped_worker_goes_with_its_program a_hanging_driver_is_an_error_in_time a_killed_daemon_leaves_no_worker)
all_faults=(
  half_messages_end_one_worker_only a_peer_that_reads_nothing_is_ended too_few_descriptors_refuse_clients_for_a_time
  a_full_disk_for_logs_stops_nothing a_worker_without_memory_refuses_buffers a_stopped_worker_goes_with_its_program
  a_stopped_program_goes_on_later a_hanging_driver_holds_nobody a_hanging_driver_is_an_error_in_time
  a_killed_daemon_leaves_no_worker)
