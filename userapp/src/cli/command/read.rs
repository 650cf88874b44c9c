//! `eductl read`: the device's buffer, shown or saved.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use eductl::Error;
use serde_json::json;

use crate::cli::{context::Context, file, number::number32};

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
        context.print(&json, |out| dump(out, self.offset, &data))
    }
}

/// Shows bytes, 16 to a line.
fn dump(out: &mut dyn Write, offset: u32, data: &[u8]) -> io::Result<()> {
    for (index, line) in data.chunks(16).enumerate() {
        write!(out, "{:04x}  ", offset as usize + index * 16)?;
        for byte in line {
            write!(out, "{byte:02x} ")?;
        }
        let text: String = line.iter().map(|byte| printable(*byte)).collect();
        // The last line may be short; its text stands below the others'.
        writeln!(out, "{:indent$} {text}", "", indent = 3 * (16 - line.len()))?;
    }
    Ok(())
}

fn printable(byte: u8) -> char {
    if byte == b' ' || byte.is_ascii_graphic() {
        char::from(byte)
    } else {
        '.'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_with_their_addresses_and_as_text() {
        let mut out = Vec::new();
        dump(&mut out, 0x100, b"0123456789abcdef\x00\xff").unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("0100  30 31 32 ") && lines[0].ends_with(" 0123456789abcdef"));
        assert!(lines[1].starts_with("0110  00 ff   ") && lines[1].ends_with(" .."));
    }
}
