# shellcheck shell=bash
# Memory that grows: sourced by run-suites.sh, after lib.sh.

# Resident KiB of process $1, called $2, that are its own or shared memory, without the files that it maps. QEMU's shared
# memory is the guest's.
resident() {
  case $2 in
    qemu*) awk '/^RssAnon:/ { print $2 }' "/proc/$1/status" 2>/dev/null ;;
    *) awk '/^Rss(Anon|Shmem):/ { sum += $2 } END { if (NR) print sum }' "/proc/$1/status" 2>/dev/null ;;
  esac
}

# The processes below PID whose name begins with NAME.
descendants() { # PID NAME
  local child
  for child in $(pgrep -P "$1"); do
    case $(cat "/proc/$child/comm" 2>/dev/null) in
      "$2"*) echo "$child" ;;
    esac
    descendants "$child" "$2"
  done
}

# leaks LIMIT_KIB CALLS GRAPHS RUN...: runs apir-soak by `$run RUN... -- apir-soak`, and compares what the processes of the
# host, and the program itself, have after a tenth of it with what they have at the end. Prints a line for each.
leaks() {
  local limit=$1 calls=$2 graphs=$3 soak name pid memory status=0 started=''
  local -A first=() last=()
  shift 3
  "$run" "$@" -- apir-soak "$calls" "$graphs" >"$work/soak" 2>"$work/soak.err" </dev/null &
  soak=$!
  while kill -0 $soak 2>/dev/null; do
    if [ -z "$started" ] && grep -q ^start "$work/soak"; then
      started=1
    fi
    for name in qemu-system apird apird-worker; do
      for pid in $(descendants $soak $name); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != apird-worker ] || [ "$name" = apird-worker ] || continue
        memory=$(resident "$pid" "$name")
        [ -n "$memory" ] || continue
        [ -n "$started" ] || first[$name]=$memory
        # the end of a process is not its memory
        [ -z "$started" ] || grep -q ^end "$work/soak" || last[$name]=$memory
      done
    done
    sleep 0.2
  done
  wait $soak || status=$?
  tail -n 5 "$work/soak.err"
  first[program]=$(sed -n 's/^start //p' "$work/soak")
  last[program]=$(sed -n 's/^end //p' "$work/soak")
  [ "$status" = 0 ] || { echo "apir-soak ended with exit code $status"; return 1; }
  for name in program apird apird-worker qemu-system; do
    [ -n "${last[$name]-}" ] || continue
    echo "$name: ${first[$name]} KiB after a tenth, ${last[$name]} KiB at the end"
    # an emulated processor keeps what it has translated
    [ "$name" != qemu-system ] || limit=16384
    [ $((last[$name] - first[$name])) -le "$limit" ] || status=1
  done
  [ -n "${last[program]}" ] && [ -n "${last[apird-worker]-}" ] || status=1
  return $status
}

# Prints what was measured, too.
soaked() { # LABEL RUN...
  check "$1" leaks 1024 100000 10000 "${@:2}"
  grep ' KiB ' "$work/out" | sed 's/^/        /'
}
soak_part() {
  section "100,000 calls and 10,000 graphs in a machine"
  soaked "vhost-user" vm
  GGML_VIRTGPU_PROTOCOL=0 soaked "vhost-user, 0.x" vm
  soaked "virglrenderer" vm --door virglrenderer
  VIRGL_ROUTE_VENUS_TO_APIR=1 GGML_VIRTGPU_PROTOCOL=0 soaked "virglrenderer, 0.x" vm --door virglrenderer
  section_end
}
