//! `cargo xtask coverage`: which lines and branches of eduwdm.sys the tests run, of the image as it
//! is installed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use clap::Args;
use eduwdm_qemu::{
    coverage::{self, Executed, Report},
    symbols::Symbols,
};

use crate::{build, paths, setup};

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    /// Arguments for `cargo test`; without any, all tests that boot machines
    #[arg(last = true)]
    tests: Vec<String>,
}

/// Runs the tests and tells what they have run.
///
/// # Errors
///
/// If a test fails, or nothing is known of the image.
pub fn run(options: &Options) -> anyhow::Result<()> {
    build::run(&options.setup)?;
    let folder = paths::target().join("coverage");
    let machines = folder.join("machines");
    if machines.exists() {
        fs::remove_dir_all(&machines)?;
    }
    fs::create_dir_all(&machines)?;
    let mut cargo = Command::new("cargo");
    cargo.arg("test").current_dir(paths::root());
    if options.tests.is_empty() {
        cargo.args(["--package", "eduwdm-tests", "--no-fail-fast"]);
    }
    cargo
        .args(&options.tests)
        .env(coverage::VARIABLE, &machines);
    let passed = cargo.status()?.success();
    let executed = Executed::read_all(&machines)?;
    let lcov = folder.join("lcov.info");
    tell(&executed, &["eduwdm.sys"], &[paths::out()], &lcov)?;
    pages(&lcov, &folder.join("html"))?;
    if passed {
        Ok(())
    } else {
        bail!("a test has failed: {cargo:?}")
    }
}

/// Prints what ran of modules, whose images and PDBs lie in one of the folders, and writes it in
/// LCOV's form.
///
/// # Errors
///
/// If one of them did not run, or has no symbols.
pub fn tell(
    executed: &Executed,
    modules: &[&str],
    folders: &[PathBuf],
    lcov: &Path,
) -> anyhow::Result<()> {
    let root = paths::root();
    let mut text = String::new();
    for name in modules {
        let module = executed.modules.get(*name);
        let module = module.with_context(|| format!("{name} was loaded by no machine"))?;
        let mut symbols = Symbols::default();
        let found = folders.iter().any(|folder| {
            let image = folder.join(name);
            let added = symbols.add_image(name, &image.with_extension("pdb"));
            added.or_else(|_| symbols.add_dwarf(name, &image)).is_ok()
        });
        if !found {
            bail!("{name} has neither a PDB nor symbols of its own");
        }
        let report = Report::new(name, module, &symbols, &root);
        println!("{name}:\n{report}");
        text += &report.lcov(&root);
    }
    fs::write(lcov, text)?;
    println!("{}", lcov.display());
    Ok(())
}

/// Makes pages of it, where the program for that is installed.
fn pages(lcov: &Path, folder: &Path) -> anyhow::Result<()> {
    let mut genhtml = Command::new("genhtml");
    genhtml
        .args(["--quiet", "--branch-coverage", "--output-directory"])
        .arg(folder)
        .arg(lcov)
        .stdout(Stdio::null());
    match genhtml.status() {
        Ok(status) if status.success() => {
            println!("{}", folder.join("index.html").display());
            Ok(())
        }
        Ok(status) => bail!("genhtml: {status}"),
        Err(_) => {
            println!("genhtml, of the package lcov, makes pages of it");
            Ok(())
        }
    }
}
