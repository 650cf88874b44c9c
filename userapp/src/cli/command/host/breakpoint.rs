//! `eductl host breakpoint`: processors that stop where a driver calls the kernel.

use clap::{Args, Subcommand};
use eductl::{Error, nthost::NtHost};
use nthost_protocol::{BreakpointRequest, HostRequest};
use serde_json::json;

use super::done;
use crate::cli::{context::Context, number::number32};

/// Stops a processor where a driver calls a routine of the kernel's, and has it go on. The
/// machine must have been started for it: cargo xtask run --breakpoints.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: eductl host breakpoint set IofCompleteRequest\n          \
                        eductl factorial 5 & eductl host breakpoint list\n          \
                        eductl host breakpoint continue 1"
)]
pub struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Has the next processor stop, once, that comes to a routine's call.
    #[command(after_help = "Example: eductl host breakpoint set KeInsertQueueDpc --skip 2")]
    Set {
        /// The routine, as drivers import it.
        routine: String,
        /// How many calls are let pass before.
        #[arg(long, default_value = "0", value_parser = number32)]
        skip: u32,
        /// The only processor whose calls count; any if nothing is said.
        #[arg(long, value_parser = number32)]
        processor: Option<u32>,
    },
    /// Shows the processors that are stopped, and where.
    #[command(after_help = "Example: eductl host breakpoint list --json")]
    List,
    /// Has a stopped processor go on.
    #[command(after_help = "Example: eductl host breakpoint continue 1")]
    Continue {
        /// Which stop, as they are listed.
        #[arg(value_parser = number32)]
        stop: u32,
    },
    /// Takes all breakpoints away, and has all processors go on.
    #[command(after_help = "Example: eductl host breakpoint clear")]
    Clear,
}

impl Arguments {
    pub fn run(&self, context: &Context, host: &NtHost) -> Result<(), Error> {
        let request = match &self.action {
            Action::List => return list(context, host),
            Action::Set {
                routine,
                skip,
                processor,
            } => BreakpointRequest::Set {
                routine: routine.clone(),
                skip: *skip,
                processor: *processor,
            },
            Action::Continue { stop } => BreakpointRequest::Continue { id: *stop },
            Action::Clear => BreakpointRequest::Clear,
        };
        done(context, host, HostRequest::Breakpoint(request))
    }
}

fn list(context: &Context, host: &NtHost) -> Result<(), Error> {
    let stops = host.stops()?;
    let rows: Vec<_> = stops
        .iter()
        .map(|stop| {
            json!({
                "stop": stop.id,
                "processor": stop.processor,
                "irql": stop.irql,
                "routine": stop.routine,
                "module": stop.module,
                "offset": stop.offset,
            })
        })
        .collect();
    context.print(&json!({ "stops": rows }), |out| {
        for stop in &stops {
            writeln!(
                out,
                "stop {}: processor {} at IRQL {}, {} called from {} +{:#x}",
                stop.id, stop.processor, stop.irql, stop.routine, stop.module, stop.offset
            )?;
        }
        Ok(())
    })
}
