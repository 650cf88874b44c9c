//! `eductl wait`: until the device interrupts.

use std::time::Duration;

use clap::Args;
use eductl::Error;
use serde_json::json;

use crate::cli::{
    context::Context,
    number::{number32, seconds},
};

/// Waits until the device raises one of some bits.
#[derive(Debug, Args)]
#[command(after_help = "Examples: eductl wait 0x6 --for 2.5\n          \
                        eductl wait 0x2 & eductl raise 0x2")]
pub struct Arguments {
    /// The bits; one of them is enough.
    #[arg(value_parser = number32)]
    mask: u32,
    /// For how many seconds: the driver ends the wait then. For ever if nothing is said.
    #[arg(long = "for", value_name = "SECONDS", value_parser = seconds)]
    limit: Option<Duration>,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let request = context.edu()?.wait_event(self.mask, self.limit)?;
        let bar = context.patience(&format!("waiting for {:#x}", self.mask));
        let answer = request.wait();
        bar.finish_and_clear();
        let answer = answer?;
        let json = json!({
            "bits": answer.bits,
            "interrupt_processor": answer.interrupt_processor,
        });
        context.print(&json, |out| {
            let processor = answer.interrupt_processor;
            writeln!(
                out,
                "raised {:#x}, interrupt on processor {processor}",
                answer.bits
            )
        })
    }
}
