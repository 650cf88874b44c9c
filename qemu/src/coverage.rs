//! Which instructions of a driver's image ran, though nothing of the image knows of it: QEMU logs
//! each block of code when it translates it, which it does right before the block runs first.
//!
//! A machine whose [`Extras`](crate::command_line::Extras) say so leaves an [`Executed`] behind when
//! it ends. Those of many machines are [merged](Executed::read_all), and with a driver's symbols
//! they become a [`Report`] of lines and branches.
//!
//! A block counts as run as soon as it has begun: an exception in the middle of it is not seen. And
//! a branch counts as taken, or not taken, when the block behind it has run, however that was
//! reached.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use serde::{Deserialize, Serialize};

mod report;

pub use report::{FileLines, Report};

/// The variable that names a folder in which all machines are to leave what ran.
pub const VARIABLE: &str = "EDUWDM_COVERAGE";
/// What QEMU is to log, for its `-d`.
pub const EVENTS: &str = "in_asm";
/// Where nthost loads drivers, for QEMU's `-dfilter`: nothing else is logged.
pub const FILTER: &str = "0xffffb00000000000+0x100000000";

/// What ran of each module, by offsets in its image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Executed {
    /// By the name of the image.
    pub modules: BTreeMap<String, Module>,
}

/// What ran of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// How long the image is.
    pub length: u64,
    /// Instructions: where they begin, and how many bytes they have.
    pub instructions: BTreeMap<u64, u8>,
    /// Where blocks begin.
    pub blocks: BTreeSet<u64>,
    /// Conditional jumps: where they are, and where they lead to.
    pub branches: BTreeMap<u64, u64>,
}

/// Where a module was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) base: u64,
    pub(crate) length: u64,
}

impl Loaded {
    /// `[…] driver: eduwdm.sys at 0xffffb000001e7000, 98304 bytes, …`
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once("] driver: ")?;
        let (name, rest) = rest.split_once(" at 0x")?;
        let (base, rest) = rest.split_once(", ")?;
        let (length, _) = rest.split_once(" bytes")?;
        Some(Self {
            name: name.to_owned(),
            base: u64::from_str_radix(base, 16).ok()?,
            length: length.parse().ok()?,
        })
    }
}

/// A line of QEMU's disassembly.
pub(crate) struct Instruction<'a> {
    pub(crate) address: u64,
    length: u8,
    pub(crate) text: &'a str,
}

impl<'a> Instruction<'a> {
    /// `0xffffb000001e8000:  48 89 5c 24 08           movq     %rbx, 8(%rsp)`
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        let (address, rest) = line.strip_prefix("0x")?.split_once(':')?;
        let is_byte =
            |word: &&str| word.len() == 2 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let bytes: Vec<_> = rest.split_ascii_whitespace().take_while(is_byte).collect();
        let last = bytes.last()?;
        let end = last.as_ptr().addr() - rest.as_ptr().addr() + last.len();
        Some(Self {
            address: u64::from_str_radix(address, 16).ok()?,
            length: bytes.len().try_into().ok()?,
            text: rest.get(end..)?.trim(),
        })
    }

    /// Where a conditional jump leads to.
    fn branch(&self) -> Option<u64> {
        let (mnemonic, target) = self.text.split_once(char::is_whitespace)?;
        if !mnemonic.starts_with('j') || mnemonic.starts_with("jmp") {
            return None;
        }
        u64::from_str_radix(target.trim().strip_prefix("0x")?, 16).ok()
    }
}

impl Executed {
    /// Reads what QEMU has logged. `log` is the machine's own log, which tells where modules were
    /// loaded.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn of_trace(trace: &Path, log: &[String]) -> io::Result<Self> {
        let loaded: Vec<_> = log.iter().filter_map(|line| Loaded::parse(line)).collect();
        let mut executed = Self::default();
        // Not everything there is text: lines of several processors may be torn.
        let text = fs::read(trace)?;
        let text = String::from_utf8_lossy(&text);
        let mut begins = false;
        for line in text.lines() {
            let Some(instruction) = Instruction::parse(line) else {
                begins |= line.starts_with("IN:");
                continue;
            };
            let within = |module: &&Loaded| {
                (module.base..module.base + module.length).contains(&instruction.address)
            };
            if let Some(module) = loaded.iter().find(within) {
                executed.add(module, &instruction, begins);
            }
            begins = false;
        }
        Ok(executed)
    }

    fn add(&mut self, loaded: &Loaded, instruction: &Instruction<'_>, begins: bool) {
        let module = self.modules.entry(loaded.name.clone()).or_default();
        module.length = loaded.length;
        let offset = instruction.address - loaded.base;
        module.instructions.insert(offset, instruction.length);
        if begins {
            module.blocks.insert(offset);
        }
        if let Some(target) = instruction.branch() {
            module
                .branches
                .insert(offset, target.wrapping_sub(loaded.base));
        }
    }

    /// Adds what ran elsewhere.
    pub fn merge(&mut self, other: Self) {
        for (name, ran) in other.modules {
            let module = self.modules.entry(name).or_default();
            module.length = ran.length;
            module.instructions.extend(ran.instructions);
            module.blocks.extend(ran.blocks);
            module.branches.extend(ran.branches);
        }
    }

    /// Leaves it in a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        fs::write(file, serde_json::to_vec(self)?)
    }

    /// What all machines have left in a folder, together.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or is none of these.
    pub fn read_all(folder: &Path) -> io::Result<Self> {
        let mut all = Self::default();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "executed")
            {
                all.merge(serde_json::from_slice(&fs::read(path)?)?);
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str =
        "[  0.275259 cpu3] driver: a.sys at 0xffffb000001e7000, 8192 bytes, 3 imports";

    fn executed(trace: &str) -> Executed {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("trace");
        fs::write(&file, trace).unwrap();
        Executed::of_trace(&file, &[LOG.to_owned()]).unwrap()
    }

    #[test]
    fn blocks_instructions_and_branches_are_told_by_their_offsets() {
        let trace = "----------------\n\
            IN: \n\
            0xffffb000001e7010:  48 89 5c 24 08           movq     %rbx, 8(%rsp)\n\
            0xffffb000001e7015:  0f 85 36 f0 00 00        jne      0xffffb000001e8000\n\
            \n\
            ----------------\n\
            IN: \n\
            0xffffb000001e7020:  e9 00 00 00 00           jmp      0xffffb000001e7025\n\
            0xffffc000001e7020:  90                       nop      \n";
        let module = &executed(trace).modules["a.sys"];
        assert_eq!(module.length, 8192);
        assert_eq!(
            module.instructions,
            BTreeMap::from([(0x10, 5), (0x15, 6), (0x20, 5)])
        );
        assert_eq!(module.blocks, BTreeSet::from([0x10, 0x20]));
        assert_eq!(module.branches, BTreeMap::from([(0x15, 0x1000)]));
    }

    #[test]
    fn what_ran_on_several_machines_is_told_together() {
        let mut all = executed("IN: \n0xffffb000001e7010:  90  nop\n");
        all.merge(executed("IN: \n0xffffb000001e7011:  c3  retq\n"));
        assert_eq!(all.modules["a.sys"].blocks, BTreeSet::from([0x10, 0x11]));
        let directory = tempfile::tempdir().unwrap();
        all.write(&directory.path().join("1.executed")).unwrap();
        assert_eq!(Executed::read_all(directory.path()).unwrap(), all);
    }

    #[test]
    fn what_is_no_instruction_is_none() {
        for line in [
            "",
            "IN: ",
            "0x10",
            "0xzz:  90  nop",
            "0x10:  (bad)",
            "trace: 0x10: 90",
        ] {
            assert!(Instruction::parse(line).is_none(), "{line}");
        }
    }
}
