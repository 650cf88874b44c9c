//! `cargo xtask run`: boots a machine and keeps it running, so that a person can use eductl from
//! other terminals.

use clap::Args;
use eduwdm_qemu::{Ending, Machine, Session};

use crate::{build, demo::MachineOptions, paths, setup};

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    #[command(flatten)]
    machine: MachineOptions,
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
    let session = options.machine.prepare(&machine, &artifacts)?;
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
    match session.run()? {
        Ending::Exit(0) => Ok(()),
        ending => anyhow::bail!("{ending}"),
    }
}
