# shellcheck shell=bash
# 24 programs at once against one alone, with as many host threads as there are processors: the one's worker computes with
# all of them, the 24 workers with one thread each, so that in both cases all processors are busy. The work is apir-clients'.
# And once more with --threads 1 for the one, too: then the one cannot use more than a processor (and half of the other for
# itself), and only the spread is a figure.

# shellcheck source=tests/torture/daemon.sh
. "$top/tests/torture/daemon.sh"

# run_clients COUNT SECONDS THREADS: afterwards ${said[@]}.
run_clients() {
  start_torture_daemon --threads "$3"
  over_socket timeout $(($2 * 4 + 60)) apir-clients "$1" "$2" >"$work/clients" 2>>"$work/clients.err"
  read_pairs clients "$work/clients"
  stop_torture_daemon
  progress "$1 clients, $3 threads each: ${said[per_second]-no} graphs a second, spread ${said[spread_percent]-?} %"
}

clients_part() {
  local seconds processors alone again together spread
  seconds=$(scaled 60 30) # in less it shows who came first
  processors=$(nproc)
  # the one before and after, since machines get warm and busy
  run_clients 1 "$((seconds / 2))" "$processors"
  alone=${said[per_second]-0}
  run_clients 24 "$seconds" 1
  together=${said[per_second]-0} spread=${said[spread_percent]-}
  run_clients 1 "$((seconds / 2))" "$processors"
  again=${said[per_second]-0}
  figure_at_least "24 clients, throughput in that of one with $processors threads" 0.95 \
    "$(awk "BEGIN { best = $alone > $again ? $alone : $again; if (best > 0) printf \"%.2f\", $together / best }")"
  figure_at_most "24 clients: spread between them" 10 "$spread" %
}
