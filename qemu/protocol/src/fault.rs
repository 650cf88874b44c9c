//! Faults on demand: what goes wrong because the host wants it to.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::NtStatus;

/// A fault to come. Each stands until it has happened as often as it says, or until
/// [`HostRequest::ClearFaults`](crate::HostRequest::ClearFaults).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Calls that may fail for lack of resources (allocations, mappings, …) do.
    Call {
        /// The routine, such as `ExAllocatePool2`; empty for any that may fail.
        routine: String,
        /// The service whose driver calls it; empty for any.
        service: String,
        /// Which of the matching calls is the first to fail, counted from 0.
        nth: u32,
        /// How many of them fail, from that one on.
        count: u32,
    },
    /// As [`Self::Call`], at random.
    RandomCalls {
        /// The service whose driver calls; empty for any.
        service: String,
        /// What the choice depends on: the same seed chooses the same calls.
        seed: u64,
        /// How many of 1000 matching calls fail.
        per_mille: u16,
    },
    /// An IRP that a driver sends down from its device does not reach the lower driver, or not
    /// at once.
    Irp {
        /// The instance path of the device in whose stack it is.
        device: String,
        /// `IRP_MJ_…`.
        major: u8,
        /// `IRP_MN_…`; any if none is given.
        minor: Option<u8>,
        /// Which of the matching IRPs, counted from 0.
        nth: u32,
        /// What happens to it.
        effect: IrpEffect,
    },
}

/// What happens to an IRP instead of reaching the lower driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IrpEffect {
    /// It is completed with this status.
    Fail(NtStatus),
    /// `IoCallDriver` returns `STATUS_PENDING`, and the IRP goes down this much later.
    Pend {
        /// How much later.
        milliseconds: u32,
    },
}
