# shellcheck shell=bash
# The benchmark: apir in a virtual machine first, then apird and ggml-rpc over sockets against the CPU, in one table.

bench_model=      # a GGUF file; made if there is none
bench_only=       # measures, separated by commas; none: all
bench_vm_rounds=5 # each takes long where the processor is emulated

# Afterwards the variable $bench_rpc is where ggml's own server serves the CPU, or empty.
bench_start_rpc() {
  local port
  bench_rpc=
  [ -e "$backends/libggml-rpc.so" ] || { warn "ggml's RPC backend is not installed: no arm of it"; return 0; }
  for _ in {1..5}; do
    port=$((20000 + RANDOM % 10000))
    env APIR_RUN_MARK="$APIR_RUN_MARK/rpc" setpriv --pdeathsig TERM -- \
      "$build/bin/apir-rpc-server" "127.0.0.1:$port" CPU </dev/null >"$temporary/rpc.log" 2>&1 &
    disown $!
    bench_wait_for_port "$port" $! && { bench_rpc=127.0.0.1:$port; return 0; }
  done
  sed 's/^/   rpc: /' "$temporary/rpc.log" >&2
  die "ggml's RPC server did not start; what it said is above"
}

bench_wait_for_port() {  # PORT PID
  for _ in {1..100}; do
    ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null || return 0
    any_alive "$2" || return 1
    nap 0.05
  done
  return 1
}

# What --only leaves of the measures that the guest takes part in.
bench_vm_measures() {
  local all=call,idle-call,post,graph,set,get,set-host,get-host key
  [ -n "$bench_only" ] || { echo "$all"; return; }
  for key in ${all//,/ }; do
    [[ ",$bench_only," != *",$key,"* ]] || printf '%s,' "$key"
  done | sed 's/,$//'
}

# Measures in a guest with one processor, and one thread on the host: lines in the file $1. $2: --quick or empty.
bench_vm() {
  local measures
  measures=$(bench_vm_measures)
  [ -n "$measures" ] || return 0
  say "-- in a virtual machine"
  vm_cpus=1 vm_threads=1
  PATH=$(program_path) vm_run apir-bench --guest --samples - --rounds "$bench_vm_rounds" --max-size 16 ${2:+"$2"} \
    --only "$measures" >"$1"
}

cmd_bench() {
  local status=0 quick='' vm=1 arguments=("$@") options=()
  while [ $# -gt 0 ]; do
    case $1 in
      --quick) quick=--quick; options+=(--quick) ;;
      --check) options+=(--check) ;;
      --json | --svg | --samples)
        need_value "$1" $#
        options+=("$1" "$(readlink -m -- "$2")")
        shift ;;
      --rounds) need_value "$1" $#; need_number "$1" "$2"; options+=(--rounds "$2"); bench_vm_rounds=$2; shift ;;
      --only) need_value "$1" $#; options+=(--only "$2"); bench_only=$2; shift ;;
      --no-vm) vm='' ;;
      --model) need_value "$1" $#; bench_model=$(readlink -f -- "$2") || bench_model=$2; shift ;;
      *) usage_error "bench: unknown option: $1" ;;
    esac
    shift
  done
  [ -z "$bench_model" ] || [ -r "$bench_model" ] || die "cannot read the model $bench_model"
  go_inside bench "${arguments[@]}"
  leave_nothing_behind
  ensure_build
  "$build/bin/apir-bench" "${options[@]}" --help >/dev/null || exit
  temporary_folder
  bench_prepare_model "$quick"
  if [ -n "$vm" ]; then
    : >"$temporary/vm-samples"
    bench_vm "$temporary/vm-samples" "$quick" || die "the benchmark in the virtual machine failed; --no-vm goes without"
    options+=(--merge "$temporary/vm-samples")
  fi
  apird_start listen "$temporary/apir.sock" cpu 1
  bench_start_rpc
  [ -z "$bench_rpc" ] || options+=(--rpc "$bench_rpc")
  GGML_VIRTGPU_SOCKET=$temporary/apir.sock PATH=$(program_path) attended "$build/bin/apir-bench" --plugin "$plugin" \
    --floor "$build/lib/libggml-floor.so" ${bench_model:+--model "$bench_model"} "${options[@]}" || status=$?
  exit "$status"
}

# --quick goes without a model unless one is named.
bench_prepare_model() {
  [ -z "$bench_model" ] && [ -z "$1" ] || return 0
  demo_take_model
  bench_model=$demo_model
}
