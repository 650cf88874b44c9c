//! `cargo nt test`: the folder's test, on a machine with the driver.

use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;
use eductl::nthost::NtHost;

use super::{
    Folder,
    run::{LIMIT, boot, end},
};
use crate::{paths, setup};

/// Where a test finds the machine.
const SOCKET: &str = "NT_SOCKET";

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    /// The machine's log as well
    #[arg(long)]
    log: bool,
    /// For the test's own command line
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// Runs it.
///
/// # Errors
///
/// If it fails, or the driver has done something wrong meanwhile or leaves something behind.
pub fn run(folder: &Folder, options: &Options) -> anyhow::Result<()> {
    let mut session = boot(folder, &options.setup, options.log)?;
    let mut cargo = Command::new("cargo");
    cargo
        .arg("test")
        .arg("--manifest-path")
        .arg(folder.path.join("test/Cargo.toml"))
        // What the tests of all folders stand on is built once, and much of it has been.
        .arg("--target-dir")
        .arg(paths::target())
        .arg("--")
        .args(&options.arguments)
        .env(SOCKET, session.socket())
        .current_dir(&folder.path);
    let tested = cargo.status().context("cargo")?;
    // A machine that has ended tells why.
    let host = NtHost::connect(session.socket());
    match host {
        Ok(host) => end(&mut session, &host)?,
        Err(_) => session.finish(LIMIT)?,
    }
    if !tested.success() {
        bail!("the test failed");
    }
    Ok(())
}
