//! The system's queue of IRPs for a device, and the driver's `StartIo`, which gets one at a
//! time.
//!
//! Sources: IoStartPacket, IoStartNextPacket, IoStartNextPacketByKey, IoSetStartIoAttributes,
//! "StartIo Routines in Drivers". The queue and `CurrentIrp` of a driver with a cancel routine
//! are changed under the cancel spin lock.

use core::mem::offset_of;

use nthost_nt::{
    io::{
        device::{
            DEVICE_OBJECT, DOE_STARTIO_CANCELABLE, DOE_STARTIO_DEFERRED, DOE_STARTIO_NO_CANCEL,
            DOE_STARTIO_REQUESTED, DOE_STARTIO_REQUESTED_BYKEY,
        },
        driver::DRIVER_CANCEL,
        irp::IRP,
    },
    ke::{KDEVICE_QUEUE, KDEVICE_QUEUE_ENTRY},
};

use super::{cancel, device::extension};
use crate::{
    driver_routine::{self, Kind},
    export::DISPATCH_LEVEL,
    ke::{
        device_queue,
        irql::{self, Raised},
        lock::SpinLock,
    },
};

/// Protects the `StartIo…` fields of device extensions. A leaf.
static STATE: SpinLock<()> = SpinLock::new(());

/// Makes the queue of a new device object.
pub fn initialize_queue(queue: &mut KDEVICE_QUEUE) {
    device_queue::initialize(queue);
}

const fn entry_of(irp: *mut IRP) -> *mut KDEVICE_QUEUE_ENTRY {
    irp.wrapping_byte_add(offset_of!(IRP, Tail)).cast()
}

fn irp_of(entry: *mut KDEVICE_QUEUE_ENTRY) -> *mut IRP {
    entry.wrapping_byte_sub(offset_of!(IRP, Tail)).cast()
}

/// How the next packet is chosen and may be canceled.
#[derive(Clone, Copy)]
struct Request {
    key: Option<u32>,
    cancelable: bool,
}

/// The cancel spin lock, if the request's queue is under it.
struct CancelLock(Option<u8>);

impl CancelLock {
    fn acquire(cancelable: bool) -> Self {
        let mut before = 0;
        if cancelable {
            // SAFETY: a local can be written.
            unsafe { cancel::IoAcquireCancelSpinLock(&raw mut before) };
        }
        Self(cancelable.then_some(before))
    }
}

impl Drop for CancelLock {
    fn drop(&mut self) {
        if let Some(before) = self.0 {
            // SAFETY: it was acquired by `acquire`.
            unsafe { cancel::IoReleaseCancelSpinLock(before) };
        }
    }
}

/// Calls `StartIo` for an IRP that has become the current one. With deferred starts, the next
/// packet that is asked for meanwhile, here or on another processor, is started when the call
/// has returned.
///
/// # Safety
///
/// The device's driver has a `StartIo`, and the IRP is its current one.
unsafe fn start(device: *mut DEVICE_OBJECT, irp: *mut IRP) {
    let mut irp = irp;
    loop {
        {
            let _guard = STATE.lock();
            // SAFETY: the device exists.
            unsafe { extension(device) }.StartIoCount += 1;
        }
        // SAFETY: the device exists.
        let driver = unsafe { (*device).DriverObject };
        // SAFETY: as its driver object.
        if let Some(routine) = unsafe { (*driver).DriverStartIo } {
            driver_routine::call(Kind::StartIo, routine as usize, device.addr(), || {
                // SAFETY: the driver's own routine.
                unsafe { routine(device, irp) };
            });
        }
        let Some(request) = finished(device) else {
            return;
        };
        // SAFETY: the request was made for this device.
        irp = unsafe { take_next(device, request) };
        if irp.is_null() {
            return;
        }
    }
}

/// A call to `StartIo` has returned: what was asked for meanwhile, if it is for this call to do.
fn finished(device: *mut DEVICE_OBJECT) -> Option<Request> {
    let _guard = STATE.lock();
    // SAFETY: the device exists.
    let state = unsafe { extension(device) };
    state.StartIoCount -= 1;
    if state.StartIoCount > 0 || state.StartIoFlags & DOE_STARTIO_REQUESTED == 0 {
        return None;
    }
    let by_key = state.StartIoFlags & DOE_STARTIO_REQUESTED_BYKEY != 0;
    let request = Request {
        key: by_key.then_some(state.StartIoKey.cast_unsigned()),
        cancelable: state.StartIoFlags & DOE_STARTIO_CANCELABLE != 0,
    };
    state.StartIoFlags &=
        !(DOE_STARTIO_REQUESTED | DOE_STARTIO_REQUESTED_BYKEY | DOE_STARTIO_CANCELABLE);
    Some(request)
}

/// Whether the next packet is left to a call to `StartIo` that has not returned.
fn defer(device: *mut DEVICE_OBJECT, request: Request) -> bool {
    let _guard = STATE.lock();
    // SAFETY: the device exists.
    let state = unsafe { extension(device) };
    if state.StartIoFlags & DOE_STARTIO_DEFERRED == 0 || state.StartIoCount == 0 {
        return false;
    }
    state.StartIoFlags |= DOE_STARTIO_REQUESTED;
    if request.cancelable {
        state.StartIoFlags |= DOE_STARTIO_CANCELABLE;
    }
    if let Some(key) = request.key {
        state.StartIoFlags |= DOE_STARTIO_REQUESTED_BYKEY;
        state.StartIoKey = key.cast_signed();
    }
    true
}

/// Makes the next IRP of the queue the current one; null if there is none.
///
/// # Safety
///
/// The device exists.
unsafe fn take_next(device: *mut DEVICE_OBJECT, request: Request) -> *mut IRP {
    let _lock = CancelLock::acquire(request.cancelable);
    // SAFETY: the caller's promise.
    let fields = unsafe { &mut *device };
    fields.CurrentIrp = core::ptr::null_mut();
    // SAFETY: the device's own queue.
    let entry = unsafe { device_queue::remove(&raw mut fields.DeviceQueue, request.key) };
    if entry.is_null() {
        return core::ptr::null_mut();
    }
    let irp = irp_of(entry);
    fields.CurrentIrp = irp;
    // SAFETY: the caller's promise.
    let flags = unsafe { extension(device) }.StartIoFlags;
    if request.cancelable && flags & DOE_STARTIO_NO_CANCEL != 0 {
        // SAFETY: the IRP was in the queue.
        unsafe { cancel::take_routine(irp) };
    }
    irp
}

/// # Safety
///
/// As IoStartNextPacket.
unsafe fn start_next(device: *mut DEVICE_OBJECT, request: Request) {
    if defer(device, request) {
        return;
    }
    // SAFETY: the caller's promise.
    let irp = unsafe { take_next(device, request) };
    if !irp.is_null() {
        // SAFETY: it is the current one now.
        unsafe { start(device, irp) };
    }
}

/// # Safety
///
/// As IoStartPacket.
unsafe fn start_packet(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    key: Option<u32>,
    routine: Option<DRIVER_CANCEL>,
) {
    let before = irql::current();
    let raised = Raised::to(DISPATCH_LEVEL);
    let lock = CancelLock::acquire(routine.is_some());
    if routine.is_some() {
        // SAFETY: the caller's IRP.
        unsafe { cancel::exchange_routine(irp, routine) };
    }
    // SAFETY: the caller's promise.
    let fields = unsafe { &mut *device };
    // SAFETY: the device's own queue; the entry lies in the IRP, which is the caller's.
    let queued = unsafe { device_queue::insert(&raw mut fields.DeviceQueue, entry_of(irp), key) };
    if !queued {
        fields.CurrentIrp = irp;
        // SAFETY: the caller's promise.
        let flags = unsafe { extension(device) }.StartIoFlags;
        if routine.is_some() && flags & DOE_STARTIO_NO_CANCEL != 0 {
            // SAFETY: the IRP is the current one.
            unsafe { cancel::take_routine(irp) };
        }
        drop(lock);
        // SAFETY: as above.
        unsafe { start(device, irp) };
        return drop(raised);
    }
    let Some(routine) = routine else {
        return drop(raised);
    };
    // Canceled before the routine was set: it is called as IoCancelIrp would, with the lock,
    // which it releases.
    // SAFETY: the IRP is in the queue, which the lock protects.
    let canceled = unsafe { cancel::is_canceled(irp) };
    // SAFETY: as above.
    if canceled && unsafe { cancel::take_routine(irp) }.is_some() {
        // SAFETY: as above. The level that the routine goes back to.
        unsafe { (*irp).CancelIrql = before };
        core::mem::forget(lock);
        driver_routine::call(Kind::Cancel, routine as usize, irp.addr(), || {
            // SAFETY: the driver's own routine.
            unsafe { routine(device, irp) };
        });
    } else {
        drop(lock);
    }
    drop(raised);
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Starts an IRP, or queues it if the device is busy.
    ///
    /// Source: IoStartPacket.
    ///
    /// # Safety
    ///
    /// The device's driver has a `StartIo`; the IRP is the caller's and marked pending; `key` is
    /// null or a key.
    pub unsafe fn IoStartPacket(
        device: *mut DEVICE_OBJECT,
        irp: *mut IRP,
        key: *const u32,
        cancel_function: Option<DRIVER_CANCEL>,
    ) {
        // SAFETY: the caller's promise.
        let key = unsafe { key.as_ref() }.copied();
        // SAFETY: the caller's promise.
        unsafe { start_packet(device, irp, key, cancel_function) };
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// The device is done with its IRP: starts the next one.
    ///
    /// Source: IoStartNextPacket.
    ///
    /// # Safety
    ///
    /// The device's driver has a `StartIo`, and is done with the current IRP.
    pub unsafe fn IoStartNextPacket(device: *mut DEVICE_OBJECT, cancelable: u8) {
        let request = Request { key: None, cancelable: cancelable != 0 };
        // SAFETY: the caller's promise.
        unsafe { start_next(device, request) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As IoStartNextPacket, for the first IRP with at least this key.
    ///
    /// Source: IoStartNextPacketByKey.
    ///
    /// # Safety
    ///
    /// As IoStartNextPacket.
    pub unsafe fn IoStartNextPacketByKey(device: *mut DEVICE_OBJECT, cancelable: u8, key: u32) {
        // `StartIo` runs at DISPATCH_LEVEL, whoever has it called.
        let _raised = Raised::to(DISPATCH_LEVEL);
        let request = Request { key: Some(key), cancelable: cancelable != 0 };
        // SAFETY: the caller's promise.
        unsafe { start_next(device, request) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Says whether `StartIo` may be called from within itself, and whether the IRP that it
    /// gets can still be canceled.
    ///
    /// Source: IoSetStartIoAttributes.
    ///
    /// # Safety
    ///
    /// The device is the caller's.
    pub unsafe fn IoSetStartIoAttributes(device: *mut DEVICE_OBJECT, deferred: u8, non_cancelable: u8) {
        let _guard = STATE.lock();
        // SAFETY: the caller's promise.
        let state = unsafe { extension(device) };
        state.StartIoFlags &= !(DOE_STARTIO_DEFERRED | DOE_STARTIO_NO_CANCEL);
        if deferred != 0 {
            state.StartIoFlags |= DOE_STARTIO_DEFERRED;
        }
        if non_cancelable != 0 {
            state.StartIoFlags |= DOE_STARTIO_NO_CANCEL;
        }
    }
}
