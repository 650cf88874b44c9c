//! Requests that nthost itself makes of a device, and waits for.

use core::ffi::c_void;

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        irp::{IO_STATUS_BLOCK, IRP},
        stack::{IO_STACK_LOCATION, SL_INVOKE_ON_CANCEL, SL_INVOKE_ON_ERROR, SL_INVOKE_ON_SUCCESS},
    },
    status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_MORE_PROCESSING_REQUIRED},
};

use super::{call, irp, record::Origin};
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
    let event = Event::notification();
    on_completion(location, completed, (&raw const event).cast_mut().cast());
    // SAFETY: the caller's promise, and the location is set up.
    unsafe { call::send(device, irp, 0) };
    event.wait();
    // SAFETY: the completion routine has kept it.
    let result = unsafe { (*irp).IoStatus };
    // SAFETY: nobody else has it any more.
    unsafe { irp::free(irp) };
    result
}
