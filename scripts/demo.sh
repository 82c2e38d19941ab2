# shellcheck shell=bash
# The demo: stock llama.cpp in a VM generates text on the host's backend, and the same text is
# generated natively on the host to compare with.

demo_model=
demo_prompt='once upon a time'
demo_tokens=64
demo_threads=$(nproc)

# Makes the model unless there is one; afterwards $demo_model is its file.
demo_take_model() {
  local key
  if [ -n "$demo_model" ]; then
    [ -r "$demo_model" ] || die "cannot read the model $demo_model"
    return 0
  fi
  key=$(sha256sum <"$top/tools/make-model.c" | cut -c1-12)
  demo_model=$cache/model-$key.gguf
  [ ! -e "$demo_model" ] || return 0
  take_lock "$cache/model.lock" "making the model"
  if [ ! -e "$demo_model" ]; then
    unfinished=$demo_model.part
    step "making a model of 70 million random parameters" \
      "$build/bin/apir-make-model" "$demo_model.part" || die "the model could not be made"
    mv -- "$demo_model.part" "$demo_model"
    unfinished=
  fi
  release_lock
}

# A library that cannot be used is found before the VM boots.
demo_check_library() {
  local settings=()
  mapfile -t settings < <(software_vulkan "$vm_library")
  step "looking at the host library" env "${settings[@]}" \
    "$build/bin/apird-worker" --probe --ggml-library "$vm_library" ||
    die "the host library $vm_library cannot be used (--host-library)"
}

# demo_command SESSION LAYERS: afterwards ${demo_command[@]} is llama-completion's command line, the
# same on all sides but for where it computes. Greedy; the session file holds the tokens' ids.
demo_command() {
  demo_command=(
    llama-completion --model "$demo_model" --prompt "$demo_prompt" --predict "$demo_tokens"
    --ctx-size $((demo_tokens + 1024)) --temp 0 --seed 1 --ignore-eos --no-conversation
    --no-repack --fit off --threads "$demo_threads" --gpu-layers "$2"
    --prompt-cache "$1" --prompt-cache-all --log-verbosity 4 --color off)
}

# Copies the text as it comes, without what llama-completion says after it about the session file.
# The first character ends the wait that vm_watch shows.
demo_show_text() {
  local char line='' notice='llama_completion: saving final output to session file' new_line=
  while IFS= read -rN1 -d '' char; do
    [ -e "$temporary/text-begins" ] || : >"$temporary/text-begins"
    if [ -n "$new_line" ] && [[ $notice == "$line$char"* ]]; then
      line+=$char
      [ "$line" != "$notice" ] || break
      continue
    fi
    printf '%s%s' "$line" "$char"
    line='' new_line=
    [ "$char" != $'\n' ] || new_line=1
  done
  cat >/dev/null
}

# Runs llama-completion in the VM, its text on our stdout as it is generated. Afterwards
# $temporary has guest.session, guest.log (llama.cpp's) and guest.apird (the daemon's).
demo_guest() {
  local status=0 text pid
  demo_command /run/apir-vm/session 99
  exec {text}> >(demo_show_text)
  pid=$!
  vm_waiting_label="llama-completion loads the model in the guest"
  vm_waiting_until=$temporary/text-begins
  # shellcheck disable=SC2016  # the guest's shell expands it
  vm_run sh -c 'exec "$@" 2>/run/apir-vm/llama.log' sh "${demo_command[@]}" >&"$text" || status=$?
  exec {text}>&-
  wait "$pid" || :
  echo
  cp "$vm_folder/guest/llama.log" "$temporary/guest.log" 2>/dev/null || : >"$temporary/guest.log"
  cp "$apird_log" "$temporary/guest.apird"
  if [ "$status" -ne 0 ] || [ ! -s "$vm_folder/guest/session" ]; then
    tail -n 30 "$temporary/guest.log" | sed 's/^/   llama-completion: /' >&2
    apird_show_log
    die "llama-completion failed in the guest (exit code $status)"
  fi
  cp "$vm_folder/guest/session" "$temporary/guest.session"
}

# The backends that ggml may load for the native run: the host library, and the CPU's.
demo_native_backends() {
  case $vm_library in
    cpu) printf '%s\n' "$backends"/libggml-cpu-*.so ;;
    */libggml-cpu*) echo "$vm_library" ;;
    */*) printf '%s\n' "$backends"/libggml-cpu-*.so "$vm_library" ;;
    *) printf '%s\n' "$backends"/libggml-cpu-*.so "$backends/libggml-$vm_library"*.so ;;
  esac
}

# llama-completion on the host itself: on the host library, not through apir. On a busy machine
# llama-completion now and then ends before it has written its last lines: then once more.
demo_native() {
  local files settings=()
  mapfile -t files < <(demo_native_backends)
  mapfile -t settings < <(software_vulkan "$vm_library")
  demo_command "$temporary/native.session" 99
  for _ in 1 2 3; do
    rm -f "$temporary/native.session"
    # shellcheck disable=SC2016  # the inner shell expands it
    if ! step "the same text natively on the host" with_backends "${files[@]}" -- \
      sh -c 'exec "$@" 2>"$0"' "$temporary/native.log" env "${settings[@]}" "${demo_command[@]}"; then
      tail -n 30 "$temporary/native.log" | sed 's/^/   llama-completion: /' >&2
      die "llama-completion failed natively on the host"
    fi
    [ -z "$(demo_speed "$temporary/native.log")" ] || break
  done
}

# llama-completion over the native socket: apir without the VM.
demo_local() {
  local status=0
  apird_start listen "$temporary/apir.sock" "$vm_library" "$demo_threads"
  demo_command "$temporary/local.session" 99
  GGML_VIRTGPU_SOCKET=$temporary/apir.sock step "the same text over the socket, without the VM" \
    with_plugin "${demo_command[@]}" || status=$?
  apird_stop
  return "$status"
}

demo_compare() {  # A B: prints what apir-compare says; 0 the same, 1 not, else unknown
  local files settings=()
  mapfile -t files < <(demo_native_backends)
  mapfile -t settings < <(software_vulkan "$vm_library")
  with_backends "${files[@]}" -- env "${settings[@]}" \
    "$build/bin/apir-compare" "$demo_model" "$temporary/$1.session" "$temporary/$2.session"
}

# Tokens per second of the generation (not of the prompt), from llama.cpp's log.
demo_speed() {
  awk '/ eval time =/ && !/prompt eval/ { print $(NF - 3) }' "$1" | tail -n 1
}

demo_summary() {
  local guest_device graphs nodes device guest_speed native_speed
  guest_speed=$(demo_speed "$temporary/guest.log")
  native_speed=$(demo_speed "$temporary/native.log")
  guest_device=$(sed -n 's/.*using device \(.*\) ([^()]*) - [0-9]* MiB free.*/\1/p' "$temporary/guest.log" |
    awk '{ printf "%s%s", (NR > 1 ? ", " : ""), $0 }')
  # apird: "context 3: 123 graphs, 45678 nodes, device CPU (libggml-cpu-x.so)"
  read -r graphs nodes device < <(sed -n \
    's/.*context [0-9]*: \([0-9]*\) graphs, \([0-9]*\) nodes, device \(.*\)/\1 \2 \3/p' \
    "$temporary/guest.apird" |
    awk '{ graphs += $1; nodes += $2; if ($1 > 0) { $1 = $2 = ""; device = $0 } }
      END { print graphs + 0, nodes + 0, device }')
  demo_graphs=$graphs
  : "${guest_device:=none; llama.cpp used the CPU of the guest}" "${device:=none was used}"
  cat <<END

  guest device   $guest_device
  host library   $device
  computed       $graphs graphs of $nodes operations, by the worker on the host
  tokens/s       ${guest_speed:-unknown} in the guest, ${native_speed:-unknown} natively on the host
END
}

cmd_demo() {
  local arguments=("$@") same=0 said
  while [ $# -gt 0 ]; do
    case $1 in
      --host-library) need_value "$1" $#; vm_library=$(host_library "$2"); shift ;;
      --model) need_value "$1" $#; demo_model=$(readlink -f -- "$2") || demo_model=$2; shift ;;
      --prompt) need_value "$1" $#; demo_prompt=$2; shift ;;
      --tokens) need_value "$1" $#; need_number "$1" "$2"; demo_tokens=$2; shift ;;
      --threads) need_value "$1" $#; need_number "$1" "$2"; demo_threads=$2; shift ;;
      --memory) need_value "$1" $#; vm_memory=$2; shift ;;
      --cpus) need_value "$1" $#; need_number "$1" "$2"; vm_cpus=$2; shift ;;
      --keep-log) vm_keep_log=1 ;;
      *) usage_error "demo: unknown option: $1" ;;
    esac
    shift
  done
  go_inside demo "${arguments[@]}"
  leave_nothing_behind
  vm_threads=$demo_threads
  temporary_folder
  ensure_build
  demo_check_library
  demo_take_model
  demo_guest
  demo_native
  said=$(demo_compare guest native) || same=$?
  demo_summary
  case $same in
    0) echo "  same output    yes, token by token ($said)" ;;
    1)
      echo "  same output    no, guest and native are $said" | sed '2,$s/^/                 /'
      if demo_local; then
        said=$(demo_compare local native) || :
        echo "  without the VM, socket and native are $said" | sed '2,$s/^/                 /'
      fi
      die "the guest's output is not the host's" ;;
    *) die "the outputs cannot be compared" ;;
  esac
  [ "$demo_graphs" -gt 0 ] || die "the worker on the host has computed nothing"
}
