# shellcheck shell=bash
# What the kernel says of apird and of a worker: for run-tests.sh. As this user, and as nobody where this is root.

confined_field() { # PID FIELD
  awk -v field="$2:" '$1 == field { print $2 }' "/proc/$1/status" 2>/dev/null
}
confined_is() { # PID FIELD VALUE
  local value
  value=$(confined_field "$1" "$2")
  [ "$value" = "$3" ] || { echo "process $1: $2 is $value, not $3"; return 1; }
}

# A client that says nothing: its worker serves, and waits.
confined_client() { # SOCKET
  perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "no connection"; sleep 100' "$1" &
  client=$!
}
confined_worker() { # APIRD: prints the worker's process id, once it is confined
  local worker
  for _ in $(seq 200); do
    worker=$(pgrep -P "$1" apird-worker | head -n 1)
    if [ -n "$worker" ] && [ "$(confined_field "$worker" Seccomp)" = 2 ]; then
      echo "$worker"
      return 0
    fi
    sleep 0.05
  done
  return 1
}

confined_processes() { # APIRD SOCKET USER-OF-WORKER CAPABILITIES-OF-APIRD: 0 if all is as it should be
  local apird=$1 socket=$2 client worker status=0 file
  confined_is "$apird" NoNewPrivs 1 && confined_is "$apird" Seccomp 2 && confined_is "$apird" CapEff "$4" || status=1
  [ "$(stat -c %a "$socket")" = 660 ] || { stat "$socket"; status=1; }
  confined_client "$socket"
  if worker=$(confined_worker "$apird"); then
    confined_is "$worker" NoNewPrivs 1 && confined_is "$worker" CapEff 0000000000000000 || status=1
    confined_is "$worker" Uid "$(($3 >= 1900000000 ? $3 + worker : $3))" || status=1
    for file in "/proc/$worker/fd"/*; do
      [ "${file##*/}" -le 4 ] || { ls -l "$file"; status=1; }
    done
  else
    echo "no worker that is confined"
    status=1
  fi
  kill "$client"
  wait "$client" 2>/dev/null
  return $status
}

confined() { # USER-OF-WORKER CAPABILITIES-OF-APIRD PREFIX...
  local user=$1 capabilities=$2 folder=$work/confined status=0 pid
  shift 2
  mkdir -p "$folder" && chmod 777 "$folder" && chmod 755 "$work" || return 1
  "$@" "$build/bin/apird" --listen "$folder/apird.sock" --socket-mode 0660 --require-sandbox --ggml-library cpu \
    >"$folder/log" 2>&1 &
  pid=$!
  until grep -q 'ggml library cpu: 1 device' "$folder/log"; do
    kill -0 $pid 2>/dev/null || { cat "$folder/log"; return 1; }
    sleep 0.1
  done
  confined_processes $pid "$folder/apird.sock" "$user" "$capabilities" || status=1
  apir info --socket "$folder/apird.sock" || status=1
  kill $pid
  wait $pid || status=1
  cat "$folder/log"
  [ ! -e "$folder/apird.sock" ] || { echo "the socket was left"; status=1; }
  rm -rf "$folder"
  return $status
}

# Workers of others: one that lists nothing, one that says that it cannot, one that does not stop talking. The daemon serves
# with what is left of its own confinement, and says so.
lists_nothing() { # PROGRAM
  local folder=$work/lists pid status=0
  mkdir -p "$folder" || return 1
  "$build/bin/apird" --listen "$folder/apird.sock" --worker "$1" >"$folder/log" 2>&1 &
  pid=$!
  for _ in $(seq 300); do
    [ ! -S "$folder/apird.sock" ] && kill -0 $pid 2>/dev/null || break
    sleep 0.1
  done
  [ -S "$folder/apird.sock" ] || { echo "it does not listen"; status=1; }
  kill $pid
  wait $pid || status=1
  grep -q 'DEGRADED' "$folder/log" || { echo "it does not say so"; status=1; }
  cat "$folder/log"
  rm -rf "$folder"
  return $status
}
workers_that_list_nothing() {
  local program status=0
  for program in true false 'yes readable /'; do
    printf '#!/bin/sh\nexec %s\n' "$program" >"$work/lister"
    chmod 755 "$work/lister"
    lists_nothing "$work/lister" || { echo "with $program"; status=1; }
  done
  return $status
}

# Each promise of docs/security.md names what holds it: "program: test", or a test of the program named before.
promised_tests_exist() {
  local name found=0 missing=0
  while read -r name; do
    found=$((found + 1))
    case $name in
      *-test) grep -qx -- "$name" "$build/tests/list" ;;
      *) grep -qrE --include='*.c' "^static void $name\(" "$top/tests" ;;
    esac || { echo "there is no $name"; missing=$((missing + 1)); }
  done < <(grep '^|' "$top/docs/security.md" | grep -oE '`[^`]+`' | tr -d '`' | sed 's/: /\n/' |
    grep -xE '[a-z0-9-]+-test|[a-z]+_[a-z0-9_]+' | sort -u)
  echo "$found names"
  [ "$found" -gt 30 ] && [ "$missing" = 0 ]
}

# A kernel or a container without all of the layers; the tests of each say which.
sandbox_is_complete() { apird-worker --probe --require-sandbox --ggml-library cpu >/dev/null 2>&1; }

confined_part() {
  section "confined"
  check "every test that docs/security.md names exists" promised_tests_exist
  check "workers that cannot list what they need" workers_that_list_nothing
  if ! sandbox_is_complete; then
    skip "apird and its workers: this system has not all layers"
  elif [ "$(id -u)" = 0 ]; then
    check "apird and its workers, as root" confined 1900000000 00000000000000e0
    check "apird and its workers, as nobody" confined 65534 0000000000000000 \
      setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all
  else
    check "apird and its workers" confined "$(id -u)" 0000000000000000
  fi
  section_end
}
