//! `eductl raise`: interrupts of the person's own.

use clap::Args;
use eductl::Error;
use serde_json::json;

use crate::cli::{context::Context, number::number32};

/// Makes the device interrupt with some bits, for those that wait for them.
#[derive(Debug, Args)]
#[command(after_help = "Example: eductl raise 0x2")]
pub struct Arguments {
    /// The bits. 0x1 and 0x100 are the device's own: they tell of factorials and transfers.
    #[arg(value_parser = number32)]
    bits: u32,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        context.edu()?.raise(self.bits)?;
        context.print(&json!({ "bits": self.bits }), |out| {
            writeln!(out, "raised {:#x}", self.bits)
        })
    }
}
