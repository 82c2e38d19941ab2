# shellcheck shell=bash
# Building: CMake and Ninja, into a folder outside the checkout.

triplet=$(uname -m)-linux-gnu

# A folder for each checkout, so that two checkouts do not share one build.
build_folder() {  # VARIANT
  echo "$cache/build-$(printf '%s' "$top" | sha256sum | cut -c1-12)/$1"
}
build=${APIR_BUILD:-$(build_folder release)}
plugin=$build/lib/libggml-virtgpu-apir.so

# build_variant release|clang|sanitize|coverage: configures and builds, quietly unless it fails.
build_variant() {
  local dir
  dir=$(build_folder "$1")
  [ "$1" != release ] || dir=$build
  take_lock "$dir.lock" "building"
  step "building ($1)" build_steps "$1" "$dir" ||
    die "the build failed; see above, or ninja -C $dir in ./run shell"
  release_lock
}

build_steps() {
  if [ "$top/CMakePresets.json" -nt "$2/build.ninja" ]; then # also when there is none; another compiler needs a new cache
    rm -rf -- "$2/CMakeCache.txt" "$2/CMakeFiles"
    cmake -S "$top" --preset "$1" -B "$2" || { rm -f "$2/build.ninja"; return 1; }
  fi
  if [ "$1" = coverage ]; then ninja -C "$2" fuzz; else ninja -C "$2"; fi
}

# For commands that need the programs: APIR_NO_BUILD=1 (set by ./run test for what it runs) takes the
# build as it is.
ensure_build() {
  [ -z "${APIR_NO_BUILD-}" ] || return 0
  build_variant release
}

cmd_build() {
  local variants=(release) arguments=("$@") variant
  while [ $# -gt 0 ]; do
    case $1 in
      --clang) variants=(clang) ;;
      --sanitize) variants=(sanitize) ;;
      --all) variants=(release clang sanitize) ;;
      *) usage_error "build: unknown option: $1" ;;
    esac
    shift
  done
  go_inside build "${arguments[@]}"
  leave_nothing_behind
  for variant in "${variants[@]}"; do
    build_variant "$variant"
    say "-- built in $(build_folder "$variant")"
  done
}
