//! Devices by their names and files.
//!
//! Sources: IoGetDeviceObjectPointer, IoGetRelatedDeviceObject, IoAttachDevice.

use core::ptr::null_mut;

use nthost_nt::{
    io::{create::FILE_OPEN, device::DEVICE_OBJECT, file::FILE_OBJECT},
    rtl::UNICODE_STRING,
    status::{NTSTATUS, STATUS_OBJECT_NAME_INVALID, STATUS_SUCCESS, nt_success},
};

use super::{
    attachment, device,
    file::{self, Open},
};
use crate::ob::{self, handle, object};

/// `FILE_READ_ATTRIBUTES`.
const READ_ATTRIBUTES: u32 = 0x80;
/// `FILE_NON_DIRECTORY_FILE`.
const NON_DIRECTORY: u32 = 0x40;

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Opens a device by its name for the kernel; gives the topmost device of its stack, and a
    /// file object, of which alone the caller gets a reference: it keeps the device. The handle
    /// is closed again, so the driver has seen IRP_MJ_CLEANUP.
    ///
    /// Source: IoGetDeviceObjectPointer.
    ///
    /// # Safety
    ///
    /// `name` is a string; `file` and `device` can be written.
    pub unsafe fn IoGetDeviceObjectPointer(
        name: *const UNICODE_STRING,
        access: u32,
        file: *mut *mut FILE_OBJECT,
        device: *mut *mut DEVICE_OBJECT,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let name = unsafe { ob::units(name) }.ok_or(STATUS_OBJECT_NAME_INVALID);
        let how = Open {
            access,
            share: 0,
            options: NON_DIRECTORY,
            disposition: FILE_OPEN,
            who: None,
        };
        let opened = name.and_then(|name| file::open(&name, &how));
        let opened = match opened {
            Ok(opened) => opened,
            Err(status) => {
                // SAFETY: the caller's promise.
                unsafe { file.write(null_mut()) };
                // SAFETY: as above.
                unsafe { device.write(null_mut()) };
                return status;
            }
        };
        // SAFETY: the reference that was just made keeps the file, and that its device.
        let top = device::highest(unsafe { (*opened.file).DeviceObject });
        object::reference(opened.file.cast());
        let handle = handle::KERNEL.insert(opened.file.cast(), opened.access);
        handle::KERNEL.close(handle);
        // SAFETY: the caller's promise.
        unsafe { file.write(opened.file) };
        // SAFETY: as above.
        unsafe { device.write(top) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Puts a device on top of the stack of another, which is found by its name: it is opened
    /// for that, and closed again. The device below is stored before any request can come.
    ///
    /// Source: IoAttachDevice.
    ///
    /// # Safety
    ///
    /// The source is the caller's; `name` is a string; `attached` is null inside, and where the
    /// device below goes.
    pub unsafe fn IoAttachDevice(
        source: *mut DEVICE_OBJECT,
        name: *const UNICODE_STRING,
        attached: *mut *mut DEVICE_OBJECT,
    ) -> NTSTATUS {
        let (mut file, mut top) = (null_mut(), null_mut());
        let (file_out, top_out) = (&raw mut file, &raw mut top);
        // SAFETY: the caller's promise.
        let status = unsafe { IoGetDeviceObjectPointer(name, READ_ATTRIBUTES, file_out, top_out) };
        if !nt_success(status) {
            return status;
        }
        // SAFETY: the file keeps the stack; the rest is the caller's promise.
        let status = unsafe { attachment::IoAttachDeviceToDeviceStackSafe(source, top, attached) };
        object::dereference(file.cast());
        status
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The topmost device of the stack that a file was opened on.
    ///
    /// Source: IoGetRelatedDeviceObject.
    ///
    /// # Safety
    ///
    /// The caller has a reference to the file.
    pub unsafe fn IoGetRelatedDeviceObject(file: *mut FILE_OBJECT) -> *mut DEVICE_OBJECT {
        // SAFETY: the caller's promise.
        device::highest(unsafe { (*file).DeviceObject })
    }
}
