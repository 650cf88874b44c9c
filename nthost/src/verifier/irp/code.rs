//! The codes of bug check 0xC9 that only the verifier reports: its first parameter ("I/O
//! verification errors" of the page). Those of the I/O manager's own are in `io::verify`.

pub use crate::io::verify::{FAILED_UNFAILABLE, NOT_AN_IRP_FREED, NOT_AN_IRP_SENT};

/// Freed an IRP that belongs to a thread.
pub const THREAD_IRP_FREED: usize = 0x02;
/// Sent an IRP to what is no device.
pub const NOT_A_DEVICE: usize = 0x04;
/// A dispatch routine changed the IRQL.
pub const DISPATCH_CHANGED_IRQL: usize = 0x05;
/// Completed an IRP with `STATUS_PENDING` or -1.
pub const COMPLETED_AS_PENDING: usize = 0x06;
/// Completed an IRP with its cancel routine set.
pub const COMPLETED_CANCELABLE: usize = 0x07;
/// Completed an IRP above DISPATCH_LEVEL.
pub const COMPLETED_AT_IRQL: usize = 0x0e;
/// Sent an IRP above DISPATCH_LEVEL.
pub const SENT_AT_IRQL: usize = 0x10;
/// Sent an IRP with a cancel routine set.
pub const SENT_CANCELABLE: usize = 0x203;
/// Sent an IRP to no device.
pub const SENT_TO_NULL: usize = 0x204;
/// Sent an IRP that a lower driver has.
pub const SENT_WHILE_BELOW: usize = 0x205;
/// Sent an IRP whose next location was not zeroed.
pub const CONTROL_NOT_ZEROED: usize = 0x206;
/// Copied the upper driver's completion routine.
pub const COMPLETION_ROUTINE_COPIED: usize = 0x207;
/// Completed an IRP that a lower driver has.
pub const COMPLETED_WHILE_BELOW: usize = 0x209;
/// Freed an IRP that is in use.
pub const FREED_IN_USE: usize = 0x20b;
/// `IoInitializeIrp` on what `IoAllocateIrp` made.
pub const INITIALIZED_ALLOCATED_IRP: usize = 0x20d;
/// Sent a PnP IRP whose status is not `STATUS_NOT_SUPPORTED`.
pub const PNP_STATUS_NOT_SET: usize = 0x20e;
/// Sent a power IRP so.
pub const POWER_STATUS_NOT_SET: usize = 0x20f;
/// Sent a system control IRP so.
pub const WMI_STATUS_NOT_SET: usize = 0x210;
/// Passed a failed PnP IRP down.
pub const FAILED_PNP_SENT: usize = 0x215;
/// Passed a PnP IRP down with `STATUS_NOT_SUPPORTED` that had another status.
pub const PNP_STATUS_TAKEN_BACK: usize = 0x216;
/// Passed a failed power IRP down.
pub const FAILED_POWER_SENT: usize = 0x219;
/// Passed a power IRP down with `STATUS_NOT_SUPPORTED` that had another status.
pub const POWER_STATUS_TAKEN_BACK: usize = 0x21a;
/// Has no routine for a major function that a driver of its kind needs.
pub const NO_ROUTINE: usize = 0x21f;
/// A completion routine did not pass the pending mark on.
pub const PENDING_NOT_PROPAGATED: usize = 0x228;
/// Completed a PnP IRP with success that is to be passed down.
pub const COMPLETED_SUCCESSFUL_PNP: usize = 0x22e;
/// Completed a PnP IRP with `STATUS_NOT_SUPPORTED` that is to be passed down.
pub const COMPLETED_UNTOUCHED_PNP: usize = 0x22f;
/// Completed a power IRP with success that is to be passed down.
pub const COMPLETED_SUCCESSFUL_POWER: usize = 0x231;
/// Completed a power IRP with `STATUS_NOT_SUPPORTED` that is to be passed down.
pub const COMPLETED_UNTOUCHED_POWER: usize = 0x232;
/// Sent an IRP that only the system sends.
pub const RESTRICTED_SENT: usize = 0x237;
/// Sent an IRP at an IRQL that its major function forbids.
pub const SENT_AT_IRQL_OF_MAJOR: usize = 0x23a;
/// Sent a request with an event that is signalled already, which was left pending.
pub const EVENT_SIGNALLED: usize = 0x307;
/// Failed `IRP_MN_REMOVE_DEVICE`.
pub const FAILED_REMOVE: usize = 0x306;
/// `IoReuseIrp` on an IRP in use.
pub const REUSED_IN_USE: usize = 0x310;
/// `IoReuseIrp` on an IRP that it is not for.
pub const REUSED_BUILT: usize = 0x311;
/// `IoStatus.Information` exceeds the output buffer.
pub const TOO_MUCH_INFORMATION: usize = 0x312;
