#!/bin/bash
# Process 1 of the guest once its root is mounted: runs the command that the host has left in
# /run/apir-vm and tells the host how it ended. /run/apir-vm is a folder of the host (scripts/vm.sh):
#   command, environment   NUL-separated words        directory, user   one line each
#   reboots                how many times to reboot   boots             times booted so far (ours)
#   plugin.so              our backend, if there      backends          where ggml looks for it
#   build                  where our programs are     modules           where the kernel's modules are
#   systemd                if there, systemd is process 1, and this runs as a service of it
# The three virtio ports carry the command's stdout, its stderr, and what we tell the host.

run=/run/apir-vm
export PATH=/usr/sbin:/usr/bin:/sbin:/bin

set_up_devices() {
  local n
  mkdir -p /dev/shm /dev/pts
  mount -t tmpfs shm /dev/shm
  mount -t devpts -o mode=620,ptmxmode=666 pts /dev/pts
  ln -sf /proc/self/fd /dev/fd
  for n in 0:stdin 1:stdout 2:stderr; do
    ln -sf "/proc/self/fd/${n%:*}" "/dev/${n#*:}"
  done
}

# Nobody can be asked on a first boot, and what nothing needs is left out: the guest may be emulated.
become_systemd() {
  local units=/run/systemd/system name
  mkdir -p $units
  for name in ldconfig systemd-journal-catalog-update systemd-firstboot; do
    ln -s /dev/null $units/$name.service
  done
  tr -d - </proc/sys/kernel/random/uuid >/etc/machine-id
  printf '%s\n' '[Service]' "ExecStart=/bin/bash $run/guest.sh" >$units/apir-vm.service
  printf '%s\n' '[Unit]' Requires=basic.target Wants=apir-vm.service >$units/apir-vm.target
  exec /usr/lib/systemd/systemd --unit=apir-vm.target
}

if [ $$ = 1 ]; then
  [ ! -e $run/systemd ] || become_systemd
  set_up_devices
fi
busybox ip link set lo up
busybox hostname guest

boot=$(cat $run/boots)
reboots=$(cat $run/reboots)
user=$(cat $run/user)
directory=$(cat $run/directory)
backends=$(cat $run/backends)
mapfile -d '' -t command <$run/command
mapfile -d '' -t environment <$run/environment

# The first number in a port's name is the device's, and depends on what else the VM has.
until port=$(compgen -G '/dev/vport*p3'); do
  sleep 0.1
done
port=${port%3}
exec {tell}>"${port}3"
echo "boot $boot" >&"$tell"
echo $((boot + 1)) >$run/boots

if [ -e $run/plugin.so ]; then
  cp $run/plugin.so "$backends/libggml-virtgpu-apir.so"
fi
# Mount points of the host's folders that the guest has of its own.
for share in "$run"/share-*; do
  [ -e "$share" ] || continue
  mkdir -p "$(cat "$share")"
  mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=1048576 \
    "${share##*/}" "$(cat "$share")"
done

# modprobe looks here for the modules of the kernel that runs.
if [ ! -e "/lib/modules/$(uname -r)" ]; then
  mkdir -p /lib/modules
  ln -s "$(cat $run/modules)" "/lib/modules/$(uname -r)"
fi

# Others than root can use what was built, too, wherever it is: in this layer, not on the host.
as_user=()
if [ "$user" != root ]; then
  as_user=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
  for path in "$(cat $run/build)" "$directory"; do
    while [ -n "$path" ]; do
      chmod o+x "$path"
      path=${path%/*}
    done
  done
fi

# A port can be opened only once, a pipe any number of times (/dev/stderr).
exec {out}> >(trap '' TERM; exec cat >"${port}1" {tell}>&-)
out_pid=$!
exec {err}> >(trap '' TERM; exec cat >"${port}2" {tell}>&- {out}>&-)
err_pid=$!
chown "$user" "/proc/self/fd/$out" "/proc/self/fd/$err"

env -i -C "$directory" "${environment[@]}" APIR_BOOT="$boot" "${as_user[@]}" "${command[@]}" \
  </dev/null >&"$out" 2>&"$err" {out}>&- {err}>&- {tell}>&-
status=$?
exec {out}>&- {err}>&-

drained() {
  local n
  for n in {1..10}; do
    kill -0 $out_pid 2>/dev/null || kill -0 $err_pid 2>/dev/null || return 0
    sleep 0.1
  done
  return 1
}

if [ "$boot" -lt "$reboots" ]; then
  drained  # processes that CMD left running stay: a reboot ends them
  echo "end $boot $status" >&"$tell"
  busybox reboot -f
else
  if ! drained; then
    kill -TERM -1
    drained || kill -KILL -1
    drained
  fi
  dmesg >$run/dmesg
  echo "end $boot $status" >&"$tell"
  busybox poweroff -f
fi
sleep 60
