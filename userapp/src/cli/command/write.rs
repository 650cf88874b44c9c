//! `eductl write`: bytes into the device's buffer.

use std::path::PathBuf;

use clap::Args;
use eductl::{Edu, Error};
use serde_json::json;

use crate::cli::{
    bytes::{self, Bytes},
    context::Context,
    file,
    number::number32,
};

/// Writes to the device's buffer.
#[derive(Debug, Args)]
#[command(after_help = "Examples: eductl write --text hello\n          \
                        eductl write --offset 0x100 --hex 'de ad be ef'\n          \
                        eductl write --input buffer.bin")]
pub struct Arguments {
    /// Where to begin.
    #[arg(long, default_value = "0", value_parser = number32)]
    offset: u32,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// A file with the bytes.
    #[arg(long, short, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The bytes as text.
    #[arg(long)]
    text: Option<String>,
    /// The bytes in hexadecimal.
    #[arg(long, value_parser = bytes::hexadecimal)]
    hex: Option<Bytes>,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let edu = context.edu()?;
        let room = room(&edu, self.offset)?;
        let data = self.source.read(room)?;
        let length = data.len();
        let written = edu.write_wait(u64::from(self.offset), data)?;
        if written != length as u64 {
            return Err(Error::WrongAnswer(format!(
                "{written} of {length} bytes were written, and all have room"
            )));
        }
        let json = json!({ "offset": self.offset, "length": length });
        context.print(&json, |out| {
            writeln!(out, "{length} bytes written at {:#x}", self.offset)
        })
    }
}

/// How many bytes there are from an offset to the end of the device's buffer.
pub fn room(edu: &Edu, offset: u32) -> Result<usize, Error> {
    let length = edu.identify()?.buffer_length;
    length
        .checked_sub(offset)
        .map(|room| room as usize)
        .ok_or_else(|| {
            Error::Usage(format!(
                "offset {offset:#x} is beyond the device's buffer, which has {length:#x} bytes"
            ))
        })
}

impl Source {
    fn read(&self, room: usize) -> Result<Vec<u8>, Error> {
        let place = "the device's buffer from there on";
        if let Some(path) = &self.input {
            return file::read(path, room, place);
        }
        let data = match (&self.text, &self.hex) {
            (Some(text), _) => text.clone().into_bytes(),
            (None, Some(Bytes(bytes))) => bytes.clone(),
            (None, None) => Vec::new(),
        };
        if data.len() > room {
            return Err(Error::Usage(format!(
                "{} bytes were given, and {place} takes {room}",
                data.len()
            )));
        }
        Ok(data)
    }
}
