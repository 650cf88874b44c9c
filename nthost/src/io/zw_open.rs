//! Files opened by drivers.
//!
//! Sources: ZwCreateFile, ZwOpenFile, IoCreateFile, "Using Files in a Driver". The caller is the kernel: its
//! access is not checked, unless it wants it to be; a process that it runs in counts as a
//! user without privileges then.

use nthost_nt::{
    io::{
        create::{FILE_MAXIMUM_DISPOSITION, FILE_OPEN, SYNCHRONIZE},
        file::{FILE_OBJECT, FILE_SYNCHRONOUS_IO_ALERT, FILE_SYNCHRONOUS_IO_NONALERT},
        irp::IO_STATUS_BLOCK,
    },
    ob::OBJECT_ATTRIBUTES,
    status::{NTSTATUS, STATUS_EAS_NOT_SUPPORTED, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::file::{self, Open, Opened};
use crate::{
    ob::{
        attributes::{self, Attributes},
        handle,
        object::{self, Kind},
        reference_handle,
    },
    se::token,
};

/// The rules of what is asked for together.
fn check(access: u32, options: u32, disposition: u32) -> Result<(), NTSTATUS> {
    let synchronous = options & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT);
    let both = synchronous == FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT;
    let waits = synchronous != 0 && access & SYNCHRONIZE == 0;
    if both || waits || disposition > FILE_MAXIMUM_DISPOSITION {
        return Err(STATUS_INVALID_PARAMETER);
    }
    Ok(())
}

/// Opens a file by its attributes.
fn open_by(attributes: &Attributes, mut how: Open) -> Result<Opened, NTSTATUS> {
    check(how.access, how.options, how.disposition)?;
    if attributes.is_checked() && handle::current().is_some() {
        how.who = Some(token::current());
    }
    if attributes.root == 0 {
        return file::open(&attributes.name, &how);
    }
    let root = reference_handle(attributes.root, None, 0, 0)?;
    let opened = match object::kind(root.object) {
        Some(Kind::File) => {
            file::open_below(root.object.cast::<FILE_OBJECT>(), &attributes.name, &how)
        }
        // Any other than a directory is refused there.
        _ => attributes.path().and_then(|path| file::open(&path, &how)),
    };
    object::dereference(root.object);
    opened
}

/// Opens a file, and gives a handle to it to a driver.
///
/// # Safety
///
/// As ZwCreateFile.
unsafe fn open(
    handle: *mut u64,
    attributes: *const OBJECT_ATTRIBUTES,
    status: *mut IO_STATUS_BLOCK,
    how: Open,
) -> NTSTATUS {
    // SAFETY: the caller's promise.
    let attributes = match unsafe { Attributes::read(attributes) } {
        Ok(attributes) => attributes,
        Err(status) => return status,
    };
    let (result, information) = match open_by(&attributes, how) {
        Ok(opened) => {
            // The handle takes the reference over.
            let table = attributes::table(attributes.flags);
            let opened_handle = table.insert(opened.file.cast(), opened.access);
            // SAFETY: the caller's promise.
            unsafe { handle.write(opened_handle) };
            (STATUS_SUCCESS, opened.information)
        }
        Err(status) => (status, 0),
    };
    // SAFETY: the caller's promise.
    unsafe { status.write(IO_STATUS_BLOCK::new(result, information)) };
    result
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Opens a device, or what its driver keeps under a name behind the device's; a handle to
    /// it. Extended attributes are not supported.
    ///
    /// Source: ZwCreateFile.
    ///
    /// # Safety
    ///
    /// `handle` and `status` can be written; attributes with a string.
    pub unsafe fn ZwCreateFile(
        handle: *mut u64,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        status: *mut IO_STATUS_BLOCK,
        _allocation_size: *const i64,
        _file_attributes: u32,
        share: u32,
        disposition: u32,
        options: u32,
        _ea_buffer: *const core::ffi::c_void,
        ea_length: u32,
    ) -> NTSTATUS {
        if ea_length != 0 {
            return STATUS_EAS_NOT_SUPPORTED;
        }
        let how = Open { access, share, options, disposition, who: None };
        // SAFETY: the caller's promise.
        unsafe { open(handle, attributes, status, how) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// As ZwCreateFile, for files alone; with IO_FORCE_ACCESS_CHECK, access is checked.
    ///
    /// Source: IoCreateFile.
    ///
    /// # Safety
    ///
    /// As ZwCreateFile.
    pub unsafe fn IoCreateFile(
        handle: *mut u64,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        status: *mut IO_STATUS_BLOCK,
        _allocation_size: *const i64,
        _file_attributes: u32,
        share: u32,
        disposition: u32,
        options: u32,
        _ea_buffer: *const core::ffi::c_void,
        ea_length: u32,
        kind: i32,
        parameters: *const core::ffi::c_void,
        how: u32,
    ) -> NTSTATUS {
        /// `CreateFileTypeNone`; the others are pipes and mailslots.
        const FILES: i32 = 0;
        /// `IO_FORCE_ACCESS_CHECK`.
        const CHECKED: u32 = 1;
        if kind != FILES || !parameters.is_null() {
            return STATUS_INVALID_PARAMETER;
        }
        if ea_length != 0 {
            return STATUS_EAS_NOT_SUPPORTED;
        }
        let user = how & CHECKED != 0 && handle::current().is_some();
        let who = user.then(token::current);
        let how = Open { access, share, options, disposition, who };
        // SAFETY: the caller's promise.
        unsafe { open(handle, attributes, status, how) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Opens what exists; as ZwCreateFile.
    ///
    /// Source: ZwOpenFile.
    ///
    /// # Safety
    ///
    /// As ZwCreateFile.
    pub unsafe fn ZwOpenFile(
        handle: *mut u64,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        status: *mut IO_STATUS_BLOCK,
        share: u32,
        options: u32,
    ) -> NTSTATUS {
        let how = Open { access, share, options, disposition: FILE_OPEN, who: None };
        // SAFETY: the caller's promise.
        unsafe { open(handle, attributes, status, how) }
    }
}
