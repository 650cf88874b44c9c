//! `cargo xtask setup`: what the build and the tests need, installed once.
//!
//! A stamp remembers that all was there, with what and by which compiler, so that the next
//! command does not ask again.

use std::{fs, path::PathBuf};

use clap::Args;

use crate::{
    packages, paths,
    toolchain::{self, Toolchain},
};

/// Raised when this file or the list of packages changes what is installed.
const REVISION: u32 = 3;

/// What setup and build can be told.
#[derive(Args, Clone, Debug, Default)]
// Other commands' options have this name too, and clap would make a group of each.
#[group(skip)]
pub struct Options {
    /// Whose compiler builds for other targets; rustup's if it has them, else Debian's
    #[arg(long, value_enum)]
    pub toolchain: Option<Toolchain>,
    /// Builds the drivers with the headers of a WDK: the folder that has Include in it, as a
    /// Windows Kits\\10 has; its import libraries are taken if Lib is beside it
    #[arg(long, value_name = "DIR")]
    pub wdk: Option<PathBuf>,
}

fn stamp() -> PathBuf {
    paths::target().join("xtask").join("setup")
}

fn content(toolchain: Toolchain) -> anyhow::Result<String> {
    Ok(format!(
        "{REVISION} {}\n{}",
        toolchain.name(),
        toolchain.version()?
    ))
}

/// Installs what is missing. Gives the compiler that has all targets.
///
/// # Errors
///
/// If something is missing and cannot be installed.
pub fn run(options: &Options) -> anyhow::Result<Toolchain> {
    let remembered = fs::read_to_string(stamp()).unwrap_or_default();
    let candidates = options.toolchain.map_or_else(
        || vec![Toolchain::Rustup, Toolchain::Debian],
        |toolchain| vec![toolchain],
    );
    for toolchain in candidates {
        if content(toolchain).is_ok_and(|content| content == remembered) {
            return Ok(toolchain);
        }
    }
    packages::install()?;
    let toolchain = if cfg!(windows) {
        Toolchain::Rustup
    } else {
        toolchain::add_components()?;
        Toolchain::prepare(options.toolchain)?
    };
    let stamp = stamp();
    if let Some(folder) = stamp.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&stamp, content(toolchain)?)?;
    Ok(toolchain)
}
