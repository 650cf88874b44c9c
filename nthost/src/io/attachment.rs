//! Stacks of devices: what is attached to what.
//!
//! Sources: IoAttachDeviceToDeviceStack, IoDetachDevice, IoGetAttachedDeviceReference,
//! ns-wdm-_device_object.

use core::ptr::null_mut;

use nthost_nt::{
    io::device::{
        DEVICE_OBJECT, DO_DEVICE_INITIALIZING, DOE_DELETE_PENDING, DOE_REMOVE_PENDING,
        DOE_REMOVE_PROCESSED, DOE_UNLOAD_PENDING,
    },
    status::{NTSTATUS, STATUS_SUCCESS},
};

use super::{
    device::{DEVICES, extension},
    unload, verify,
};
use crate::ob::object;

/// Extension flags of a device that is on its way out.
pub(super) const GOING: u32 =
    DOE_UNLOAD_PENDING | DOE_DELETE_PENDING | DOE_REMOVE_PENDING | DOE_REMOVE_PROCESSED;

/// The topmost device of a stack. The caller keeps the stack from changing.
#[must_use]
pub fn highest(mut device: *mut DEVICE_OBJECT) -> *mut DEVICE_OBJECT {
    let _guard = DEVICES.lock();
    loop {
        // SAFETY: a device of a stack that does not change.
        let above = unsafe { (*device).AttachedDevice };
        if above.is_null() {
            return device;
        }
        device = above;
    }
}

/// The lowest device of a stack: the physical device object. The caller keeps the stack from
/// changing.
#[must_use]
pub fn lowest(mut device: *mut DEVICE_OBJECT) -> *mut DEVICE_OBJECT {
    let _guard = DEVICES.lock();
    loop {
        // SAFETY: a device of a stack that does not change.
        let below = unsafe { extension(device) }.AttachedTo;
        if below.is_null() {
            return device;
        }
        device = below;
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: null_mut();
    /// Puts a device on top of the stack that another is in; gives the device below it, or null
    /// if that is on its way out or not ready.
    ///
    /// Source: IoAttachDeviceToDeviceStack.
    ///
    /// # Safety
    ///
    /// Both device objects exist; the source is the caller's.
    pub unsafe fn IoAttachDeviceToDeviceStack(
        source: *mut DEVICE_OBJECT,
        target: *mut DEVICE_OBJECT,
    ) -> *mut DEVICE_OBJECT {
        let top = highest(target);
        let _guard = DEVICES.lock();
        // SAFETY: a device of a stack that the caller keeps.
        let below = unsafe { &mut *top };
        // SAFETY: as above.
        let going = unsafe { extension(top) }.ExtensionFlags & GOING != 0;
        if going || below.Flags & DO_DEVICE_INITIALIZING != 0 {
            return null_mut();
        }
        below.AttachedDevice = source;
        // SAFETY: the caller's promise.
        let above = unsafe { &mut *source };
        above.StackSize = below.StackSize.wrapping_add(1);
        above.AlignmentRequirement = below.AlignmentRequirement;
        above.SectorSize = below.SectorSize;
        // SAFETY: the caller's promise.
        unsafe { extension(source) }.AttachedTo = top;
        top
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: nthost_nt::status::STATUS_NO_SUCH_DEVICE;
    /// As IoAttachDeviceToDeviceStack, with the device below stored where the driver wants it
    /// before any IRP can reach the new device. STATUS_NO_SUCH_DEVICE, and NULL stored, if that
    /// is on its way out or not ready.
    ///
    /// Source: IoAttachDeviceToDeviceStackSafe.
    ///
    /// # Safety
    ///
    /// As IoAttachDeviceToDeviceStack; `attached_to` is null inside, and where the device goes.
    pub unsafe fn IoAttachDeviceToDeviceStackSafe(
        source: *mut DEVICE_OBJECT,
        target: *mut DEVICE_OBJECT,
        attached_to: *mut *mut DEVICE_OBJECT,
    ) -> NTSTATUS {
        let top = highest(target);
        // SAFETY: the caller's promise; it is stored first, and taken back on failure.
        unsafe { attached_to.write(top) };
        // SAFETY: the caller's promise.
        let below = unsafe { IoAttachDeviceToDeviceStack(source, target) };
        // SAFETY: as above.
        unsafe { attached_to.write(below) };
        if below.is_null() { nthost_nt::status::STATUS_NO_SUCH_DEVICE } else { STATUS_SUCCESS }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Takes off what is attached to a device.
    ///
    /// Source: IoDetachDevice.
    ///
    /// # Safety
    ///
    /// The caller's device is attached to `target`.
    pub unsafe fn IoDetachDevice(target: *mut DEVICE_OBJECT) {
        let caller = verify::caller();
        let guard = DEVICES.lock();
        // SAFETY: the caller's promise.
        let above = unsafe { core::mem::replace(&mut (*target).AttachedDevice, null_mut()) };
        if above.is_null() {
            drop(guard);
            return verify::io_violation(verify::DETACHED_NOTHING, caller, target.addr(), 0);
        }
        // SAFETY: what is attached exists.
        unsafe { extension(above) }.AttachedTo = null_mut();
        // SAFETY: the caller's promise.
        let unloads = unsafe { extension(target) }.ExtensionFlags & DOE_UNLOAD_PENDING != 0;
        drop(guard);
        if unloads {
            // SAFETY: as above.
            unload::resume(unsafe { (*target).DriverObject });
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The topmost device of a stack, with a reference for the caller.
    ///
    /// Source: IoGetAttachedDeviceReference.
    ///
    /// # Safety
    ///
    /// The device object exists.
    pub unsafe fn IoGetAttachedDeviceReference(device: *mut DEVICE_OBJECT) -> *mut DEVICE_OBJECT {
        let top = highest(device);
        object::reference(top.cast());
        top
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The topmost device of a stack.
    ///
    /// Source: IoGetAttachedDevice.
    ///
    /// # Safety
    ///
    /// The device object exists, and the stack does not change meanwhile.
    pub unsafe fn IoGetAttachedDevice(device: *mut DEVICE_OBJECT) -> *mut DEVICE_OBJECT {
        highest(device)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The device below, with a reference for the caller; null if there is none.
    ///
    /// Source: IoGetLowerDeviceObject.
    ///
    /// # Safety
    ///
    /// The device object exists.
    pub unsafe fn IoGetLowerDeviceObject(device: *mut DEVICE_OBJECT) -> *mut DEVICE_OBJECT {
        let _guard = DEVICES.lock();
        // SAFETY: the caller's promise.
        let below = unsafe { extension(device) }.AttachedTo;
        if !below.is_null() {
            object::reference(below.cast());
        }
        below
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The lowest device of a stack, with a reference for the caller.
    ///
    /// Source: IoGetDeviceAttachmentBaseRef.
    ///
    /// # Safety
    ///
    /// The device object exists.
    pub unsafe fn IoGetDeviceAttachmentBaseRef(device: *mut DEVICE_OBJECT) -> *mut DEVICE_OBJECT {
        let base = lowest(device);
        object::reference(base.cast());
        base
    }
}
