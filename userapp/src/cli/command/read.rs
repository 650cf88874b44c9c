//! `eductl read`: the device's buffer, shown or saved.

use std::path::PathBuf;

use clap::Args;
use eductl::Error;
use serde_json::json;

use crate::cli::{bytes, context::Context, file, number::number32};

/// Reads the device's buffer, as far as it goes.
#[derive(Debug, Args)]
#[command(after_help = "Examples: eductl read --length 64\n          \
                        eductl read --output buffer.bin")]
pub struct Arguments {
    /// Where to begin.
    #[arg(long, default_value = "0", value_parser = number32)]
    offset: u32,
    /// How many bytes; all up to the end if nothing is said.
    #[arg(long, value_parser = number32)]
    length: Option<u32>,
    /// A file to save them in, instead of showing them.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let edu = context.edu()?;
        let length = match self.length {
            Some(length) => length,
            None => edu.identify()?.buffer_length.saturating_sub(self.offset),
        };
        let data = edu.read_wait(u64::from(self.offset), length)?;
        if let Some(path) = &self.output {
            file::write(path, &data)?;
            let json = json!({
                "offset": self.offset,
                "length": data.len(),
                "output": path,
            });
            return context.print(&json, |out| {
                writeln!(out, "{} bytes are in {}", data.len(), path.display())
            });
        }
        let json = json!({ "offset": self.offset, "length": data.len(), "data": data });
        context.print(&json, |out| bytes::dump(out, u64::from(self.offset), &data))
    }
}
