//! `cargo xtask routines`: writes the page on which of the kernel's routines nthost has.

use std::fs;

use anyhow::{Context, bail};
use eduwdm_qemu::routines::{self, Coverage};

use crate::{build, paths, setup};

/// Builds nthost, compares, and writes `docs/src/routines.md`.
///
/// # Errors
///
/// If a routine is not there and `nthost/absent.toml` does not say why, or the other way
/// round.
pub fn run(options: &setup::Options) -> anyhow::Result<()> {
    build::run(options)?;
    let kernel = fs::read(paths::out().join("nthost"))?;
    let path = paths::root().join("nthost/absent.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let reasons = routines::reasons(&text)?;
    let declared = routines::declared(&routines::windows_sys(&paths::root())?)?;
    let coverage = Coverage::new(&declared, &routines::exported(&kernel)?, &reasons);
    let page = paths::root().join("docs/src/routines.md");
    fs::write(&page, coverage.page(&reasons)).with_context(|| page.display().to_string())?;
    println!(
        "{} routines are there, and {} that the metadata does not declare",
        coverage.present.len(),
        coverage.beyond.len()
    );
    if !coverage.unexplained.is_empty() {
        bail!(
            "not there, without a reason: {}",
            coverage.unexplained.join(" ")
        );
    }
    if !coverage.stale.is_empty() {
        bail!("reasons for nothing: {}", coverage.stale.join(" "));
    }
    Ok(())
}
