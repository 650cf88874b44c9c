//! Builds the driver of a folder, in Rust by cargo and in C by `cargo xtask cc`, and checks its image.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::bail;

use super::Folder;
use crate::{
    build::{self, built, copy},
    cc, check, progress,
    toolchain::Toolchain,
};

/// Builds it, and gives its image. nthost has been built.
///
/// # Errors
///
/// If it does not build, or its image is not as a driver's must be.
pub fn driver(
    folder: &Folder,
    toolchain: Toolchain,
    wdk: Option<&Path>,
) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(folder.out())?;
    let image = folder.out().join(&folder.name).with_extension("sys");
    progress::step(&format!("building {}.sys", folder.name), || {
        if folder.path.join("Cargo.toml").is_file() {
            rust(folder, toolchain, wdk, &image)
        } else {
            cc::build(&cc::Options::of(&folder.path, &image))
        }
    })?;
    check::file(&image)?;
    Ok(image)
}

/// The folder in which cargo builds is that of the project's own drivers: what all drivers stand on is
/// built once.
fn rust(
    folder: &Folder,
    toolchain: Toolchain,
    wdk: Option<&Path>,
    image: &Path,
) -> anyhow::Result<()> {
    let mut cargo = build::driver_cargo_in(&folder.path, toolchain, "build")?;
    build::choose_wdk(&mut cargo, wdk)?;
    for library in built(cargo.arg("--release"), "cdylib", "dll")? {
        if library.file_stem() == Some(folder.name.as_ref()) {
            copy(&library, image)?;
            return copy(&library.with_extension("pdb"), &image.with_extension("pdb"));
        }
    }
    bail!("cargo has built no {}.dll", folder.name)
}
