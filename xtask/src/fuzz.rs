//! `cargo xtask fuzz`: sends a device requests of all kinds, guided by what of its driver they reach,
//! and keeps the few that stop it.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use clap::{ArgAction, Args};
use eduwdm_qemu::{
    fuzz::{self, Options as Fuzz, Outcome, Target},
    machine::Choice,
};

use crate::{
    paths,
    run::{Prepared, Subject},
};

/// What it can be told.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  cargo xtask fuzz --minutes 10
  cargo xtask fuzz my.sys --inf my.inf --device i82557b,romfile= --code 0x222000
  cargo xtask fuzz my.sys --path '\\\\.\\MyDevice'
  cargo xtask fuzz --replay target/fuzz/eduwdm/stops/NAME.json")]
pub struct Options {
    #[command(flatten)]
    subject: Subject,
    /// The device: its interface, or its symbolic link as a process writes it; without, the first
    /// interface that is enabled
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// For how long
    #[arg(long)]
    minutes: Option<u64>,
    /// How many programs are run, at the most; without this and --minutes, 10000
    #[arg(long)]
    runs: Option<u64>,
    /// Chooses all that is left to chance; without, the time of day does
    #[arg(long, value_parser = crate::replay::seed)]
    seed: Option<u64>,
    /// A control code that the driver has; more than once for several. Without, they are found by
    /// the constants of its code
    #[arg(long, value_name = "CODE", value_parser = code)]
    code: Vec<u32>,
    /// Where corpus and stops are kept; the corpus that is there is gone on with. Without, a folder
    /// of target/fuzz
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Leaves out what the driver's code says, to compare with
    #[arg(long, action = ArgAction::SetTrue)]
    blind: bool,
    /// Runs the programs of a file on a new machine, and tells how that ends; nothing else
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

fn code(text: &str) -> Result<u32, String> {
    let code = text
        .strip_prefix("0x")
        .map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16));
    code.map_err(|error| error.to_string())
}

/// Runs it.
///
/// # Errors
///
/// If a machine stops, or nothing can be run.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let Prepared {
        machine,
        artifacts,
        mut session,
        ..
    } = options.subject.prepare()?;
    let temporary = tempfile::tempdir()?;
    // What runs is told by QEMU's translator alone.
    session.accelerator = Choice::Tcg;
    session.extras.blocks = Some(temporary.path().join("blocks"));
    // Several may run at a time.
    session.name = Some(format!("fuzz-{}", std::process::id()));
    let service = session
        .manifest
        .drivers
        .last()
        .map(|one| one.service.clone());
    let service = service.context("the manifest loads no driver")?;
    let target = Target {
        machine,
        artifacts,
        options: session,
        path: options.path.clone(),
    };
    if let Some(file) = &options.replay {
        return replay(&target, file);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = options.seed;
    let seed = seed.unwrap_or_else(|| now.map_or(1, |now| now.as_secs()));
    let folder = options.folder.clone();
    let folder = folder.unwrap_or_else(|| paths::target().join("fuzz").join(&service));
    let is_unlimited = options.runs.is_none() && options.minutes.is_none();
    let fuzz = Fuzz {
        seed,
        runs: options
            .runs
            .unwrap_or(if is_unlimited { 10_000 } else { u64::MAX }),
        duration: options
            .minutes
            .map(|minutes| Duration::from_secs(minutes.saturating_mul(60))),
        codes: options.code.clone(),
        is_guided: !options.blind,
        folder: Some(folder.clone()),
        ..Fuzz::default()
    };
    println!(
        "{service} on {}: seed {seed:#x}, {}",
        target.machine.name,
        folder.display()
    );
    let figures = fuzz::run(&target, &fuzz, |found| {
        println!("\n{found}");
        ControlFlow::Continue(())
    })?;
    print!("\n{figures}");
    match figures.found.len() {
        0 => Ok(()),
        count => bail!("the driver was stopped by {count} causes"),
    }
}

/// Runs what was kept.
fn replay(target: &Target, file: &Path) -> anyhow::Result<()> {
    let programs = fuzz::read(file).with_context(|| file.display().to_string())?;
    for program in &programs {
        println!("{program}");
    }
    match target.run(&programs)? {
        Outcome::Ended => {
            println!("all requests have ended, and the machine goes on");
            Ok(())
        }
        Outcome::Stopped(stop) => bail!("{}\n{}", stop.cause, stop.report),
    }
}
