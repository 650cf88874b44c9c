//! The safe layer's tests on the host, under Miri: it finds what is undefined in how raw pointers,
//! references and atomics are used, and what is never freed.
//!
//! Miri comes with nightly compilers alone, so it is run where somebody has installed it. It
//! interprets the driver's own target, so nothing is linked, and types have the sizes of Windows.

use std::process::{Command, Stdio};

use anyhow::bail;

use crate::{paths, toolchain::DRIVER};

/// Whether there is one.
fn is_installed() -> bool {
    let probe = Command::new("cargo")
        .args(["+nightly", "miri", "--version"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    // It builds its own library, from its sources.
    let sysroot = || {
        let output = Command::new("rustc")
            .args(["+nightly", "--print", "sysroot"])
            .output()
            .ok()?;
        let sysroot = String::from_utf8(output.stdout).ok()?;
        let library = "lib/rustlib/src/rust/library/Cargo.toml";
        Some(std::path::Path::new(sysroot.trim()).join(library).is_file())
    };
    probe.is_ok_and(|status| status.success()) && sysroot() == Some(true)
}

/// Runs them, or says how they could be.
///
/// # Errors
///
/// If one fails.
pub fn run() -> anyhow::Result<()> {
    if !is_installed() {
        eprintln!(
            "Miri is not installed, so the safe layer's tests on the host are left out; \
             `rustup component add miri rust-src --toolchain nightly` installs it"
        );
        return Ok(());
    }
    let mut cargo = Command::new("cargo");
    cargo
        .args(["+nightly", "miri", "test", "--package", "wdm"])
        .args(["--target", DRIVER, "--manifest-path", "driver/Cargo.toml"])
        .arg("--target-dir")
        .arg(paths::root().join("target/miri"))
        .current_dir(paths::root())
        // Pointers that are made of integers would escape its checks.
        .env("MIRIFLAGS", "-Zmiri-strict-provenance");
    if cfg!(not(windows)) {
        cargo.args(["--config", "cross/config.toml"]);
    }
    if !cargo.status()?.success() {
        bail!("failed: {cargo:?}");
    }
    Ok(())
}
