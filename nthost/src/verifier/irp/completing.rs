//! The rules of who completes an IRP, and of the completion routines on its way up.
//!
//! Sources: IoCompleteRequest; bug check 0xC9, I/O verification errors; bug check 0x44.

use nthost_nt::{
    io::{
        irp::{IO_TYPE_IRP, IRP, IRP_BUFFERED_IO, IRP_INPUT_OPERATION},
        major::{IRP_MJ_DEVICE_CONTROL, IRP_MJ_PNP, IRP_MJ_READ, IRP_MN_REMOVE_DEVICE},
        stack::{IO_STACK_LOCATION, SL_PENDING_RETURNED},
    },
    status::{STATUS_PENDING, nt_error},
};

use super::{code, dispatch_rules::Violation, pass_rules, record_of};
use crate::{
    export::DISPATCH_LEVEL,
    io::{irp, verify::io_violation},
    ke::{bugcheck, irql},
    verifier::locks,
};

/// MULTIPLE_IRP_COMPLETE_REQUESTS.
const MULTIPLE_IRP_COMPLETE_REQUESTS: u32 = 0x44;

/// An IRP is about to be completed.
pub fn completing(irp: *mut IRP, caller: usize) {
    if record_of(irp).is_none() {
        // What was an IRP is none any more: it was completed and freed.
        bugcheck::bugcheck(MULTIPLE_IRP_COMPLETE_REQUESTS, [irp.addr() as u64, 0, 0, 0]);
    }
    // SAFETY: it exists, as its record does.
    let packet = unsafe { &*irp };
    // What is otherwise ends the system by the I/O manager itself.
    if packet.Type == IO_TYPE_IRP && !irp::is_complete(packet) {
        locks::completing();
        check(packet, caller);
    }
}

/// An IRP is about to leave its current location.
pub fn leaving(irp: *mut IRP) {
    let Some(record) = record_of(irp) else { return };
    // SAFETY: it exists, as its record does.
    let packet = unsafe { &*irp };
    // SAFETY: an IRP that has been sent has a current location.
    let marked = unsafe { irp::current(irp) }.Control & SL_PENDING_RETURNED != 0;
    let (index, status) = (packet.CurrentLocation as usize, packet.IoStatus.status());
    let forgot = record.lock().complete(index, status, marked);
    if let Some(routine) = forgot {
        let pending = STATUS_PENDING.cast_unsigned() as usize;
        let code = Violation::PendingNotMarked.code();
        io_violation(code, routine, irp.addr(), pending);
    }
}

/// An IRP has left a location, and may be back at who made it.
pub fn back(irp: *mut IRP, at_top: bool) {
    if let Some(record) = record_of(irp) {
        record.lock().leave_last_holder(at_top);
    }
}

/// A completion routine has returned for an IRP that was pending below, and has not kept it: the
/// location of its driver is to be marked, too.
pub fn passed_up(irp: *mut IRP, routine: usize, caller: usize) {
    // SAFETY: the IRP was not kept, so it is still here.
    if unsafe { irp::current(irp) }.Control & SL_PENDING_RETURNED == 0 {
        io_violation(code::PENDING_NOT_PROPAGATED, routine, irp.addr(), caller);
    }
}

/// The rules of who completes an IRP.
fn check(packet: &IRP, caller: usize) {
    let irp = (&raw const *packet).addr();
    let status = packet.IoStatus.status();
    if status == STATUS_PENDING || status == -1 {
        let status = status.cast_unsigned() as usize;
        io_violation(code::COMPLETED_AS_PENDING, status, irp, 0);
    }
    if let Some(routine) = packet.CancelRoutine {
        io_violation(code::COMPLETED_CANCELABLE, routine as usize, irp, 0);
    }
    let level = irql::current();
    if level > DISPATCH_LEVEL {
        io_violation(code::COMPLETED_AT_IRQL, level.into(), irp, 0);
    }
    if !irp::has_location(packet) {
        return;
    }
    // SAFETY: it has a current location, as was just seen.
    let location = unsafe { &*packet.overlay().CurrentStackLocation };
    if location.MajorFunction == IRP_MJ_PNP
        && location.MinorFunction == IRP_MN_REMOVE_DEVICE
        && nt_error(status)
    {
        io_violation(code::FAILED_REMOVE, caller, irp, 0);
    }
    pass_rules::check_completing(packet, location, caller);
    let room = output_room(packet, location);
    if room.is_some_and(|room| !nt_error(status) && packet.IoStatus.Information > room as usize) {
        io_violation(code::TOO_MUCH_INFORMATION, caller, irp, 0);
    }
}

/// How many bytes of the system buffer are output, if the I/O manager may copy from it: as many as
/// `Information` says, wherever the requester's pointer leads, and whatever length came with it.
/// A device-control code alone says so. Of other requests their flags say whether this one does.
///
/// Sources: "Failure to Check the Size of Buffers"; bug check 0xC9, code 0x312.
fn output_room(packet: &IRP, location: &IO_STACK_LOCATION) -> Option<u32> {
    const METHOD_MASK: u32 = 3;
    const METHOD_BUFFERED: u32 = 0;
    const COPIED: u32 = IRP_BUFFERED_IO | IRP_INPUT_OPERATION;
    let copied = packet.Flags & COPIED == COPIED;
    match location.MajorFunction {
        IRP_MJ_DEVICE_CONTROL => {
            let control = location.Parameters.device_io_control();
            (control.IoControlCode & METHOD_MASK == METHOD_BUFFERED)
                .then_some(control.OutputBufferLength)
        }
        IRP_MJ_READ if copied => Some(location.Parameters.read_write().Length),
        _ => None,
    }
}
