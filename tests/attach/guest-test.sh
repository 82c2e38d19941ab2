#!/usr/bin/env bash
# Tests apird with a virtual machine: guest-test.sh BUILD-FOLDER [MODULES-FOLDER]. Prints "ok N - name" and "not ok N -
# name" lines; exit code 0 if there was no "not ok". MODULES-FOLDER holds lib/modules/VERSION of the guest's kernel
# (default: the sandbox's). APIR_ACCEL=kvm runs it faster where that works; APIR_APIRD_WRAP runs apird under a program.
set -u
here=$(cd -- "$(dirname -- "$0")" && pwd -P)
build=${1:?usage: guest-test.sh BUILD-FOLDER [MODULES-FOLDER]}
folder=${2:-/usr/lib/apir-kernel}
window=64M
read -ra wrap <<<"${APIR_APIRD_WRAP-}"

work=$(mktemp -d)
daemon='' qemu=''
clean() {
  [ -z "$qemu" ] || kill -9 "$qemu" 2>/dev/null
  [ -z "$daemon" ] || kill "$daemon" 2>/dev/null
  wait
  rm -rf -- "$work"
}
trap clean EXIT

count=0 bad=0
report() { # STATUS NAME
  count=$((count + 1))
  if [ "$1" = 0 ]; then
    echo "ok $count - $2"
  else
    bad=$((bad + 1))
    echo "not ok $count - $2"
    [ "$bad" != 1 ] || {
      tail -n 20 "$work/guest.log"
      grep -vE 'context [0-9]+ (started|ended: closed)|submits$' "$work/apird.log" | tail -n 20
    } 2>/dev/null | tr -d '\r' | sed 's/^/# /'
  fi
}

find_kernel() {
  local dir
  for dir in "$folder"/lib/modules/* "$folder"/usr/lib/modules/*; do
    version=${dir##*/}
    [ -d "$dir/kernel/drivers/gpu/drm/virtio" ] || continue
    modules=${dir%/lib/modules/*}
    for kernel in "$dir/vmlinuz" "$modules/boot/vmlinuz-$version" "$dir/vmlinuz.unsigned"; do
      [ ! -r "$kernel" ] || return 0
    done
  done
  echo "no kernel in $folder" >&2
  exit 1
}

make_initramfs() {
  local tree=$work/tree n=10 file name
  mkdir -p "$tree/modules" "$tree/dev"
  mknod "$tree/dev/console" c 5 1 2>/dev/null
  [ -e "$modules/lib/modules/$version/modules.dep.bin" ] || depmod -b "$modules" "$version" 2>/dev/null
  while read -r file; do
    name=${file##*/}
    name=$tree/modules/$n-${name%%.ko*}.ko
    case $file in
      *.xz) xz -dc "$file" >"$name" ;;
      *.zst) zstd -qdc "$file" >"$name" ;;
      *) cp "$file" "$name" ;;
    esac
    n=$((n + 1))
  done < <(modprobe -d "$modules" -S "$version" --show-depends virtio-gpu | awk '$1 == "insmod" { print $2 }')
  cp "$build/tests/apir-guest-test" "$tree/init"
  (cd "$tree" && find . | cpio -o -H newc --quiet) >"$work/initramfs"
}

start_daemon() {
  "${wrap[@]}" "$build/bin/apird" --vhost-user "$work/gpu.sock" --worker "$build/tests/echo-worker" \
    --ggml-library echo --window "$window" --max-contexts 16 --log "$work/apird.log" &
  daemon=$!
  wait_for 'listening on' "$work/apird.log" 100
}

# start_guest PHASE OPTION...: the guest's console is $work/guest.log.
start_guest() {
  local phase=$1
  shift
  : >"$work/guest.log"
  qemu-system-x86_64 -nodefaults -no-user-config -M q35,memory-backend=memory -accel "${APIR_ACCEL:-tcg}" \
    -cpu max -m 512M -smp 2 -object memory-backend-memfd,id=memory,size=512M,share=on -display none \
    -kernel "$kernel" -initrd "$work/initramfs" -append "console=ttyS0 panic=-1 quiet apir_phase=$phase" \
    -serial "file:$work/guest.log" -chardev "socket,id=gpu,path=$work/gpu.sock" \
    -device vhost-user-test-device-pci,chardev=gpu,virtio-id=16,num_vqs=2,vq_size=256,config_size=20 \
    "$@" </dev/null >"$work/qemu.log" 2>&1 &
  qemu=$!
}

wait_for() { # PATTERN FILE TENTHS [COUNT]
  local i
  for ((i = 0; i < $3; i++)); do
    [ -e "$2" ] && [ "$(grep -c -- "$1" "$2")" -ge "${4:-1}" ] && return 0
    sleep 0.1
  done
  return 1
}

wait_for_end() { # TENTHS
  local i
  for ((i = 0; i < $1; i++)); do
    kill -0 "$qemu" 2>/dev/null || { wait "$qemu"; qemu=''; return 0; }
    sleep 0.1
  done
  return 1
}

stop_guest() {
  kill -9 "$qemu" 2>/dev/null
  wait "$qemu" 2>/dev/null
  qemu=''
}

# Processes that the daemon has, without a probe of the library.
workers() { pgrep -c -f "$build/tests/echo-worker --fd"; }
no_workers() {
  local i
  for ((i = 0; i < 30; i++)); do
    [ "$(workers)" = 0 ] && return 0
    sleep 0.1
  done
  return 1
}
# A starting guest that never reaches its init is QEMU's or the kernel's fault: try once more.
start_guest_surely() {
  start_guest "$@"
  wait_for '# booted' "$work/guest.log" 600 && return 0
  stop_guest
  start_guest "$@"
  wait_for '# booted' "$work/guest.log" 600
}

# With a monitor, QEMU reads commands from a pipe.
monitor() { # COMMAND
  echo "$1" >&"$commands"
}
open_monitor() {
  rm -f "$work/monitor".*
  mkfifo "$work/monitor.in" "$work/monitor.out"
  exec {commands}<>"$work/monitor.in"
}

phase_tests() {
  local line
  start_guest_surely tests -no-reboot
  report $? "the guest boots"
  wait_for_end 1800
  report $? "the guest ends by itself"
  [ -z "$qemu" ] || stop_guest
  tr -d '\r' <"$work/guest.log" >"$work/lines"
  while read -r line; do
    case $line in
      'ok '*) report 0 "guest: ${line#* - }" ;;
      'not ok '*) report 1 "guest: ${line#* - }" ;;
    esac
  done <"$work/lines"
  grep -q '^# done' "$work/lines"
  report $? "the guest has run all its tests"
  no_workers
  report $? "no worker is left when the machine is gone"
}

phase_reboot() {
  start_guest_surely reboot
  wait_for 'ok 1 - live contexts after boot' "$work/guest.log" 1200 3
  report $? "three boots with live contexts"
  ! grep -q 'not ok' "$work/guest.log"
  report $? "the device works after each reboot, its memory is zero"
  stop_guest
  no_workers
  report $? "no worker is left after the reboots"
}

phase_killed() {
  local i
  for i in 1 2; do
    start_guest_surely hold
    wait_for 'ok 1 - live contexts' "$work/guest.log" 300
    report $? "live contexts, machine $i"
    stop_guest
    no_workers
    report $? "no worker is left of machine $i, which was killed"
  done
}

phase_reset() {
  local i
  open_monitor
  start_guest_surely hold -chardev "pipe,id=monitor,path=$work/monitor" -mon chardev=monitor
  for i in 1 2 3; do
    wait_for '# alive 2 yes' "$work/guest.log" 300 "$i"
    report $? "live contexts before reset $i"
    monitor system_reset
  done
  wait_for '# alive 2 yes' "$work/guest.log" 300 4
  report $? "the device works after three resets of the machine"
  stop_guest
}

phase_pause() {
  open_monitor
  start_guest_surely hold -chardev "pipe,id=monitor,path=$work/monitor" -mon chardev=monitor
  wait_for '# alive 2 yes' "$work/guest.log" 300
  monitor stop
  sleep 1
  local seen paused
  seen=$(grep -c '# alive .* yes' "$work/guest.log")
  sleep 1
  paused=$(grep -c '# alive .* yes' "$work/guest.log")
  [ "$seen" = "$paused" ]
  report $? "the machine is paused"
  monitor cont
  wait_for '# alive .* yes' "$work/guest.log" 100 $((seen + 3))
  report $? "contexts go on after the machine was paused"
  stop_guest
}

phase_stop() {
  start_guest_surely hold
  wait_for 'ok 1 - live contexts' "$work/guest.log" 300
  kill -TERM "$daemon"
  wait "$daemon"
  report $? "SIGTERM ends the daemon with code 0 in spite of live contexts"
  daemon=''
  [ ! -e "$work/gpu.sock" ]
  report $? "its socket is removed"
  no_workers
  report $? "its workers are gone"
  stop_guest
}

find_kernel
make_initramfs
start_daemon
report $? "the daemon listens"
for phase in ${APIR_PHASES:-tests reboot killed reset pause stop}; do
  "phase_$phase"
done
[ "$bad" = 0 ]
