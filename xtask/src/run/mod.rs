//! `cargo xtask run`: boots a machine and keeps it running, so that a person can use eductl from
//! other terminals. What it runs is the project's driver, or any other.

mod driver;
mod installation;
mod subject;

pub use driver::own;
pub use subject::{Prepared, Subject};

use std::path::PathBuf;

use clap::Args;
use eduwdm_qemu::{Ending, Session, coverage::Executed, serial::Reports};

use crate::{coverage, paths};

/// What it can be told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  cargo xtask run
  cargo xtask run my.sys --inf my.inf --device i82557b,romfile=
  cargo xtask run my.sys --id 'PCI\\VEN_1234&DEV_11E8' --machine smp4
  cargo xtask run my.sys --inf my.inf --chardev null,id=c --device pci-serial,chardev=c -- -trace 'serial*'")]
pub struct Options {
    #[command(flatten)]
    subject: Subject,
    /// The name by which eductl finds the machine (`eductl --machine NAME`), where two of the same
    /// kind run; that of the machine if nothing is said
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Show the lines of a bug check as nthost writes them, too, before those with functions, files
    /// and lines
    #[arg(long)]
    raw: bool,
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
    let Prepared {
        machine,
        artifacts,
        mut session,
        is_own,
    } = options.subject.prepare()?;
    session.name.clone_from(&options.name);
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
    let raw = options.raw;
    let mut reports = Reports::default();
    let watch = move |line: &str| {
        if raw || !reports.has(line) {
            println!("{line}");
        }
    };
    let mut session = Session::start(&machine, &artifacts, &session, watch)?;
    session.wait_ready()?;
    println!(
        "\n{} is ready: {}\n\n    {} {}\n\nin another terminal of this project's folder shows \
         its devices, and --help what else there is.\nCtrl-C here ends the machine, and so does \
         `eductl host shutdown` there.\n",
        machine.name,
        machine.description,
        paths::out().join("eductl").display(),
        if is_own { "io list" } else { "list" }
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
