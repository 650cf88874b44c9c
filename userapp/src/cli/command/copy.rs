//! `eductl copy`: a file through the device, compared with what comes back.

use std::path::PathBuf;

use clap::Args;
use eductl::{Edu, Error, IoSystem};
use eduwdm_abi::edu::{FROM_DEVICE, TO_DEVICE};
use serde_json::json;

use super::write::room;
use crate::cli::{context::Context, file, number::number32};

/// Copies a file to the device's buffer and back, and compares.
#[derive(Debug, Args)]
#[command(after_help = "Examples: eductl copy message.txt\n          \
                        eductl copy message.txt --output back.txt --locked")]
pub struct Arguments {
    /// The file.
    file: PathBuf,
    /// Where in the device's buffer.
    #[arg(long, default_value = "0", value_parser = number32)]
    offset: u32,
    /// A file to save what comes back in.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Describe the buffer to the driver by its address, which then locks it itself, instead of
    /// reading and writing the device as a file.
    #[arg(long)]
    locked: bool,
}

impl Arguments {
    pub fn run(&self, context: &Context) -> Result<(), Error> {
        let system = context.system()?;
        let device = context.find(&system, eductl::DeviceKind::Edu)?;
        let edu = Edu::new(context.open(&system, &device)?);
        let room = room(&edu, self.offset)?;
        let data = file::read(&self.file, room, "the device's buffer from there on")?;
        if data.is_empty() {
            return Err(Error::Usage(format!(
                "{} is empty: there is nothing to copy",
                self.file.display()
            )));
        }
        let back = if self.locked {
            self.by_address(&system, &edu, &data)?
        } else {
            self.by_file(&edu, &data)?
        };
        compare(&data, &back)?;
        if let Some(path) = &self.output {
            file::write(path, &back)?;
        }
        let json = json!({ "length": data.len(), "offset": self.offset, "same": true });
        context.print(&json, |out| {
            writeln!(
                out,
                "{} bytes went to the device and came back the same",
                data.len()
            )
        })
    }

    fn by_file(&self, edu: &Edu, data: &[u8]) -> Result<Vec<u8>, Error> {
        let offset = u64::from(self.offset);
        let written = edu.write_wait(offset, data.to_vec())?;
        if written != data.len() as u64 {
            return Err(Error::WrongAnswer(format!(
                "{written} of {} bytes were written",
                data.len()
            )));
        }
        edu.read_wait(offset, length(data))
    }

    fn by_address(&self, system: &dyn IoSystem, edu: &Edu, data: &[u8]) -> Result<Vec<u8>, Error> {
        let mut memory = system.allocate(data.len())?;
        let address = memory.address();
        let transfer = |direction| {
            let transfer = edu.locked_transfer(address, length(data), self.offset, direction)?;
            let moved = transfer.wait()?.moved;
            if moved != length(data) {
                return Err(Error::WrongAnswer(format!(
                    "{moved} of {} bytes were moved",
                    data.len()
                )));
            }
            Ok(())
        };
        memory.write(data)?;
        transfer(TO_DEVICE)?;
        // So that what is read is what came back.
        memory.write(&vec![0; data.len()])?;
        transfer(FROM_DEVICE)?;
        memory.read(data.len())
    }
}

/// The length of what fits the device's buffer.
fn length(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

fn compare(sent: &[u8], back: &[u8]) -> Result<(), Error> {
    if sent.len() != back.len() {
        return Err(Error::WrongAnswer(format!(
            "{} bytes went to the device and {} came back",
            sent.len(),
            back.len()
        )));
    }
    let differs = sent.iter().zip(back).position(|(sent, back)| sent != back);
    differs.map_or(Ok(()), |at| {
        Err(Error::WrongAnswer(format!(
            "byte {at} was {:#04x} and came back {:#04x}",
            sent[at], back[at]
        )))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        assert!(compare(b"abc", b"abc").is_ok());
        let fault = compare(b"abc", b"axx").unwrap_err().to_string();
        assert!(
            fault.contains("byte 1 was 0x62 and came back 0x78"),
            "{fault}"
        );
        let fault = compare(b"abc", b"ab").unwrap_err().to_string();
        assert!(
            fault.contains("3 bytes") && fault.contains("2 came back"),
            "{fault}"
        );
    }
}
