#!/usr/bin/env bash
# Builds the C test drivers with mingw-w64's compiler and DDK headers: build.sh OUTPUT-DIRECTORY
# A driver is one file here; each becomes a native-subsystem image of the same name.
set -euo pipefail
out=${1:?usage: build.sh OUTPUT-DIRECTORY}
here=$(dirname "$(readlink -f "$0")")
cc=x86_64-w64-mingw32-gcc
ddk=
while read -r directory; do
    if [ -f "$directory/ddk/ntddk.h" ]; then ddk=$directory/ddk; fi
done < <("$cc" -E -v -x c /dev/null 2>&1 | sed -n 's/^ //p')
[ -n "$ddk" ] || { echo "build.sh: $cc has no DDK headers (ddk/ntddk.h)" >&2; exit 1; }
mkdir -p "$out"
for source in "$here"/*.c; do
    image=$out/$(basename "$source" .c).sys
    [ "$image" -nt "$source" ] && continue
    # Multi-character constants are how the DDK writes pool tags.
    "$cc" -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wno-multichar -fno-stack-protector \
        -mno-stack-arg-probe -I"$ddk" -shared -nostdlib \
        -Wl,--subsystem,native:10.0 -Wl,--entry,DriverEntry -Wl,--image-base,0x140000000 \
        -Wl,--dynamicbase -Wl,--nxcompat -Wl,--no-insert-timestamp \
        -o "$image" "$source" -lntoskrnl -lhal
done
