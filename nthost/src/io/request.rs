//! Requests that nthost itself makes of a device, and waits for.

use core::{cell::UnsafeCell, ffi::c_void};

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        irp::{IO_STATUS_BLOCK, IRP},
        stack::{IO_STACK_LOCATION, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS},
    },
    status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_MORE_PROCESSING_REQUIRED},
};

use super::{
    call,
    irp::{self, Origin},
};
use crate::ke::{owned_event::Event, thread};

/// Completion routine flags: called however the IRP ends.
const ALWAYS: u8 = SL_INVOKE_ON_CANCEL | SL_INVOKE_ON_ERROR | SL_INVOKE_ON_SUCCESS;

/// Keeps the IRP for who waits for it, on the event that is its context.
///
/// # Safety
///
/// The context is an event that lives until it is set.
pub unsafe extern "win64" fn completed(
    _device: *mut DEVICE_OBJECT,
    _irp: *mut IRP,
    context: *mut c_void,
) -> NTSTATUS {
    // SAFETY: the event of a sender that waits for it.
    unsafe { &*context.cast::<Event>() }.set();
    STATUS_MORE_PROCESSING_REQUIRED
}

/// Somebody who waits for an IRP.
struct Waiter {
    event: Event,
    result: UnsafeCell<IO_STATUS_BLOCK>,
}

/// Tells who waits for an IRP how it ended, and frees it: it is no driver's any more, and whichever
/// still touches it is to fault.
///
/// # Safety
///
/// The context is a waiter that lives until its event is set.
unsafe extern "win64" fn ended(
    _device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    context: *mut c_void,
) -> NTSTATUS {
    // SAFETY: the caller's promise.
    let waiter = unsafe { &*context.cast::<Waiter>() };
    // SAFETY: the IRP is back at its maker.
    let result = unsafe { (*irp).IoStatus };
    // SAFETY: the waiter looks at it once the event is set.
    unsafe { waiter.result.get().write(result) };
    // SAFETY: nobody else has it any more.
    unsafe { irp::free(irp) };
    waiter.event.set();
    STATUS_MORE_PROCESSING_REQUIRED
}

/// Has a routine of nthost's called when an IRP is completed, however it ends; it keeps the IRP.
pub fn on_completion(
    location: &mut IO_STACK_LOCATION,
    routine: nthost_nt::io::stack::IO_COMPLETION_ROUTINE,
    context: *mut c_void,
) {
    location.CompletionRoutine = Some(routine);
    location.Context = context;
    location.Control = ALWAYS;
}

/// Sends an IRP, set up by `prepare`, to a device, waits until it is complete, and looks at
/// what came of it. PASSIVE_LEVEL.
///
/// # Safety
///
/// The device, the top of its stack, exists as long as the IRP is on its way.
pub unsafe fn send(
    device: *mut DEVICE_OBJECT,
    prepare: impl FnOnce(&mut IRP, &mut IO_STACK_LOCATION),
) -> IO_STATUS_BLOCK {
    // SAFETY: the caller's promise.
    let stack_count = unsafe { (*device).StackSize };
    let irp = irp::allocate(stack_count, Origin::System, 0);
    if irp.is_null() {
        return IO_STATUS_BLOCK::new(STATUS_INSUFFICIENT_RESOURCES, 0);
    }
    // SAFETY: it was just made.
    let packet = unsafe { &mut *irp };
    packet.overlay_mut().Thread = thread::current().cast();
    // SAFETY: it has as many locations as the stack has devices.
    let location = unsafe { irp::next(irp) };
    prepare(packet, location);
    let waiter = Waiter {
        event: Event::notification(),
        result: UnsafeCell::new(IO_STATUS_BLOCK::new(0, 0)),
    };
    on_completion(location, ended, (&raw const waiter).cast_mut().cast());
    // SAFETY: the caller's promise, and the location is set up.
    unsafe { call::send(device, irp, 0) };
    waiter.event.wait();
    waiter.result.into_inner()
}
