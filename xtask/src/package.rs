//! `cargo xtask package`: the driver package for a Windows test machine.

use clap::Args;
use eduwdm_package::command::{self, Built};

use crate::{build, paths, setup};

/// What the package can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    #[command(flatten)]
    package: command::Arguments,
}

/// Builds what goes into the package, and packs it.
///
/// # Errors
///
/// If something does not build, or the package would not be right; nothing is written then.
pub fn run(options: &Options) -> anyhow::Result<()> {
    // Of another driver all is there already.
    if command::other(&options.package)?.is_none() {
        build::shipped(&options.setup)?;
    }
    let out = paths::out();
    let built = Built {
        driver: out.join("eduwdm.sys"),
        pdb: Some(out.join("eduwdm.pdb")),
        programs: vec![out.join("eductl.exe")],
        symbols: vec![out.join(build::EDUCTL_SYMBOLS)],
    };
    let version = env!("CARGO_PKG_VERSION");
    command::run(&options.package, &built, &paths::root(), version)?;
    Ok(())
}
