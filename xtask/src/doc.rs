//! `cargo xtask doc`: the documentation of the safe layer and of the contract with clients, as rustdoc
//! makes it for the drivers' target. No WDK is needed: the bindings are those that the drivers are built
//! with. The examples in it are compiled by `tests/tests/wdm_examples.rs`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::bail;

use crate::{
    build, paths, progress, setup,
    toolchain::{DRIVER, Toolchain},
};

/// Builds it, and gives its first page. What a link leads to is there, or this fails.
///
/// # Errors
///
/// If rustdoc finds a fault.
pub fn run(options: &setup::Options) -> anyhow::Result<PathBuf> {
    let toolchain = setup::run(options)?;
    if toolchain == Toolchain::Debian {
        bail!("Debian's compiler does not document what it builds the libraries of: rustup's does");
    }
    make(toolchain, options.wdk.as_deref())
}

/// Builds it with rustup's compiler.
///
/// # Errors
///
/// If rustdoc finds a fault.
pub fn make(toolchain: Toolchain, wdk: Option<&Path>) -> anyhow::Result<PathBuf> {
    progress::step("building the documentation", || {
        let mut cargo = build::driver_cargo(toolchain, "doc")?;
        build::choose_wdk(&mut cargo, wdk)?;
        document(cargo.args(["--package", "wdm"]))?;
        // Of another workspace, into the same folder.
        let mut cargo = toolchain.cargo("doc", DRIVER);
        cargo.arg("--target-dir").arg(paths::driver_target());
        document(cargo.args(["--package", "eduwdm-abi"]))
    })?;
    let page = paths::driver_target()
        .join(DRIVER)
        .join("doc/wdm/index.html");
    if !page.is_file() {
        bail!("rustdoc has left no {}", page.display());
    }
    Ok(page)
}

fn document(cargo: &mut Command) -> anyhow::Result<()> {
    cargo
        .args(["--quiet", "--release", "--no-deps"])
        .env("RUSTDOCFLAGS", "--deny warnings");
    if !cargo.status()?.success() {
        bail!("failed: {cargo:?}");
    }
    Ok(())
}
