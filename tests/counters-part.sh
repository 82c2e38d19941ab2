# shellcheck shell=bash
# What a token costs, what idleness costs, and the ways to wait, over the socket: sourced by run-tests.sh. Nothing here is a
# time: it holds on a busy machine, too.

# env "${ours[@]}" CMD...: CMD's ggml finds the plug-in, and that finds $work/apird.sock.
ours=(GGML_VIRTGPU_SOCKET="$work/apird.sock" GGML_BACKEND_PATH="$plugin")

counted() { # LABEL [VARIABLE=VALUE...] ARGUMENTS of token-counters...
  local label=$1 status=0
  shift
  timeout 120 env "${ours[@]}" "$@" >"$work/counted" 2>&1 </dev/null || status=$?
  grep '^# ' "$work/counted" | sed 's/^#/       /'
  tap "$label" "$work/counted" "$status"
}

# Starts a program that has computed a few tokens, $held_client, and waits for a line of input. Its worker is $held_worker.
hold() { # TOKENS: to be computed then
  local line model
  model=$(small_model)
  coproc held { exec env "${ours[@]}" token-counters hold "$model" "$1" 2>"$work/held.err"; }
  # shellcheck disable=SC2154  # coproc sets it
  held_client=$held_PID held_in=${held[1]} held_out=${held[0]}
  if ! read -r -t 60 -u "$held_out" line || [ "$line" != ready ]; then
    cat "$work/held.err"
    return 1
  fi
  # shellcheck disable=SC2154  # of start_apird
  held_worker=$(pgrep -P "$server_pid" -n apird-worker)
}
go_on() {
  local line
  echo >&"$held_in"
  read -r -t 60 -u "$held_out" line && [ "$line" = "done" ]
}
let_go() {
  exec {held_in}>&-
  wait "$held_client"
}

# How often each thread has given up its processor, and lost it: whoever wakes up, if only for one system call, does.
switches() { # PID...
  local pid
  for pid; do
    grep -H ctxt_switches "/proc/$pid/task"/*/status || return 1
  done
}

idle_costs_nothing() {
  local status=0
  hold 16 || return 1
  sleep 2.5 # until they have gone to sleep, the watchdog last
  switches "$held_client" "$held_worker" "$server_pid" >"$work/idle.from" || status=1
  sleep 3
  switches "$held_client" "$held_worker" "$server_pid" >"$work/idle.to" || status=1
  echo "$(grep -c nonvoluntary "$work/idle.from") threads"
  [ "$(grep -c nonvoluntary "$work/idle.from")" -ge 4 ] || status=1
  diff "$work/idle.from" "$work/idle.to" || status=1
  go_on || { echo "the first tokens afterwards failed"; status=1; }
  let_go || status=1
  return $status
}

# Until every thread of the process is traced.
traced() { # PID
  for _ in $(seq 200); do
    grep -q '^TracerPid:.0$' "/proc/$1/task"/*/status || return 0
    sleep 0.05
  done
  return 1
}

# Per token and side: waits and wake-ups. A side mostly finds what it waits for by looking: less than 0.2 were seen on a busy
# machine. A token for which both sleep costs each a wait and a wake-up. With one processor nobody looks (2 were seen), and the
# worker may sleep between some of a token's 11 requests.
max_calls=2
[ "$(nproc)" -gt 1 ] || max_calls=6
trace_tokens() { # TOKENS: into $work/client.calls and $work/worker.calls
  local side status=0
  local -a tracers=()
  hold "$1" || return 1
  for side in client worker; do
    local -n pid=held_$side
    strace -qq -f -c -o "$work/$side.calls" -p "$pid" 2>"$work/$side.strace" &
    tracers+=($!)
    traced "$pid" || status=1
  done
  go_on || status=1
  kill -INT "${tracers[@]}" 2>/dev/null
  wait "${tracers[@]}"
  let_go || status=1
  return $status
}
# Waits and wake-ups, and all others but yields: of the latter the test itself makes a few.
few_calls() { # FILE TOKENS
  awk -v tokens="$2" -v limit="$max_calls" '
    $4 ~ /^[0-9]+$/ && $NF != "total" {
      if ($NF ~ /^(futex|sendmsg|recvmsg|recvfrom)$/) waits += $4
      else if ($NF != "sched_yield") { others += $4; names = names " " $NF }
    }
    END {
      printf "waits and wake-ups %.1f a token, others %d in all:%s\n", waits / tokens, others, names
      exit waits == 0 || waits > limit * tokens || others > tokens / 10
    }' "$1"
}
# With others on the machine sides sleep more often: one of three tries has to do.
few_system_calls() {
  for _ in 1 2 3; do
    trace_tokens 200 || return 1
    few_calls "$work/client.calls" 200 && few_calls "$work/worker.calls" 200 && return 0
    cat "$work/client.calls" "$work/worker.calls"
  done
  return 1
}
can_trace() { strace -qq -o /dev/null true >/dev/null 2>&1; }

text_when() { # POLICY
  env "${ours[@]}" GGML_VIRTGPU_WAIT="$1" timeout 60 token-counters text "$(small_model)" 2>"$work/text.err" || cat "$work/text.err"
}
same_text() { # POLICY
  text_when '' >"$work/text" && text_when "$1" >"$work/text.$1" && [ "$(wc -w <"$work/text")" = 96 ] &&
    diff "$work/text" "$work/text.$1"
}
warns_of_policy() {
  env "${ours[@]}" GGML_VIRTGPU_WAIT=never load-plugin "$plugin" >"$work/load" 2>&1
  cat "$work/load"
  grep -q 'GGML_VIRTGPU_WAIT=never is ignored: it can be hybrid, spin or sleep' "$work/load" &&
    grep -q 'devices [1-9]' "$work/load"
}

counters_part() {
  local policy model
  section "what tokens and idleness cost"
  model=$(small_model)
  check "apird starts" start_apird --ggml-library cpu --threads 1 --max-compute-time 16
  counted "a token" token-counters counters "$model"
  counted "a token whose graph is made anew" LLAMA_GRAPH_REUSE_DISABLE=1 token-counters counters "$model"
  check "idle, nobody wakes up, and then tokens go on" idle_costs_nothing
  if can_trace; then
    check "$max_calls system calls a token and side at most" few_system_calls
  else
    skip "system calls of a token: strace is missing, or not permitted here"
  fi
  for policy in spin hybrid sleep; do
    check "GGML_VIRTGPU_WAIT=$policy says the same" same_text $policy
  done
  for policy in hybrid sleep; do
    counted "GGML_VIRTGPU_WAIT=$policy" GGML_VIRTGPU_WAIT=$policy token-counters wait 20
  done
  check "GGML_VIRTGPU_WAIT of another value is told" warns_of_policy
  check "apird ends" stop_apird
  section_end
}
