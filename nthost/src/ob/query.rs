//! What is asked of objects and handles: an object's name, whose a handle is.
//!
//! Sources: ObQueryNameString, ObIsKernelHandle.

use alloc::vec::Vec;
use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    io::file::FILE_OBJECT,
    rtl::UNICODE_STRING,
    status::{NTSTATUS, STATUS_INFO_LENGTH_MISMATCH, STATUS_SUCCESS},
};

use super::{
    directory,
    handle::KERNEL_HANDLES,
    name_of,
    namespace::told,
    object::{self, Kind},
};
use crate::{hook, rtl::string};

/// The lowest of the handles that stand for the current process and thread.
const PSEUDO_HANDLES: u64 = u64::MAX - 5;

/// The name of an object; none of one that has none.
pub(super) fn name(object: *mut c_void) -> Vec<u16> {
    let own = |object: *mut c_void| {
        let name = name_of(object.addr()).unwrap_or_default();
        name.encode_utf16().collect::<Vec<_>>()
    };
    let path = match object::kind(object) {
        Some(Kind::File) => {
            // SAFETY: a file object, which the caller keeps.
            let file = unsafe { &*object.cast::<FILE_OBJECT>() };
            let mut name = own(file.DeviceObject.cast());
            // SAFETY: the file's own string.
            name.extend_from_slice(&unsafe { string::units(&raw const file.FileName) });
            name
        }
        // SAFETY: a directory, which the caller keeps.
        Some(Kind::Directory) => unsafe { directory::path(object) }.to_vec(),
        Some(Kind::Key) => hook::key_path(object),
        _ => own(object),
    };
    told(&path)
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// An object's name: a string, and behind it its text with a NUL; an empty string if it has
    /// none. `STATUS_INFO_LENGTH_MISMATCH`, and how many bytes it takes.
    ///
    /// Source: ObQueryNameString.
    ///
    /// # Safety
    ///
    /// The object exists; there are as many bytes as said; the length can be written.
    pub unsafe fn ObQueryNameString(
        object: *mut c_void,
        to: *mut UNICODE_STRING,
        room: u32,
        needed: *mut u32,
    ) -> NTSTATUS {
        let mut text = name(object);
        let bytes = text.len() * 2;
        let named = bytes > 0;
        if named {
            text.push(0);
        }
        let whole = size_of::<UNICODE_STRING>() + text.len() * 2;
        // SAFETY: the caller's promise.
        unsafe { needed.write(whole as u32) };
        if whole > room as usize {
            return STATUS_INFO_LENGTH_MISMATCH;
        }
        let buffer = to.wrapping_add(1).cast::<u16>();
        let value = UNICODE_STRING {
            Length: bytes as u16,
            MaximumLength: (text.len() * 2) as u16,
            Buffer: if named { buffer } else { null_mut() },
        };
        // SAFETY: there is room.
        unsafe { buffer.copy_from(text.as_ptr(), text.len()) };
        // SAFETY: there is room.
        unsafe { to.write(value) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Whether a handle is one of the kernel's own.
    ///
    /// Source: ObIsKernelHandle.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ObIsKernelHandle(handle: u64) -> u8 {
        (KERNEL_HANDLES..PSEUDO_HANDLES).contains(&handle).into()
    }
}
