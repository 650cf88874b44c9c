//! A medium that starts a computer as one of Windows does: an ISO image with a boot record that
//! names a FAT image, in which the boot loader is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use eduwdm_vm::disk;

/// Runs a program that must succeed.
fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// Builds the boot loader, and the medium around it.
pub fn make(folder: &Path) -> PathBuf {
    let loader = folder.join("BOOTX64.EFI");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/unattended/loader.c");
    succeed(
        Command::new("x86_64-w64-mingw32-gcc")
            .args([
                "-std=c11",
                "-O2",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-ffreestanding",
                "-fshort-wchar",
            ])
            .args([
                "-fno-stack-protector",
                "-mno-stack-arg-probe",
                "-nostdlib",
                "-shared",
            ])
            .args(["-Wl,--subsystem,10", "-Wl,-e,efi_main", "-o"])
            .arg(&loader)
            .arg(source),
    );
    let tree = folder.join("medium");
    fs::create_dir(&tree).unwrap();
    let files = [(
        "EFI/BOOT/BOOTX64.EFI".to_owned(),
        fs::read(&loader).unwrap(),
    )];
    let boot = disk::volume("boot", 16 << 20, &files).unwrap();
    fs::write(tree.join("efi.img"), boot).unwrap();
    let iso = folder.join("windows, eval.iso");
    succeed(
        Command::new("xorriso")
            .args(["-as", "mkisofs", "-quiet", "-V", "MEDIUM"])
            .args([
                "-eltorito-platform",
                "efi",
                "-b",
                "efi.img",
                "-no-emul-boot",
                "-o",
            ])
            .arg(&iso)
            .arg(&tree),
    );
    iso
}
