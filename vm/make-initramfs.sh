#!/bin/bash
# make-initramfs.sh MODULES-FOLDER VERSION OUT: packs busybox, the modules named in ./modules (found in
# MODULES-FOLDER/lib/modules/VERSION) and ./init into an initramfs.
set -eu
here=$(cd -- "$(dirname -- "$0")" && pwd -P)
folder=$1 version=$2 out=$3

tree=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf -- "$tree"' EXIT
mkdir -p "$tree"/{bin,dev,proc,sys,modules,memory,host,guest}
cp "$(command -v busybox)" "$tree/bin/busybox"
cp "$here/init" "$tree/init"
chmod +x "$tree/init"

# modprobe names each module after those that it needs.
mapfile -t files < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$here/modules" |
  while read -r module; do
    modprobe -d "$folder" -S "$version" --show-depends "$module" || echo "missing $module"
  done | awk '$1 == "missing" { print $0 } $1 == "insmod" && !seen[$2]++ { print $2 }')

n=10
for file in "${files[@]}"; do
  name=${file##*/}
  target=$tree/modules/$n-${name%%.ko*}.ko
  case $file in
    missing*) echo "the kernel $version has no module ${file#missing }" >&2; exit 1 ;;
    *.xz) xz -dc "$file" >"$target" ;;
    *.zst) zstd -qdc "$file" >"$target" ;;
    *.gz) gzip -dc "$file" >"$target" ;;
    *) cp "$file" "$target" ;;
  esac
  n=$((n + 1))
done

(cd "$tree" && find . | cpio -o -H newc --quiet) >"$out.new"
mv "$out.new" "$out"
