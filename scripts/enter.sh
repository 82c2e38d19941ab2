#!/bin/bash
# enter.sh ROOT CHECKOUT CACHE CMD...: runs CMD in the sandbox ROOT, in the current directory.
# Must run in a mount namespace of its own (unshare -m): everything that is mounted here is seen by
# CMD and its children only, and is gone with the last of them. CMD replaces this script, so that
# its terminal, its signals and its exit code are its own.
set -eu

root=$1 checkout=$2 cache=$3
shift 3
cwd=$(pwd -P)

mount --bind "$root" "$root"  # a mount point, so that CMD can make mount namespaces in turn

bound=()
bind() {  # PATH: shows PATH of this machine at the same place in the sandbox
  mkdir -p "$root$1"
  mount --rbind "$1" "$root$1"
  bound+=("$1")
}
is_bound() {
  local dir
  for dir in "${bound[@]}"; do
    case $1/ in
      "$dir"/*) return 0 ;;
    esac
  done
  return 1
}

# People's files are seen where they are; the system is the sandbox's own.
for entry in /*; do
  case $entry in
    /bin | /boot | /etc | /lib* | /sbin | /usr | /var | /run | /proc | /sys | /dev | /lost+found) ;;
    *)
      if [ -L "$entry" ]; then
        [ -e "$root$entry" ] || ln -s "$(readlink "$entry")" "$root$entry" 2>/dev/null || :
      elif [ -d "$entry" ]; then
        bind "$entry"
      fi ;;
  esac
done
for dir in /proc /sys /dev /var/tmp; do
  bind "$dir"
done
for dir in "$checkout" "$cache"; do
  is_bound "$dir" || bind "$dir"
done
case $cwd in
  / | /usr | /usr/* | /etc | /etc/* | /bin | /lib* | /sbin | /boot* | /run* | /var) ;;
  *) is_bound "$cwd" || bind "$cwd" ;;
esac
mount -t tmpfs -o mode=755 run "$root/run"
for file in /etc/resolv.conf /etc/hosts; do
  if [ -f "$file" ]; then
    [ -f "$root$file" ] || : >"$root$file"
    mount --bind "$file" "$root$file"
  fi
done

# What the caller set for the other system's libraries would mislead this one's.
unset LD_LIBRARY_PATH LD_PRELOAD PKG_CONFIG_PATH CMAKE_PREFIX_PATH CPATH LIBRARY_PATH
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8

# shellcheck disable=SC2016  # expanded in the sandbox
exec chroot "$root" /bin/bash -c '
  cd -- "$1" 2>/dev/null || {
    echo "run: the sandbox has no folder $1: start from one of your own" >&2
    exit 1
  }
  shift
  exec "$@"' run "$cwd" "$@"
