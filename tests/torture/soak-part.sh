# shellcheck shell=bash
# Ten thousand sessions, then a million calls of one: the daemon, the worker and the program must not grow. Samples and
# their plots stay in $torture_out as soak-*.csv and soak-*.svg.

# shellcheck source=tests/torture/daemon.sh
. "$top/tests/torture/daemon.sh"

# sample NAME PID FILE: a line of seconds, KiB, descriptors.
sample() {
  local kib
  kib=$(kib_of "$2")
  [ -z "$kib" ] || printf '%s,%s,%s\n' "$(awk '{ print $1 }' /proc/uptime)" "$kib" "$(fds_of "$2")" >>"$3"
}

# Samples while PID runs: watch PID NAME=COMMAND..., where a command prints the process, or nothing.
watch() {
  local pid=$1 pair process
  shift
  for pair; do
    : >"$torture_out/soak-${pair%%=*}.csv"
  done
  while kill -0 "$pid" 2>/dev/null; do
    for pair; do
      process=$(${pair#*=} | head -n 1)
      [ -z "$process" ] || sample "${pair%%=*}" "$process" "$torture_out/soak-${pair%%=*}.csv"
    done
    sleep 0.1
  done
}

# Median of column $2 of file $1 in its first ($3 = first) or last tenth, of five samples at least: one may be of the moment
# at which a session begins. The very first and last are those of a process that begins or ends.
tenth() {
  local lines some
  lines=$(wc -l <"$1")
  some=$((lines > 50 ? (lines + 9) / 10 : 5))
  [ "$lines" -ge $((2 * some + 2)) ] || return 0
  sed -e 1d -e '$d' "$1" | { if [ "$3" = first ]; then head -n "$some"; else tail -n "$some"; fi; } |
    cut -d, -f"$2" | sort -n | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] }'
}

# Draws column COLUMN (1 is the time) of a CSV file over time.
plot() { # CSV COLUMN TITLE UNIT SVG
  awk -F, -v column="$2" -v title="$3" -v unit="$4" '
    { x[NR] = $1; y[NR] = $column; if (NR == 1 || y[NR] > most) most = y[NR] }
    END {
      if (NR < 2) exit
      span = x[NR] - x[1]; if (span <= 0) span = 1
      top = most * 1.2; if (top <= 0) top = 1
      print "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"720\" height=\"260\" font-family=\"sans-serif\" font-size=\"12\">"
      print "<rect width=\"720\" height=\"260\" fill=\"white\"/>"
      printf "<text x=\"60\" y=\"20\" font-size=\"14\">%s</text>\n", title
      print "<path d=\"M60 30V220H700\" fill=\"none\" stroke=\"#888\"/>"
      printf "<text x=\"54\" y=\"224\" text-anchor=\"end\">0</text>\n"
      printf "<text x=\"54\" y=\"%.0f\" text-anchor=\"end\">%d</text>\n", 224 - 190 * most / top, most
      printf "<text x=\"54\" y=\"36\" text-anchor=\"end\">%s</text>\n", unit
      printf "<text x=\"700\" y=\"240\" text-anchor=\"end\">%.0f s</text>\n", span
      printf "<polyline fill=\"none\" stroke=\"#0a58ca\" stroke-width=\"1.5\" points=\""
      step = NR > 1400 ? NR / 1400 : 1
      for (i = 1; i <= NR; i += step) { k = int(i); printf "%.1f,%.1f ", 60 + 640 * (x[k] - x[1]) / span, 220 - 190 * y[k] / top }
      print "\"/>\n</svg>"
    }' "$1" >"$5"
}

# Rows for one process: NAME LABEL KIB, the growth that is noise.
flat() {
  local csv=$torture_out/soak-$1.csv first last
  plot "$csv" 2 "$2: resident memory" KiB "$torture_out/soak-$1-memory.svg"
  plot "$csv" 3 "$2: open descriptors" fds "$torture_out/soak-$1-fds.svg"
  first=$(tenth "$csv" 2 first) last=$(tenth "$csv" 2 last)
  progress "$2: ${first:-?} KiB in the first tenth, ${last:-?} KiB in the last"
  figure_at_most "$2: memory, last tenth less first" "$3" "$((${last:-999999} - ${first:-0}))" KiB
  first=$(tenth "$csv" 3 first) last=$(tenth "$csv" 3 last)
  figure_at_most "$2: descriptors, last tenth less first" 1 "$((${last:-999999} - ${first:-0}))"
}

soak_worker() { pgrep -P "$(torture_daemon_pid)" -x apird-worker; }
soak_parent() { echo "$soak_pid"; }

soak_sessions() {
  local count
  count=$(scaled 10000 200)
  progress "$count sessions"
  over_socket apir-sessions "$count" 2 >"$work/soak" 2>>"$work/soak.err" &
  soak_pid=$!
  watch $soak_pid sessions-daemon=torture_daemon_pid sessions-program=soak_parent
  wait $soak_pid
  read_pairs sessions "$work/soak"
  [ "${said[failed]-}" = 0 ] || grep -v load_backend "$work/soak.err" | tail -n 10 | sed 's/^/        | /'
  figure_is "sessions that failed, of $count" 0 "${said[failed]-}"
  flat sessions-daemon "daemon, $count sessions" 256
  flat sessions-program "program that starts $count sessions" 256
}

soak_calls() {
  local count
  count=$(scaled 1000000 1000000) # seconds; fewer are done before there are samples
  progress "$count calls of one session"
  over_socket apir-sessions --calls "$count" >"$work/soak" 2>>"$work/soak.err" &
  soak_pid=$!
  watch $soak_pid calls-daemon=torture_daemon_pid calls-worker=soak_worker calls-program=soak_parent
  wait $soak_pid
  read_pairs calls "$work/soak"
  figure_is "$count calls: failed" 0 "${said[failed]-}"
  flat calls-daemon "daemon, $count calls" 256
  flat calls-worker "worker, $count calls" 1024
  flat calls-program "program, $count calls" 1024
}

soak_part() {
  start_torture_daemon --threads 1
  soak_sessions
  soak_calls
  stop_torture_daemon
  progress "plots: $torture_out/soak-*.svg"
}
