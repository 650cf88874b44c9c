//! `cargo xtask soak`: everything at once, at random, for as long as somebody wants to watch.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::bail;
use clap::Args;
use eductl::nthost::NtHost;
use eduwdm_qemu::{
    Machine, Session,
    soak::{self, Options as Soak},
};
use nthost_protocol::HostRequest;

use crate::{build, demo::MachineOptions, setup};

/// How long the machine may take to end.
const LIMIT: Duration = Duration::from_mins(1);

/// What it can be told.
#[derive(Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    setup: setup::Options,
    #[command(flatten)]
    machine: MachineOptions,
    /// For how long
    #[arg(long, default_value_t = 1)]
    minutes: u64,
    /// Ends when so many requests have been sent
    #[arg(long, default_value_t = u64::MAX)]
    requests: u64,
    /// Chooses all that is left to chance; without, the time of day does
    #[arg(long, value_parser = crate::replay::seed)]
    seed: Option<u64>,
    /// How many processes there are at a time
    #[arg(long, default_value_t = 4)]
    processes: usize,
    /// How many threads each of them has
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Leaves the devices in peace: no power, plug and play or faults
    #[arg(long)]
    no_life: bool,
}

/// Runs it.
///
/// # Errors
///
/// What went wrong, with what the machine's threads do.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let machine = Machine::load(&options.machine.machine)?;
    build::run(&options.setup)?;
    let artifacts = options.machine.artifacts();
    let session = options.machine.prepare(&machine, &artifacts)?;
    let mut session = Session::start(&machine, &artifacts, &session, |_| ())?;
    session.wait_ready()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seed = options
        .seed
        .unwrap_or_else(|| now.map_or(1, |now| now.as_secs()));
    println!("{}: seed {seed:#x}", machine.name);
    let done = soak::run(
        session.socket(),
        Soak {
            seed,
            requests: options.requests,
            duration: Some(Duration::from_secs(options.minutes.saturating_mul(60))),
            processes: options.processes,
            threads: options.threads,
            life: !options.no_life,
        },
    );
    let host = NtHost::connect(session.socket());
    match done {
        Ok(figures) => print!("{figures}"),
        Err(fault) => {
            if let Some(stopped) = session.fault() {
                bail!("seed {seed:#x}: {fault}\n{stopped}");
            }
            if let Ok(threads) = host.and_then(|host| session.threads(&host)) {
                println!("{threads}");
            }
            bail!("seed {seed:#x}: {fault}");
        }
    }
    host?.host_success(HostRequest::Shutdown { code: 0 })?;
    session.finish(LIMIT)?;
    Ok(())
}
