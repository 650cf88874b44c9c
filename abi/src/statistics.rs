//! What the driver counts, per queue and per processor.
//!
//! The answer to [`crate::Ioctl::Statistics`] is one [`Statistics`] and, directly behind it,
//! `processors_returned` times [`Processor`], in the order of the processors' indices. A buffer
//! that holds the first but not all of the second gets as many as fit, and
//! `STATUS_BUFFER_OVERFLOW`.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Header;

/// The queues of an `edu` device; a value indexes [`Statistics::queues`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueKind {
    /// Factorials.
    Compute = 0,
    /// Transfers from memory to the device.
    Write = 1,
    /// Transfers from the device to memory.
    Read = 2,
    /// Requests that wait for an event.
    Events = 3,
}

impl QueueKind {
    /// All of them, in the order of their indices.
    pub const ALL: [Self; 4] = [Self::Compute, Self::Write, Self::Read, Self::Events];

    /// A name to print.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Write => "write",
            Self::Read => "read",
            Self::Events => "events",
        }
    }
}

/// What is counted for one queue, since the device was started.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Queue {
    /// Requests in the queue or on the device now.
    pub depth: u64,
    /// Requests inserted.
    pub inserted: u64,
    /// Requests completed by the device.
    pub completed: u64,
    /// Requests completed with an error, a time-out or a removal.
    pub failed: u64,
    /// Requests canceled.
    pub canceled: u64,
    /// Visits by a DPC that found the lock held and left the work to its holder.
    pub try_lock_misses: u64,
    /// The longest time from arrival to completion, in units of 100 ns.
    pub longest_100ns: u64,
}

/// The fixed part of the answer to [`crate::Ioctl::Statistics`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Statistics {
    /// Size and version of this fixed part.
    pub header: Header,
    /// Processors that the driver counts for.
    pub processor_count: u32,
    /// How many [`Processor`]s follow.
    pub processors_returned: u32,
    /// One for each [`QueueKind`].
    pub queues: [Queue; 4],
}

/// What is counted on one processor, since the device was started.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Processor {
    /// The processor's group.
    pub group: u16,
    /// The processor's number in its group.
    pub number: u16,
    /// The NUMA node it belongs to.
    pub node: u32,
    /// Interrupts that the device had raised.
    pub interrupts: u64,
    /// Interrupts on a shared line that it had not raised.
    pub foreign_interrupts: u64,
    /// DPCs run.
    pub dpcs: u64,
    /// Locks that DPCs found held.
    pub try_lock_misses: u64,
    /// Requests completed.
    pub completions: u64,
    /// Requests canceled.
    pub cancels: u64,
}
