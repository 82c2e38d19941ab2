# shellcheck shell=bash
# For scripts that run in the guest: one line "ok N - name" or "not ok N - name" for each test, output of a failed one
# behind '# '.

count=0 bad=0
check() {
  local name=$1 status=0
  shift
  "$@" >/tmp/check.out 2>&1 || status=$?
  count=$((count + 1))
  if [ "$status" = 0 ]; then
    echo "ok $count - $name"
  else
    bad=$((bad + 1))
    echo "not ok $count - $name (exit code $status)"
    tail -n 15 /tmp/check.out | sed 's/^/# /'
  fi
}
finish() { [ "$bad" = 0 ]; }
