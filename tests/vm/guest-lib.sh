# shellcheck shell=bash
# For scripts that run in the guest: one line "ok N - name" or "not ok N - name" for each test, output of a failed one
# behind '# '.

count=0 bad=0
check() {
  local name=$1 status=0 start=$SECONDS
  shift
  "$@" >/tmp/check.out 2>&1 || status=$?
  count=$((count + 1))
  [ $((SECONDS - start)) -lt 5 ] || name="$name ($((SECONDS - start)) s)"
  if [ "$status" = 0 ]; then
    echo "ok $count - $name"
  else
    bad=$((bad + 1))
    echo "not ok $count - $name (exit code $status)"
    tail -n 15 /tmp/check.out | sed 's/^/# /'
  fi
}
finish() { [ "$bad" = 0 ]; }

# computes MODEL: a stock program computes on the device. Whether layers are off the guest's processor shows in the row; the
# device in the list of what was used. Where the processor is emulated it is faster than the smallest run of test-backend-ops.
computes() {
  llama-bench -m "$1" -ngl 99 -p 16 -n 4 -r 1 -o csv >/tmp/bench 2>/tmp/bench.err && cat /tmp/bench && grep -F virtgpu /tmp/bench
}
