//! The kernel's image. All of it is in the library; the linker takes `pvh_start` from there.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
use nthost as _;

#[cfg(not(target_os = "none"))]
fn main() {
    eprintln!("nthost is a kernel: build it for x86_64-unknown-none and boot it in QEMU");
    std::process::exit(1);
}
