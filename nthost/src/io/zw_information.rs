//! What drivers ask and set of files through handles: some of it the I/O manager knows, the rest
//! the file's driver is asked for.
//!
//! Sources: ZwQueryInformationFile, ZwSetInformationFile, ne-wdm-_file_information_class,
//! IRP_MJ_QUERY_INFORMATION, IRP_MJ_SET_INFORMATION.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    io::{
        file::{
            FILE_OBJECT, FILE_SYNCHRONOUS_IO_ALERT, FILE_SYNCHRONOUS_IO_NONALERT, FO_ALERTABLE_IO,
            FO_SYNCHRONOUS_IO,
        },
        irp::{IO_STATUS_BLOCK, IRP_INPUT_OPERATION},
        major::{IRP_MJ_QUERY_INFORMATION, IRP_MJ_SET_INFORMATION},
    },
    status::{
        NTSTATUS, STATUS_INFO_LENGTH_MISMATCH, STATUS_INSUFFICIENT_RESOURCES,
        STATUS_INVALID_INFO_CLASS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
    },
};

use super::{
    build::{Buffer, Built},
    device,
    irp::{self, Origin},
    verify, zw_request,
};
use crate::ob::{
    handle::Entry,
    object::{self, Kind},
    reference_handle,
};

/// `FILE_INFORMATION_CLASS`.
mod class {
    pub const ACCESS: i32 = 8;
    pub const POSITION: i32 = 14;
    pub const MODE: i32 = 16;
    pub const ALIGNMENT: i32 = 17;
    /// All that there are: from FileDirectoryInformation to FileKnownFolderInformation.
    pub const ALL: core::ops::RangeInclusive<i32> = 1..=76;
}

/// A file with its granted access, referenced as long as this lives.
struct File(Entry);

impl File {
    fn of_handle(handle: u64) -> Result<Self, NTSTATUS> {
        reference_handle(handle, Some(Kind::File), 0, 0).map(Self)
    }

    const fn get(&self) -> *mut FILE_OBJECT {
        self.0.object.cast()
    }

    fn fields(&self) -> &FILE_OBJECT {
        // SAFETY: a file, which the reference keeps.
        unsafe { &*self.get() }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        object::dereference(self.0.object);
    }
}

/// The options that a file was opened with, as far as they stay.
const fn mode(file: &FILE_OBJECT) -> u32 {
    match (file.Flags & FO_SYNCHRONOUS_IO, file.Flags & FO_ALERTABLE_IO) {
        (0, _) => 0,
        (_, 0) => FILE_SYNCHRONOUS_IO_NONALERT,
        _ => FILE_SYNCHRONOUS_IO_ALERT,
    }
}

/// What the I/O manager itself knows of a file; `None` for what its driver is asked.
fn known(file: &File, asked: i32) -> Option<Result<[u8; 8], NTSTATUS>> {
    let number = |value: u32| Ok(u64::from(value).to_le_bytes());
    let fields = file.fields();
    Some(match asked {
        class::ACCESS => number(file.0.access),
        class::MODE => number(mode(fields)),
        class::ALIGNMENT => {
            // SAFETY: the device of an open file exists.
            number(unsafe { (*device::highest(fields.DeviceObject)).AlignmentRequirement })
        }
        class::POSITION if fields.Flags & FO_SYNCHRONOUS_IO == 0 => Err(STATUS_INVALID_PARAMETER),
        class::POSITION => Ok(fields.CurrentByteOffset.to_le_bytes()),
        _ => return None,
    })
}

/// How long what the I/O manager knows is.
const fn length_of(asked: i32) -> usize {
    if asked == class::POSITION { 8 } else { 4 }
}

/// Asks a file's driver, and waits.
///
/// # Safety
///
/// As the routines for drivers.
unsafe fn ask(
    file: &File,
    (major, asked): (u8, i32),
    data: Buffer,
    caller: usize,
) -> Result<(NTSTATUS, Option<IO_STATUS_BLOCK>), NTSTATUS> {
    let device = device::highest(file.fields().DeviceObject);
    // SAFETY: the device of an open file exists.
    let built = unsafe { Built::new(device, Origin::Synchronous, caller) }
        .ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let queries = major == IRP_MJ_QUERY_INFORMATION;
    let input = Buffer {
        length: if queries { 0 } else { data.length },
        ..data
    };
    built
        .buffer(data.length, input)
        .ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    if queries {
        built.packet().UserBuffer = data.address;
        built.packet().Flags |= IRP_INPUT_OPERATION;
    }
    // SAFETY: the IRP was made with a location.
    let location = unsafe { irp::next(built.irp) };
    location.MajorFunction = major;
    location.FileObject = file.get();
    // QueryFile and SetFile begin with the length and the class, each as wide as a pointer.
    let parameters = location.Parameters.others_mut();
    parameters.Argument1 = core::ptr::without_provenance_mut(data.length as usize);
    parameters.Argument2 = core::ptr::without_provenance_mut(asked.cast_unsigned() as usize);
    parameters.Argument3 = null_mut();
    built.packet().overlay_mut().OriginalFileObject = file.get();
    // SAFETY: an IRP that was set up for this device.
    Ok(unsafe { zw_request::send_and_wait(built, device, caller) })
}

/// # Safety
///
/// As ZwQueryInformationFile.
unsafe fn query(
    handle: u64,
    block: *mut IO_STATUS_BLOCK,
    data: Buffer,
    asked: i32,
    caller: usize,
) -> Result<NTSTATUS, NTSTATUS> {
    if !class::ALL.contains(&asked) {
        return Err(STATUS_INVALID_INFO_CLASS);
    }
    let file = File::of_handle(handle)?;
    let Some(known) = known(&file, asked) else {
        let asked = (IRP_MJ_QUERY_INFORMATION, asked);
        // SAFETY: the caller's promise.
        let (status, answer) = unsafe { ask(&file, asked, data, caller) }?;
        if let Some(answer) = answer {
            // SAFETY: the caller's promise.
            unsafe { block.write(answer) };
        }
        return Ok(status);
    };
    let length = length_of(asked);
    if (data.length as usize) < length {
        return Err(STATUS_INFO_LENGTH_MISMATCH);
    }
    let bytes = known?;
    // SAFETY: the caller's promise; it fits.
    unsafe {
        data.address.cast::<u8>().copy_from(bytes.as_ptr(), length);
    };
    // SAFETY: the caller's promise.
    unsafe { block.write(IO_STATUS_BLOCK::new(STATUS_SUCCESS, length)) };
    Ok(STATUS_SUCCESS)
}

/// # Safety
///
/// As ZwSetInformationFile.
unsafe fn set(
    handle: u64,
    block: *mut IO_STATUS_BLOCK,
    data: Buffer,
    asked: i32,
    caller: usize,
) -> Result<NTSTATUS, NTSTATUS> {
    if !class::ALL.contains(&asked) || [class::ACCESS, class::ALIGNMENT].contains(&asked) {
        return Err(STATUS_INVALID_INFO_CLASS);
    }
    let file = File::of_handle(handle)?;
    if asked != class::POSITION {
        let asked = (IRP_MJ_SET_INFORMATION, asked);
        // SAFETY: the caller's promise.
        let (status, answer) = unsafe { ask(&file, asked, data, caller) }?;
        if let Some(answer) = answer {
            // SAFETY: the caller's promise.
            unsafe { block.write(answer) };
        }
        return Ok(status);
    }
    if (data.length as usize) < length_of(asked) {
        return Err(STATUS_INFO_LENGTH_MISMATCH);
    }
    // SAFETY: the caller's promise; it is long enough.
    let position = unsafe { data.address.cast::<i64>().read_unaligned() };
    // SAFETY: a file, which the reference keeps.
    unsafe { zw_request::set_position(file.get(), position) }?;
    // SAFETY: the caller's promise.
    unsafe { block.write(IO_STATUS_BLOCK::new(STATUS_SUCCESS, 0)) };
    Ok(STATUS_SUCCESS)
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells something of a file. STATUS_INVALID_INFO_CLASS for what there is not,
    /// STATUS_INFO_LENGTH_MISMATCH for too small a buffer.
    ///
    /// Source: ZwQueryInformationFile.
    ///
    /// # Safety
    ///
    /// The buffer has `length` bytes; the status block can be written.
    pub unsafe fn ZwQueryInformationFile(
        handle: u64,
        block: *mut IO_STATUS_BLOCK,
        information: *mut c_void,
        length: u32,
        asked: i32,
    ) -> NTSTATUS {
        let data = Buffer { address: information, length };
        // SAFETY: the caller's promise.
        let result = unsafe { query(handle, block, data, asked, verify::caller()) };
        result.unwrap_or_else(|status| status)
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Sets something of a file; as ZwQueryInformationFile.
    ///
    /// Source: ZwSetInformationFile.
    ///
    /// # Safety
    ///
    /// As ZwQueryInformationFile.
    pub unsafe fn ZwSetInformationFile(
        handle: u64,
        block: *mut IO_STATUS_BLOCK,
        information: *mut c_void,
        length: u32,
        asked: i32,
    ) -> NTSTATUS {
        let data = Buffer { address: information, length };
        // SAFETY: the caller's promise.
        let result = unsafe { set(handle, block, data, asked, verify::caller()) };
        result.unwrap_or_else(|status| status)
    }
}
