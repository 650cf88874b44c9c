//! The I/O verifier's checks and their bug checks ("Bug Check 0xC9", with the codes named
//! there).

use nthost_nt::io::{
    device::DEVICE_OBJECT,
    irp::{IO_TYPE_IRP, IRP},
};
use nthost_protocol::manifest::VerifierOption;

use super::{irp, record::Origin};
use crate::hook;

/// DRIVER_VERIFIER_IOMANAGER_VIOLATION.
const IOMANAGER_VIOLATION: u32 = 0xc9;

/// What the reference has no code for.
pub const UNKNOWN: usize = 0x200;
/// Freed what is no IRP.
pub const NOT_AN_IRP_FREED: usize = 0x01;
/// Freed an IRP that belongs to a thread.
pub const THREAD_IRP_FREED: usize = 0x02;
/// Sent what is no IRP.
pub const NOT_AN_IRP_SENT: usize = 0x03;
/// Sent an IRP to what is no device.
pub const NOT_A_DEVICE: usize = 0x04;
/// A dispatch routine changed the IRQL.
pub const DISPATCH_CHANGED_IRQL: usize = 0x05;
/// Completed an IRP with `STATUS_PENDING` or -1.
pub const COMPLETED_AS_PENDING: usize = 0x06;
/// Completed an IRP with its cancel routine set.
pub const COMPLETED_CANCELABLE: usize = 0x07;
/// `IoInitializeTimer` on a device that has one.
pub const TIMER_INITIALIZED_TWICE: usize = 0x0a;
/// Completed an IRP above DISPATCH_LEVEL.
pub const COMPLETED_AT_IRQL: usize = 0x0e;
/// Sent an IRP above DISPATCH_LEVEL.
pub const SENT_AT_IRQL: usize = 0x10;
/// Deleted a device that is attached to another.
pub const DELETED_ATTACHED: usize = 0x201;
/// Detached from a device that nothing is attached to.
pub const DETACHED_NOTHING: usize = 0x202;
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
/// Did not detach on removal.
pub const NOT_DETACHED: usize = 0x21d;
/// Did not delete its device on removal.
pub const NOT_DELETED: usize = 0x21e;
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
/// Detached its device at a surprise removal.
pub const DETACHED_AT_SURPRISE: usize = 0x241;
/// Deleted its device at a surprise removal.
pub const DELETED_AT_SURPRISE: usize = 0x242;
/// Sent a request with an event that is signalled already, which was left pending.
pub const EVENT_SIGNALLED: usize = 0x307;
/// Deleted a device twice.
pub const DELETED_TWICE: usize = 0x240;
/// Left `DO_DEVICE_INITIALIZING` set after `AddDevice`.
pub const STILL_INITIALIZING: usize = 0x243;
/// Did not take over `DO_BUFFERED_IO` or `DO_DIRECT_IO`.
pub const IO_FLAGS_NOT_COPIED: usize = 0x244;
/// Set both `DO_BUFFERED_IO` and `DO_DIRECT_IO`.
pub const BOTH_IO_FLAGS: usize = 0x245;
/// Failed an IRP that cannot be failed.
pub const FAILED_UNFAILABLE: usize = 0x247;
/// What must be a PDO is none.
pub const NOT_A_PDO: usize = 0x24d;
/// Failed `IRP_MN_REMOVE_DEVICE`.
pub const FAILED_REMOVE: usize = 0x306;
/// `IoReuseIrp` on an IRP in use.
pub const REUSED_IN_USE: usize = 0x310;
/// `IoReuseIrp` on an IRP that it is not for.
pub const REUSED_BUILT: usize = 0x311;
/// `IoStatus.Information` exceeds the output buffer.
pub const TOO_MUCH_INFORMATION: usize = 0x312;

/// Where the routine that drivers import, in whose body this stands, was called from.
#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "the frame read is that of the routine"
)]
#[must_use]
pub fn caller() -> usize {
    crate::export::caller() as usize
}

/// Bug check 0xC9, unless I/O verification is off; if it is only reported, this returns.
pub fn io_violation(code: usize, second: usize, third: usize, fourth: usize) {
    let parameters = [code, second, third, fourth].map(|parameter| parameter as u64);
    hook::violation(
        VerifierOption::IoVerification,
        IOMANAGER_VIOLATION,
        parameters,
    );
}

/// The rules of `IoFreeIrp`.
pub fn free(irp: *mut IRP, caller: usize) {
    let Some(record) = irp::record(irp) else {
        return io_violation(NOT_AN_IRP_FREED, irp.addr(), 0, 0);
    };
    let record = record.lock();
    let (origin, sent) = (record.origin, record.sent);
    drop(record);
    match origin {
        Origin::Synchronous | Origin::System => {
            io_violation(THREAD_IRP_FREED, irp.addr(), 0, 0);
        }
        Origin::DriverMemory => io_violation(NOT_AN_IRP_FREED, irp.addr(), 0, 0),
        Origin::Allocated | Origin::Asynchronous | Origin::Associated => {}
    }
    if sent {
        io_violation(FREED_IN_USE, caller, irp.addr(), 0);
    }
}

/// The rules of `IoReuseIrp`.
pub fn reuse(irp: *mut IRP, caller: usize) {
    let Some(record) = irp::record(irp) else {
        return io_violation(NOT_AN_IRP_FREED, irp.addr(), 0, 0);
    };
    let record = record.lock();
    let (origin, sent) = (record.origin, record.sent);
    drop(record);
    if !matches!(origin, Origin::Allocated | Origin::DriverMemory) {
        io_violation(REUSED_BUILT, caller, irp.addr(), 0);
    }
    if sent {
        io_violation(REUSED_IN_USE, caller, irp.addr(), 0);
    }
}

/// Whether it is an IRP that exists.
#[must_use]
pub fn is_irp(irp: *mut IRP) -> bool {
    // SAFETY: a pointer that a driver passes as an IRP; that it can be read is its promise.
    irp::record(irp).is_some() && unsafe { (*irp).Type } == IO_TYPE_IRP
}

/// Whether it is a device object that exists.
#[must_use]
pub fn is_device(device: *mut DEVICE_OBJECT) -> bool {
    crate::ob::object::kind(device.cast()) == Some(crate::ob::object::Kind::Device)
}
