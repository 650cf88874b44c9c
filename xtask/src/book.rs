//! `cargo xtask book`: the guide as pages to read in a browser, by mdBook.
//!
//! mdBook is built from its sources once, in the version that is named here, without its server
//! and its search: Debian has no package of it. That takes about a minute and a half of a processor's
//! time. That its links lead somewhere, `tests/tests/guide.rs` looks at: mdBook does not.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, bail};
use clap::Args;

use crate::{paths, progress, test};

const VERSION: &str = "0.5.4";

/// What the command can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    /// Opens it in the browser
    #[arg(long)]
    open: bool,
}

/// Builds the guide, and says where it is.
///
/// # Errors
///
/// If mdBook cannot be built, or says that something is wrong with the guide.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let book = build(options.open)?;
    println!("{}", book.join("index.html").display());
    Ok(())
}

/// Builds the guide, and gives its folder.
///
/// # Errors
///
/// As [`run`].
pub fn build(open: bool) -> anyhow::Result<PathBuf> {
    let program = progress::step("building mdBook, unless it is there", program)?;
    let book = paths::target().join("book");
    let mut mdbook = Command::new(program);
    mdbook.arg("build").arg(paths::root().join("docs"));
    mdbook.arg("--dest-dir").arg(&book);
    if open {
        mdbook.arg("--open");
    }
    let output = progress::step("building the guide", || {
        mdbook.output().with_context(|| format!("{mdbook:?}"))
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    // A file that is to be included and is not there is no failure for it.
    if !output.status.success() || said.contains("ERROR") || said.contains("WARN") {
        bail!("{mdbook:?}:\n{said}");
    }
    Ok(book)
}

/// Where mdBook is, in this version.
fn program() -> anyhow::Result<PathBuf> {
    let root = paths::target().join(format!("mdbook-{VERSION}"));
    let program = root.join("bin").join(if cfg!(windows) {
        "mdbook.exe"
    } else {
        "mdbook"
    });
    if program.is_file() {
        return Ok(program);
    }
    let mut cargo = test::cargo("install");
    // Without optimizations it is built in half the time, and the guide is small.
    cargo.args(["mdbook", "--version", VERSION, "--locked", "--debug"]);
    cargo.args(["--no-default-features", "--quiet", "--root"]);
    cargo.arg(&root);
    if !cargo.status()?.success() {
        bail!("failed: {cargo:?}");
    }
    Ok(program)
}
