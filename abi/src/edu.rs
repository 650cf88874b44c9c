//! The structures of the `edu` device's requests, each with the statuses that refuse it.
//!
//! Common to all, in the order in which they are checked: an input buffer shorter than the
//! structure, or an output buffer shorter than its answer, `STATUS_BUFFER_TOO_SMALL`; an input
//! buffer longer than the structure, `STATUS_INVALID_BUFFER_SIZE`; another version,
//! `STATUS_REVISION_MISMATCH`; another size in the header, `STATUS_INFO_LENGTH_MISMATCH`;
//! a reserved field that is not zero, `STATUS_INVALID_PARAMETER`.
//! An unknown code gets `STATUS_INVALID_DEVICE_REQUEST`. A refused request changes nothing.
//!
//! Before the driver sees a request, the system refuses buffers that the caller cannot access
//! (`STATUS_ACCESS_VIOLATION`) and codes that the handle was not opened for
//! (`STATUS_ACCESS_DENIED`).
//!
//! `ReadFile` and `WriteFile` move bytes from and to the device's buffer, up to its end. An
//! offset at or behind the end: `STATUS_END_OF_FILE` for a read, `STATUS_DISK_FULL` for a write.
//! A negative offset: `STATUS_INVALID_PARAMETER`. No bytes at all: success.
//!
//! A request that waits or runs ends with `STATUS_CANCELLED` when it is canceled, its handle
//! closed or the device reset; with `STATUS_DEVICE_REMOVED` when the device is unplugged; with
//! `STATUS_DELETE_PENDING` when it is removed. A device that has been pulled out, and that nobody has
//! told the driver of yet, ends what it does not answer with `STATUS_DEVICE_REMOVED` as well. While the device is stopped or has no power,
//! requests of the queues wait; those that are answered at once get `STATUS_DEVICE_NOT_READY`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Header;

/// The interrupt bit that the device sets when a factorial is done.
pub const EVENT_FACTORIAL: u32 = 0x0000_0001;
/// The interrupt bit that the device sets when a DMA transfer is done.
pub const EVENT_DMA: u32 = 0x0000_0100;
/// The bits that clients may raise and wait for: all that the device does not use itself.
pub const EVENT_USER_MASK: u32 = !(EVENT_FACTORIAL | EVENT_DMA);

/// Bytes of the device's buffer that requests may use. The buffer has 4096, but on some
/// versions of the emulator a transfer that touches the last one ends it.
pub const DEVICE_BUFFER_LENGTH: u32 = 4095;
/// Bytes of the device's buffer when the driver's `UseLastByte` parameter says that the
/// emulator's range check is right.
pub const DEVICE_BUFFER_LENGTH_FULL: u32 = 4096;

/// The largest number whose factorial fits the device's 32-bit result.
pub const FACTORIAL_EXACT_MAX: u32 = 12;

/// How the device interrupts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptKind {
    /// A line shared with other devices (INTx).
    LineBased,
    /// A message of its own (MSI).
    MessageSignaled,
}

impl InterruptKind {
    /// As carried in [`Identity::interrupt_kind`].
    #[must_use]
    pub const fn to_wire(self) -> u32 {
        match self {
            Self::LineBased => 1,
            Self::MessageSignaled => 2,
        }
    }

    /// The kind that a field carries, if it is one.
    #[must_use]
    pub const fn from_wire(value: u32) -> Option<Self> {
        match value {
            1 => Some(Self::LineBased),
            2 => Some(Self::MessageSignaled),
            _ => None,
        }
    }
}

/// The answer to [`crate::Ioctl::Identify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Identity {
    /// Size and version.
    pub header: Header,
    /// The identification register, 0xRRrr00ed.
    pub identification: u32,
    /// RR of the register.
    pub major_version: u16,
    /// rr of the register.
    pub minor_version: u16,
    /// An [`InterruptKind`].
    pub interrupt_kind: u32,
    /// Messages or lines connected.
    pub interrupt_count: u32,
    /// Bytes of the device's buffer that requests may use.
    pub buffer_length: u32,
    /// Most significant byte first: major, minor, patch and zero of the driver's version.
    pub driver_version: u32,
}

/// Input and answer of [`crate::Ioctl::Liveness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Liveness {
    /// Size and version.
    pub header: Header,
    /// In: what to write. Out: the same.
    pub value: u32,
    /// In: zero. Out: what the register read back, the inverse of `value` on a live device.
    pub inverse: u32,
}

/// Input of [`crate::Ioctl::Factorial`]. Any `n` is allowed: the device multiplies modulo 2^32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FactorialInput {
    /// Size and version.
    pub header: Header,
    /// The number whose factorial is wanted.
    pub n: u32,
    /// Zero.
    pub reserved: u32,
}

/// The answer to [`crate::Ioctl::Factorial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FactorialOutput {
    /// Size and version.
    pub header: Header,
    /// The number asked for.
    pub n: u32,
    /// n! modulo 2^32.
    pub result: u32,
    /// The processor whose ISR took the interrupt: its index over all groups.
    pub interrupt_processor: u32,
    /// The processor whose DPC completed the request, likewise.
    pub dpc_processor: u32,
    /// From the request's arrival in the driver to its completion, in units of 100 ns.
    pub elapsed_100ns: u64,
}

/// Input of [`crate::Ioctl::RaiseEvent`]. Bits outside [`EVENT_USER_MASK`], or none at all:
/// `STATUS_INVALID_PARAMETER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct RaiseEvent {
    /// Size and version.
    pub header: Header,
    /// The bits to raise.
    pub bits: u32,
    /// Zero.
    pub reserved: u32,
}

/// [`WaitEventInput::timeout_ms`]: wait without a limit.
pub const WAIT_INFINITE: u32 = u32::MAX;

/// Input of [`crate::Ioctl::WaitEvent`]. Bits outside [`EVENT_USER_MASK`], or none at all:
/// `STATUS_INVALID_PARAMETER`. When the time is over: `STATUS_IO_TIMEOUT`.
///
/// A wait sees what is raised after it was queued: there is no memory of earlier events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct WaitEventInput {
    /// Size and version.
    pub header: Header,
    /// The bits to wait for; one of them is enough.
    pub mask: u32,
    /// For how many milliseconds; [`WAIT_INFINITE`] for ever; zero times out at once.
    pub timeout_ms: u32,
}

/// The answer to [`crate::Ioctl::WaitEvent`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct WaitEventOutput {
    /// Size and version.
    pub header: Header,
    /// The bits of the mask that were raised.
    pub bits: u32,
    /// The processor whose ISR took the interrupt.
    pub interrupt_processor: u32,
}

/// [`LockedTransfer::direction`]: from the user buffer to the device.
pub const TO_DEVICE: u32 = 0;
/// [`LockedTransfer::direction`]: from the device to the user buffer.
pub const FROM_DEVICE: u32 = 1;

/// Input of [`crate::Ioctl::LockedTransfer`]. A length of zero, a range that leaves the
/// device's buffer or an unknown direction: `STATUS_INVALID_PARAMETER`. An address that
/// cannot be accessed so: `STATUS_ACCESS_VIOLATION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct LockedTransfer {
    /// Size and version.
    pub header: Header,
    /// Where the buffer begins in the caller's address space.
    pub address: u64,
    /// Bytes to move.
    pub length: u32,
    /// Where in the device's buffer.
    pub device_offset: u32,
    /// [`TO_DEVICE`] or [`FROM_DEVICE`].
    pub direction: u32,
    /// Zero.
    pub reserved: u32,
}

/// The answer to [`crate::Ioctl::LockedTransfer`].
///
/// The count is part of a structure, and not the request's `Information` alone: that is how many
/// bytes the I/O manager copies to the output buffer, wherever that is and however short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct LockedTransferOutput {
    /// Size and version.
    pub header: Header,
    /// Bytes moved.
    pub moved: u32,
    /// Zero.
    pub reserved: u32,
}

/// Input of [`crate::Ioctl::DmaSelfTest`]. A length of zero or a range that leaves the
/// device's buffer: `STATUS_INVALID_PARAMETER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DmaSelfTestInput {
    /// Size and version.
    pub header: Header,
    /// Seeds the pattern that is moved.
    pub seed: u64,
    /// Bytes to move.
    pub length: u32,
    /// Where in the device's buffer.
    pub device_offset: u32,
}

/// The answer to [`crate::Ioctl::DmaSelfTest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct DmaSelfTestOutput {
    /// Size and version.
    pub header: Header,
    /// Bytes compared.
    pub compared: u32,
    /// Bytes that differed: zero on a good device.
    pub mismatches: u32,
    /// From the start of the first transfer to the end of the comparison, in units of 100 ns.
    pub elapsed_100ns: u64,
}
