# shellcheck shell=bash
# An apird on a socket, for parts of ./run torture; sourced by them.

torture_socket=
torture_loop=  # process that keeps the apird running

# Starts an apird, and starts it again whenever it ends, in the background.
start_torture_daemon() { # OPTION...
  torture_socket=$work/torture.sock
  touch "$work/torture.go"
  while [ -e "$work/torture.go" ]; do
    "$build/bin/apird" --listen "$torture_socket" --ggml-library cpu --log "$work/torture.log" "$@"
    sleep 0.2
  done >/dev/null 2>>"$work/daemons.err" &
  torture_loop=$!
  for _ in {1..100}; do
    [ ! -S "$torture_socket" ] || return 0
    sleep 0.1
  done
}
stop_torture_daemon() {
  rm -f "$work/torture.go"
  pkill -TERM -P "$torture_loop" -x apird
  wait "$torture_loop"
}
torture_daemon_pid() { pgrep -P "$torture_loop" -x apird; }

# KiB that are a process's own or shared, and its descriptors.
kib_of() { awk '/^Rss(Anon|Shmem):/ { sum += $2 } END { if (NR) print sum }' "/proc/$1/status" 2>/dev/null; }
fds_of() { find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l; }

# Runs a program of this machine on it.
over_socket() {
  GGML_VIRTGPU_SOCKET=$torture_socket GGML_BACKEND_PATH=$build/lib/libggml-virtgpu-apir.so "$@"
}

# The last line of FILE that begins with WORD, which is words in pairs, in ${said[@]}.
declare -A said=()
read_pairs() { # WORD FILE
  local line key value
  said=()
  line=$(grep "^$1 " "$2" | tail -n 1)
  while [ -n "$line" ]; do
    read -r key value line <<<"$line"
    said[$key]=$value
  done
}
