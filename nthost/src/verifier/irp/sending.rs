//! The rules of who sends an IRP, and of the dispatch routine that gets it.
//!
//! Sources: IoCallDriver; bug check 0xC9, I/O verification errors; bug check 0xC4, subcode 0xC0.

use alloc::sync::Arc;

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        irp::{IO_TYPE_IRP, IRP},
        major::{
            IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_PNP, IRP_MJ_POWER,
            IRP_MJ_SYSTEM_CONTROL,
        },
        stack::{
            IO_STACK_LOCATION, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS,
            SL_PENDING_RETURNED,
        },
    },
    status::{NTSTATUS, STATUS_NOT_SUPPORTED, STATUS_PENDING, nt_success},
};
use nthost_protocol::manifest::VerifierOption;
use x86_64::instructions::interrupts;

use super::{
    RecordLock, code,
    dispatch_rules::{self, Seen, Violation},
    pass_rules, record_of,
};
use crate::{
    export::{DISPATCH_LEVEL, PASSIVE_LEVEL},
    hook::{self, Dispatch},
    io::{
        irp,
        verify::{io_violation, is_device},
    },
    ke::{bugcheck::code as bug, irql},
};

/// An IRP is about to be sent to a device.
pub fn sending(device: *mut DEVICE_OBJECT, irp: *mut IRP, caller: usize) {
    check_arguments(device, irp, caller);
    // SAFETY: the sender's promise.
    let packet = unsafe { &*irp };
    pass_rules::check_sender(packet, caller);
    if packet.CurrentLocation <= 1 {
        // The I/O manager itself ends the system.
        return;
    }
    // SAFETY: there is a location below, as was just seen.
    let location = unsafe { irp::next(irp) };
    check_location(packet, location, caller);
    pass_rules::check_sending(packet, location, caller);
    let signalled = pass_rules::is_event_signalled(packet);
    if let Some(record) = record_of(irp) {
        let index = packet.CurrentLocation as usize - 1;
        let mut record = record.lock();
        record.send(index, device.addr(), packet.IoStatus.status());
        record.signalled = if signalled { caller } else { 0 };
    }
}

/// A dispatch routine is about to be called for the IRP's current location.
pub fn dispatching(device: *mut DEVICE_OBJECT, irp: *mut IRP, routine: usize) -> Dispatch {
    // SAFETY: the IRP is about to be given to the routine.
    let packet = unsafe { &*irp };
    // SAFETY: as above.
    let major = unsafe { irp::current(irp) }.MajorFunction;
    pass_rules::check_routine(device, routine, major);
    let Some(record) = record_of(irp) else {
        return Dispatch::default();
    };
    let location = packet.CurrentLocation as usize;
    let mut guard = record.lock();
    let (turn, signalled) = (guard.turn(location), core::mem::take(&mut guard.signalled));
    drop(guard);
    Dispatch {
        record: Arc::into_raw(record).expose_provenance(),
        location,
        turn,
        signalled,
    }
}

/// The routine has returned.
pub fn dispatched(seen: Dispatch, irp: *mut IRP, routine: usize, status: NTSTATUS) {
    if seen.record == 0 {
        return;
    }
    let record = core::ptr::with_exposed_provenance::<RecordLock>(seen.record);
    // SAFETY: the reference that `dispatching` made a number, once.
    let record = unsafe { Arc::from_raw(record) };
    check_return(routine, irp, (seen.location, seen.turn), &record, status);
    if seen.signalled != 0 && status == STATUS_PENDING {
        io_violation(code::EVENT_SIGNALLED, seen.signalled, irp.addr(), 0);
    }
}

/// Whether it is an IRP that exists.
fn is_irp(irp: *mut IRP) -> bool {
    // SAFETY: a pointer that a driver passes as an IRP; that it can be read is its promise.
    record_of(irp).is_some() && unsafe { (*irp).Type } == IO_TYPE_IRP
}

/// What a dispatch routine owes. The IRP may be gone by now: it is only looked at while its
/// record says that it has not been completed here.
fn check_return(
    routine: usize,
    irp: *mut IRP,
    (index, turn): (usize, u32),
    record: &Arc<RecordLock>,
    status: NTSTATUS,
) {
    let mut guard = record.lock();
    // A completion routine above may have sent the IRP here once more, or used it for something
    // else, before this dispatch routine returned: what it is now says nothing of this turn.
    if guard.turn(index) != turn {
        return;
    }
    let mut seen = guard.seen(index);
    if seen.completed.is_none() {
        // SAFETY: an IRP that was not completed at this location exists, and completing it
        // takes the lock that is held.
        seen.marked = unsafe { is_marked(irp, index) };
        if status == STATUS_PENDING && !seen.marked && guard.owe_mark(index, routine) {
            return;
        }
    }
    drop(guard);
    report_return(routine, irp, seen, status);
}

fn report_return(routine: usize, irp: *mut IRP, seen: Seen, status: NTSTATUS) {
    if let Some(violation) = dispatch_rules::violation(status, seen) {
        let detail = match violation {
            Violation::InconsistentStatus(expected) => expected,
            _ => status,
        };
        let detail = detail.cast_unsigned() as usize;
        io_violation(violation.code(), routine, irp.addr(), detail);
    }
}

/// Whether a stack location (counted from 1) is marked pending.
///
/// # Safety
///
/// The IRP exists and has that location.
unsafe fn is_marked(irp: *mut IRP, index: usize) -> bool {
    // SAFETY: the locations lie behind the IRP.
    let first = unsafe { irp.add(1) }.cast::<IO_STACK_LOCATION>();
    // SAFETY: the caller's promise.
    let location = unsafe { first.add(index - 1) };
    // SAFETY: as above.
    unsafe { (*location).Control & SL_PENDING_RETURNED != 0 }
}

fn check_arguments(device: *mut DEVICE_OBJECT, irp: *mut IRP, caller: usize) {
    if !interrupts::are_enabled() {
        // Subcode 0xC0: interrupts are disabled.
        let parameters = [0xc0, irp.addr() as u64, 0, 0];
        let code = bug::DRIVER_VERIFIER_DETECTED_VIOLATION;
        hook::violation(VerifierOption::IoVerification, code, parameters);
    }
    let level = irql::current();
    if level > DISPATCH_LEVEL {
        io_violation(code::SENT_AT_IRQL, level.into(), 0, 0);
    }
    if device.is_null() {
        io_violation(code::SENT_TO_NULL, caller, 0, 0);
    }
    if !is_irp(irp) {
        io_violation(code::NOT_AN_IRP_SENT, irp.addr(), 0, 0);
    }
    if !is_device(device) {
        io_violation(code::NOT_A_DEVICE, device.addr(), 0, 0);
    }
}

/// The rules of the next stack location.
fn check_location(packet: &IRP, location: &IO_STACK_LOCATION, caller: usize) {
    let irp = (&raw const *packet).addr();
    if packet.CancelRoutine.is_some() {
        io_violation(code::SENT_CANCELABLE, caller, irp, 0);
    }
    let invoke = SL_INVOKE_ON_CANCEL | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_SUCCESS;
    if location.Control & !invoke != 0 {
        io_violation(code::CONTROL_NOT_ZEROED, caller, irp, 0);
    }
    if irp::has_location(packet) {
        // SAFETY: the IRP has been sent before, so it has a current location.
        let current = unsafe { &*packet.overlay().CurrentStackLocation };
        if location.CompletionRoutine.is_some()
            && location.Control & invoke != 0
            && location.CompletionRoutine.map(|routine| routine as usize)
                == current.CompletionRoutine.map(|routine| routine as usize)
            && location.Context == current.Context
            && !core::ptr::eq(location, current)
        {
            io_violation(code::COMPLETION_ROUTINE_COPIED, caller, irp, 0);
        }
    }
    let status = packet.IoStatus.status();
    let failed = !nt_success(status) && status != STATUS_NOT_SUPPORTED;
    match location.MajorFunction {
        IRP_MJ_PNP if failed => io_violation(code::FAILED_PNP_SENT, caller, irp, 0),
        IRP_MJ_POWER if failed => io_violation(code::FAILED_POWER_SENT, caller, irp, 0),
        IRP_MJ_CREATE | IRP_MJ_CLEANUP | IRP_MJ_CLOSE | IRP_MJ_PNP | IRP_MJ_SYSTEM_CONTROL
            if irql::current() != PASSIVE_LEVEL =>
        {
            io_violation(code::SENT_AT_IRQL_OF_MAJOR, caller, irp, 0);
        }
        _ => {}
    }
}
