//! The device that is measured: the first that has the interface of an `edu`.

use core::ptr::NonNull;

use wdm::{
    Result, Status,
    guid::Guid,
    irql::Passive,
    wdk_sys::{
        DEVICE_OBJECT, FILE_OBJECT, FILE_READ_DATA, FILE_WRITE_DATA, UNICODE_STRING,
        ntddk::{
            ExFreePool, IoGetDeviceInterfaces, IoGetDeviceObjectPointer, ObfDereferenceObject,
            RtlInitUnicodeString,
        },
    },
};

use eduwdm_abi::EDU_INTERFACE as EDU;

/// An open device. Closed on drop.
pub struct Target {
    file: NonNull<FILE_OBJECT>,
    device: NonNull<DEVICE_OBJECT>,
}

// SAFETY: both objects may be used from any thread.
unsafe impl Sync for Target {}

impl Target {
    /// Opens the first `edu`.
    ///
    /// Source: nf-wdm-iogetdeviceinterfaces, nf-wdm-iogetdeviceobjectpointer.
    ///
    /// # Errors
    ///
    /// `STATUS_NO_SUCH_DEVICE` if there is none, and those of opening it.
    pub fn open(_irql: &Passive) -> Result<Self> {
        let class = Guid::new(EDU.data1, EDU.data2, EDU.data3, EDU.data4);
        let mut names = core::ptr::null_mut();
        // SAFETY: at PASSIVE_LEVEL; the list that it makes is freed below.
        let status = unsafe {
            IoGetDeviceInterfaces(class.as_ptr(), core::ptr::null_mut(), 0, &raw mut names)
        };
        Status::check(status)?;
        let mut name = UNICODE_STRING::default();
        // SAFETY: a list of strings, each ended by a zero, and at least an empty one.
        unsafe { RtlInitUnicodeString(&raw mut name, names) };
        let mut file = core::ptr::null_mut();
        let mut device = core::ptr::null_mut();
        let status = if name.Length == 0 {
            Status::NO_SUCH_DEVICE.to_raw()
        } else {
            let access = FILE_READ_DATA | FILE_WRITE_DATA;
            // SAFETY: at PASSIVE_LEVEL, with a name that lives until the list is freed.
            unsafe {
                IoGetDeviceObjectPointer(&raw mut name, access, &raw mut file, &raw mut device)
            }
        };
        // SAFETY: made above, from pool, and not used any more.
        unsafe { ExFreePool(names.cast()) };
        Status::check(status)?;
        Ok(Self {
            file: NonNull::new(file).ok_or(Status::INTERNAL_ERROR)?,
            device: NonNull::new(device).ok_or(Status::INTERNAL_ERROR)?,
        })
    }

    /// What requests are made on.
    pub const fn file(&self) -> *mut FILE_OBJECT {
        self.file.as_ptr()
    }

    /// What requests are sent to: the top of the device's stack.
    pub const fn device(&self) -> *mut DEVICE_OBJECT {
        self.device.as_ptr()
    }

    /// How many stack locations an IRP for it takes.
    pub fn stack_size(&self) -> i8 {
        // SAFETY: the file object keeps the device; the field does not change.
        unsafe { (*self.device()).StackSize }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        // The file object keeps the device, and is what was referenced.
        // SAFETY: referenced by `open`, and not used any more.
        let _ = unsafe { ObfDereferenceObject(self.file.as_ptr().cast()) };
    }
}
