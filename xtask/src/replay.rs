//! `cargo xtask test --replay SEED`: one run again, to the instruction, with a debugger if that
//! is wanted.

use std::sync::mpsc;

use anyhow::{Context, bail};
use eduwdm_qemu::{Artifacts, Machine, Session, command_line::DEBUGGER_PORT, gdb, replay};

use crate::paths;

/// Runs it until its trace is complete, or until it ends.
///
/// # Errors
///
/// How it ended instead: a bugcheck, with its stack.
pub fn run(machine: &str, seed: u64, rounds: u32, debugger: bool) -> anyhow::Result<()> {
    let machine = Machine::load(machine)?;
    let artifacts = Artifacts {
        kernel: paths::out().join("nthost"),
        drivers: vec![paths::out()],
        directory: paths::target().join("nthost"),
    };
    let mut options = replay::options(seed, rounds)?;
    options.name = Some(format!("replay-{}", machine.name));
    if debugger {
        options.extras.debugger = Some(DEBUGGER_PORT);
        let drivers = &options.manifest.drivers;
        let images = drivers.iter().map(|driver| driver.image.as_str());
        let script = gdb::prepare(&artifacts, images, DEBUGGER_PORT)?;
        println!(
            "The machine waits before its first instruction. In another terminal:\n\n    \
             gdb -x {}\n\n\
             and there, for example: hbreak nthost::ke::bugcheck::bugcheck, continue, \
             info threads (one for each processor), backtrace. A driver's functions and lines \
             are known once it is loaded; a breakpoint in it may be set before, and waits: \
             break eduwdm::driver_entry.\n",
            script.display()
        );
    }
    println!("seed {seed:#x}, {rounds} rounds, on {}", machine.name);
    let (lines, log) = mpsc::channel();
    let mut session = Session::start(&machine, &artifacts, &options, move |line| {
        println!("{line}");
        // Whoever wants no more of them has seen the last that matters.
        let _ = lines.send(line.to_owned());
    })?;
    let mut told = Vec::new();
    for line in log {
        told.push(line);
        if let Some(trace) = replay::Trace::of(&told) {
            println!("\nseed {seed:#x} ends well, as it always does:\n{trace}");
            return Ok(());
        }
    }
    let ending = session.run().with_context(|| format!("seed {seed:#x}"))?;
    bail!("seed {seed:#x}: {ending}")
}

/// A seed as tests print it: decimal, or hexadecimal with 0x.
///
/// # Errors
///
/// If it is no number.
pub fn seed(text: &str) -> Result<u64, std::num::ParseIntError> {
    text.strip_prefix("0x")
        .map_or_else(|| text.parse(), |digits| u64::from_str_radix(digits, 16))
}
