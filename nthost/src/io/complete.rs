//! Completing an IRP: it goes back up its stack, through the completion routines, to who made
//! it.
//!
//! Sources: IoCompleteRequest, IoSetCompletionRoutine, "Implementing an IoCompletion Routine";
//! bug checks 0x44, 0x48 and 0xC9.

use nthost_nt::{
    io::{
        irp::{IO_TYPE_IRP, IRP},
        stack::{
            IO_STACK_LOCATION, SL_ERROR_RETURNED, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR,
            SL_INVOKE_ON_SUCCESS, SL_PENDING_RETURNED,
        },
    },
    status::{NTSTATUS, STATUS_MORE_PROCESSING_REQUIRED, nt_error, nt_success},
};

use super::{
    finish,
    irp::{self, Origin},
    verify,
};
use crate::{
    driver_routine::{self, Kind},
    hook,
    ke::bugcheck,
};

/// MULTIPLE_IRP_COMPLETE_REQUESTS.
const MULTIPLE_IRP_COMPLETE_REQUESTS: u32 = 0x44;
/// CANCEL_STATE_IN_COMPLETED_IRP.
const CANCEL_STATE_IN_COMPLETED_IRP: u32 = 0x48;

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Completes an IRP, whose status the caller has set. The IRP is no longer the caller's.
    /// The boost of the requester's priority is not imitated. (Above DISPATCH_LEVEL it ends in
    /// bug check 0xC9.)
    ///
    /// Source: IoCompleteRequest, which this routine stands behind.
    ///
    /// # Safety
    ///
    /// The IRP is the caller's, and has been sent to it.
    pub unsafe fn IofCompleteRequest(irp: *mut IRP, _priority_boost: i8) {
        // SAFETY: the caller's promise.
        unsafe { complete(irp, verify::caller()) };
    }
}

/// Completes an IRP; see [`IofCompleteRequest`]. `caller` is named by the verifier.
///
/// # Safety
///
/// As IofCompleteRequest.
pub unsafe fn complete(irp: *mut IRP, caller: usize) {
    hook::irp_completing(irp, caller);
    // SAFETY: the caller's promise. What was freed is no IRP any more, or faults.
    let packet = unsafe { &mut *irp };
    if packet.Type != IO_TYPE_IRP || irp::is_complete(packet) {
        bugcheck::bugcheck(MULTIPLE_IRP_COMPLETE_REQUESTS, [irp.addr() as u64, 0, 0, 0]);
    }
    if let Some(routine) = packet.CancelRoutine {
        let routine = routine as usize as u64;
        bugcheck::bugcheck(
            CANCEL_STATE_IN_COMPLETED_IRP,
            [irp.addr() as u64, routine, 0, 0],
        );
    }
    // SAFETY: the caller's promise.
    unsafe { walk_up(irp, caller) };
}

/// Leaves one location after the other, and calls the completion routine that the driver above
/// has put there, until one keeps the IRP or the top is reached. What was never sent, or was kept at
/// its top, has none to leave, and is finished.
///
/// # Safety
///
/// The IRP is this routine's.
unsafe fn walk_up(irp: *mut IRP, caller: usize) {
    loop {
        // SAFETY: the IRP is this routine's until a completion routine keeps it.
        let packet = unsafe { &mut *irp };
        if !irp::has_location(packet) {
            break;
        }
        let left = packet.overlay().CurrentStackLocation;
        // SAFETY: the current location is one of the IRP's own.
        let location = unsafe { left.read() };
        let marked = location.Control & SL_PENDING_RETURNED != 0;
        let status = packet.IoStatus.status();
        hook::irp_leaving(irp);
        packet.PendingReturned = marked.into();
        packet.CurrentLocation += 1;
        // SAFETY: one above the current location; at the top it is only compared.
        packet.overlay_mut().CurrentStackLocation = unsafe { left.add(1) };
        let at_top = !irp::has_location(packet);
        // SAFETY: the location was left; its driver may not use it any more.
        unsafe { left.write(IO_STACK_LOCATION::EMPTY) };
        if wants(&location, status, packet.Cancel != 0) {
            // SAFETY: the IRP is this routine's.
            if unsafe { call_routine(irp, &location, at_top, caller) } {
                return;
            }
        } else if marked && !at_top {
            // SAFETY: there is a location above, as was just seen.
            unsafe { irp::current(irp) }.Control |= SL_PENDING_RETURNED;
        }
        if at_top {
            break;
        }
        if nt_error(status) {
            // SAFETY: as above.
            unsafe { irp::current(irp) }.Control |= SL_ERROR_RETURNED;
        }
    }
    // SAFETY: the IRP is this routine's.
    pass_top(unsafe { &mut *irp });
    hook::irp_back(irp, true);
    // SAFETY: the IRP is back at who made it.
    unsafe { finish::finish(irp) };
}

/// The IRP is complete, and says so.
const fn pass_top(irp: &mut IRP) {
    // As NT's CHAR does: of 127 locations, this is the 129th.
    irp.CurrentLocation = irp.CurrentLocation.wrapping_add(1);
    let top = irp.overlay().CurrentStackLocation;
    irp.overlay_mut().CurrentStackLocation = top.wrapping_add(1);
}

/// Whether the completion routine asked to be called for an IRP that ends so.
const fn wants(location: &IO_STACK_LOCATION, status: NTSTATUS, canceled: bool) -> bool {
    location.CompletionRoutine.is_some()
        && (nt_success(status) && location.Control & SL_INVOKE_ON_SUCCESS != 0
            || !nt_success(status) && location.Control & SL_INVOKE_ON_ERROR != 0
            || canceled && location.Control & SL_INVOKE_ON_CANCEL != 0)
}

/// Calls a completion routine; whether it kept the IRP.
///
/// # Safety
///
/// The IRP is the caller's, at the location of the routine's driver.
unsafe fn call_routine(
    irp: *mut IRP,
    left: &IO_STACK_LOCATION,
    at_top: bool,
    caller: usize,
) -> bool {
    let Some(routine) = left.CompletionRoutine else {
        return false;
    };
    // Who made the IRP without a location of its own gets no device object.
    // SAFETY: the caller's promise.
    let device = unsafe { irp::current_device(irp) };
    // From here on it may be freed or used again by who made it, who may have a location of its
    // own there (IoSetNextIrpStackLocation).
    if device.is_null() {
        // SAFETY: the caller's promise.
        irp::set_sent(unsafe { &mut *irp }, false);
    }
    hook::irp_back(irp, at_top);
    // SAFETY: the caller's promise.
    let packet = unsafe { &mut *irp };
    if at_top && Origin::of(packet) == Origin::System {
        // The routine is nthost's own, and is how the request of a thread of its own is finished.
        pass_top(packet);
    }
    let pending = left.Control & SL_PENDING_RETURNED != 0;
    let status = driver_routine::call(Kind::Completion, routine as usize, irp.addr(), || {
        // SAFETY: the driver's own routine, with the context that it asked for.
        unsafe { routine(device, irp, left.Context) }
    });
    if status == STATUS_MORE_PROCESSING_REQUIRED {
        return true;
    }
    if pending && !at_top {
        hook::irp_passed_up(irp, routine as usize, caller);
    }
    false
}
