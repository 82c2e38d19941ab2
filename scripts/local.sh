# shellcheck shell=bash
# The daemon, and running a program on it without a VM, over the native socket.

backends=/usr/lib/$triplet/ggml/backends0  # where stock ggml looks for its backends
apird_pid=
apird_log=

# apird_start DOOR SOCKET LIBRARY THREADS: starts apird with --DOOR SOCKET and waits until it listens.
# LIBRARY is a path, or the bare name of a backend (cpu, vulkan, rpc ...) which apird finds itself, or
# several with ':' between them;
# THREADS may be empty. Afterwards $apird_pid and $apird_log are set. Ends with the script, too.
apird_start() {
  local door=$1 socket=$2 library=$3 threads=$4 n
  local -a settings=()
  [ -x "$build/bin/apird" ] || die "$build/bin/apird does not exist: ./run build"
  apird_log=$socket.log
  mapfile -t settings < <(software_vulkan "$library")
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

# What --host-library was given: a name as it is, a path as seen from anywhere; behind those of $2.
host_library() {
  local given=$1
  case $1 in
    */*) given=$(readlink -m -- "$1") ;;
  esac
  echo "${2:+$2:}$given"
}

# A machine without a GPU has Mesa's software driver, which ggml takes only when told to: prints the
# environment for that if the library $1 is Vulkan's.
software_vulkan() {
  case $1 in
    vulkan | vulkan:* | *:vulkan | *:vulkan:* | */libggml-vulkan*)
      [ -e /dev/dri ] ||
        printf '%s\n' GGML_VK_VISIBLE_DEVICES=0 VK_DRIVER_FILES=/usr/share/vulkan/icd.d/lvp_icd.json ;;
  esac
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

# with_backends FILE... -- CMD: runs CMD where stock ggml finds just these files in the folder of its
# backends. The system's folder is left alone: a folder of links takes its place, for CMD and its
# children only. (Files of the system's folder are reached where it is shown a second time.)
with_backends() {
  local file ours stock
  temporary_folder
  ours=$(mktemp -d "$temporary/backends.XXXXXX")
  stock=$ours/stock
  mkdir "$stock"
  while [ "$1" != -- ]; do
    file=$1
    [ -e "$file" ] || die "$file does not exist"
    case $file in
      "$backends"/*) file=$stock/${file##*/} ;;
    esac
    ln -s "$file" "$ours/${1##*/}"
    shift
  done
  shift
  attended unshare -m bash -c '
    set -eu
    backends=$1 stock=$2 ours=$3
    shift 3
    mount --bind "$backends" "$stock"
    mount --rbind "$ours" "$backends"
    exec "$@"' run "$backends" "$stock" "$ours" "$@"
}

# Runs CMD where stock ggml finds our plug-in among its own backends.
with_plugin() {
  [ -e "$plugin" ] || die "$plugin does not exist: ./run build"
  with_backends "$backends"/*.so "$plugin" -- "$@"
}

cmd_local() {
  local library='' threads='' status=0 keep_log='' arguments=("$@")
  while [ $# -gt 0 ]; do
    case $1 in
      --host-library) need_value "$1" $#; library=$(host_library "$2" "$library"); shift ;;
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
  apird_start listen "$temporary/apir.sock" "${library:-cpu}" "$threads"
  GGML_VIRTGPU_SOCKET=$temporary/apir.sock PATH=$(program_path) with_plugin "$@" || status=$?
  apird_stop
  [ -z "$keep_log" ] || apird_show_log
  exit "$status"
}
