# shellcheck shell=bash
# Processes that are killed at random moments, under load: workers, programs of the guest, the daemon, machines. The programs
# are apir-session and apir-killer of this folder.

# shellcheck source=tests/torture/daemon.sh
. "$top/tests/torture/daemon.sh"

# kills_over_socket VICTIM ROUNDS SEED: the killer's last line is in ${said[@]}.
kills_over_socket() {
  local seed=$3
  progress "$2 kills of the $1 over the socket, seed $seed"
  over_socket timeout -k 5 $(($2 * 20 + 60)) apir-killer --below "$torture_loop" --seed "$seed" \
    --victim "$([ "$1" = program ] && echo none || echo "$1")" -- \
    apir-session --rounds "$2" --seed "$seed" "${@:4}" >"$work/kills" 2>"$work/kills.err"
  grep '^MISSED' "$work/kills" | head -n 20
  read_pairs kills "$work/kills"
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
  start_torture_daemon --threads 1
  before=$(shared_memory)
  worker_kills
  program_kills
  daemon_kills
  figure_at_most "shared memory left by all that" 16384 $(($(shared_memory) - before)) KiB
  stop_torture_daemon
  figure_is "sockets left" 0 "$(find "$work" -type s | wc -l)"
}
