//! `eductl liveness`: whether the device inverts what is written to it.

use clap::Args;
use eductl::Error;
use serde_json::json;

use crate::cli::{context::Context, number::number32};

/// Checks that the device is alive: it gives back the inverse of what is written.
#[derive(Debug, Args)]
#[command(after_help = "Example: eductl liveness 0x12345678")]
pub struct Arguments {
    /// What to write.
    #[arg(default_value = "0x5aa5f00f", value_parser = number32)]
    value: u32,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let value = self.value;
        let inverse = context.edu()?.liveness(value)?;
        if inverse != !value {
            return Err(Error::WrongAnswer(format!(
                "wrote {value:#010x}, read {inverse:#010x}, and its inverse is {:#010x}",
                !value
            )));
        }
        context.print(&json!({ "value": value, "inverse": inverse }), |out| {
            writeln!(out, "alive: wrote {value:#010x}, read {inverse:#010x}")
        })
    }
}
