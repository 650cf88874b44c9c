//! Why an image is refused, in words and as the status that loading it returns.

use alloc::{string::String, vec::Vec};
use core::fmt;

/// `STATUS_INVALID_IMAGE_FORMAT`.
pub const STATUS_INVALID_IMAGE_FORMAT: i32 = 0xc000_007b_u32.cast_signed();
/// `STATUS_IMAGE_CHECKSUM_MISMATCH`.
pub const STATUS_IMAGE_CHECKSUM_MISMATCH: i32 = 0xc000_0221_u32.cast_signed();
/// `STATUS_DRIVER_ENTRYPOINT_NOT_FOUND`.
pub const STATUS_DRIVER_ENTRYPOINT_NOT_FOUND: i32 = 0xc000_0263_u32.cast_signed();
/// `STATUS_INSUFFICIENT_RESOURCES`.
pub const STATUS_INSUFFICIENT_RESOURCES: i32 = 0xc000_009a_u32.cast_signed();

/// Why an image is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is no PE image.
    NotAnImage(&'static str),
    /// It ends before what its headers promise.
    Truncated {
        /// What is cut off.
        what: String,
        /// Where that ends.
        end: u64,
        /// Where the file ends.
        length: u64,
    },
    /// It is for another machine.
    Machine(u16),
    /// It is no driver: its subsystem is not native.
    Subsystem(u16),
    /// A part of its headers does not make sense.
    Header(&'static str),
    /// Its checksum does not match its bytes.
    Checksum {
        /// As in the header.
        stated: u32,
        /// As computed.
        computed: u32,
    },
    /// A section can be written and executed.
    WriteExecute(String),
    /// It imports by ordinal, which nobody promises.
    Ordinal {
        /// From which image.
        library: String,
        /// Which ordinal.
        ordinal: u16,
    },
    /// It imports what does not exist: all of that.
    Imports(Vec<(String, String)>),
    /// Memory is short.
    NoMemory,
}

impl Fault {
    /// The status that loading the image returns.
    #[must_use]
    pub const fn status(&self) -> i32 {
        match self {
            Self::Checksum { .. } => STATUS_IMAGE_CHECKSUM_MISMATCH,
            Self::Ordinal { .. } | Self::Imports(_) => STATUS_DRIVER_ENTRYPOINT_NOT_FOUND,
            Self::NoMemory => STATUS_INSUFFICIENT_RESOURCES,
            _ => STATUS_INVALID_IMAGE_FORMAT,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnImage(why) => write!(f, "it is no PE image: {why}"),
            Self::Truncated { what, end, length } => {
                write!(
                    f,
                    "it is truncated: {what} ends at byte {end}, the file at byte {length}"
                )
            }
            Self::Machine(machine) => write!(f, "it is for machine {machine:#x}, not for amd64"),
            Self::Subsystem(subsystem) => {
                write!(f, "its subsystem is {subsystem}; a driver's is 1 (native)")
            }
            Self::Header(why) => write!(f, "its headers make no sense: {why}"),
            Self::Checksum { stated, computed } => write!(
                f,
                "its checksum is bad: the header says {stated:#010x}, its bytes {computed:#010x}"
            ),
            Self::WriteExecute(section) => {
                write!(f, "its section {section} can be both written and executed")
            }
            Self::Ordinal { library, ordinal } => {
                write!(
                    f,
                    "it imports ordinal {ordinal} of {library}; routines have names"
                )
            }
            Self::Imports(missing) => {
                f.write_str("it imports what does not exist:")?;
                for (library, name) in missing {
                    write!(f, " {library}!{name}")?;
                }
                Ok(())
            }
            Self::NoMemory => f.write_str("memory is short"),
        }
    }
}

impl core::error::Error for Fault {}
