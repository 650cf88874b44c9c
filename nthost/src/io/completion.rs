//! Completion routines whose driver stays until they have run.
//!
//! Source: IoSetCompletionRoutineEx. The reference that keeps the driver is one to its device.

use core::ffi::c_void;

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        irp::IRP,
        stack::{
            IO_COMPLETION_ROUTINE, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS,
        },
    },
    status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS},
};

use super::irp;
use crate::{
    export,
    mm::pool::{self, flags},
    ob::object,
};

/// The tag of what is remembered until the routine runs.
const TAG: u32 = u32::from_le_bytes(*b"IoCr");

/// What the driver asked for.
struct Held {
    device: *mut DEVICE_OBJECT,
    routine: IO_COMPLETION_ROUTINE,
    context: *mut c_void,
}

/// Calls the driver's routine, and lets its device go afterwards.
///
/// # Safety
///
/// The context is what IoSetCompletionRoutineEx allocated.
unsafe extern "win64" fn completed(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    context: *mut c_void,
) -> NTSTATUS {
    // SAFETY: the caller's promise; it is read once, and freed below.
    let held = unsafe { context.cast::<Held>().read() };
    pool::free(context as u64, Some(TAG));
    // SAFETY: the driver's own routine, with its context.
    let status = unsafe { (held.routine)(device, irp, held.context) };
    object::dereference(held.device.cast());
    status
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Has a routine called when the next lower driver has completed the IRP; the caller's
    /// device, and with it its driver, stays until then. The IRP must be sent.
    /// STATUS_INSUFFICIENT_RESOURCES, and nothing set, if there is no memory.
    ///
    /// Source: IoSetCompletionRoutineEx.
    ///
    /// # Safety
    ///
    /// The device and the IRP are the caller's, and the IRP has a location left.
    pub unsafe fn IoSetCompletionRoutineEx(
        device: *mut DEVICE_OBJECT,
        irp: *mut IRP,
        routine: IO_COMPLETION_ROUTINE,
        context: *mut c_void,
        on_success: u8,
        on_error: u8,
        on_cancel: u8,
    ) -> NTSTATUS {
        let caller = export::caller();
        let size = size_of::<Held>() as u64;
        let Some(memory) = pool::allocate(flags::NON_PAGED, size, TAG, caller) else {
            return STATUS_INSUFFICIENT_RESOURCES;
        };
        let memory = core::ptr::with_exposed_provenance_mut::<Held>(memory as usize);
        // SAFETY: memory that was just allocated for it.
        unsafe { memory.write(Held { device, routine, context }) };
        object::reference(device.cast());
        // SAFETY: the caller's promise.
        let location = unsafe { irp::next(irp) };
        location.CompletionRoutine = Some(completed);
        location.Context = memory.cast();
        location.Control = [
            (on_success, SL_INVOKE_ON_SUCCESS),
            (on_error, SL_INVOKE_ON_ERROR),
            (on_cancel, SL_INVOKE_ON_CANCEL),
        ]
        .into_iter()
        .filter(|(wanted, _)| *wanted != 0)
        .fold(0, |control, (_, flag)| control | flag);
        STATUS_SUCCESS
    }
}
