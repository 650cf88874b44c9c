//! What the I/O manager calls: one dispatch routine for all kinds of devices, and StartIo.
//!
//! The rules of the kernel this stands for: a dispatch routine holds the device's remove lock for each
//! IRP; IRP_MN_REMOVE_DEVICE is passed down, waits for all requests, detaches and deletes. ("Using
//! Remove Locks", "Handling an IRP_MN_REMOVE_DEVICE Request".)

use core::ptr::NonNull;

use wdk_sys::{
    DEVICE_OBJECT, DRIVER_OBJECT, IRP, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE,
    IRP_MJ_DEVICE_CONTROL, IRP_MJ_MAXIMUM_FUNCTION, IRP_MJ_PNP, IRP_MJ_POWER, IRP_MJ_READ,
    IRP_MJ_SYSTEM_CONTROL, IRP_MJ_WRITE, IRP_MN_REMOVE_DEVICE, NTSTATUS,
    ntddk::{IoDeleteDevice, IoDetachDevice, IofCallDriver, IofCompleteRequest},
};

use super::{Device, Fdo, extension, header};
use crate::{
    Status,
    constants::IO_NO_INCREMENT,
    irp::{Dispatched, Fresh, Irp},
    irql::Passive,
    raw,
};

/// Enters [`dispatch`] for every major function that [`Device`] has a routine for; the others
/// keep the I/O manager's, which completes them with STATUS_INVALID_DEVICE_REQUEST.
pub fn set_dispatch_routines(driver: &mut DRIVER_OBJECT) {
    const _: () = assert!(IRP_MJ_PNP <= IRP_MJ_MAXIMUM_FUNCTION);
    for major in [
        IRP_MJ_CREATE,
        IRP_MJ_CLOSE,
        IRP_MJ_READ,
        IRP_MJ_WRITE,
        IRP_MJ_DEVICE_CONTROL,
        IRP_MJ_CLEANUP,
        IRP_MJ_POWER,
        IRP_MJ_SYSTEM_CONTROL,
        IRP_MJ_PNP,
    ] {
        driver.MajorFunction[major as usize] = Some(dispatch);
    }
    driver.DriverStartIo = Some(start_io);
}

/// The one StartIo routine that the I/O manager calls.
unsafe extern "C" fn start_io(object: *mut DEVICE_OBJECT, irp: *mut IRP) {
    // SAFETY: the I/O manager passes a device object of this driver.
    let object = unsafe { NonNull::new_unchecked(object) };
    // SAFETY: and an IRP for it.
    let irp = unsafe { NonNull::new_unchecked(irp) };
    // SAFETY: made by `Fdo::create`, and kept by the IRP's remove lock.
    let header = unsafe { header(object) };
    // SAFETY: the header is that of the object's own kind.
    unsafe { (header.start_io)(object, irp) };
}

/// The one dispatch routine that the I/O manager calls: takes the remove lock, and passes the IRP
/// on to the device's own kind.
unsafe extern "C" fn dispatch(object: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
    // SAFETY: the I/O manager passes a device object of this driver.
    let object = unsafe { NonNull::new_unchecked(object) };
    // SAFETY: and an IRP for it.
    let irp = unsafe { NonNull::new_unchecked(irp) };
    // SAFETY: all device objects of this driver are made by `Fdo::create`; the I/O manager keeps
    // the object at least until the lock is taken.
    let header = unsafe { header(object) };
    if let Err(status) = header.remove_lock.acquire(irp.as_ptr()) {
        // SAFETY: given to this driver.
        unsafe { raw::set_io_status(irp, status.to_raw(), 0) };
        // SAFETY: owned, and given up with this call.
        unsafe { IofCompleteRequest(irp.as_ptr(), IO_NO_INCREMENT) };
        return status.to_raw();
    }
    // SAFETY: given to this driver, for this device, whose remove lock it holds now.
    let irp = unsafe { Irp::from_raw(irp) };
    // SAFETY: the header is that of the object's own kind.
    unsafe { (header.dispatch)(object, irp) }
}

/// Calls the routine of this kind of device.
///
/// # Safety
///
/// The object is a [`Fdo<D>`], called by the I/O manager with this IRP.
pub(super) unsafe fn dispatch_to<D: Device>(
    object: NonNull<DEVICE_OBJECT>,
    mut irp: Irp<Fresh>,
) -> NTSTATUS {
    // SAFETY: dispatch routines of such devices are called at PASSIVE_LEVEL; see `Device`.
    let irql = &mut unsafe { Passive::assume() };
    let major = u32::from(irp.major());
    if major == IRP_MJ_PNP && u32::from(irp.minor()) == IRP_MN_REMOVE_DEVICE {
        // SAFETY: by contract; the PnP manager sends this IRP once, as the last.
        return unsafe { remove::<D>(object, irp, irql) };
    }
    // SAFETY: by contract; the remove lock, which is taken next, keeps it until it is released.
    let device: &Fdo<D> = unsafe { object.cast().as_ref() };
    let lock = &device.header().remove_lock;
    if let Err(status) = lock.acquire(object.as_ptr()) {
        return irp.complete(status, irql).into_raw();
    }
    irp.begin();
    let dispatched = match major {
        IRP_MJ_DEVICE_CONTROL => D::device_control(device, irp, irql),
        IRP_MJ_READ => D::read(device, irp, irql),
        IRP_MJ_WRITE => D::write(device, irp, irql),
        major => dispatch_rare(device, major, irp, irql),
    };
    lock.release(object.as_ptr());
    dispatched.into_raw()
}

/// All but the requests that are for data. Not inlined, so that the stack that these need is not
/// taken for every request.
#[cold]
#[inline(never)]
fn dispatch_rare<D: Device>(
    device: &Fdo<D>,
    major: u32,
    irp: Irp<Fresh>,
    irql: &mut Passive,
) -> Dispatched {
    match major {
        IRP_MJ_CREATE => D::create(device, irp, irql),
        IRP_MJ_CLEANUP => D::cleanup(device, irp, irql),
        IRP_MJ_CLOSE => D::close(device, irp, irql),
        IRP_MJ_POWER => D::power(device, irp, irql),
        IRP_MJ_PNP => D::pnp(device, irp, irql),
        // A driver without WMI data passes these down. ("Handling WMI Requests".)
        _ => irp.forward(irql),
    }
}

/// IRP_MN_REMOVE_DEVICE, to the end of the device object.
///
/// # Safety
///
/// The object is a [`Fdo<D>`]; the IRP is the last that it gets.
#[cold]
#[inline(never)]
unsafe fn remove<D: Device>(
    object: NonNull<DEVICE_OBJECT>,
    irp: Irp<Fresh>,
    irql: &mut Passive,
) -> NTSTATUS {
    // SAFETY: by contract; this borrow ends before the device does.
    let device: &Fdo<D> = unsafe { object.cast().as_ref() };
    D::remove(device, irql);
    let lower = device.header().lower();
    let irp = irp.into_raw();
    // A driver that has removed its device sets success and passes the IRP on.
    // SAFETY: owned.
    unsafe { raw::set_io_status(irp, Status::SUCCESS.to_raw(), 0) };
    // SAFETY: owned, and no completion routine is set.
    unsafe { raw::skip_current_stack_location(irp) };
    // SAFETY: given up with this call; still attached to the device below.
    let status = unsafe { IofCallDriver(lower.as_ptr(), irp.as_ptr()) };
    // Only now: what the drivers below have still, they give up with the IRP. The tag is an
    // address, and not looked into.
    device
        .header()
        .remove_lock
        .release_and_wait(irp.as_ptr(), irql);
    // No IRP is left, so no routine begins any more that would take this one.
    let callbacks = &device.header().callbacks;
    if callbacks.acquire(object.as_ptr()).is_ok() {
        callbacks.release_and_wait(object.as_ptr(), irql);
    }
    // And routines that have none.
    device.header().presence.end(irql);
    // SAFETY: attached by `create`, detached once.
    unsafe { IoDetachDevice(lower.as_ptr()) };
    // SAFETY: made for this type by `create`.
    let extension = unsafe { extension::<D>(object) };
    // SAFETY: the remove lock was waited for, so nobody uses it, and nobody looks at it again.
    unsafe { extension.drop_in_place() };
    // SAFETY: detached, and not used any more.
    unsafe { IoDeleteDevice(object.as_ptr()) };
    status
}
