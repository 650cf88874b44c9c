//! What guides a fuzzer: the blocks of a driver's code that run for the first time, by the same log
//! of QEMU's as [coverage](crate::coverage), read while the machine runs; and the constants in them,
//! with which the driver compares what it is given.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::coverage::{Instruction, Loaded};

/// What is known of a driver's code, over all machines that have run it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The image's name, and where in it a block begins.
    blocks: BTreeSet<(String, u64)>,
    /// The constants of instructions that have run.
    constants: BTreeSet<u64>,
}

impl Known {
    /// How many blocks have run.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// The constants of what has run.
    #[must_use]
    pub const fn constants(&self) -> &BTreeSet<u64> {
        &self.constants
    }

    /// Takes lines of the log.
    fn add(&mut self, text: &str, loaded: &[Loaded]) -> New {
        let mut new = New::default();
        let mut begins = false;
        let mut is_new = false;
        for line in text.lines() {
            let Some(instruction) = Instruction::parse(line) else {
                begins |= line.starts_with("IN:");
                continue;
            };
            let module = loaded.iter().find(|module| {
                (module.base..module.base + module.length).contains(&instruction.address)
            });
            if let Some(module) = module {
                if begins {
                    let offset = instruction.address - module.base;
                    is_new = self.blocks.insert((module.name.clone(), offset));
                    new.blocks += usize::from(is_new);
                }
                if is_new {
                    new.constants.extend(constants(instruction.text));
                }
            }
            begins = false;
        }
        self.constants.extend(&new.constants);
        new
    }
}

/// What has run for the first time.
#[derive(Clone, Debug, Default)]
pub struct New {
    /// How many blocks.
    pub blocks: usize,
    /// Their constants.
    pub constants: Vec<u64>,
}

/// The log of a machine that runs.
#[derive(Debug)]
pub struct Blocks {
    file: File,
    /// The line that was not whole yet.
    rest: Vec<u8>,
    loaded: Vec<Loaded>,
}

impl Blocks {
    /// Opens it. `log` is the machine's own, which tells where drivers were loaded.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn open(file: &Path, log: &[String]) -> io::Result<Self> {
        Ok(Self {
            file: File::open(file)?,
            rest: Vec::new(),
            loaded: log.iter().filter_map(|line| Loaded::parse(line)).collect(),
        })
    }

    /// Takes what was logged since, and tells what of it has run for the first time.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read(&mut self, known: &mut Known) -> io::Result<New> {
        self.file.read_to_end(&mut self.rest)?;
        // A block that is about to be logged still is begun by "IN:" alone.
        let Some(end) = end_of_blocks(&self.rest) else {
            return Ok(New::default());
        };
        let text = String::from_utf8_lossy(&self.rest[..end]);
        let new = known.add(&text, &self.loaded);
        self.rest.drain(..end);
        Ok(new)
    }
}

/// Behind the last empty line, which ends a block.
fn end_of_blocks(text: &[u8]) -> Option<usize> {
    let at = text.windows(2).rposition(|pair| pair == b"\n\n")?;
    Some(at + 2)
}

/// The constants of an instruction in AT&T's notation: `cmpl $0x222003, %eax` compares with one, and
/// `leal -0x222000(%rax), %ecx` makes the index of a table of cases.
fn constants(text: &str) -> impl Iterator<Item = u64> {
    let operands = text.split_once(char::is_whitespace).map_or("", |all| all.1);
    operands.split([',', ' ']).filter_map(|operand| {
        let operand = operand.trim();
        if let Some(immediate) = operand.strip_prefix('$') {
            return number(immediate);
        }
        let (displacement, registers) = operand.split_once('(')?;
        // Of a place in the image it says nothing.
        if registers.starts_with("%rip") {
            return None;
        }
        number(displacement.strip_prefix('-')?)
    })
}

/// A number, whose sign is that of its 64 bits.
fn number(text: &str) -> Option<u64> {
    let (text, is_negative) = text
        .strip_prefix('-')
        .map_or((text, false), |digits| (digits, true));
    let value = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => text.parse().ok()?,
    };
    Some(if is_negative {
        value.wrapping_neg()
    } else {
        value
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    const LOG: &str =
        "[  0.275259 cpu3] driver: a.sys at 0xffffb000001e7000, 8192 bytes, 3 imports";

    #[test]
    fn a_block_is_new_once_on_whichever_machine_and_only_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blocks");
        let mut file = File::create(&path).unwrap();
        let mut known = Known::default();
        let mut blocks = Blocks::open(&path, &[LOG.to_owned()]).unwrap();
        let first = "IN: \n0xffffb000001e7010:  90      nop      \n";
        file.write_all(first.as_bytes()).unwrap();
        assert_eq!(blocks.read(&mut known).unwrap().blocks, 0);
        file.write_all(b"\nIN: \n0xffffb000001e7011:  c3  retq\n\n")
            .unwrap();
        assert_eq!(blocks.read(&mut known).unwrap().blocks, 2);
        // Translated again.
        file.write_all(b"IN: \n0xffffb000001e7011:  c3  retq\n\n")
            .unwrap();
        assert_eq!(blocks.read(&mut known).unwrap().blocks, 0);
        // Another machine, where the image is elsewhere.
        let other = LOG.replace("1e7000", "2e7000");
        let second =
            "IN: \n0xffffb000002e7011:  c3  retq\n\nIN: \n0xffffb000002e7012:  c3  retq\n\n";
        fs::write(&path, second).unwrap();
        let mut blocks = Blocks::open(&path, &[other]).unwrap();
        assert_eq!(blocks.read(&mut known).unwrap().blocks, 1);
        assert_eq!(known.blocks(), 3);
    }

    #[test]
    fn constants_are_those_that_values_are_compared_with_and_not_places() {
        let of = |text| constants(text).collect::<Vec<_>>();
        assert_eq!(of("cmpl     $0x222003, %eax"), [0x22_2003]);
        assert_eq!(of("leal     -0x222000(%rax), %ecx"), [0x22_2000]);
        assert_eq!(of("cmpb     $0x46, 3(%rax)"), [0x46]);
        assert_eq!(of("addl     $-2, %eax"), [u64::MAX - 1]);
        assert!(of("leaq     -0x10(%rip), %rax").is_empty());
        assert!(of("retq     ").is_empty());
    }
}
