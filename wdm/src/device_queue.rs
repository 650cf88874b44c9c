//! The system's own queue for a device: StartIo.
//!
//! The rule of the kernel this stands for: `IoStartPacket` calls StartIo if the device is idle and
//! queues the IRP if not; `IoStartNextPacket` goes on with the next. With
//! `IoSetStartIoAttributes(Deferred, NonCancelable)`, `IoStartNextPacket` does not call StartIo from
//! inside of StartIo, so that it does not recurse with every request; and an IRP that has been
//! given to it cannot be canceled any more, so that only the cancel routine and the cleanup need
//! the cancel spin lock. (nf-wdm-iosetstartioattributes, "Using StartIo".)
//!
//! The kernel's queue cannot be walked, so for the cleanup of a handle the waiting IRPs are on a
//! list of this module's too, which the cancel spin lock protects as it does the kernel's.
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Status,
//!     device::{Device, Fdo},
//!     irp::{Dispatched, Fresh, Irp, Pending},
//!     irql::{Dispatch, Passive},
//! };
//!
//! /// A dispatch routine: the request is started when the device is idle.
//! fn read<D: Device>(device: &Fdo<D>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
//!     device.start_packet(irp, irql)
//! }
//!
//! /// StartIo of a device that is done at once.
//! fn start_io<D: Device>(device: &Fdo<D>, irp: Irp<Pending>, irql: &mut Dispatch) {
//!     irp.complete(Status::SUCCESS, irql);
//!     device.start_next(irql);
//! }
//! ```

use core::{cell::UnsafeCell, ptr::NonNull};

use wdk_sys::{
    DEVICE_OBJECT, IRP, KDEVICE_QUEUE_ENTRY, KIRQL, LIST_ENTRY,
    ntddk::{
        IoAcquireCancelSpinLock, IoReleaseCancelSpinLock, IoSetStartIoAttributes,
        IoStartNextPacket, IoStartPacket, KeRemoveEntryDeviceQueue,
    },
};

use crate::{
    Status,
    device::{Device, Fdo},
    irp::{Dispatched, FileObject, Fresh, Irp, Pending},
    irql::{Dispatch, Passive, UpToDispatch},
    list, raw,
};

/// The waiting IRPs, in their place in a device extension.
pub(crate) struct Waiting(UnsafeCell<LIST_ENTRY>);

// SAFETY: the cancel spin lock protects it.
unsafe impl Sync for Waiting {}

impl Waiting {
    pub(crate) const fn uninitialized() -> Self {
        Self(UnsafeCell::new(LIST_ENTRY {
            Flink: core::ptr::null_mut(),
            Blink: core::ptr::null_mut(),
        }))
    }

    /// # Safety
    ///
    /// It is in a device extension, where it stays, and nobody uses it yet.
    pub(crate) unsafe fn initialize(&self) {
        // SAFETY: by contract.
        unsafe { list::initialize_head(self.head()) };
    }

    const fn head(&self) -> NonNull<LIST_ENTRY> {
        // SAFETY: the address of a field.
        unsafe { NonNull::new_unchecked(self.0.get()) }
    }
}

/// The cancel spin lock, held.
struct CancelSpinLock(KIRQL);

impl CancelSpinLock {
    fn acquire() -> Self {
        let mut old = 0;
        // SAFETY: at IRQL <= DISPATCH_LEVEL, as the callers' tokens prove.
        unsafe { IoAcquireCancelSpinLock(&raw mut old) };
        Self(old)
    }
}

impl Drop for CancelSpinLock {
    fn drop(&mut self) {
        // SAFETY: held, at this level before.
        unsafe { IoReleaseCancelSpinLock(self.0) };
    }
}

/// Sets the attributes that this module counts on, for a device that has a StartIo. Before its
/// first request.
///
/// Source: nf-wdm-iosetstartioattributes.
///
/// # Safety
///
/// The device object is the driver's, at PASSIVE_LEVEL.
// ANCHOR: attributes
pub(crate) unsafe fn set_attributes(device: NonNull<DEVICE_OBJECT>) {
    // SAFETY: by contract.
    unsafe { IoSetStartIoAttributes(device.as_ptr(), 1, 1) };
}
// ANCHOR_END: attributes

impl<D: Device> Fdo<D> {
    /// Marks the IRP pending, and starts or queues it. An IRP of another device is completed with
    /// STATUS_INVALID_DEVICE_REQUEST.
    ///
    /// Source: nf-wdm-iostartpacket.
    pub fn start_packet(&self, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
        if !irp.is_of(self.as_ptr()) {
            return irp.complete(Status::INVALID_DEVICE_REQUEST, irql);
        }
        let (irp, dispatched) = irp.pend();
        let irp = irp.into_raw();
        {
            let _lock = CancelSpinLock::acquire();
            // SAFETY: owned.
            let queue_entry = unsafe { raw::device_queue_entry(irp) };
            // An earlier owner of the IRP may have left anything there, and a cleanup that finds
            // it on the list asks whether the kernel has queued it.
            // SAFETY: owned, and in no queue.
            unsafe { queue_entry.write(KDEVICE_QUEUE_ENTRY::default()) };
            // SAFETY: owned.
            let entry = unsafe { raw::list_entry(irp) };
            // SAFETY: the lock is held, and the IRP is in no list.
            unsafe { list::insert_tail(self.waiting().head(), entry) };
        }
        // SAFETY: owned, and given up with this call; StartIo is set, as `D` has one.
        unsafe {
            IoStartPacket(
                self.as_ptr(),
                irp.as_ptr(),
                core::ptr::null_mut(),
                Some(cancel),
            );
        }
        dispatched
    }

    /// Goes on with the next request, if there is one.
    ///
    /// Source: nf-wdm-iostartnextpacket.
    pub fn start_next(&self, _irql: &Dispatch) {
        // SAFETY: at DISPATCH_LEVEL; cancelable, as the packets have a cancel routine.
        unsafe { IoStartNextPacket(self.as_ptr(), 1) };
    }

    /// Ends the waiting requests of a handle, or all of them.
    pub fn cancel_waiting(&self, of: Option<FileObject>, status: Status, irql: &mut Passive) {
        while let Some(irp) = self.take_waiting(of) {
            irp.complete(status, irql);
        }
    }

    fn take_waiting(&self, of: Option<FileObject>) -> Option<Irp<Pending>> {
        let head = self.waiting().head();
        let _lock = CancelSpinLock::acquire();
        let mut entry = head;
        // SAFETY: the lock is held.
        while let Some(next) = unsafe { list::next(head, entry) } {
            entry = next;
            // SAFETY: every entry of this list is an IRP's.
            let irp = unsafe { raw::irp_of_list_entry(entry) };
            // SAFETY: valid while it waits.
            let file_object = unsafe { FileObject::of(irp) };
            if of.is_some_and(|of| of != file_object) {
                continue;
            }
            // SAFETY: waiting, with the lock held. False if it was dequeued just now, and
            // StartIo is about to get it.
            if unsafe { leave_queue(self.as_ptr(), irp) } {
                // The cancel routine is called with the lock held, so it is not running.
                // SAFETY: owned now.
                unsafe { raw::clear_cancel_routine(irp) };
                // SAFETY: out of the queue, so it is this driver's; marked pending before.
                return Some(unsafe { Irp::from_raw(irp) });
            }
        }
        None
    }
}

/// Takes an IRP out of the kernel's queue and of the list, unless StartIo is about to get it.
///
/// # Safety
///
/// The IRP is on the device's list, and the cancel spin lock is held.
unsafe fn leave_queue(device: *mut DEVICE_OBJECT, irp: NonNull<IRP>) -> bool {
    // SAFETY: valid by contract; only an address is formed.
    let queue = unsafe { &raw mut (*device).DeviceQueue };
    // SAFETY: valid by contract.
    let entry = unsafe { raw::device_queue_entry(irp) };
    // SAFETY: the queue that `IoStartPacket` uses; at DISPATCH_LEVEL by the lock.
    if unsafe { KeRemoveEntryDeviceQueue(queue, entry) } == 0 {
        return false;
    }
    // SAFETY: valid by contract.
    let entry = unsafe { raw::list_entry(irp) };
    // SAFETY: on the list, and the lock is held.
    unsafe { list::remove(entry) };
    true
}

/// The cancel routine, called with the cancel spin lock held.
unsafe extern "C" fn cancel(device: *mut DEVICE_OBJECT, irp: *mut IRP) {
    // SAFETY: the I/O manager passes the IRP that is canceled.
    let irp = unsafe { NonNull::new_unchecked(irp) };
    // SAFETY: it waits, since the attribute NonCancelable takes the routine away before StartIo.
    let removed = unsafe { leave_queue(device, irp) };
    // SAFETY: valid: it is not completed before this routine does.
    let old = unsafe { (*irp.as_ptr()).CancelIrql };
    // SAFETY: held on entry, taken at this level.
    unsafe { IoReleaseCancelSpinLock(old) };
    if removed {
        // SAFETY: out of the queue, so it is this driver's; marked pending before.
        let irp = unsafe { Irp::<Pending>::from_raw(irp) };
        // SAFETY: called by the code that cancels, at IRQL <= DISPATCH_LEVEL.
        let irql = unsafe { UpToDispatch::assume() };
        irp.complete(Status::CANCELLED, &irql);
    }
}

/// `StartIo`, for a kind of device that has one.
///
/// # Safety
///
/// The device is a [`Fdo<D>`]; called by the I/O manager as StartIo.
pub(crate) unsafe fn start_io<D: Device>(object: NonNull<DEVICE_OBJECT>, irp: NonNull<IRP>) {
    {
        let _lock = CancelSpinLock::acquire();
        // SAFETY: valid.
        let entry = unsafe { raw::list_entry(irp) };
        // SAFETY: on the list since `start_packet`, and the lock is held.
        unsafe { list::remove(entry) };
    }
    // It may complete the IRP and go on with the device: the I/O manager calls it inside of
    // `IoStartPacket` or `IoStartNextPacket`, whose caller here has borrowed the device.
    // SAFETY: by contract.
    let device: &Fdo<D> = unsafe { object.cast().as_ref() };
    // SAFETY: given to StartIo, so it is this driver's; marked pending before.
    let irp = unsafe { Irp::from_raw(irp) };
    // SAFETY: StartIo is called at DISPATCH_LEVEL.
    let irql = &mut unsafe { Dispatch::assume() };
    match D::START_IO {
        Some(start_io) => start_io(device, irp, irql),
        // Nothing is given to StartIo but by `start_packet`, whose caller has one.
        None => irp.complete(Status::INVALID_DEVICE_REQUEST, irql),
    }
}
