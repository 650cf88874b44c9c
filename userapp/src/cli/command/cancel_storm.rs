//! `eductl cancel-storm`: requests canceled at every moment of their lives.

use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use eductl::Error;
use serde_json::json;

use super::stress::with_seed;
use crate::cli::{
    context::Context,
    number::number,
    workload::{self, Before, Load, Mix},
};

/// Sends requests from many threads and cancels them at once: each has to end once, done or
/// canceled, and the device has to work afterwards as before.
#[derive(Debug, Args)]
#[command(after_help = "Example: eductl cancel-storm --requests 100000 --threads 16")]
pub struct Arguments {
    /// Requests in all.
    #[arg(long, default_value = "10000", value_parser = number)]
    requests: u64,
    /// Threads, all on one handle.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: u32,
    /// Requests that each of them keeps outstanding.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=4096))]
    depth: u32,
    /// What all choices follow from; chosen and printed if nothing is said.
    #[arg(long, value_parser = number)]
    seed: Option<u64>,
}

/// Mostly canceled requests, and some that are not, between which they have to find the way.
const MIX: &str = "cancel=6,cancel-wait=2,factorial=1,event=1";

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let edu = context.edu()?;
        let before = Before::look(&edu)?;
        let mix: Mix = MIX.parse().map_err(Error::Usage)?;
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        let bar = context.progress(self.requests, &format!("cancel-storm, seed {seed:#x}"));
        // Counts requests, and nothing else follows from its order.
        let begun = AtomicU64::new(0);
        let more = || {
            let number = begun.fetch_add(1, Ordering::Relaxed);
            if number.is_multiple_of(256) {
                bar.set_position(number);
            }
            number < self.requests && !context.interrupt.is_raised()
        };
        let load = Load {
            threads: self.threads,
            depth: self.depth as usize,
            seed,
        };
        let result = workload::run(&edu, load, &mix, &more);
        bar.finish_and_clear();
        let tally = result.map_err(|error| with_seed(error, seed))?;
        context.interrupt.check()?;
        before.check(&edu)?;
        let (total, canceled) = (tally.total(), tally.canceled);
        let json = json!({ "seed": seed, "requests": total, "canceled": canceled });
        context.print(&json, |out| {
            writeln!(
                out,
                "{total} requests, {canceled} of them canceled and the others done: each ended \
                 once, and nothing is left (seed {seed:#x})"
            )
        })
    }
}
