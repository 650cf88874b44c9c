//! `cargo nt package`: a driver's signed package, for a Windows test machine.

use std::{fs, path::PathBuf};

use clap::Args;
use eduwdm_package::command::{self, Arguments, Built};

use super::{Folder, run::build};
use crate::{paths, setup};

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    /// Where the package goes; the zip file stands beside it
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

/// Makes it, as `cargo xtask package --inf` does of any driver.
///
/// # Errors
///
/// If the driver does not build, or the package would not be right; nothing is written then.
pub fn run(folder: &Folder, options: &Options) -> anyhow::Result<()> {
    let driver = build(folder, &options.setup)?;
    let output = options.output.clone();
    let output = output.unwrap_or_else(|| folder.path.join("target/package").join(&folder.name));
    if let Some(above) = output.parent() {
        fs::create_dir_all(above)?;
    }
    let arguments = Arguments {
        inf: Some(folder.inf()),
        files: Some(folder.out()),
        output: Some(output),
        ..Arguments::default()
    };
    let built = Built {
        pdb: Some(driver.with_extension("pdb")),
        driver,
        programs: Vec::new(),
        symbols: Vec::new(),
    };
    // The version is the INF file's.
    command::run(&arguments, &built, &paths::root(), "")?;
    Ok(())
}
