//! `cargo xtask dist`: an archive with what runs drivers where the project's sources are not: nthost,
//! eductl, the machines, and this program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use clap::Args;
use eduwdm_qemu::machine;

use crate::{
    build::{self, Drivers},
    paths, progress, setup,
};

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    /// The archive
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Build nothing: take what an earlier build has left
    #[arg(long)]
    no_build: bool,
}

/// Makes the archive.
///
/// # Errors
///
/// If something does not build, or a file cannot be copied.
pub fn run(options: &Options) -> anyhow::Result<()> {
    if !options.no_build {
        build::machine(&options.setup, Drivers::None)?;
    }
    let name = format!(
        "nthost-{}-{}-{}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        std::env::consts::OS
    );
    let output = options
        .output
        .clone()
        .unwrap_or_else(|| paths::target().join("dist").join(format!("{name}.tar.gz")));
    let stage = tempfile::tempdir()?;
    let folder = stage.path().join(&name);
    progress::step("collecting the release", || collect(&folder))?;
    if let Some(parent) = output.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut tar = Command::new("tar");
    // The same files make the same archive, whoever makes it.
    tar.args([
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "-czf",
    ])
    .arg(&output)
    .arg("-C")
    .arg(stage.path())
    .arg(&name);
    let made = tar.output().context("tar")?;
    if !made.status.success() {
        bail!("tar: {}", String::from_utf8_lossy(&made.stderr));
    }
    println!(
        "{}\n\n    tar -xzf {} && {name}/xtask run my.sys --inf my.inf\n\nruns a driver with it; it \
         takes qemu-system-x86_64, and nothing else.",
        output.display(),
        output.display()
    );
    Ok(())
}

fn collect(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    // Of nthost the symbols stay: stacks have functions and lines by them.
    copy(&paths::out().join("nthost"), &folder.join("nthost"))?;
    stripped(&paths::out().join("eductl"), &folder.join("eductl"))?;
    stripped(&std::env::current_exe()?, &folder.join("xtask"))?;
    copy_all(&machine::directory(), &folder.join("machines"))?;
    copy_all(&paths::root().join("cross/cc"), &folder.join("cross/cc"))?;
    for name in ["LICENSE", "LICENSE-APACHE", "LICENSE-MIT"] {
        copy(&paths::root().join(name), &folder.join(name))?;
    }
    for page in ["your-driver.md", "eductl.md", "verifier.md", "routines.md"] {
        let from = paths::root().join("docs/src").join(page);
        copy(&from, &folder.join("docs").join(page))?;
    }
    let about = format!("{}\n", env!("CARGO_PKG_VERSION"));
    fs::write(folder.join(paths::RELEASE), about)?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_all(&entry.path(), &target)?;
        } else {
            copy(&entry.path(), &target)?;
        }
    }
    Ok(())
}

/// Copies a program without what a debugger wants of it, which is most of its bytes.
fn stripped(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut strip = Command::new("strip");
    let output = strip
        .args(["--strip-debug", "-o"])
        .arg(to)
        .arg(from)
        .output();
    let output = output.context("strip")?;
    if !output.status.success() {
        bail!("strip: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
