//! Sending an IRP to a device's driver.
//!
//! Sources: IoCallDriver, PoCallDriver, "Passing IRPs down the Driver Stack"; bug checks 0x35 and
//! 0xC9.

use alloc::sync::Arc;

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        irp::{IO_STATUS_BLOCK, IRP},
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
    complete,
    dispatch_rules::{self, Seen, Violation},
    fault,
    irp::{self, RecordLock},
    pass_rules,
    verify::{self, io_violation},
};
use crate::{
    driver_routine::{self, Kind},
    export::{DISPATCH_LEVEL, PASSIVE_LEVEL},
    hook,
    ke::{
        bugcheck::{self, code},
        irql,
    },
};

/// NO_MORE_IRP_STACK_LOCATIONS.
const NO_MORE_IRP_STACK_LOCATIONS: u32 = 0x35;

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Sends an IRP to a device's driver; gives what its dispatch routine returns. The IRP is
    /// no longer the caller's. (Above DISPATCH_LEVEL it ends in bug check 0xC9.)
    ///
    /// Source: IoCallDriver, which this routine stands behind.
    ///
    /// # Safety
    ///
    /// The device object exists, and the IRP is the caller's, with its next stack location
    /// set up.
    pub unsafe fn IofCallDriver(device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { send(device, irp, verify::caller()) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Sends a power IRP; the same as IoCallDriver since Windows Vista.
    ///
    /// Source: PoCallDriver.
    ///
    /// # Safety
    ///
    /// As IofCallDriver.
    pub unsafe fn PoCallDriver(device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { send(device, irp, verify::caller()) }
    }
}

/// Sends an IRP; see [`IofCallDriver`]. `caller` is named by the verifier.
///
/// # Safety
///
/// As IofCallDriver.
pub unsafe fn send(device: *mut DEVICE_OBJECT, irp: *mut IRP, caller: usize) -> NTSTATUS {
    check_arguments(device, irp, caller);
    // SAFETY: the caller's promise.
    let packet = unsafe { &mut *irp };
    pass_rules::check_sender(packet, caller);
    if packet.CurrentLocation <= 1 {
        bugcheck::bugcheck(NO_MORE_IRP_STACK_LOCATIONS, [irp.addr() as u64, 0, 0, 0]);
    }
    // SAFETY: there is a location below, as was just seen.
    let location = unsafe { irp::next(irp) };
    check_location(packet, location, caller);
    pass_rules::check_sending(packet, location, caller);
    let signalled = pass_rules::is_event_signalled(packet);
    packet.CurrentLocation -= 1;
    packet.overlay_mut().CurrentStackLocation = location;
    location.DeviceObject = device;
    let index = packet.CurrentLocation as usize;
    let record = irp::record(irp);
    if let Some(record) = &record {
        let status = packet.IoStatus.status();
        record.lock().send(index, device.addr(), status);
    }
    let status = match fault::before_send(device, location, caller) {
        Some(fault::Effect::Fail(status)) => {
            packet.IoStatus = IO_STATUS_BLOCK::new(status, 0);
            // SAFETY: the IRP is this routine's, at the lower driver's location.
            unsafe { complete::complete(irp, 0) };
            status
        }
        Some(fault::Effect::Pend(due)) => {
            location.Control |= SL_PENDING_RETURNED;
            fault::send_later(device, irp, due);
            STATUS_PENDING
        }
        // SAFETY: the IRP has just been prepared for the device.
        None => unsafe { dispatch(device, irp, index, record.as_ref()) },
    };
    if signalled && status == STATUS_PENDING {
        io_violation(verify::EVENT_SIGNALLED, caller, irp.addr(), 0);
    }
    status
}

/// Calls the dispatch routine of the IRP's current location.
///
/// # Safety
///
/// The IRP's current location, the `index`th, was set up for `device`.
pub unsafe fn dispatch(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    index: usize,
    record: Option<&Arc<RecordLock>>,
) -> NTSTATUS {
    // SAFETY: the caller's promise.
    let major = unsafe { irp::current(irp) }.MajorFunction;
    // SAFETY: the device exists.
    let driver = unsafe { (*device).DriverObject };
    // SAFETY: a device's driver object outlives it.
    let routines = unsafe { &(*driver).MajorFunction };
    let Some(routine) = routines.get(usize::from(major)).copied().flatten() else {
        io_violation(verify::NOT_AN_IRP_SENT, irp.addr(), 0, 0);
        return STATUS_NOT_SUPPORTED;
    };
    pass_rules::check_routine(device, routine as usize, major);
    let turn = record.map_or(0, |record| record.lock().turn(index));
    let status = driver_routine::call(Kind::Dispatch, routine as usize, device.addr(), || {
        // SAFETY: the driver's own routine, with what it is for.
        unsafe { routine(device, irp) }
    });
    if let Some(record) = record {
        check_return(routine as usize, irp, (index, turn), record, status);
    }
    status
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
        let code = code::DRIVER_VERIFIER_DETECTED_VIOLATION;
        hook::violation(VerifierOption::IoVerification, code, parameters);
    }
    let level = irql::current();
    if level > DISPATCH_LEVEL {
        io_violation(verify::SENT_AT_IRQL, level.into(), 0, 0);
    }
    if device.is_null() {
        io_violation(verify::SENT_TO_NULL, caller, 0, 0);
    }
    if !verify::is_irp(irp) {
        io_violation(verify::NOT_AN_IRP_SENT, irp.addr(), 0, 0);
    }
    if !verify::is_device(device) {
        io_violation(verify::NOT_A_DEVICE, device.addr(), 0, 0);
    }
}

/// The rules of the next stack location.
fn check_location(packet: &IRP, location: &IO_STACK_LOCATION, caller: usize) {
    let irp = (&raw const *packet).addr();
    if packet.CancelRoutine.is_some() {
        io_violation(verify::SENT_CANCELABLE, caller, irp, 0);
    }
    let invoke = SL_INVOKE_ON_CANCEL | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_SUCCESS;
    if location.Control & !invoke != 0 {
        io_violation(verify::CONTROL_NOT_ZEROED, caller, irp, 0);
    }
    if packet.CurrentLocation <= packet.StackCount {
        // SAFETY: the IRP has been sent before, so it has a current location.
        let current = unsafe { &*packet.overlay().CurrentStackLocation };
        if location.CompletionRoutine.is_some()
            && location.Control & invoke != 0
            && location.CompletionRoutine.map(|routine| routine as usize)
                == current.CompletionRoutine.map(|routine| routine as usize)
            && location.Context == current.Context
            && !core::ptr::eq(location, current)
        {
            io_violation(verify::COMPLETION_ROUTINE_COPIED, caller, irp, 0);
        }
    }
    let status = packet.IoStatus.status();
    let failed = !nt_success(status) && status != STATUS_NOT_SUPPORTED;
    match location.MajorFunction {
        IRP_MJ_PNP if failed => io_violation(verify::FAILED_PNP_SENT, caller, irp, 0),
        IRP_MJ_POWER if failed => io_violation(verify::FAILED_POWER_SENT, caller, irp, 0),
        IRP_MJ_CREATE | IRP_MJ_CLEANUP | IRP_MJ_CLOSE | IRP_MJ_PNP | IRP_MJ_SYSTEM_CONTROL
            if irql::current() != PASSIVE_LEVEL =>
        {
            io_violation(verify::SENT_AT_IRQL_OF_MAJOR, caller, irp, 0);
        }
        _ => {}
    }
}
