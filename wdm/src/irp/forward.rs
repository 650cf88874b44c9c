//! Sending an IRP to the device below.
//!
//! The rule of the kernel this stands for: an IRP that is sent down is the next driver's until its
//! completion routine is called, if it has one; a driver that waits for it does so at PASSIVE_LEVEL.
//! ("Passing IRPs Down the Driver Stack", nf-wdm-iosetcompletionroutineex.)

use core::ptr::NonNull;

use wdk_sys::{
    DEVICE_OBJECT, IRP, NTSTATUS, PVOID,
    ntddk::{IoForwardIrpSynchronously, IoSetCompletionRoutineEx, IofCallDriver},
};

use super::{Dispatched, Fresh, Irp, Pending};
use crate::{
    Status,
    device::{self, Device, Fdo},
    irql::{self, AtOrBelowDispatch, Limit, Passive, UpToDispatch},
    raw,
};

impl Irp<Fresh> {
    /// Passes the IRP down with this driver's stack location, and is done with it: to the device
    /// below its own, and to no other.
    ///
    /// Source: nf-wdm-ioskipcurrentirpstacklocation, nf-wdm-iocalldriver.
    pub fn forward<I: AtOrBelowDispatch>(self, _irql: &I) -> Dispatched {
        let irp = self.into_raw();
        // SAFETY: owned until just below.
        let lower = unsafe { device::lower_of(irp) };
        // SAFETY: owned until just below.
        let lock = unsafe { device::remove_lock_of(irp) };
        // SAFETY: owned, and no completion routine is set.
        unsafe { raw::skip_current_stack_location(irp) };
        // SAFETY: given up with this call; the device below is attached to.
        let status = unsafe { IofCallDriver(lower.as_ptr(), irp.as_ptr()) };
        lock.release(irp.as_ptr());
        Dispatched::new(status)
    }

    /// Marks the IRP pending, passes it down, and has `R` called when the drivers below have
    /// completed it. An IRP of another device is completed with STATUS_INVALID_DEVICE_REQUEST.
    ///
    /// `R` may complete the IRP, and with it the last thing that keeps the device and the driver:
    /// `IoSetCompletionRoutineEx` keeps the image until the routine has returned. It takes memory
    /// for that. Where there is none, the IRP is passed down and waited for, since some, as those
    /// that set a power state, must not fail; `R` is called then before this returns.
    ///
    /// Source: nf-wdm-iocopycurrentirpstacklocationtonext, nf-wdm-iosetcompletionroutineex.
    pub fn forward_with_completion<D: Device, R: CompletionRoutine<D>>(
        self,
        device: &Fdo<D>,
        irql: &Passive,
    ) -> Dispatched {
        // The completion routine is given the IRP's own device, as one of this kind.
        if !self.is_of(device.as_ptr()) {
            return self.complete(Status::INVALID_DEVICE_REQUEST, irql);
        }
        let raw_irp = self.irp;
        // SAFETY: owned, with a stack location for each device below.
        unsafe { raw::copy_current_stack_location_to_next(raw_irp) };
        // SAFETY: owned, the location for the device below is set up, and the routine is one for
        // this kind of device.
        let status = unsafe {
            IoSetCompletionRoutineEx(
                device.as_ptr(),
                raw_irp.as_ptr(),
                Some(completed::<D, R>),
                core::ptr::null_mut(),
                1,
                1,
                1,
            )
        };
        if Status::check(status).is_err() {
            let (irp, dispatched) = self.forward_synchronously(irql).pend();
            // SAFETY: at PASSIVE_LEVEL, which is one of them.
            let irql = &mut unsafe { UpToDispatch::assume() };
            R::completed(device, irp, irql);
            return dispatched;
        }
        let (irp, dispatched) = self.pend();
        let irp = irp.into_raw();
        // What it returns is of no interest: the IRP is pending, and comes back to `completed`.
        // SAFETY: given up with this call; the device below is attached to.
        let _ = unsafe { IofCallDriver(device.lower().as_ptr(), irp.as_ptr()) };
        dispatched
    }

    // ANCHOR: forward_synchronously
    /// Passes the IRP down to the device below its own, waits until the drivers there have completed
    /// it, and owns it again. Their status is in [`Irp::status`].
    ///
    /// Source: nf-wdm-ioforwardirpsynchronously.
    pub fn forward_synchronously(self, _irql: &Passive) -> Self {
        irql::expect_at_most(Limit::Passive, self.irp.as_ptr());
        let irp = self.into_raw();
        // SAFETY: owned.
        let lower = unsafe { device::lower_of(irp) };
        // SAFETY: owned, at PASSIVE_LEVEL; the device below is attached to.
        let sent = unsafe { IoForwardIrpSynchronously(lower.as_ptr(), irp.as_ptr()) };
        if sent == 0 {
            // There was no stack location left, so nobody below has seen it.
            // SAFETY: owned still.
            unsafe { raw::set_io_status(irp, Status::UNSUCCESSFUL.to_raw(), 0) };
        }
        // SAFETY: owned again: the completion stopped at this driver.
        unsafe { Self::from_raw(irp) }
    }
    // ANCHOR_END: forward_synchronously
}

/// A completion routine.
pub trait CompletionRoutine<D: Device> {
    /// The drivers below have completed the IRP: it is this driver's again, to be completed now
    /// or later.
    fn completed(device: &Fdo<D>, irp: Irp<Pending>, irql: &mut UpToDispatch);
}

/// `IoCompletion`.
unsafe extern "C" fn completed<D: Device, R: CompletionRoutine<D>>(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    _context: PVOID,
) -> NTSTATUS {
    // SAFETY: the I/O manager passes the IRP.
    let irp = unsafe { NonNull::new_unchecked(irp) };
    // The routine may complete the IRP and go on with the device.
    // SAFETY: this driver's again, as for `from_raw` below.
    let _callback = unsafe { device::callback_for(irp) };
    // SAFETY: the I/O manager passes the device object whose driver set the routine, which is the
    // IRP's and of this kind, as `forward_with_completion` has checked. It stays for the callback.
    let device: &Fdo<D> = unsafe { &*device.cast() };
    // SAFETY: this driver's again, as it returns STATUS_MORE_PROCESSING_REQUIRED; it was marked
    // pending before it was passed down.
    let irp = unsafe { Irp::<Pending>::from_raw(irp) };
    // SAFETY: completion routines are called at IRQL <= DISPATCH_LEVEL.
    let irql = &mut unsafe { UpToDispatch::assume() };
    R::completed(device, irp, irql);
    wdk_sys::STATUS_MORE_PROCESSING_REQUIRED
}
