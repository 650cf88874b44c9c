//! What a driver does with its device's registers, counted where nothing of it can hide: QEMU
//! writes a line for each access to an emulated device.

use std::{io, path::Path, str::FromStr};

/// What QEMU is to trace, for its `-d`.
pub const EVENTS: &str = "trace:memory_region_ops_read,trace:memory_region_ops_write";

/// What was done to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It was read.
    Read,
    /// It was written.
    Write,
}

/// An access to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// What was done.
    pub direction: Direction,
    /// By which processor.
    pub processor: u32,
    /// Where: the physical address.
    pub address: u64,
    /// What was read or written.
    pub value: u64,
    /// How many bytes at once.
    pub size: u32,
}

/// The accesses to the memory region of this name (such as `edu-mmio`), in their order.
///
/// # Errors
///
/// When the file cannot be read.
pub fn accesses(file: &Path, region: &str) -> io::Result<Vec<Access>> {
    let text = std::fs::read_to_string(file)?;
    let name = format!("name '{region}'");
    let lines = text.lines().filter(|line| line.ends_with(&name));
    Ok(lines.filter_map(|line| line.parse().ok()).collect())
}

impl FromStr for Access {
    type Err = ();

    /// `memory_region_ops_read cpu 0 mr 0x… addr 0xfea00024 value 0x1 size 4 name 'edu-mmio'`,
    /// with a prefix of QEMU's.
    fn from_str(line: &str) -> Result<Self, ()> {
        let direction = if line.contains("memory_region_ops_read") {
            Direction::Read
        } else if line.contains("memory_region_ops_write") {
            Direction::Write
        } else {
            return Err(());
        };
        let word = |key: &str| {
            let mut words = line.split_whitespace();
            words.find(|word| *word == key)?;
            words.next()
        };
        let hexadecimal = |key| {
            let digits = word(key)?.strip_prefix("0x")?;
            u64::from_str_radix(digits, 16).ok()
        };
        Ok(Self {
            direction,
            processor: word("cpu").and_then(|cpu| cpu.parse().ok()).ok_or(())?,
            address: hexadecimal("addr").ok_or(())?,
            value: hexadecimal("value").ok_or(())?,
            size: word("size").and_then(|size| size.parse().ok()).ok_or(())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_qemus_is_an_access() {
        let line = "28127@1700000000.1:memory_region_ops_write cpu 1 mr 0x55d0 addr 0xfea00064 \
                    value 0x80 size 4 name 'edu-mmio'";
        let access = Access {
            direction: Direction::Write,
            processor: 1,
            address: 0xfea0_0064,
            value: 0x80,
            size: 4,
        };
        assert_eq!(line.parse(), Ok(access));
        assert_eq!("something else".parse::<Access>(), Err(()));
    }
}
