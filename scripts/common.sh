# shellcheck shell=bash
# Messages, temporary files, progress, and leaving nothing behind. Sourced by ../run.

# What root keeps is not in its home, which is closed to others: workers of root are users of their own, and must be able to
# read the libraries that tests give them.
user_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}
[ "$(id -u)" != 0 ] || user_cache=/var/cache
cache=${APIR_CACHE:-$user_cache/apir}
case $cache in
  /*) ;;
  *) cache=$PWD/$cache ;;
esac

# Messages go to stderr, so that stdout carries nothing but the output of the command that is run.
say() { printf '%s\n' "$*" >&2; }
warn() { say "run: warning: $*"; }
die() {
  say "run: $*"
  exit 1
}
usage_error() {
  say "run: $*"
  say "run: see ./run --help"
  exit 2
}

# --- leaving ----------------------------------------------------------------------------------

temporary=   # made by temporary_folder, removed by leave
unfinished=  # something in the cache that is being made; removed by leave if it is still there

# Afterwards $temporary is a private folder that is removed on exit.
temporary_folder() {
  [ -z "$temporary" ] || return 0
  temporary=$(mktemp -d "${TMPDIR:-/tmp}/apir-run.XXXXXX")
}

# The processes whose mark begins with $1, other than this one. (The list may name the short-lived
# process that makes it.)
marked_processes() {
  local file pid
  grep -lFs -- "APIR_RUN_MARK=$1" /proc/[0-9]*/environ 2>/dev/null |
    while IFS= read -r file; do
      pid=${file#/proc/}
      pid=${pid%/environ}
      [ "$pid" = $$ ] || [ "$pid" = "$BASHPID" ] || echo "$pid"
    done
}

# stop_marked MARK [TENTHS]: asks every process with this mark to end, waits up to 3 s (or TENTHS of a
# second), kills what is left.
stop_marked() {
  local pids try
  for ((try = 1; try <= ${2:-30}; try++)); do
    mapfile -t pids < <(marked_processes "$1")
    [ ${#pids[@]} -gt 0 ] || return 0
    [ "$try" -gt 1 ] || kill -TERM "${pids[@]}" 2>/dev/null || :
    any_alive "${pids[@]}" || return 0
    nap 0.1
  done
  kill -KILL "${pids[@]}" 2>/dev/null || :
}

any_alive() {
  local pid state
  for pid; do
    # A zombie is waiting for us, not running.
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$pid/status" 2>/dev/null) || continue
    case $state in
      '' | Z | X) ;;
      *) return 0 ;;
    esac
  done
  return 1
}

leave() {
  local status=$?
  trap '' INT TERM HUP
  trap - EXIT
  progress_end
  stop_marked "$APIR_RUN_MARK"
  [ -z "$temporary" ] || rm -rf -- "$temporary" || :
  [ -z "$unfinished" ] || rm -rf --one-file-system -- "$unfinished" || :
  exit "$status"
}

# From here on the script stops what it started and removes its temporary files, however it ends.
leave_nothing_behind() {
  trap leave EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
}

# Sleeps $1 seconds without starting a process, on a pipe that nobody writes to.
nap() {
  if [ -z "${nap_fd-}" ]; then
    exec {nap_fd}<> <(:)
  fi
  read -rt "$1" -u "$nap_fd" _ || :
}

# --- running ----------------------------------------------------------------------------------

# Runs a command in the background of the script but with its standard input, its terminal and the
# usual reaction to signals, and returns its exit code. The script stays able to react to signals.
# (bash would make a background command ignore Ctrl-C, and would not run a trap before a foreground
# command has ended.)
attended() {
  local status=0
  env --default-signal=INT,QUIT -- "$@" <&0 &
  wait $! 2>/dev/null || status=$?  # says nothing of a command that a signal ended
  return "$status"
}

# --- progress ---------------------------------------------------------------------------------

progress_shown=

progress_end() {
  [ -z "$progress_shown" ] || printf '\r\033[K' >&2
  progress_shown=
}

# One more look at a step that takes long: a line that is overwritten on a terminal, else a line
# every ten seconds. $1 = label, $2 = seconds since its start.
progress() {
  local spin='-\|/'
  if [ -t 2 ]; then
    printf '\r\033[K%s %s  %d s' "${spin:$((SECONDS % 4)):1}" "$1" "$2" >&2
    progress_shown=1
  elif [ "$2" -ge 2 ] && [ "$2" -ge "${progress_next:-2}" ]; then
    say "   $1: $2 s ..."
    progress_next=$(($2 + 10))
  fi
}

# step LABEL CMD...: runs CMD quietly, showing progress; on failure shows the end of its output and
# returns its exit code.
step() {
  local label=$1 start=$SECONDS status=0 pid log
  shift
  temporary_folder
  log=$temporary/step.log
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  progress_next=2
  while any_alive "$pid"; do
    progress "$label" $((SECONDS - start))
    nap 0.2
  done
  wait "$pid" || status=$?
  progress_end
  if [ "$status" -ne 0 ]; then
    say "-- $label: failed after $((SECONDS - start)) s (exit code $status); its last lines:"
    tail -n 40 "$log" >&2
  elif [ $((SECONDS - start)) -ge 2 ]; then
    say "-- $label: $((SECONDS - start)) s"
  fi
  return "$status"
}

# Waits for a lock that another run may hold, and says so. Descriptor in $lock_fd.
take_lock() {
  local file=$1 what=$2
  mkdir -p -- "${file%/*}"
  exec {lock_fd}>"$file"
  if ! flock -n "$lock_fd"; then
    say "-- another run is $what; waiting for it"
    flock "$lock_fd" &
    wait $! || die "cannot lock $file"
  fi
}
release_lock() {
  exec {lock_fd}>&-
}

# --- options ----------------------------------------------------------------------------------

# Value of an option that needs one: need_value OPTION COUNT-OF-REMAINING-ARGUMENTS
need_value() {
  [ "$2" -ge 2 ] || usage_error "$1 needs a value"
}
need_number() {
  case $2 in
    '' | *[!0-9]*) usage_error "$1 needs a number, not '$2'" ;;
  esac
}
