//! What an IRP asks for.
//!
//! The rule of the kernel this stands for: which member of a stack location's parameters is there
//! follows from the major function. (ns-wdm-_io_stack_location.)

use core::ptr::NonNull;

use wdk_sys::{FILE_OBJECT, IRP, IRP_MJ_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE};

use super::{Irp, State};
use crate::raw;

/// An open handle's file object, to tell its requests from those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileObject(*mut FILE_OBJECT);

// SAFETY: it is only compared, never looked into.
unsafe impl Send for FileObject {}
// SAFETY: likewise.
unsafe impl Sync for FileObject {}

impl FileObject {
    /// # Safety
    ///
    /// The IRP is valid, and its current stack location is this driver's.
    pub(crate) unsafe fn of(irp: NonNull<IRP>) -> Self {
        // SAFETY: by contract.
        let location = unsafe { raw::current_stack_location(irp) };
        // SAFETY: valid as long as the IRP is.
        Self(unsafe { (*location).FileObject })
    }
}

/// The parameters of IRP_MJ_DEVICE_CONTROL.
#[derive(Clone, Copy, Debug)]
pub struct DeviceControl {
    /// The control code.
    pub code: u32,
    /// Bytes of the input buffer.
    pub input_length: usize,
    /// Bytes of the output buffer.
    pub output_length: usize,
}

/// The parameters of IRP_MJ_READ and IRP_MJ_WRITE.
#[derive(Clone, Copy, Debug)]
pub struct ReadWrite {
    /// Where on the device, in bytes. Negative values are files' special positions.
    pub offset: i64,
    /// How many bytes.
    pub length: u32,
}

impl<S: State> Irp<S> {
    /// The file object that the request was made on.
    #[must_use]
    pub fn file_object(&self) -> FileObject {
        FileObject(self.stack_location().FileObject)
    }

    /// The parameters, if this is a device-control request.
    #[must_use]
    #[inline]
    pub fn device_control(&self) -> Option<DeviceControl> {
        let location = self.stack_location();
        if u32::from(location.MajorFunction) != IRP_MJ_DEVICE_CONTROL {
            return None;
        }
        // SAFETY: the active member for this major function.
        let parameters = unsafe { &location.Parameters.DeviceIoControl };
        Some(DeviceControl {
            code: parameters.IoControlCode,
            input_length: parameters.InputBufferLength as usize,
            output_length: parameters.OutputBufferLength as usize,
        })
    }

    /// The parameters, if this is a read or a write.
    #[must_use]
    pub fn read_write(&self) -> Option<ReadWrite> {
        let location = self.stack_location();
        let (length, offset) = match u32::from(location.MajorFunction) {
            IRP_MJ_READ => {
                // SAFETY: the active member for this major function.
                let parameters = unsafe { &location.Parameters.Read };
                (parameters.Length, parameters.ByteOffset)
            }
            IRP_MJ_WRITE => {
                // SAFETY: the active member for this major function.
                let parameters = unsafe { &location.Parameters.Write };
                (parameters.Length, parameters.ByteOffset)
            }
            _ => return None,
        };
        // SAFETY: every bit pattern of the union is a number.
        let offset = unsafe { offset.QuadPart };
        Some(ReadWrite { offset, length })
    }

    /// For IRP_MJ_CREATE: whether a name behind that of the device is opened.
    #[must_use]
    pub fn opens_a_name(&self) -> bool {
        let file_object = self.stack_location().FileObject;
        if file_object.is_null() {
            return false;
        }
        // SAFETY: the I/O manager's, valid while the IRP is.
        unsafe { (*file_object).FileName.Length != 0 }
    }
}
