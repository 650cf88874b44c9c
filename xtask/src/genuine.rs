//! `cargo xtask genuine`: the bindings and nthost, compared with the tables in `cross/genuine`, in
//! every record, routine and enumerator that the drivers' sources name; and the tables, compared
//! with the headers of a WDK that is there.

use std::{fmt::Display, path::PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use eduwdm_genuine::{
    bindings::{self, Bindings},
    compare, compare_kernel,
    exceptions::{About, Exceptions},
    headers::{self, Tree},
    sources,
    tables::{FOLLOWED, Tables},
};

use crate::{paths, toolchain::DRIVER};

/// Which headers, and what reads them.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// The folder that has Include in it, as a Windows Kits\\10 has; its newest version is taken
    /// unless Version_Number names one. Without, the bindings and nthost are compared with the
    /// tables
    #[arg(long, value_name = "DIR", env = "WDKContentRoot")]
    wdk: Option<PathBuf>,
    /// The clang that reads them: 16 or later for those of 26100
    #[arg(long, value_name = "FILE", default_value = "clang")]
    clang: PathBuf,
    /// Compares the bindings, too, that cargo xtask build has made from these headers
    #[arg(long, requires = "wdk")]
    bindings: bool,
}

/// Compares the tables with the headers, if there are any, or else what the tests compare.
///
/// # Errors
///
/// If a line of the tables is not so, or the headers cannot be read; as [`run`].
pub fn asked(options: &Options) -> anyhow::Result<()> {
    let Some(wdk) = &options.wdk else {
        return run();
    };
    let wanted = std::env::var("Version_Number").ok();
    let tree = Tree::find(wdk, wanted.as_deref())
        .map_err(|missing| anyhow!("{}: no headers of a WDK there", missing.0.display()))?;
    let folder = paths::root().join("cross/genuine");
    let tables = Tables::read(&folder)?;
    let report = headers::compare(&tables, &tree, &options.clang)
        .with_context(|| wdk.display().to_string())?;
    said(&report, &report.differences)?;
    if options.bindings {
        let column = headers::column(&tree)?;
        let report = newest_bindings(&tables, &Exceptions::read(&folder)?, column)?;
        said(&report, &report.differences)?;
    }
    Ok(())
}

/// Compares the newest bindings with the tables, and nthost.
///
/// # Errors
///
/// If something differs, or is in no table and on no list, or is on the list for nothing.
pub fn run() -> anyhow::Result<()> {
    let root = paths::root();
    let folder = root.join("cross/genuine");
    let tables = Tables::read(&folder)?;
    // One list for all, for each needs some of its lines.
    let exceptions = Exceptions::read(&folder)?;
    let report = newest_bindings(&tables, &exceptions, FOLLOWED)?;
    let records = compare_kernel::records(&tables, &exceptions);
    let routines = compare_kernel::routines(&tables, &exceptions, &root.join("nthost"))?;
    let mut differences = report.differences.clone();
    differences.extend(records.differences);
    differences.extend(routines.differences);
    differences.extend(exceptions.unneeded(&About::ALL));
    said(&report, &differences)
}

fn newest_bindings(
    tables: &Tables,
    exceptions: &Exceptions,
    version: usize,
) -> anyhow::Result<compare::Report> {
    let bindings = Bindings::read(&bindings::newest(&paths::driver_target().join(DRIVER))?)?;
    let words = sources::words(&paths::root())?;
    Ok(compare::bindings(
        &bindings, tables, exceptions, &words, version,
    ))
}

fn said(report: &dyn Display, differences: &[String]) -> anyhow::Result<()> {
    if differences.is_empty() {
        println!("    {report}");
        return Ok(());
    }
    bail!(
        "{report}; see cross/genuine/README.md:\n  {}",
        differences.join("\n  ")
    )
}
