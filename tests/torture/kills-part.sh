# shellcheck shell=bash
# Processes that are killed at random moments, under load: workers, programs of the guest, the daemon, machines. The programs
# are apir-session and apir-killer of this folder.

kills_socket=
kills_daemon=  # process that keeps an apird running

# An apird that is started again whenever it ends, in the background.
start_kills_daemon() { # OPTION...
  kills_socket=$work/kills.sock
  touch "$work/kills.go"
  while [ -e "$work/kills.go" ]; do
    "$build/bin/apird" --listen "$kills_socket" --ggml-library cpu --threads 1 --log "$work/kills.log" "$@"
    sleep 0.2
  done >/dev/null 2>&1 &
  kills_daemon=$!
  for _ in {1..100}; do
    [ ! -S "$kills_socket" ] || return 0
    sleep 0.1
  done
}
stop_kills_daemon() {
  rm -f "$work/kills.go"
  pkill -TERM -P "$kills_daemon" -x apird
  wait "$kills_daemon"
}

# kills_over_socket VICTIM ROUNDS SEED: the killer's last line is in ${said[@]}, as NAME=VALUE.
declare -A said=()
kills_over_socket() {
  local seed=$3
  progress "$2 kills of the $1 over the socket, seed $seed"
  GGML_VIRTGPU_SOCKET=$kills_socket GGML_BACKEND_PATH=$build/lib/libggml-virtgpu-apir.so \
    timeout -k 5 $(($2 * 20 + 60)) apir-killer --below "$kills_daemon" --seed "$seed" \
    --victim "$([ "$1" = program ] && echo none || echo "$1")" -- \
    apir-session --rounds "$2" --seed "$seed" "${@:4}" >"$work/kills" 2>"$work/kills.err"
  read_killer
}
# The killer's last line: words in pairs.
read_killer() {
  local line key value
  said=()
  grep '^MISSED' "$work/kills" | head -n 20
  line=$(grep '^kills ' "$work/kills" | tail -n 1)
  while [ -n "$line" ]; do
    read -r key value line <<<"$line"
    said[$key]=$value
  done
}
# The rows of one kind: NAME ROUNDS.
kill_figures() {
  figure_is "$1: clean errors" "$2" "${said[clean]-}"
  figure_is "$1: sessions after" "$2" "${said[after]-}"
  figure_is "$1: workers left" 0 "${said[workers_left]-}"
}
daemon_growth() { # NAME
  figure_at_most "$1: fds more in the daemon" 0 "${said[fds_more]-}"
  figure_at_most "$1: memory more in the daemon" 256 "${said[kib_more]-}" KiB
}
worker_kills() {
  local rounds
  rounds=$(scaled 200 5)
  kills_over_socket worker "$rounds" "${seed:-$RANDOM}"
  kill_figures "worker killed" "$rounds"
  figure_at_most "worker killed: slowest error" 1000 "${said[slowest_ms]-}" ms
  daemon_growth "worker killed"
}
program_kills() {
  local rounds
  rounds=$(scaled 50 3)
  kills_over_socket program "$rounds" "${seed:-$RANDOM}" --victim client
  kill_figures "program killed" "$rounds"
  daemon_growth "program killed"
}
daemon_kills() {
  local rounds
  rounds=$(scaled 20 2)
  kills_over_socket daemon "$rounds" "${seed:-$RANDOM}"
  kill_figures "daemon killed" "$rounds"
  figure_at_most "daemon killed: slowest error" 1000 "${said[slowest_ms]-}" ms
}

# KiB of shared memory on this machine, of others too: a leak of each session would be more.
shared_memory() { awk '/^Shmem:/ { print $2 }' /proc/meminfo; }

kills_part() {
  local before
  start_kills_daemon
  before=$(shared_memory)
  worker_kills
  program_kills
  daemon_kills
  figure_at_most "shared memory left by all that" 16384 $(($(shared_memory) - before)) KiB
  stop_kills_daemon
  figure_is "sockets left" 0 "$(find "$work" -type s | wc -l)"
}
