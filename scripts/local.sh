# shellcheck shell=bash
# The daemon, and running a program on it without a VM, over the native socket.

backends=/usr/lib/$triplet/ggml/backends0  # where stock ggml looks for its backends
apird_pid=
apird_log=

# apird_start DOOR SOCKET LIBRARY THREADS: starts apird with --DOOR SOCKET and waits until it listens.
# LIBRARY is a path, or the bare name of a backend (cpu, vulkan, rpc ...) which apird finds itself;
# THREADS may be empty. Afterwards $apird_pid and $apird_log are set. Ends with the script, too.
apird_start() {
  local door=$1 socket=$2 library=$3 threads=$4 n
  local -a settings=()
  [ -x "$build/bin/apird" ] || die "$build/bin/apird does not exist: ./run build"
  apird_log=$socket.log
  # A machine without a GPU has Mesa's software driver, which ggml takes only when told to.
  if [ "$library" = vulkan ] && [ ! -e /dev/dri ]; then
    settings=(GGML_VK_VISIBLE_DEVICES=0 VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json)
  fi
  : >"$apird_log"
  env "${settings[@]}" APIR_RUN_MARK="$APIR_RUN_MARK/apird" setpriv --pdeathsig TERM -- \
    "$build/bin/apird" "--$door" "$socket" --ggml-library "$library" \
    ${threads:+--threads "$threads"} --log "$apird_log" </dev/null >>"$apird_log.out" 2>&1 &
  apird_pid=$!
  disown "$apird_pid"
  for n in {1..200}; do
    [ ! -S "$socket" ] || return 0
    kill -0 "$apird_pid" 2>/dev/null || break
    nap 0.05
  done
  apird_show_log
  die "apird --$door --ggml-library $library did not start; what it said is above"
}

apird_stop() {
  [ -n "$apird_pid" ] || return 0
  apird_pid=
  stop_marked "$APIR_RUN_MARK/apird"
}

apird_show_log() {
  [ -n "$apird_log" ] || return 0
  cat -- "$apird_log.out" "$apird_log" 2>/dev/null | tail -n 40 | sed 's/^/   apird: /' >&2
}

# Runs CMD where stock ggml finds our plug-in among its own backends. The folder of the system is
# left alone: a folder of links takes its place, for CMD and its children only.
with_plugin() {
  [ -e "$plugin" ] || die "$plugin does not exist: ./run build"
  temporary_folder
  mkdir -p "$temporary/backends" "$temporary/stock"
  attended unshare -m bash -c '
    set -eu
    backends=$1 stock=$2 ours=$3 plugin=$4
    shift 4
    mount --bind "$backends" "$stock"
    for file in "$stock"/*.so; do
      ln -sf "$file" "$ours/"
    done
    ln -sf "$plugin" "$ours/"
    mount --bind "$ours" "$backends"
    exec "$@"' with_plugin "$backends" "$temporary/stock" "$temporary/backends" "$plugin" "$@"
}

cmd_local() {
  local library=cpu threads='' status=0 keep_log='' arguments=("$@")
  while [ $# -gt 0 ]; do
    case $1 in
      --host-library) need_value "$1" $#; library=$2; shift ;;
      --threads) need_value "$1" $#; need_number "$1" "$2"; threads=$2; shift ;;
      --keep-log) keep_log=1 ;;
      --) shift; break ;;
      -*) usage_error "local: unknown option: $1" ;;
      *) break ;;
    esac
    shift
  done
  [ $# -gt 0 ] || usage_error "local: which command? ./run local -- CMD..."
  require_root
  go_inside local "${arguments[@]}"
  leave_nothing_behind
  ensure_build
  temporary_folder
  apird_start listen "$temporary/apir.sock" "$library" "$threads"
  GGML_VIRTGPU_SOCKET=$temporary/apir.sock PATH=$(program_path) with_plugin "$@" || status=$?
  apird_stop
  [ -z "$keep_log" ] || apird_show_log
  exit "$status"
}
