//! Sending an IRP to a device's driver.
//!
//! Sources: IoCallDriver, PoCallDriver, "Passing IRPs down the Driver Stack"; bug checks 0x35 and
//! 0xC9.

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        irp::{IO_STATUS_BLOCK, IRP},
        stack::SL_PENDING_RETURNED,
    },
    status::{NTSTATUS, STATUS_NOT_SUPPORTED, STATUS_PENDING},
};

use super::{
    complete, fault, irp,
    verify::{self, io_violation},
};
use crate::{
    driver_routine::{self, Kind},
    hook,
    ke::bugcheck,
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
    hook::irp_sending(device, irp, caller);
    // SAFETY: the caller's promise.
    let packet = unsafe { &mut *irp };
    if packet.CurrentLocation <= 1 {
        bugcheck::bugcheck(NO_MORE_IRP_STACK_LOCATIONS, [irp.addr() as u64, 0, 0, 0]);
    }
    // SAFETY: there is a location below, as was just seen.
    let location = unsafe { irp::next(irp) };
    packet.CurrentLocation -= 1;
    packet.overlay_mut().CurrentStackLocation = location;
    location.DeviceObject = device;
    irp::set_sent(packet, true);
    match fault::before_send(device, location, caller) {
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
        None => unsafe { dispatch(device, irp, true) },
    }
}

/// Calls the dispatch routine of the IRP's current location. Whether its sender hears what the
/// routine returns, or has been told something else.
///
/// # Safety
///
/// The IRP's current location was set up for `device`.
pub unsafe fn dispatch(device: *mut DEVICE_OBJECT, irp: *mut IRP, heard: bool) -> NTSTATUS {
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
    let watched = if heard {
        hook::irp_dispatching(device, irp, routine as usize)
    } else {
        hook::Dispatch::default()
    };
    let status = driver_routine::call(Kind::Dispatch, routine as usize, device.addr(), || {
        // SAFETY: the driver's own routine, with what it is for.
        unsafe { routine(device, irp) }
    });
    hook::irp_dispatched(watched, irp, routine as usize, status);
    status
}
