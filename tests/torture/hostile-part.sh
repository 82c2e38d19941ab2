# shellcheck shell=bash
# A hostile guest beside honest ones: one daemon with two machines. In the first, root attacks the device
# (tests/hostile/guest.sh) beside a program that computes; in the second there is only such a program. Both look at every
# result. What they manage is compared with what they manage beside a neighbour that behaves and keeps its processor as busy,
# in turns. The daemon must stay as small as it was.
# Then the same over the daemon's socket, without machines, where everything is faster and more of it is tried.
# APIR_TORTURE_SEED: another run of it. APIR_TORTURE_MODES: only these modes of apir-hostile.

hostile_daemon=

# Waits until the daemon is as it will be, its look at the library included.
hostile_start_daemon() { # LOG OPTION...
  local log=$1
  shift
  "$build/bin/apird" "$@" --ggml-library cpu --threads 1 --log "$log" 2>>"$work/daemons.err" &
  hostile_daemon=$!
  for _ in {1..200}; do
    grep -q 'ggml library cpu' "$log" 2>/dev/null && [ "$(pgrep -c -P "$hostile_daemon")" = 0 ] && break
    sleep 0.1
  done
  # shellcheck disable=SC2046  # words
  set -- $(hostile_sample)
  hostile_fds=${3-} hostile_threads=${4-}
  [ -n "$hostile_fds" ]
}
hostile_stop_daemon() {
  kill "$hostile_daemon"
  wait "$hostile_daemon"
}

# The lines of a machine, each with the time of the host.
hostile_stamp() {
  local line
  while IFS= read -r line; do
    printf '%s %s\n' "$EPOCHREALTIME" "$line"
  done
}
hostile_machine() { # NAME OPTION... -- CMD...
  local name=$1
  shift
  # two at once, perhaps emulated, on a machine that may be busy
  APIR_VM_BOOT_LIMIT=150 "$run" vm --device "$work/$name.sock" "$@" 2>"$work/$name.err" </dev/null | hostile_stamp >"$work/$name.lines"
}

# A line: time, resident KiB of its own, descriptors and threads of the daemon, its processes, CPU time of the daemon and of
# all that were its children (ticks).
hostile_sample() {
  local stat status fds workers
  stat=$(cat "/proc/$hostile_daemon/stat" 2>/dev/null) || return 1
  status=$(awk '/^RssAnon:/ { rss = $2 } /^Threads:/ { threads = $2 } END { print rss, threads }' \
    "/proc/$hostile_daemon/status")
  fds=("/proc/$hostile_daemon/fd"/*)
  workers=$(pgrep -c -P "$hostile_daemon")
  # shellcheck disable=SC2086  # words
  set -- ${stat##*) }
  echo "$EPOCHREALTIME ${status% *} ${#fds[@]} ${status#* } $workers $((${12} + ${13})) $((${14} + ${15}))"
}
hostile_watch() { # FILE PID...: until one of these ends; the samples go to the file
  local next=$SECONDS file=$1 pid
  shift
  while :; do
    for pid; do
      kill -0 "$pid" 2>/dev/null || return 0
    done
    if [ $SECONDS -ge "$next" ]; then
      [ ! -e "$work/attacked.lines" ] || progress "turns so far:$(grep -o 'turn .*' "$work/attacked.lines" 2>/dev/null | sort | uniq -c | tr -s ' \n' ' ')"
      next=$((SECONDS + 30))
    fi
    hostile_sample >>"$file" || return 0
    sleep 1
  done
}

# Tokens a second of a machine in the turns of a kind, one number for each turn: FILE KIND. What was said across the border
# of a turn, or in its first second, does not count.
hostile_rates() {
  grep ' turn ' "$work/attacked.lines" | sort - <(grep ' said ' "$1") | awk -v kind="$2" '
    / turn / { if (kind == now && us > 0) print tokens * 1e6 / us; now = $3; from = $1 + 1; tokens = us = 0 }
    / said / { if ($1 - $6 / 1e6 >= from) { tokens += $3; us += $6 } }'
}
# The numbers of stdin: median, smallest, largest.
hostile_spread() {
  sort -g | awk '{ v[NR] = $1 } END { if (NR) printf "%.2f %.2f %.2f\n", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2, v[1], v[NR] }'
}
hostile_throughput() { # NAME FILE
  local calm hostile
  calm=$(hostile_rates "$2" calm | hostile_spread)
  hostile=$(hostile_rates "$2" hostile | hostile_spread)
  progress "$1: tokens/s, median smallest largest: beside a calm neighbour $calm; beside the hostile $hostile"
  figure_at_least "hostile: throughput of $1" 0.9 "$(awk -v a="${hostile%% *}" -v b="${calm%% *}" \
    'BEGIN { if (b > 0) printf "%.2f", a / b }')"
  figure_is "hostile: wrong results of $1" 0 "$(grep -cE 'WRONG|FAILED' "$2")"
  figure_at_least "hostile: right results of $1" 10 "$(grep -c ' said ' "$2")"
}

# What apir-hostile counted, of all turns: WORD [MODE].
hostile_count() {
  awk -v word="$1" -v mode="${2:+$2:}" '$2 == "did" && (mode == "" || $3 == mode) {
    for (i = 4; i < NF; i += 2) if ($i == word) sum += $(i + 1) } END { print sum + 0 }' "$work/attacked.lines"
}
hostile_deeds() { # SECONDS
  local mode idle=0
  for mode in $(awk '$2 == "did" { sub(":", "", $3); print $3 }' "$work/attacked.lines" | sort -u); do
    progress "$mode: $(for word in contexts denied calls served refused lost late scribbles killed; do
      printf '%s %s, ' "$word" "$(hostile_count $word "$mode")"
    done)"
    [ "$(hostile_count calls "$mode")" -gt 0 ] || [ "$(hostile_count contexts "$mode")" -gt 0 ] || idle=$((idle + 1))
  done
  figure_is "hostile: modes that did nothing" 0 $idle
  # far less than it does, and enough to show that it did something
  figure_at_least "hostile: requests that it made" $(($1 * 5)) "$(hostile_count calls)"
  figure_at_least "hostile: requests that were refused" $(($1 / 4)) "$(hostile_count refused)"
  figure_at_least "hostile: contexts that it made" $(($1 / 4)) "$(hostile_count contexts)"
  figure_is "hostile: requests neither answered nor refused" 0 "$(hostile_count late)"
}

# The daemon while the attack lasted, from a tenth on, and afterwards.
hostile_daemon_figures() { # NAME FILE
  local name=$1 file=$2 rows first last
  rows=$(wc -l <"$file")
  first=$(sed -n "$((rows / 10 + 1)),$((rows / 5 + 1))p" "$file" | sort -gk 2 | tail -n 1)
  last=$(tail -n $((rows / 10 + 1)) "$file" | sort -gk 2 | head -n 1)
  # shellcheck disable=SC2086  # words
  set -- $first $last
  figure_at_most "$name: memory more in the daemon" 1024 $((${9-999999} - ${2-0})) KiB
  for _ in {1..50}; do
    [ "$(pgrep -c -P "$hostile_daemon")" != 0 ] || break
    sleep 0.1
  done
  # shellcheck disable=SC2046  # words
  set -- $(hostile_sample)
  figure_is "$name: descriptors of the daemon afterwards" "$hostile_fds" "${3-}"
  figure_is "$name: threads of the daemon afterwards" "$hostile_threads" "${4-}"
  figure_is "$name: workers afterwards" 0 "${5-}"
}

hostile_run() { # MODEL TEXT ROUNDS HOSTILE-SECONDS CALM-SECONDS
  local seed=${APIR_TORTURE_SEED:-$RANDOM} limit=$(($3 * ($4 + $5 + 60) + 600)) attacked other
  progress "$3 turns of $4 s hostile and $5 s calm, seed $seed"
  hostile_machine attacked --cpus 2 --timeout "$limit" -- \
    "$top/tests/hostile/guest.sh" "$@" "$seed" "${APIR_TORTURE_MODES-}" &
  attacked=$!
  hostile_machine other --cpus 1 --timeout "$limit" -- apir-honest remote "$1" "$2" "$limit" &
  other=$!
  hostile_watch "$torture_out/hostile-daemon.txt" $attacked $other
  pkill -TERM -P "$other" -f "other.sock"
  wait $attacked $other
}

hostile_part() {
  local model=$build/tests/honest.gguf text=$build/tests/honest.txt
  [ -e "$model" ] || apir-make-model "$model" || return
  apir-honest native "$model" 16 2>/dev/null >"$text" || return
  ! in_machines || hostile_in_machines "$model" "$text" "$(scaled 600 20)"
  hostile_over_socket "$model" "$text" "$(scaled 120 10)"
}

hostile_in_machines() { # MODEL TEXT SECONDS
  local total=$3 rounds seconds calm
  rounds=$((total / 30 < 1 ? 1 : total / 30 > 10 ? 10 : total / 30))
  seconds=$((total / rounds))
  calm=$((seconds / 3 > 10 ? seconds / 3 : 10))
  : >"$torture_out/hostile-daemon.txt"
  hostile_start_daemon "$work/hostile.log" --vhost-user "$work/attacked.sock" --vhost-user "$work/other.sock" || return
  hostile_run "$1" "$2" "$rounds" "$seconds" "$calm"
  figure_is "hostile: the daemon lives" yes "$(kill -0 "$hostile_daemon" && echo yes)"
  figure_is "hostile: the attacked machine lives" 0 "$(sed -n 's/.*neighbours ended with //p' "$work/attacked.lines")"
  hostile_throughput "the attacker's neighbour in its machine" "$work/attacked.lines"
  hostile_throughput "the other machine" "$work/other.lines"
  hostile_deeds $((rounds * seconds))
  hostile_daemon_figures hostile "$torture_out/hostile-daemon.txt"
  hostile_stop_daemon
  cp "$work"/{attacked,other}.{lines,err} "$work/hostile.log" "$torture_out"
}

# apir-hostile's modes that need no device, four at a time, and a program that computes meanwhile and afterwards.
hostile_over_socket() { # MODEL TEXT SECONDS
  local seed=${APIR_TORTURE_SEED:-$RANDOM} attack honest
  progress "$3 s over the socket, seed $seed"
  : >"$torture_out/hostile-socket.txt"
  hostile_start_daemon "$work/hostile-socket.log" --listen "$work/socket.sock" || return
  GGML_VIRTGPU_SOCKET=$work/socket.sock GGML_BACKEND_PATH=$build/lib/libggml-virtgpu-apir.so \
    apir-honest remote "$1" "$2" $(($3 + 5)) >"$work/socket.lines" 2>"$work/socket.err" &
  honest=$!
  for _ in {1..600}; do # all who use a socket are one client: the attack leaves no context
    ! grep -q '^said' "$work/socket.lines" && kill -0 $honest 2>/dev/null || break
    sleep 0.1
  done
  apir-hostile --socket "$work/socket.sock" --seconds "$3" --jobs 4 --seed "$seed" >"$work/socket.deeds" &
  attack=$!
  hostile_watch "$torture_out/hostile-socket.txt" $attack $honest
  wait $attack $honest
  sed 's/^/        /' "$work/socket.deeds"
  figure_is "hostile, socket: the daemon lives" yes "$(kill -0 "$hostile_daemon" && echo yes)"
  figure_is "hostile, socket: wrong results" 0 "$(grep -cE 'WRONG|FAILED' "$work/socket.lines")"
  figure_at_least "hostile, socket: right results" 10 "$(grep -c '^said ' "$work/socket.lines")"
  figure_is "hostile, socket: requests neither answered nor refused" 0 \
    "$(awk '{ for (i = 2; i < NF; i += 2) if ($i == "late") sum += $(i + 1) } END { print sum + 0 }' "$work/socket.deeds")"
  hostile_daemon_figures "hostile, socket" "$torture_out/hostile-socket.txt"
  hostile_stop_daemon
  cp "$work/hostile-socket.log" "$torture_out"
}
