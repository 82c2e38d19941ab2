#!/bin/bash
# apird.service as systemd runs it: tests/vm/service.sh BUILD-FOLDER, by ./run vm --systemd --door none. What is installed is
# in the guest's memory.
# shellcheck source=tests/vm/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"
build=$1
socket=/run/apir/apir.sock machine=/run/apir/vm1.sock
device='[virtgpu] CPU'
options="--ggml-library cpu --socket-mode 0660 --vhost-user $machine --require-sandbox --verbose"

log() { journalctl -o cat --no-pager "_SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID apird)"; }
wait_for() { # SECONDS CMD...
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "not within the time: $*"; return 1; }
    sleep 0.2
  done
}
serves() { log | grep -q 'ggml library cpu: 1 device'; }
start() { # OPTIONS
  echo "APIRD_OPTIONS=$1" >/etc/apir/apird.conf
  systemctl restart apird && wait_for 60 serves && systemctl is-active apird
  local status=$?
  [ $status = 0 ] || { systemctl status --no-pager apird; log; }
  return $status
}

installs() {
  cmake --install "$build" >/tmp/install.log || { cat /tmp/install.log; return 1; }
  getent group render || groupadd render # as udev does, which the sandbox has not
  groupadd apir-users
  mkdir -p /etc/apir /etc/systemd/system/apird.service.d
  printf '%s\n' '[Service]' Group=apir-users >/etc/systemd/system/apird.service.d/group.conf
  systemctl daemon-reload
}
verified() {
  systemd-analyze verify --man=no apird.service >/tmp/verify 2>&1
  local status=$?
  cat /tmp/verify
  [ $status = 0 ] && ! grep -q apird /tmp/verify
}
rated() { systemd-analyze security --no-pager apird | tail -n 1; systemd-analyze security --threshold=15 apird >/dev/null; }

as() { # GROUP CMD...: as a user in that group
  local group=$1
  shift
  setpriv --reuid=nobody --regid=nogroup --groups="$group" -- "$@"
}
has_owner() {
  ls -ln /run/apir
  [ "$(stat -c %a:%G $socket)" = 660:apir-users ] && [ "$(stat -c %a:%G $machine)" = 660:apir-users ]
}
# shellcheck disable=SC2120  # without a CMD: as root
computes() { # CMD...
  GGML_VIRTGPU_SOCKET=$socket "$@" test-backend-ops test -b "$device" -o ADD -p 'ne=\[10,5,4,3\]' >/tmp/ops 2>&1
  local status=$?
  tail -n 5 /tmp/ops
  [ $status = 0 ] && sed 's/\x1b\[[0-9;]*m//g' /tmp/ops | grep -q '^ *ADD.*: OK$'
}
refused() { as nogroup apir info --socket $socket 2>&1 | grep -i 'permission'; }
# shellcheck disable=SC2016  # those are perl's
knock=(perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die $!; sleep $ARGV[1]')
not_degraded() { log | grep 'apird: confined' && ! log | grep DEGRADED; }

workers() { find /sys/fs/cgroup/system.slice/apird.service -name 'worker-*' | grep .; }
no_workers() { ! workers; }
# A client that says nothing keeps its worker.
hold() {
  "${knock[@]}" $socket 1000 &
  holder=$!
  wait_for 10 workers
}
has_groups() {
  local group status=0
  start "$options --worker-memory 512M" && hold || return 1
  group=$(workers)
  log | grep 'control group'
  [ "$(cat "$group/memory.max")" = 536870912 ] && grep . "$group/cgroup.procs" || status=1
  kill "$holder"
  wait_for 10 no_workers && return $status
}
restarted() { [ "$(systemctl show -P NRestarts apird)" = 1 ]; }
comes_back() {
  hold && systemctl kill --kill-whom=main --signal=KILL apird
  wait_for 20 restarted && wait_for 60 serves && ! workers && computes
}
stops() {
  local since=$SECONDS
  hold && systemctl stop apird
  echo "$((SECONDS - since)) s, $(systemctl show -P Result apird)"
  ls -la /run/apir
  [ "$(systemctl show -P Result apird)" = success ] && [ $((SECONDS - since)) -le 10 ] && [ ! -e /run/apir ] && ! pgrep apird
}

check "apird.service is installed" installs
check "systemd has no complaint about it" verified
check "it starts" start "$options"
check "every layer of its sandbox is there" not_degraded
check "its sockets belong to a group that was chosen" has_owner
check "root asks it what it has" apir info --socket $socket
check "root computes" computes
check "a user of the group asks it what it has" as apir-users apir info --socket $socket
check "a user of the group computes" computes as apir-users
check "others are refused" refused
check "its door for a machine can be connected to" "${knock[@]}" $machine 0
check "workers have control groups of their own" has_groups
check "it comes back after kill -9" comes_back
check "it stops, with its workers" stops
check "its exposure is 1.5 at most" rated
finish
