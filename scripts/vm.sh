# shellcheck shell=bash
# The virtual machine: Debian's kernel, an initramfs of a few modules (../vm), and the sandbox's own
# file system as its root, seen read-only over 9p with a layer in memory above it.

# Settings of vm_run, with their defaults.
vm_library=cpu       # --ggml-library of the daemon behind the device
vm_threads=          # its --threads
vm_door=vhost-user # vhost-user, virglrenderer, virtio-gpu-gl or none
vm_device=           # socket of an apird that runs already; empty: one is started
vm_memory=2G
vm_cpus=2
vm_user=root         # who runs the command in the guest
vm_systemd=          # not empty: systemd is process 1 there
vm_reboots=0         # how often the guest reboots, running the command each time
vm_timeout=          # seconds that the command may take; none: no limit
vm_qmp=              # socket for QEMU's monitor
vm_shares=()         # folders that the guest can write
vm_keep_log=
vm_boot_limit=${APIR_VM_BOOT_LIMIT:-60} # seconds until the guest must have reached its init

vm_folder=           # temporary: sockets, logs, what guest and host tell each other
vm_pid=
vm_waiting_label=    # what to show while the command runs, until the file vm_waiting_until exists
vm_waiting_until=

# Afterwards $vm_kernel and $vm_initramfs are files that QEMU can boot, $vm_modules the folder of the
# kernel's modules.
vm_prepare() {
  local folder version key
  vm_find_kernel
  key=$(cat "$top"/vm/{init,modules,make-initramfs.sh} "$(command -v busybox)" | sha256sum | cut -c1-12)
  vm_initramfs=$cache/guest-$version-$key.initramfs
  [ ! -e "$vm_initramfs" ] || return 0
  take_lock "$cache/guest.lock" "packing the guest's initramfs"
  [ -e "$vm_initramfs" ] || step "packing the guest's initramfs (Linux $version)" \
    "$top/vm/make-initramfs.sh" "$folder" "$version" "$vm_initramfs" ||
    die "the guest's initramfs could not be made"
  release_lock
}

# The sandbox's kernel, else the newest installed one that has a virtio-gpu driver.
vm_find_kernel() {
  for vm_modules in "/$kernel_folder"/lib/modules/* $(printf '%s\n' /lib/modules/* | sort -Vr); do
    [ -d "$vm_modules/kernel/drivers/gpu/drm/virtio" ] || continue
    version=${vm_modules##*/}
    folder=${vm_modules%/lib/modules/*}
    for vm_kernel in "$vm_modules/vmlinuz" "$folder/boot/vmlinuz-$version"; do
      [ ! -r "$vm_kernel" ] || { folder=${folder:-/}; return 0; }
    done
  done
  die "no kernel for the guest: apt-get install linux-image-amd64"
}

# Whether KVM works is found out by a boot, once for each time this machine was started: the device
# node may be there and the boot fail all the same.
vm_accelerator() {
  local answer
  [ -r /dev/kvm ] && [ -w /dev/kvm ] || { echo tcg; return; }
  answer=$cache/kvm-$(cat /proc/sys/kernel/random/boot_id)
  if [ ! -e "$answer" ]; then
    rm -f "$cache"/kvm-*
    step "trying KVM" vm_probe_kvm "$answer"
    [ "$(cat "$answer")" = kvm ] || say "-- KVM does not work here: the VM is emulated"
  fi
  cat "$answer"
}

vm_probe_kvm() {
  local result=tcg
  vm_door=none vm_boot_limit=20 vm_timeout=20 vm_reboots=0 vm_user=root vm_systemd='' vm_shares=()
  vm_qmp='' vm_keep_log='' vm_folder=$temporary/probe
  mkdir "$vm_folder"
  ! vm_boot kvm true || result=kvm
  echo "$result" >"$1"
}

# vm_run CMD...: boots the VM, runs CMD in it with its output on ours, and returns its exit code.
vm_run() {
  local accelerator status=0
  temporary_folder
  vm_prepare
  accelerator=$(vm_accelerator)
  vm_folder=$temporary/vm
  mkdir -p "$vm_folder"
  vm_boot "$accelerator" "$@" || status=$?
  if [ "$status" = 75 ] && [ -e "$vm_folder/not-booted" ]; then
    say "-- the guest did not start; trying once more"
    vm_boot "$accelerator" "$@" || status=$?
    [ ! -e "$vm_folder/not-booted" ] || vm_show_logs
  fi
  return "$status"
}

# vm_boot ACCELERATOR CMD...: one run of QEMU. 75 and a file named not-booted: init was not reached.
vm_boot() {
  local accelerator=$1 status=0 name hold=() fd out_pid err_pid
  shift
  rm -rf -- "$vm_folder/guest" "$vm_folder/not-booted"
  mkdir "$vm_folder/guest"
  vm_leave_message "$@"
  [ "$vm_door" != vhost-user ] || [ -n "$vm_device" ] ||
    apird_start vhost-user "$vm_folder/gpu.sock" "$vm_library" "$vm_threads"
  for name in stdout stderr control; do
    [ -p "$vm_folder/$name" ] || mkfifo "$vm_folder/$name"
    exec {fd}<>"$vm_folder/$name"  # so that neither side waits for the other to open it
    hold+=("$fd")
  done
  vm_copy "$vm_folder/stdout" &
  out_pid=$!
  vm_copy "$vm_folder/stderr" >&2 &
  err_pid=$!
  vm_start_qemu "$accelerator"
  vm_watch "${hold[2]}" || status=$?
  vm_stop_qemu
  for fd in "${hold[@]}"; do
    exec {fd}>&-
  done
  wait "$out_pid" "$err_pid" || :
  apird_stop
  [ -z "$vm_keep_log" ] || vm_keep_logs
  return "$status"
}

# What the guest is to do, for vm/guest.sh.
vm_leave_message() {
  local dir=$vm_folder/guest n=0 share
  cp "$top/vm/guest.sh" "$dir/guest.sh"
  printf '%s\0' "$@" >"$dir/command"
  (PATH=$(program_path) && export PATH && env -0 -u APIR_RUN_MARK -u APIR_RUN_PID) >"$dir/environment"
  pwd -P >"$dir/directory"
  echo "$vm_user" >"$dir/user"
  echo "$vm_reboots" >"$dir/reboots"
  echo "$backends" >"$dir/backends"
  echo "$build" >"$dir/build"
  echo "$vm_modules" >"$dir/modules"
  echo 0 >"$dir/boots"
  [ -z "$vm_systemd" ] || : >"$dir/systemd"
  [ ! -e "$plugin" ] || cp "$plugin" "$dir/plugin.so"
  for share in "${vm_shares[@]}"; do
    n=$((n + 1))
    printf '%s\n' "$share" >"$dir/share-$n"
  done
}

# Copies the fifo $1 to stdout; if nobody wants it any more, reads on, so that the guest can end.
vm_copy() {
  local fd
  for fd in "${hold[@]}"; do
    exec {fd}>&-
  done
  { cat || :; cat >/dev/null; } <"$1" 2>/dev/null
}

vm_start_qemu() {
  local accelerator=$1 fd share n=0 cpu=max device=${vm_device:-$vm_folder/gpu.sock}
  local -a options=() settings=()
  case $accelerator in
    kvm) options+=(-accel kvm); cpu=host ;;
    *) options+=(-accel tcg,thread=multi) ;;
  esac
  case $vm_door in
    vhost-user)
      # Behind a root port of its own, the device can be unplugged and plugged in again. Its
      # properties describe a virtio-gpu with no display to QEMU's generic vhost-user device.
      options+=(
        -device pcie-root-port,id=gpu-port,pref64-reserve=16G
        -chardev "socket,id=gpu,path=${device//,/,,}"
        -device "vhost-user-test-device-pci,id=apir,bus=gpu-port,chardev=gpu,virtio-id=16,num_vqs=2,vq_size=256,config_size=20"
        -display none) ;;
    virglrenderer)
      vm_interpose
      options+=(-device virtio-gpu-gl-pci,blob=on,venus=on,hostmem=1G -display sdl,gl=on) ;;
    virtio-gpu-gl)
      options+=(-device virtio-gpu-gl-pci,blob=on,venus=on,hostmem=256M -display sdl,gl=on) ;;
    none)
      options+=(-display none) ;;
  esac
  for share in "${vm_shares[@]}"; do
    n=$((n + 1))
    options+=(-virtfs "local,path=${share//,/,,},mount_tag=share-$n,security_model=none,multidevs=remap")
  done
  options+=(-qmp "unix:${vm_folder//,/,,}/qmp.sock,server=on,wait=off")
  [ -z "$vm_qmp" ] || options+=(-qmp "unix:${vm_qmp//,/,,},server=on,wait=off")
  [ "$vm_reboots" -gt 0 ] || options+=(-no-reboot)

  env SDL_VIDEODRIVER=offscreen SDL_VIDEO_DRIVER=offscreen LIBGL_ALWAYS_SOFTWARE=1 \
    APIR_RUN_MARK="$APIR_RUN_MARK/qemu" "${settings[@]}" setpriv --pdeathsig TERM -- qemu-system-x86_64 \
    -name apir-guest -nodefaults -no-user-config -M q35,memory-backend=memory -cpu "$cpu" \
    -m "$vm_memory" -smp "$vm_cpus" \
    -object "memory-backend-memfd,id=memory,size=$vm_memory,share=on" \
    -kernel "$vm_kernel" -initrd "$vm_initramfs" -append "console=ttyS0 quiet panic=-1" \
    -serial "file:$vm_folder/kernel.log" \
    -virtfs "local,path=/,mount_tag=root,security_model=none,multidevs=remap,readonly=on" \
    -virtfs "local,path=$vm_folder/guest,mount_tag=run,security_model=none,multidevs=remap" \
    -device virtio-serial-pci \
    -chardev "file,id=stdout,path=$vm_folder/stdout" -device virtserialport,chardev=stdout,nr=1 \
    -chardev "file,id=stderr,path=$vm_folder/stderr" -device virtserialport,chardev=stderr,nr=2 \
    -chardev "file,id=control,path=$vm_folder/control" -device virtserialport,chardev=control,nr=3 \
    "${options[@]}" </dev/null >"$vm_folder/qemu.log" 2>&1 &
  vm_pid=$!
  disown "$vm_pid"  # how it ends is told below, not by bash
}

# Puts our library in front of the virglrenderer that QEMU uses: afterwards ${settings[@]} is its
# environment. What the caller has set of it stays, VIRGL_ROUTE_VENUS_TO_APIR for one.
vm_interpose() {
  local library=$build/lib/libvirglrenderer-apir.so
  [ -e "$library" ] || die "$library does not exist: ./run build"
  : >>"$vm_folder/apir.log"
  mapfile -t settings < <(software_vulkan "$vm_library")
  settings+=(
    "LD_PRELOAD=$library"
    "VIRGL_APIR_WORKER=$build/bin/apird-worker"
    "VIRGL_APIR_LOG_TO_FILE=$vm_folder/apir.log"
    "APIR_LLAMA_CPP_GGML_LIBRARY_PATH=${APIR_LLAMA_CPP_GGML_LIBRARY_PATH-$vm_library}")
  [ -z "$vm_threads" ] || settings+=("VIRGL_APIR_THREADS=$vm_threads")
}

# Ends QEMU and what it may have left: virglrenderer forks, and its child can hang in the fork.
vm_stop_qemu() {
  for _ in {1..30}; do
    any_alive "$vm_pid" || break
    nap 0.1
  done
  vm_pid=
  stop_marked "$APIR_RUN_MARK/qemu" 3
}

# Follows what the guest says on the descriptor $1 until its last run of the command has ended, and
# returns the command's exit code: the first that is not 0.
vm_watch() {
  local control=$1 result=0 running='' gone='' since=$SECONDS word boot status line='' part
  progress_next=2
  while :; do
    if read -rt 0.5 -u "$control" part; then
      read -r word boot status <<<"$line$part"
      line=''
      case $word in
        boot) progress_end; running=1 since=$SECONDS progress_next=2 ;;
        end)
          [ "$result" -ne 0 ] || result=$status
          [ "$boot" -lt "$vm_reboots" ] || return "$result"
          running='' since=$SECONDS ;;
      esac
    elif line+=$part && [ -z "$gone" ] && ! any_alive "$vm_pid"; then
      # (a line of which the time ends in the middle is not lost)
      gone=1  # what it said last may be still unread
    elif [ -z "$gone" ] && [ -n "$apird_pid" ] && ! any_alive "$apird_pid"; then
      vm_revive_apird
    elif [ -n "$gone" ]; then
      vm_failed "$running" "the guest ended without an exit code of the command"
      return 75
    elif [ -z "$running" ] && grep -q '^KVM internal error' "$vm_folder/qemu.log"; then
      kill -KILL "$vm_pid"
      vm_failed "$running" "KVM failed while the guest booted"
      return 75
    elif [ -z "$running" ] && [ $((SECONDS - since)) -ge "$vm_boot_limit" ]; then
      kill -KILL "$vm_pid"
      vm_failed "$running" "the guest did not reach its init within $vm_boot_limit s"
      return 75
    elif [ -n "$running" ] && [ -n "$vm_timeout" ] && [ $((SECONDS - since)) -ge "$vm_timeout" ]; then
      kill -KILL "$vm_pid"
      say "run: the command took longer than $vm_timeout s (--timeout): the VM was stopped"
      return 124
    elif [ -z "$running" ]; then
      progress "booting the VM ($accelerator)" $((SECONDS - since))
    elif [ -n "$vm_waiting_label" ] && [ ! -e "$vm_waiting_until" ]; then
      progress "$vm_waiting_label" $((SECONDS - since))
    fi
  done
}

# The daemon behind the device has ended: starts it again and gives the guest the device again.
vm_revive_apird() {
  progress_end
  say "-- apird has ended: starting it again, and plugging the device in again (apir replug)"
  mv "$apird_log" "$apird_log.before"
  rm -f "$vm_folder/gpu.sock"
  apird_start vhost-user "$vm_folder/gpu.sock" "$vm_library" "$vm_threads"
  "$build/bin/apir" replug --qmp "$vm_folder/qmp.sock" </dev/null >>"$apird_log.out" 2>&1 &
  disown $!
}

vm_failed() {
  say "run: $2"
  if [ -z "$1" ] && [ "$(cat "$vm_folder/guest/boots")" = 0 ]; then
    : >"$vm_folder/not-booted"
  else
    vm_show_logs
  fi
}

vm_show_logs() {
  sed 's/^/   qemu: /' "$vm_folder/qemu.log" >&2
  tail -n 60 "$vm_folder/kernel.log" | sed 's/^/   guest: /' >&2
  case $vm_door in
    vhost-user) apird_show_log ;;
    virglrenderer) tail -n 40 "$vm_folder/apir.log" | sed 's/^/   apir: /' >&2 ;;
  esac
}

vm_keep_logs() {
  local dir
  dir=$(mktemp -d "${TMPDIR:-/tmp}/apir-vm-log.XXXXXX")
  cp "$vm_folder"/*.log* "$vm_folder/guest/dmesg" "$dir" 2>/dev/null || :
  say "-- the logs of QEMU, the guest's kernel and apird are in $dir"
}

cmd_vm() {
  local status=0 given='' arguments=("$@")
  while [ $# -gt 0 ]; do
    case $1 in
      --host-library) need_value "$1" $#; given=$(host_library "$2" "$given"); vm_library=$given; shift ;;
      --threads) need_value "$1" $#; need_number "$1" "$2"; vm_threads=$2; shift ;;
      --memory) need_value "$1" $#; vm_memory=$2; shift ;;
      --cpus) need_value "$1" $#; need_number "$1" "$2"; vm_cpus=$2; shift ;;
      --door) need_value "$1" $#; vm_door=$2; shift ;;
      --device) need_value "$1" $#; vm_device=$(readlink -m -- "$2"); shift ;;
      --user) need_value "$1" $#; vm_user=$2; shift ;;
      --reboots) need_value "$1" $#; need_number "$1" "$2"; vm_reboots=$2; shift ;;
      --timeout) need_value "$1" $#; need_number "$1" "$2"; vm_timeout=$2; shift ;;
      --share)
        need_value "$1" $#
        [ -d "$2" ] || die "--share: there is no folder $2"
        vm_shares+=("$(readlink -f -- "$2")")
        shift ;;
      --qmp) need_value "$1" $#; vm_qmp=$(readlink -m -- "$2"); shift ;;
      --systemd) vm_systemd=1 vm_boot_limit=${APIR_VM_BOOT_LIMIT:-180} ;;
      --keep-log) vm_keep_log=1 ;;
      --) shift; break ;;
      -*) usage_error "vm: unknown option: $1" ;;
      *) break ;;
    esac
    shift
  done
  [ $# -gt 0 ] || usage_error "vm: which command? ./run vm -- CMD..."
  case $vm_door in
    vhost-user | virglrenderer | virtio-gpu-gl | none) ;;
    *) usage_error "vm: --door is vhost-user, virglrenderer, virtio-gpu-gl or none, not '$vm_door'" ;;
  esac
  [ -z "$vm_device" ] || [ "$vm_door" = vhost-user ] || usage_error "vm: --device is for the door vhost-user"
  go_inside vm "${arguments[@]}"
  leave_nothing_behind
  case $vm_door in
    vhost-user | virglrenderer) ensure_build ;;
  esac
  vm_run "$@" || status=$?
  exit "$status"
}
