//! Controller objects: one controller of several devices, which one device has at a time.
//!
//! Sources: IoCreateController, IoAllocateController, IoFreeController, IoDeleteController,
//! ns-ntddk-_controller_object.

use core::{
    ffi::c_void,
    mem::{offset_of, size_of},
    ptr::null_mut,
};

use nthost_nt::{
    io::device::{DEVICE_OBJECT, DEVICE_OBJECT_QUEUE, WAIT_CONTEXT_BLOCK},
    ke::KDEVICE_QUEUE,
};

use crate::{
    driver_routine::{self, Kind},
    ke::device_queue::{self, KeInsertDeviceQueue, KeRemoveDeviceQueue},
    mm::guarded,
};

/// `IO_TYPE_CONTROLLER`.
const IO_TYPE_CONTROLLER: i16 = 2;
/// `IO_ALLOCATION_ACTION::DeallocateObject`.
const DEALLOCATE_OBJECT: i32 = 2;

/// What is called once the device has the controller (nc-wdm-driver_control).
type Control = unsafe extern "win64" fn(
    device: *mut DEVICE_OBJECT,
    irp: *mut c_void,
    registers: *mut c_void,
    context: *mut c_void,
) -> i32;

/// A controller (ns-ntddk-_controller_object).
#[repr(C)]
pub struct CONTROLLER_OBJECT {
    kind: i16,
    size: i16,
    /// The driver's own.
    extension: *mut c_void,
    /// The devices that wait for it.
    queue: KDEVICE_QUEUE,
    spare: u32,
    spare2: i64,
}

/// The wait block of a device, which is within it.
fn block_of(device: *mut DEVICE_OBJECT) -> *mut WAIT_CONTEXT_BLOCK {
    let queue: *mut DEVICE_OBJECT_QUEUE = device
        .wrapping_byte_add(offset_of!(DEVICE_OBJECT, Queue))
        .cast();
    queue.cast()
}

/// A device has the controller: its driver's routine is called. Whether it keeps it.
///
/// # Safety
///
/// The block was set up by `IoAllocateController`.
unsafe fn control(block: *mut WAIT_CONTEXT_BLOCK) -> bool {
    // SAFETY: the caller's promise. A copy: the routine may have the device wait again.
    let block = unsafe { block.read() };
    // SAFETY: as above: a driver's routine.
    let routine = unsafe { core::mem::transmute::<*mut c_void, Control>(block.DeviceRoutine) };
    let device: *mut DEVICE_OBJECT = block.DeviceObject.cast();
    let action = driver_routine::call(Kind::Callback, routine as usize, device.addr(), || {
        // SAFETY: the driver's own routine, with its device, request and context.
        unsafe { routine(device, block.CurrentIrp, null_mut(), block.DeviceContext) }
    });
    action != DEALLOCATE_OBJECT
}

/// The controller is free: the next device has it, and those behind it as long as none keeps it.
///
/// # Safety
///
/// The controller exists, and nobody has it.
unsafe fn next(controller: *mut CONTROLLER_OBJECT) {
    loop {
        // SAFETY: the caller's promise.
        let queue = unsafe { &raw mut (*controller).queue };
        // SAFETY: as above; DISPATCH_LEVEL.
        let entry = unsafe { KeRemoveDeviceQueue(queue) };
        if entry.is_null() {
            return;
        }
        // The entry is the block's first field.
        // SAFETY: a device that waits.
        if unsafe { control(entry.cast()) } {
            return;
        }
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: core::ptr::null_mut();
    /// Makes a controller object, with zeroed memory of the driver's. NULL if there is none left.
    ///
    /// Source: IoCreateController.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoCreateController(size: u32) -> *mut CONTROLLER_OBJECT {
        let bytes = size_of::<CONTROLLER_OBJECT>() + size as usize;
        let Some(memory) = guarded::allocate(bytes) else { return null_mut() };
        let controller = memory.cast::<CONTROLLER_OBJECT>();
        // SAFETY: zeroed memory for it, which is a value of each field.
        let fields = unsafe { &mut *controller };
        fields.kind = IO_TYPE_CONTROLLER;
        fields.size = i16::try_from(bytes).unwrap_or(i16::MAX);
        device_queue::initialize(&mut fields.queue);
        if size > 0 {
            // SAFETY: the driver's part lies behind the object.
            fields.extension = unsafe { controller.add(1) }.cast();
        }
        controller
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Has a routine called once a device has the controller: at once, if nobody has. The device
    /// has it until the routine says that it gives it back, or IoFreeController is called.
    ///
    /// Source: IoAllocateController.
    ///
    /// # Safety
    ///
    /// Both objects exist; the device does not wait for anything.
    pub unsafe fn IoAllocateController(
        controller: *mut CONTROLLER_OBJECT,
        device: *mut DEVICE_OBJECT,
        routine: Control,
        context: *mut c_void,
    ) {
        let block = block_of(device);
        // SAFETY: the caller's promise.
        let fields = unsafe { &mut *block };
        fields.DeviceRoutine = routine as *mut c_void;
        fields.DeviceContext = context;
        fields.DeviceObject = device.cast();
        // SAFETY: the caller's promise.
        fields.CurrentIrp = unsafe { (*device).CurrentIrp }.cast();
        let entry = &raw mut fields.WaitQueueEntry;
        // SAFETY: the caller's promise.
        let queue = unsafe { &raw mut (*controller).queue };
        // SAFETY: as above.
        let waits = unsafe { KeInsertDeviceQueue(queue, entry) };
        // SAFETY: the block was just set up.
        if waits == 0 && !unsafe { control(block) } {
            // SAFETY: the device has given it back.
            unsafe { next(controller) };
        }
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Gives the controller back; the next device that waits has it.
    ///
    /// Source: IoFreeController.
    ///
    /// # Safety
    ///
    /// The caller has it.
    pub unsafe fn IoFreeController(controller: *mut CONTROLLER_OBJECT) {
        // SAFETY: the caller's promise.
        unsafe { next(controller) };
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Frees a controller object and the driver's part of it.
    ///
    /// Source: IoDeleteController.
    ///
    /// # Safety
    ///
    /// Made by IoCreateController, and nobody uses it.
    pub unsafe fn IoDeleteController(controller: *mut CONTROLLER_OBJECT) {
        guarded::free(controller.cast());
    }
}
