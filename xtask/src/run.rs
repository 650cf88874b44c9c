//! `cargo xtask run`: boots a machine and keeps it running, so that a person can use eductl from
//! other terminals.

use std::path::PathBuf;

use clap::Args;
use eduwdm_qemu::{Ending, Machine, Session, coverage::Executed};

use crate::{build, coverage, demo::MachineOptions, paths, setup};

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    #[command(flatten)]
    machine: MachineOptions,
    /// When the machine has ended, tells which lines and branches of the drivers have run, and
    /// writes them to this file in LCOV's form
    #[arg(long, value_name = "FILE")]
    coverage: Option<PathBuf>,
}

/// Runs a machine until it ends.
///
/// # Errors
///
/// If it cannot be started, or ends otherwise than by being told to.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let machine = Machine::load(&options.machine.machine)?;
    build::run(&options.setup)?;
    let artifacts = options.machine.artifacts();
    let mut session = options.machine.prepare(&machine, &artifacts)?;
    let ran = tempfile::tempdir()?;
    if options.coverage.is_some() {
        session.extras.coverage = Some(ran.path().join("1.executed"));
    }
    let images: Vec<_> = session
        .manifest
        .drivers
        .iter()
        .map(|one| one.image.clone())
        .collect();
    let mut session = Session::start(&machine, &artifacts, &session, |line| println!("{line}"))?;
    session.wait_ready()?;
    println!(
        "\n{} is ready: {}\n\n    {} list\n\nin another terminal of this project's folder shows \
         its devices, and --help what else there is.\nCtrl-C here ends the machine, and so does \
         `eductl host shutdown` there.\n",
        machine.name,
        machine.description,
        paths::out().join("eductl").display()
    );
    let ending = session.run()?;
    // What ran is known when the machine is gone.
    drop(session);
    if let Some(lcov) = &options.coverage {
        let executed = Executed::read_all(ran.path())?;
        let images: Vec<_> = images.iter().map(String::as_str).collect();
        coverage::tell(&executed, &images, &artifacts.drivers, lcov)?;
    }
    match ending {
        Ending::Exit(0) => Ok(()),
        ending => anyhow::bail!("{ending}"),
    }
}
