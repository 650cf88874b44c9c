//! Sending an IRP down and waiting until it is back, with the IRP kept.
//!
//! Source: IoForwardIrpSynchronously.

use nthost_nt::io::{device::DEVICE_OBJECT, irp::IRP, stack::IO_STACK_LOCATION};

use super::{call, irp, request, verify};

use crate::ke::owned_event::Event;

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Copies the current stack location to the next, sends the IRP to a device, and waits until
    /// the drivers below have completed it; the caller owns it again then. FALSE, and nothing
    /// sent, if the IRP has no location left.
    ///
    /// Source: IoForwardIrpSynchronously.
    ///
    /// # Safety
    ///
    /// The IRP is the caller's, and the device is the one below it.
    pub unsafe fn IoForwardIrpSynchronously(device: *mut DEVICE_OBJECT, irp: *mut IRP) -> u8 {
        let caller = verify::caller();
        // SAFETY: the caller's promise.
        if unsafe { (*irp).CurrentLocation } <= 1 {
            return 0;
        }
        // SAFETY: as above.
        let current: *const IO_STACK_LOCATION = unsafe { irp::current(irp) };
        // SAFETY: as above; there is a next location.
        let next = unsafe { irp::next(irp) };
        // SAFETY: two locations of the same IRP.
        unsafe { core::ptr::from_mut(next).copy_from_nonoverlapping(current, 1) };
        let event = Event::notification();
        let context = (&raw const event).cast_mut().cast();
        request::on_completion(next, request::completed, context);
        // SAFETY: the caller's promise; the next location is set up.
        unsafe { call::send(device, irp, caller) };
        event.wait();
        1
    }
}
