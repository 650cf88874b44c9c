//! The structures of the `pci-testdev` device's requests. They are refused as those in
//! [`crate::edu`] are.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Header;

/// How many tests each BAR offers.
pub const TEST_COUNT: u32 = 3;
/// The most writes that one request may ask for: those behind it wait meanwhile, and so does who
/// stops the device.
pub const MAX_WRITES: u32 = 1024;

/// The answer to [`crate::Ioctl::TestdevInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Info {
    /// Size and version.
    pub header: Header,
    /// Bytes of BAR0 (memory).
    pub memory_length: u32,
    /// Bytes of BAR1 (I/O ports).
    pub port_length: u32,
    /// Bytes of BAR2 (memory), zero where the device has none.
    pub membar_length: u64,
}

/// Input of [`crate::Ioctl::TestdevRun`]. A BAR other than 0 and 1, a test from [`TEST_COUNT`]
/// on, or more than [`MAX_WRITES`] writes: `STATUS_INVALID_PARAMETER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RunInput {
    /// Size and version.
    pub header: Header,
    /// 0 for memory, 1 for I/O ports.
    pub bar: u32,
    /// Which test: 0 no eventfd, 1 wildcard eventfd, 2 datamatch eventfd.
    pub test: u32,
    /// How many writes to make.
    pub writes: u32,
    /// Zero.
    pub reserved: u32,
}

/// The answer to [`crate::Ioctl::TestdevRun`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RunOutput {
    /// Size and version.
    pub header: Header,
    /// Writes made.
    pub writes: u32,
    /// Writes that the device counted.
    pub counted: u32,
    /// Where in the BAR they went.
    pub offset: u32,
    /// Bytes of each.
    pub width: u8,
    /// What was written.
    pub data: u8,
    /// Zero.
    pub reserved: u16,
    /// The test's name as the device gives it, NUL-padded.
    pub name: [u8; 32],
}
