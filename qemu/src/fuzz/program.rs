//! A program: the requests that a process sends to a device, from the opening of a file to its
//! closing. It is what a fuzzer makes, runs, keeps and makes small.

use std::{fmt, fs, io, mem, path::Path};

use nthost_protocol::Buffer;
use serde::{Deserialize, Serialize};

/// The requests of one file, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Program {
    /// What is sent.
    pub calls: Vec<Call>,
}

/// A request, and what the process does once it has sent it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Call {
    /// What is sent.
    pub request: Request,
    /// What comes then.
    #[serde(default, skip_serializing_if = "Then::is_wait")]
    pub then: Then,
}

/// A system call that becomes an IRP.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// `DeviceIoControl`.
    Control {
        /// The control code.
        code: u32,
        /// The input buffer.
        input: Input,
        /// The output buffer.
        output: Output,
    },
    /// `ReadFile`.
    Read {
        /// Where in the file.
        offset: u64,
        /// What is read into.
        output: Output,
    },
    /// `WriteFile`.
    Write {
        /// Where in the file.
        offset: u64,
        /// What is written.
        input: Input,
    },
}

/// A buffer that a driver reads.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Input {
    /// Memory of the process that holds these bytes.
    Data(#[serde(with = "hex::serde")] Vec<u8>),
    /// An address of the process's choosing, valid or not.
    At {
        /// Where it begins.
        address: u64,
        /// How long it claims to be.
        length: u32,
    },
}

/// A buffer that a driver writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Memory of the process.
    Length(u32),
    /// An address of the process's choosing, valid or not.
    At {
        /// Where it begins.
        address: u64,
        /// How long it claims to be.
        length: u32,
    },
}

/// What a process does once it has sent a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// It waits for the request's end, unless that takes long.
    #[default]
    Wait,
    /// It goes on.
    GoOn,
    /// It cancels the request, and goes on.
    Cancel,
}

impl Call {
    /// The control code, if it has one.
    #[must_use]
    pub const fn code(&self) -> Option<u32> {
        match self.request {
            Request::Control { code, .. } => Some(code),
            Request::Read { .. } | Request::Write { .. } => None,
        }
    }

    /// Whether another is of the same kind: the same control code, or a read or write like it.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        mem::discriminant(&self.request) == mem::discriminant(&other.request)
            && self.code() == other.code()
    }
}

impl Then {
    const fn is_wait(&self) -> bool {
        matches!(self, Self::Wait)
    }
}

impl Input {
    /// As the protocol has it.
    #[must_use]
    pub fn buffer(&self) -> Buffer {
        match self {
            Self::Data(bytes) => Buffer::Data(bytes.clone()),
            &Self::At { address, length } => Buffer::At { address, length },
        }
    }
}

impl Output {
    /// As the protocol has it.
    #[must_use]
    pub const fn buffer(self) -> Buffer {
        match self {
            Self::Length(length) => Buffer::Length(length),
            Self::At { address, length } => Buffer::At { address, length },
        }
    }
}

/// Reads programs from a file, as [`write`] leaves them.
///
/// # Errors
///
/// When the file cannot be read, or holds none.
pub fn read(file: &Path) -> io::Result<Vec<Program>> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

/// Writes programs to a file, which then is whole or not there.
///
/// # Errors
///
/// When the file cannot be written.
pub fn write(file: &Path, programs: &[Program]) -> io::Result<()> {
    let partial = file.with_extension("partial");
    fs::write(&partial, serde_json::to_vec_pretty(programs)?)?;
    fs::rename(partial, file)
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for call in &self.calls {
            writeln!(f, "    {call}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.request {
            Request::Control {
                code,
                input,
                output,
            } => write!(f, "control {code:#010x}, in {input}, out {output}")?,
            Request::Read { offset, output } => write!(f, "read at {offset:#x}, {output}")?,
            Request::Write { offset, input } => write!(f, "write at {offset:#x}, {input}")?,
        }
        match self.then {
            Then::Wait => Ok(()),
            Then::GoOn => f.write_str("; not waited for"),
            Then::Cancel => f.write_str("; canceled"),
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Data(bytes) if bytes.is_empty() => f.write_str("nothing"),
            Self::Data(bytes) => f.write_str(&hex::encode(bytes)),
            Self::At { address, length } => write!(f, "{length} bytes at {address:#x}"),
        }
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(f, "{length} bytes"),
            Self::At { address, length } => write!(f, "{length} bytes at {address:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read_as_they_were_written() {
        let programs = vec![Program {
            calls: vec![
                Call {
                    request: Request::Control {
                        code: 0x9040_2000,
                        input: Input::Data(vec![1, 0xff]),
                        output: Output::At {
                            address: u64::MAX,
                            length: 4,
                        },
                    },
                    then: Then::Cancel,
                },
                Call {
                    request: Request::Read {
                        offset: 0,
                        output: Output::Length(16),
                    },
                    then: Then::Wait,
                },
            ],
        }];
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("1.json");
        write(&file, &programs).unwrap();
        assert_eq!(read(&file).unwrap(), programs);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        assert_eq!(
            programs[0].to_string(),
            "    control 0x90402000, in 01ff, out 4 bytes at 0xffffffffffffffff; canceled\n    \
             read at 0x0, 16 bytes\n"
        );
    }
}
