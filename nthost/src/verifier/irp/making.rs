//! The rules of who makes an IRP, uses it again, cancels it, and frees it.
//!
//! Sources: IoInitializeIrp, IoReuseIrp, IoCancelIrp, IoFreeIrp; bug checks 0xC9 and 0x48.

use nthost_nt::io::irp::IRP;

use super::{code, record_of};
use crate::{
    io::{irp::Origin, verify::io_violation},
    ke::bugcheck,
};

/// CANCEL_STATE_IN_COMPLETED_IRP.
const CANCEL_STATE_IN_COMPLETED_IRP: u32 = 0x48;

/// `IoInitializeIrp` is called for an IRP.
pub fn initializing(irp: *mut IRP, caller: usize) {
    let origin = record_of(irp).map(|record| record.lock().origin);
    if origin.is_some_and(|origin| origin != Origin::DriverMemory) {
        io_violation(code::INITIALIZED_ALLOCATED_IRP, caller, irp.addr(), 0);
    }
}

/// `IoReuseIrp` is called for an IRP.
pub fn reusing(irp: *mut IRP, caller: usize) {
    let Some(record) = record_of(irp) else {
        return io_violation(code::NOT_AN_IRP_FREED, irp.addr(), 0, 0);
    };
    let record_guard = record.lock();
    let (origin, sent) = (record_guard.origin, record_guard.sent);
    drop(record_guard);
    if !matches!(origin, Origin::Allocated | Origin::DriverMemory) {
        io_violation(code::REUSED_BUILT, caller, irp.addr(), 0);
    }
    if sent {
        io_violation(code::REUSED_IN_USE, caller, irp.addr(), 0);
    }
    // SAFETY: it exists, as its record does.
    let stack_count = unsafe { (*irp).StackCount };
    record.lock().reuse(stack_count as usize);
}

/// An IRP is about to be canceled.
pub fn canceling(irp: *mut IRP) {
    if record_of(irp).is_none() {
        bugcheck::bugcheck(CANCEL_STATE_IN_COMPLETED_IRP, [irp.addr() as u64, 0, 0, 0]);
    }
}

/// `IoFreeIrp` is called for an IRP.
pub fn freeing(irp: *mut IRP, caller: usize) {
    let Some(record) = record_of(irp) else {
        return io_violation(code::NOT_AN_IRP_FREED, irp.addr(), 0, 0);
    };
    let record = record.lock();
    let (origin, sent) = (record.origin, record.sent);
    drop(record);
    match origin {
        Origin::Synchronous | Origin::System => {
            io_violation(code::THREAD_IRP_FREED, irp.addr(), 0, 0);
        }
        Origin::DriverMemory => io_violation(code::NOT_AN_IRP_FREED, irp.addr(), 0, 0),
        Origin::Allocated | Origin::Asynchronous | Origin::Associated => {}
    }
    if sent {
        io_violation(code::FREED_IN_USE, caller, irp.addr(), 0);
    }
}
