//! `eductl stats`: what the driver has counted.

use std::{
    io::{self, Write},
    time::Duration,
};

use clap::Args;
use eductl::{Error, edu::Counters};
use eduwdm_abi::statistics::{Processor, Queue, QueueKind};
use serde_json::{Value, json};

use crate::cli::context::Context;

/// Shows what the driver has counted for each queue and each processor since the device was
/// started.
#[derive(Debug, Args)]
#[command(after_help = "Example: eductl stats --json")]
pub struct Arguments {
    /// Also show the processors on which nothing happened.
    #[arg(long)]
    all: bool,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let counters = context.edu()?.statistics()?;
        context.print(&json(&counters), |out| self.text(out, &counters))
    }

    fn text(&self, out: &mut dyn Write, counters: &Counters) -> io::Result<()> {
        writeln!(
            out,
            "queue      depth   inserted  completed     failed  canceled  try misses    longest"
        )?;
        for (kind, queue) in QueueKind::ALL.iter().zip(&counters.fixed.queues) {
            writeln!(
                out,
                "{:9} {:6} {:10} {:10} {:10} {:10} {:11} {:>10}",
                kind.name(),
                queue.depth,
                queue.inserted,
                queue.completed,
                queue.failed,
                queue.canceled,
                queue.try_lock_misses,
                format!("{:.1?}", longest(queue)),
            )?;
        }
        writeln!(
            out,
            "\nprocessor  node interrupts    foreign       DPCs  try misses  completed  canceled"
        )?;
        for (index, processor) in counters.processors.iter().enumerate() {
            if !self.all && is_idle(processor) {
                continue;
            }
            writeln!(
                out,
                "{index:3} ({}:{:2}) {:4} {:10} {:10} {:10} {:11} {:10} {:10}",
                processor.group,
                processor.number,
                processor.node,
                processor.interrupts,
                processor.foreign_interrupts,
                processor.dpcs,
                processor.try_lock_misses,
                processor.completions,
                processor.cancels,
            )?;
        }
        Ok(())
    }
}

/// A queue's longest time from arrival to completion.
pub const fn longest(queue: &Queue) -> Duration {
    Duration::from_nanos(queue.longest_100ns.saturating_mul(100))
}

const fn is_idle(processor: &Processor) -> bool {
    processor.interrupts == 0
        && processor.foreign_interrupts == 0
        && processor.dpcs == 0
        && processor.completions == 0
        && processor.cancels == 0
}

fn json(counters: &Counters) -> Value {
    let queues = QueueKind::ALL.iter().zip(&counters.fixed.queues);
    let queues: serde_json::Map<_, _> = queues
        .map(|(kind, queue)| {
            let json = json!({
                "depth": queue.depth,
                "inserted": queue.inserted,
                "completed": queue.completed,
                "failed": queue.failed,
                "canceled": queue.canceled,
                "try_lock_misses": queue.try_lock_misses,
                "longest_us": queue.longest_100ns / 10,
            });
            (kind.name().to_owned(), json)
        })
        .collect();
    let processors: Vec<_> = counters
        .processors
        .iter()
        .map(|processor| {
            json!({
                "group": processor.group,
                "number": processor.number,
                "node": processor.node,
                "interrupts": processor.interrupts,
                "foreign_interrupts": processor.foreign_interrupts,
                "dpcs": processor.dpcs,
                "try_lock_misses": processor.try_lock_misses,
                "completions": processor.completions,
                "cancels": processor.cancels,
            })
        })
        .collect();
    json!({ "queues": queues, "processors": processors })
}
