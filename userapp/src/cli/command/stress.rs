//! `eductl stress`: work from many threads, every answer checked.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use clap::Args;
use eductl::Error;
use serde_json::json;

use crate::cli::{
    context::Context,
    number::{number, seconds},
    workload::{self, Before, Load, Mix, Operation},
};

/// Works the device from many threads and checks every answer.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: eductl stress --duration 60 --threads 16\n          \
                        eductl stress --mix factorial=8,transfer=1 --seed 42"
)]
pub struct Arguments {
    /// Threads, all on one handle.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: u32,
    /// Requests that each of them keeps outstanding.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    depth: u32,
    /// For how many seconds.
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    duration: Duration,
    /// What is done, and how often relative to the rest.
    #[arg(long, default_value_t = Mix::default())]
    mix: Mix,
    /// What all choices follow from; chosen and printed if nothing is said.
    #[arg(long, value_parser = number)]
    seed: Option<u64>,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let edu = context.edu()?;
        let before = Before::look(&edu)?;
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        let bar = context.progress(self.duration.as_secs(), &format!("stress, seed {seed:#x}"));
        let begun = Instant::now();
        // Only for the bar; how it is ordered with anything else does not matter.
        let shown = AtomicU64::new(0);
        let more = || {
            let elapsed = begun.elapsed();
            if shown.swap(elapsed.as_secs(), Ordering::Relaxed) != elapsed.as_secs() {
                bar.set_position(elapsed.as_secs());
            }
            elapsed < self.duration && !context.interrupt.is_raised()
        };
        let load = Load {
            threads: self.threads,
            depth: self.depth as usize,
            seed,
        };
        let result = workload::run(&edu, load, &self.mix, &more);
        bar.finish_and_clear();
        let tally = result.map_err(|error| with_seed(error, seed))?;
        context.interrupt.check()?;
        before.check(&edu)?;
        let elapsed = begun.elapsed();
        let counts: serde_json::Map<_, _> = Operation::ALL
            .iter()
            .map(|operation| {
                let done = tally.done(*operation);
                (operation.name().to_owned(), done.into())
            })
            .collect();
        let json = json!({
            "seed": seed,
            "seconds": elapsed.as_secs_f64(),
            "operations": tally.total(),
            "canceled": tally.canceled,
            "done": counts,
        });
        context.print(&json, |out| {
            writeln!(
                out,
                "{} operations in {elapsed:.1?} from {} threads, {} of them canceled: every \
                 answer was right, and nothing is left (seed {seed:#x})",
                tally.total(),
                self.threads,
                tally.canceled
            )?;
            for operation in Operation::ALL {
                writeln!(out, "{:>12} {}", tally.done(*operation), operation.name())?;
            }
            Ok(())
        })
    }
}

/// Puts the seed into what went wrong, so that it can be tried again.
pub fn with_seed(error: Error, seed: u64) -> Error {
    match error {
        Error::WrongAnswer(what) => {
            Error::WrongAnswer(format!("{what} (try again with --seed {seed:#x})"))
        }
        Error::Stuck { operation, limit } => Error::Stuck {
            operation: format!("{operation} (try again with --seed {seed:#x})"),
            limit,
        },
        other => other,
    }
}
