#!/bin/bash
# Control groups as the guest's kernel has them: tests/vm/cgroup.sh BUILD-FOLDER. A worker that takes too much is ended in
# its group; apird makes one for each worker, removes it, and says when it cannot.
# shellcheck source=tests/vm/guest-lib.sh
. "$(dirname "$0")/guest-lib.sh"
build=$1
top=/sys/fs/cgroup
[ -e $top/cgroup.procs ] || mount -t cgroup2 none $top
echo '+memory +pids' >$top/cgroup.subtree_control
mkdir $top/test $top/apird-test

enter() { # GROUP CMD...: this shell becomes CMD, alone in that group
  echo $BASHPID >"$top/$1/cgroup.procs" || exit 1
  shift
  exec "$@"
}
in_kernel() { (enter test env APIR_TEST_CGROUP=1 "$build/tests/cgroup-test"); }
workers() { ls -d $top/apird-test/apird-worker-* 2>/dev/null; }
start() { # GROUP
  enter "$1" "$build/bin/apird" --listen /tmp/apird.sock --ggml-library cpu --worker-memory 256M >/tmp/apird.log 2>&1 &
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
  perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => "/tmp/apird.sock") or die; sleep 1000' &
  local client=$!
  until group=$(workers); do sleep 0.1; done
  [ "$(cat "$group/memory.max")" = 268435456 ] && [ "$(cat "$group/memory.oom.group")" = 1 ] || status=1
  apir info --socket /tmp/apird.sock || status=1
  kill $client $pid
  wait $pid || status=1
  cat /tmp/apird.log
  [ "$status" = 0 ] && ! workers
}
says_when_it_cannot() {
  ! "$build/bin/apird" --listen /tmp/apird.sock --ggml-library cpu --worker-memory 256M >/tmp/apird.log 2>&1 || return 1
  cat /tmp/apird.log
  grep -q -- '--worker-memory: other processes are in' /tmp/apird.log
}
check "control groups, in the kernel" in_kernel
check "apird gives each worker a control group" serves_in_groups
check "apird without a control group of its own" says_when_it_cannot
finish
