#!/bin/bash
# The machine that is attacked from inside: tests/hostile/guest.sh MODEL TEXT ROUNDS HOSTILE-SECONDS CALM-SECONDS SEED [MODES].
# On its first processor a program computes all the time, and is measured. On the second there is, in turns, a neighbour that
# behaves - two programs that compute without a pause, and one that keeps the processor busy meanwhile - and apir-hostile.
# Prints lines for tests/torture/hostile-part.sh: what the program says, and where turns begin and end.
model=$1 text=$2 rounds=$3 hostile=$4 calm=$5 seed=$6 modes=${7-}
total=$((rounds * (hostile + calm + 60) + 600))
neighbours=()

# The attacker may take all memory of this machine; that is not what is tested.
spare() { echo -1000 >"/proc/$1/oom_score_adj"; }
compute() { # PROCESSOR
  spare self
  exec taskset -c "$1" apir-honest remote "$model" "$text" "$total" 2>/dev/null
}
wait_ready() { # FILE
  for _ in $(seq 3000); do
    ! grep -q ready "$1" || return 0
    sleep 0.1
  done
  echo "a program did not begin to compute"
  return 1
}

compute 0 > >(tee /tmp/honest) &
honest=$!
for n in 1 2; do
  compute 1 >"/tmp/neighbour-$n" &
  neighbours+=($!)
done
wait_ready /tmp/honest && wait_ready /tmp/neighbour-1 && wait_ready /tmp/neighbour-2 || exit 1

for ((round = 1; round <= rounds; round++)); do
  echo "turn calm"
  kill -CONT "${neighbours[@]}"
  taskset -c 1 apir-honest busy "$calm"
  kill -STOP "${neighbours[@]}"
  echo "turn hostile"
  taskset -c 1 sh -c 'echo 1000 >/proc/self/oom_score_adj; exec "$@"' sh apir-hostile --seconds "$hostile" --seed $((seed + round)) ${modes:+--mode "$modes"} | sed 's/^/did /'
  echo "turn none"
  kill -0 "$honest" || break
done
kill -CONT "${neighbours[@]}"
status=0
for n in 1 2; do
  grep -E 'WRONG|FAILED' "/tmp/neighbour-$n" && status=1
  kill -0 "${neighbours[n - 1]}" 2>/dev/null || status=1
done
kill "${neighbours[@]}"
kill "$honest" || status=1
wait
dmesg | grep -iE 'out of memory|segfault|hung task|call trace' | tail -n 5 | sed 's/^/# /'
echo "neighbours ended with $status"
exit $status
