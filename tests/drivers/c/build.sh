#!/usr/bin/env bash
# Builds the C test drivers with mingw-w64's compiler and DDK headers: build.sh OUTPUT-DIRECTORY
# A driver is one file here, or all files of a directory; each becomes a native-subsystem image of the same name. One that
# says "Link: OPTION" in a comment is linked with it; one that
# says "Imports from: NAME" in a comment is linked against the export driver of that name, and one that says
# "Compiler: clang" is made by clang and rust-lld for Microsoft's ABI, with a PDB, structured exceptions, stack cookies and
# guarded calls, as the WDK's own compiler would make it.
set -euo pipefail
out=${1:?usage: build.sh OUTPUT-DIRECTORY}
here=$(dirname "$(readlink -f "$0")")
cc=x86_64-w64-mingw32-gcc
ddk=
while read -r directory; do
    if [ -f "$directory/ddk/ntddk.h" ]; then ddk=$directory/ddk; fi
done < <("$cc" -E -v -x c /dev/null 2>&1 | sed -n 's/^ //p')
[ -n "$ddk" ] || { echo "build.sh: $cc has no DDK headers (ddk/ntddk.h)" >&2; exit 1; }
# Debian's has no switch for the image's checksum.
lld="$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin/rust-lld"
mkdir -p "$out"

# build NAME: what it imports from is built before it.
build() {
    local sources=("$here/$1.c") image=$out/$1.sys exports=()
    local libraries library
    if [ -d "$here/$1" ]; then sources=("$here/$1"/*.c); fi
    libraries=$(sed -n 's/.*Imports from: \([a-z_]*\).*/\1/p' "${sources[@]}")
    for library in $libraries; do
        build "$library"
        exports+=("$out/$library.lib")
    done
    if [ -z "$(find "${sources[@]}" "$here"/*.h "$here"/*/*.h "$here/build.sh" -newer "$image" 2>&1)" ]; then return; fi
    if grep -q 'Compiler: clang' "${sources[@]}"; then
        build_with_clang "$1" "${sources[@]}"
        return
    fi
    read -ra options < <(sed -n 's/.*Link: \(.*\)/\1/p' "${sources[@]}" | tr '\n' ' ') || true
    # Multi-character constants are how the DDK writes pool tags; reads relative to GS, as in
    # KeGetCurrentThread, look like reads of no array.
    # Without sibling calls, whoever called is on the stack that a bugcheck shows.
    "$cc" -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wno-multichar -Wno-array-bounds -fno-stack-protector \
        -fno-optimize-sibling-calls -mno-stack-arg-probe -I"$ddk" -include "$here/wdk.h" -shared -nostdlib \
        -Wl,--subsystem,native:10.0 -Wl,--entry,DriverEntry -Wl,--image-base,0x140000000 \
        -Wl,--dynamicbase -Wl,--nxcompat -Wl,--no-insert-timestamp \
        "${options[@]/#/-Wl,}" \
        -Wl,--out-implib,"$out/$1.lib" \
        -o "$image" "${sources[@]}" "${exports[@]}" -lntoskrnl -lhal -lwmilib
}

# build_with_clang NAME SOURCE…: the headers are mingw-w64's, which take a clang that does not say that it is Microsoft's
# compiler for their own. Two of their inline routines are declared twice there, which would give each object a copy.
build_with_clang() {
    local name=$1 objects=$out/$1.objects source
    shift
    mkdir -p "$objects"
    for source in "$@"; do
        clang --target=x86_64-pc-windows-msvc -fno-ms-compatibility -fms-extensions -fmsc-version=0 \
            -D__MINGW32__ -D__MINGW64__ -DWIN32 -D_WIN64 -D_AMD64_ -ffreestanding -fno-builtin \
            -std=gnu11 -O2 -g -gcodeview -Wall -Wextra -Werror -Wno-multichar -Wno-unknown-pragmas \
            -fasynchronous-unwind-tables -fstack-protector-strong -Xclang -cfguard -mno-stack-arg-probe \
            -D__INTRINSIC_DEFINED_InterlockedBitTestAndSet -D__INTRINSIC_DEFINED_InterlockedBitTestAndReset \
            -isystem "$ddk" -isystem "${ddk%/ddk}" -include "$here/wdk.h" -c -o "$objects/$(basename "$source" .c).obj" "$source"
    done
    "$lld" -flavor link /driver /nodefaultlib /subsystem:native,10.0 /entry:DriverEntry /base:0x140000000 /dynamicbase /nxcompat \
        /guard:cf /debug "/pdb:$out/$name.pdb" /Brepro /release "/out:$out/$name.sys" "$objects"/*.obj \
        "$($cc -print-file-name=libntoskrnl.a)"
    rm -r "$objects"
}

for source in "$here"/*.c "$here"/*/; do
    build "$(basename "$source" .c)"
done
