# shellcheck shell=bash
# Processes that are killed at random moments, under load: workers, programs of the guest, the daemon, machines. The programs
# are apir-session and apir-killer of this folder.

# shellcheck source=tests/torture/daemon.sh
. "$top/tests/torture/daemon.sh"
# shellcheck source=tests/leaks.sh
. "$top/tests/leaks.sh" # descendants

# kills_over_socket VICTIM ROUNDS SEED: the killer's last line is in ${said[@]}.
kills_over_socket() {
  local seed=$3
  progress "$2 kills of the $1 over the socket, seed $seed"
  over_socket timeout -k 5 $(($2 * 20 + 60)) apir-killer --below "$torture_loop" --seed "$seed" \
    --victim "$([ "$1" = program ] && echo none || echo "$1")" -- \
    apir-session --rounds "$2" --seed "$seed" "${@:4}" >"$work/kills" 2>>"$work/kills.err"
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
  figure_at_most "$1: memory more in the daemon" 1024 "${said[kib_more]-}" KiB
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

# A part of the rounds runs in a machine, all in one boot of it. KILLER OPTIONS... -- SESSION OPTIONS...; the machine's own
# options are ${machine[@]}.
kills_in_machine() {
  local -a options=()
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift
  timeout -k 20 "$machine_limit" apir-killer "${options[@]}" -- \
    "$run" vm "${machine[@]}" -- apir-session "$@" >"$work/kills" 2>"$work/kills.err"
  grep '^MISSED' "$work/kills" | head -n 20
  read_pairs kills "$work/kills"
  [ -n "${said[kills]-}" ] || tail -n 20 "$work/kills.err" | sed 's/^/        | /'
}
machine_worker_kills() {
  local rounds seed=${seed:-$RANDOM}
  rounds=$(scaled 20 2)
  progress "$rounds kills of the worker of a machine, seed $seed"
  machine=() machine_limit=$((rounds * 60 + 200))
  kills_in_machine --victim worker --seed "$seed" -- --rounds "$rounds" --seed "$seed"
  kill_figures "machine's worker killed" "$rounds"
  figure_at_most "machine's worker killed: slowest error" 1000 "${said[slowest_ms]-}" ms
  daemon_growth "machine's worker killed"
}
machine_program_kills() {
  local rounds seed=${seed:-$RANDOM}
  rounds=$(scaled 10 2)
  progress "$rounds kills of the program in a machine, seed $seed"
  machine=() machine_limit=$((rounds * 60 + 200))
  kills_in_machine --victim none --seed "$seed" -- --rounds "$rounds" --seed "$seed" --victim client
  kill_figures "machine's program killed" "$rounds"
  daemon_growth "machine's program killed"
}

# Machines that are killed, one after the other, on a daemon that stays.
has_workers() { pgrep -P "$(torture_daemon_pid)" -x apird-worker >/dev/null; }
no_worker_within() { # TENTHS
  local i
  for ((i = 0; i < $1; i++)); do
    has_workers || return 0
    sleep 0.1
  done
  return 1
}
# Boots a machine and kills QEMU: while it boots, or at some moment after its session began. Prints which.
kill_one_machine() { # SEED
  local pid qemu i after=$(($1 % 3))
  "$run" vm --device "$torture_machine" -- apir-session --rounds 1 --seed "$1" >"$work/machine" 2>&1 &
  pid=$!
  for ((i = 0; i < 1200; i++)); do
    qemu=$(descendants "$pid" qemu-system | head -n 1)
    if [ -n "$qemu" ]; then
      [ "$after" != 0 ] || { sleep "$(($1 / 3 % 12)).$(($1 % 10))"; break; }
      ! grep -q '^ready' "$work/machine" || { sleep "0.$(($1 / 3 % 10))"; break; }
    fi
    sleep 0.1
  done
  kill -KILL "$qemu"
  if grep -q '^ready' "$work/machine"; then echo "under load"; else echo "before its session was ready"; fi
  kill -TERM "$pid"
  wait "$pid"
}
machine_kills() {
  local rounds i good=0 fds kib pid loaded=0 where
  rounds=$(scaled 20 2)
  torture_machine=$work/machine.sock
  start_torture_daemon --threads 1 --vhost-user "$torture_machine"
  pid=$(torture_daemon_pid)
  fds=$(fds_of "$pid") kib=$(kib_of "$pid")
  for ((i = 0; i < rounds; i++)); do
    where=$(kill_one_machine $((RANDOM * 3 + i))) 2>/dev/null
    progress "machine $i killed $where"
    [ "$where" != "under load" ] || loaded=$((loaded + 1))
    no_worker_within 20 && [ "$(torture_daemon_pid)" = "$pid" ] && good=$((good + 1))
  done
  figure_is "machine killed: the daemon lives, no worker is left" "$rounds" "$good"
  progress "$loaded of them under load"
  figure_at_most "machine killed: fds more in the daemon" 0 "$(($(fds_of "$pid") - fds))"
  figure_at_most "machine killed: memory more in the daemon" 512 "$(($(kib_of "$pid") - kib))" KiB
  "$run" vm --device "$torture_machine" -- apir-session --check >"$work/machine" 2>&1
  figure "machine killed: the next one's session" "good" "$(sed -n 's/^check \([a-z]*\).*/\1/p' "$work/machine")" \
    "$(grep -q '^check good' "$work/machine"; echo $?)"
  stop_torture_daemon
}

# The daemon of a running machine: killed, started again, and the machine connected to it as users do.
replug_daemon() {
  local first=1 pid
  while [ -e "$work/replug.go" ]; do
    "$build/bin/apird" --vhost-user "$work/replug.sock" --ggml-library cpu --threads 1 --log "$work/replug.log" &
    pid=$!
    [ -n "$first" ] || apir replug --qmp "$work/replug.qmp" >>"$work/replug.said" 2>&1
    first=
    wait $pid
    sleep 0.5
  done
}
machine_daemon_kills() {
  local rounds seed=${seed:-$RANDOM} loop
  rounds=$(scaled 5 1)
  progress "$rounds kills of the daemon of a machine, seed $seed"
  touch "$work/replug.go"
  replug_daemon 2>/dev/null &
  loop=$!
  until [ -S "$work/replug.sock" ]; do sleep 0.1; done
  machine=(--device "$work/replug.sock" --qmp "$work/replug.qmp") machine_limit=$((rounds * 90 + 200))
  kills_in_machine --victim daemon --below "$loop" --limit-ms 8000 --seed "$seed" -- --rounds "$rounds" --seed "$seed"
  rm -f "$work/replug.go"
  pkill -TERM -P "$loop" -x apird
  wait "$loop"
  sed 's/^/   /' "$work/replug.said"
  kill_figures "machine's daemon killed" "$rounds"
  figure_at_most "machine's daemon killed: slowest error" 8000 "${said[slowest_ms]-}" ms
}

kills_part() {
  local before
  start_torture_daemon --threads 1
  before=$(shared_memory)
  worker_kills
  program_kills
  daemon_kills
  # of the whole machine: a machine of somebody else that starts meanwhile is more
  figure_at_most "shared memory left, if nothing else runs here" 16384 $(($(shared_memory) - before)) KiB
  stop_torture_daemon
  ! in_machines || { machine_worker_kills; machine_program_kills; machine_daemon_kills; machine_kills; }
  figure_is "sockets left" 0 "$(find "$work" -type s | wc -l)"
}
