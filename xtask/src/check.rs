//! What must hold of a driver's image, checked after every build.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use eduwdm_package::pe::hygiene::{self, Table};

use crate::paths;

/// The table of what was found in an image, good or bad.
///
/// # Errors
///
/// If it is no image.
pub fn table(path: &Path) -> anyhow::Result<Table> {
    let image = fs::read(path).with_context(|| path.display().to_string())?;
    let symbols = fs::read(path.with_extension("pdb")).ok();
    hygiene::check(&image, symbols.as_deref(), None).map_err(anyhow::Error::msg)
}

/// Checks an image in `target/out`, and gives the table of what was found. It is printed if
/// anything in it is bad.
///
/// # Errors
///
/// If a line of the table is bad.
pub fn image(name: &str) -> anyhow::Result<Table> {
    file(&paths::out().join(name).with_extension("sys"))
}

/// The same for an image anywhere.
///
/// # Errors
///
/// If a line of the table is bad.
pub fn file(path: &Path) -> anyhow::Result<Table> {
    let table = table(path)?;
    if table.bad().next().is_some() {
        eprintln!("{table}");
        bail!("{} is not as a driver's image must be", path.display());
    }
    Ok(table)
}
