#!/bin/bash
# Control groups as the guest's kernel has them: tests/vm/cgroup.sh BUILD-FOLDER. A worker that takes too much is ended in
# its group, and clients share the processor; apird makes the groups, removes them, and says when it cannot.
# shellcheck source=tests/vm/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"
build=$1
top=/sys/fs/cgroup
[ -e $top/cgroup.procs ] || mount -t cgroup2 none $top
echo '+memory +pids' >$top/cgroup.subtree_control
mkdir $top/test $top/apird-test $top/apird-less

enter() { # GROUP CMD...: this shell becomes CMD, alone in that group
  echo $BASHPID >"$top/$1/cgroup.procs" || exit 1
  shift
  exec "$@"
}
in_kernel() { (enter test env APIR_TEST_CGROUP=1 "$build/tests/cgroup-test"); }
clients() { ls -d $top/apird-*/apird-client-* 2>/dev/null; }
workers() { ls -d $top/apird-test/apird-client-*-"$1"/worker-* 2>/dev/null; } # CLIENT
start() { # GROUP
  enter "$1" "$build/bin/apird" --listen /tmp/apird.sock --listen /tmp/other.sock --ggml-library cpu \
    --worker-memory 256M >/tmp/apird.log 2>&1 &
  pid=$!
  until grep -q 'ggml library cpu: 1 device' /tmp/apird.log; do
    kill -0 $pid || { cat /tmp/apird.log; return 1; }
    sleep 0.2
  done
}
serves_in_groups() {
  local group status=0
  start apird-test || return 1
  # a client that says nothing keeps its worker
  perl -MIO::Socket::UNIX -e 'for (@ARGV) { push @s, IO::Socket::UNIX->new(Peer => $_) or die } sleep 1000' \
    /tmp/apird.sock /tmp/other.sock &
  local client=$!
  until group=$(workers 1) && workers 2; do sleep 0.1; done
  [ "$(cat "$group/memory.max")" = 268435456 ] && [ "$(cat "$group/memory.oom.group")" = 1 ] || status=1
  [ "$(cat "${group%/*}/cgroup.subtree_control")" = 'cpu memory pids' ] || status=1
  apir info --socket /tmp/apird.sock || status=1
  kill $client $pid
  wait $pid || status=1
  cat /tmp/apird.log
  [ "$status" = 0 ] && ! grep 'DEGRADED: a client' /tmp/apird.log && ! clients
}
says_when_it_shares_no_processors() {
  start apird-less || return 1
  kill $pid
  wait $pid || return 1
  cat /tmp/apird.log
  grep -q 'DEGRADED: a client with many contexts gets more of the processors' /tmp/apird.log && ! clients
}
says_when_it_cannot() {
  ! "$build/bin/apird" --listen /tmp/apird.sock --ggml-library cpu --worker-memory 256M >/tmp/apird.log 2>&1 || return 1
  cat /tmp/apird.log
  grep -q -- '--worker-memory: other processes are in' /tmp/apird.log
}
check "apird without processors to share out" says_when_it_shares_no_processors
echo +cpu >$top/cgroup.subtree_control
check "control groups, in the kernel" in_kernel
check "apird gives each client, and each worker, a control group" serves_in_groups
check "apird without a control group of its own" says_when_it_cannot
finish
