# shellcheck shell=bash
# The sandbox: Debian forky's ggml, llama.cpp and QEMU, on a machine whose own are older.
# A machine that has them all is used as it is.

suite=forky
stamp=etc/apir-sandbox  # in the root: marks a finished sandbox, and holds the versions that it took
kernel_folder=usr/lib/apir-kernel  # in the root: the guest's kernel, unpacked

packages() { sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$top/scripts/packages"; }
package_names() { packages | cut -d' ' -f1; }

inside_sandbox() { [ -e "/$stamp" ]; }

# Has this machine every package, new enough? Prints the first that it lacks.
missing_package() {
  local name least have
  command -v dpkg-query >/dev/null || { echo "dpkg (not a Debian)"; return 0; }
  while read -r name least; do
    have=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$name" 2>/dev/null) || have=
    case $have in
      'installed '*) ;;
      *) echo "$name"; return 0 ;;
    esac
    if [ -n "$least" ] && dpkg --compare-versions "${have#* }" lt "$least"; then
      echo "$name $least (has ${have#* })"
      return 0
    fi
  done < <(packages)
}

# 0 if commands run right here: inside the sandbox already, or on a machine that needs none.
# APIR_SANDBOX=always or never overrides the choice.
here_will_do() {
  inside_sandbox && return 0
  case ${APIR_SANDBOX-} in
    always) return 1 ;;
    never) return 0 ;;
  esac
  [ -z "$(missing_package)" ]
}

sandbox_root() {
  local key
  key=$({ echo "$suite"; packages; } | sha256sum | cut -c1-12)
  echo "$cache/sandbox-$key"
}

# Makes sure that there is a sandbox; afterwards $root is its folder.
sandbox_ensure() {
  local other
  root=$(sandbox_root)
  [ ! -e "$root/$stamp" ] || return 0
  require_root
  [ "$(uname -m)" = x86_64 ] || die "only x86-64 machines so far, this one is $(uname -m)"
  command -v apt-get >/dev/null || die "making the sandbox needs apt-get: use a Debian system (12 or newer)"
  leave_nothing_behind
  take_lock "$cache/sandbox.lock" "making the sandbox"
  if [ ! -e "$root/$stamp" ]; then
    rm -rf --one-file-system -- "$root" "$cache"/sandbox-*.part
    say "-- this machine lacks $(missing_package): making a sandbox in $root (once)"
    sandbox_tools
    unfinished=$root.part
    step "unpacking Debian $suite ($(package_names | wc -l) packages and what they need)" \
      unshare -m bash -c '. "$1"; sandbox_make "$2" "$3"' sandbox_make \
      "$top/scripts/sandbox.sh" "$root.part" "$top" ||
      die "the sandbox could not be made; is a Debian mirror reachable? (about 700 MB are fetched)"
    mv -T -- "$root.part" "$root"
    unfinished=
    sandbox_versions "$root/$stamp"
    for other in "$cache"/sandbox-*/; do
      [ "$other" = "$root/" ] || say "-- an older sandbox is in $other; ./run clean removes all"
    done
  fi
  release_lock
  trap - EXIT INT TERM HUP
  [ -z "$temporary" ] || rm -rf -- "$temporary"
  temporary=
}

require_root() {
  [ "$(id -u)" = 0 ] ||
    die "this needs root, to make and enter the sandbox and to mount in it: sudo ./run ..."
}

sandbox_tools() {
  command -v mmdebstrap >/dev/null && [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] && return 0
  step "apt-get update" apt-get update ||
    warn "apt-get update failed; trying to go on with the package lists that are here"
  step "installing mmdebstrap" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends mmdebstrap debian-archive-keyring ||
    die "mmdebstrap cannot be installed; install it by hand and try again"
}

# Makes the root in the folder $1. Runs in a mount namespace of its own: what is mounted in the
# process is gone when it ends, however it ends.
sandbox_make() {
  set -eu
  local part=$1
  top=$2
  mmdebstrap --mode=root --variant=minbase \
    --include="$(package_names | paste -sd,)" \
    --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' \
    --customize-hook="bash -c '. \"\$0\"; sandbox_kernel \"\$1\"' '$top/scripts/sandbox.sh' \"\$1\"" \
    "$suite" "$part"
  {
    chroot "$part" dpkg-query -W -f '${Package} ${Version}\n' \
      libggml0 llama.cpp-tools qemu-system-x86 mesa-vulkan-drivers gcc
    echo "linux $(ls "$part/$kernel_folder/lib/modules")"
  } >"$part/$stamp.new"
  mv "$part/$stamp.new" "$part/$stamp"
}

# The kernel's package wants an initramfs generator and a boot loader's hooks. The guest needs
# only its files: they are unpacked into a folder of the root $1. (Called by mmdebstrap.)
sandbox_kernel() {
  set -eu
  local names deb
  export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
  names=$(apt-cache depends --recurse --important linux-image-amd64 |
    grep -Ex 'linux-(base|image|binary|modules)-[0-9].*' | sort -u)
  mkdir -p "$1/$kernel_folder/deb"
  # shellcheck disable=SC2086
  (cd "$1/$kernel_folder/deb" && apt-get -o APT::Sandbox::User=root download $names)
  for deb in "$1/$kernel_folder/deb"/*.deb; do
    dpkg-deb -x "$deb" "$1/$kernel_folder"
  done
  rm -r "$1/$kernel_folder/deb"
  # New Debian kernels keep their modules in /usr/lib/modules, older ones in /lib/modules.
  if [ -d "$1/$kernel_folder/usr/lib/modules" ]; then
    rm -rf "$1/$kernel_folder/lib"
    ln -s usr/lib "$1/$kernel_folder/lib"
  fi
  chroot "$1" depmod -b "/$kernel_folder" "$(ls "$1/$kernel_folder/lib/modules")"
}

sandbox_versions() {
  local name version
  say "-- the sandbox took:"
  while read -r name version; do
    say "     $name $version"
    if [ "$name" = libggml0 ]; then
      case $version in
        0.27.*) ;;
        *) warn "apir knows ggml 0.27; ggml $version may have another backend interface" ;;
      esac
    fi
  done <"$1"
}

# Runs CMD in the sandbox in place of this script.
sandbox_enter() {
  require_root
  sandbox_ensure
  exec unshare -m bash "$top/scripts/enter.sh" "$root" "$top" "$cache" "$@"
}

# Every command of ./run but a few starts with this: when the machine needs the sandbox, ./run starts
# again inside it, with the same arguments.
go_inside() {
  here_will_do && return 0
  sandbox_enter bash "$self" "$@"
}

# Programs of the build, and the suites that Debian keeps out of the PATH.
program_path() {
  local dir path=$build/bin:$build/tests
  for dir in "/usr/libexec/$triplet"/{ggml,llama.cpp-tests,llama/bin}; do
    [ ! -d "$dir" ] || path+=:$dir
  done
  echo "$path:$PATH"
}

cmd_sandbox() {
  [ "${1-}" != -- ] || shift
  [ $# -gt 0 ] || usage_error "sandbox: which command? ./run sandbox -- CMD..."
  go_inside sandbox -- "$@"
  PATH=$(program_path) exec "$@"
}

cmd_shell() {
  [ $# -eq 0 ] || usage_error "shell takes no arguments; ./run sandbox -- CMD runs one command"
  go_inside shell
  PATH=$(program_path) PS1='(apir) \w \$ ' exec bash --norc -i
}

cmd_clean() {
  local entry
  [ $# -eq 0 ] || usage_error "clean takes no arguments"
  ! inside_sandbox || die "clean removes the sandbox: leave it first"
  [ -d "$cache" ] || { say "nothing to remove: $cache does not exist"; return 0; }
  take_lock "$cache/sandbox.lock" "using the cache"
  for entry in "$cache"/*; do
    [ -e "$entry" ] || continue
    say "removing $entry ($(du -shx -- "$entry" 2>/dev/null | cut -f1))"
    rm -rf --one-file-system -- "$entry"
  done
  rmdir -- "$cache" 2>/dev/null || :
}
