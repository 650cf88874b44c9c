//! What `IRP_MJ_CREATE` carries of its caller.

use core::ffi::c_void;

/// Who opens a file and for what (ns-wdm-_io_security_context).
#[repr(C)]
pub struct IO_SECURITY_CONTEXT {
    /// Reserved.
    pub SecurityQos: *mut c_void,
    /// The access state; reserved for file systems.
    pub AccessState: *mut c_void,
    /// The access rights asked for.
    pub DesiredAccess: u32,
    /// Reserved.
    pub FullCreateOptions: u32,
}

/// Generic rights: read.
pub const GENERIC_READ: u32 = 0x8000_0000;
/// Generic rights: write.
pub const GENERIC_WRITE: u32 = 0x4000_0000;
/// Generic rights: execute.
pub const GENERIC_EXECUTE: u32 = 0x2000_0000;
/// Generic rights: all.
pub const GENERIC_ALL: u32 = 0x1000_0000;
/// As much as the security descriptor grants.
pub const MAXIMUM_ALLOWED: u32 = 0x0200_0000;
/// Wait on the handle.
pub const SYNCHRONIZE: u32 = 0x0010_0000;
/// Read data of a file; what a control code with `FILE_READ_ACCESS` demands.
pub const FILE_READ_DATA: u32 = 0x0001;
/// Write data of a file; what a control code with `FILE_WRITE_ACCESS` demands.
pub const FILE_WRITE_DATA: u32 = 0x0002;
/// Append data to a file.
pub const FILE_APPEND_DATA: u32 = 0x0004;
/// What `GENERIC_READ` stands for on a file.
pub const FILE_GENERIC_READ: u32 = 0x0012_0089;
/// What `GENERIC_WRITE` stands for on a file.
pub const FILE_GENERIC_WRITE: u32 = 0x0012_0116;
/// What `GENERIC_EXECUTE` stands for on a file.
pub const FILE_GENERIC_EXECUTE: u32 = 0x0012_00a0;
/// What `GENERIC_ALL` stands for on a file.
pub const FILE_ALL_ACCESS: u32 = 0x001f_01ff;

/// Share for reading.
pub const FILE_SHARE_READ: u32 = 1;
/// Share for writing.
pub const FILE_SHARE_WRITE: u32 = 2;
/// Share for deletion.
pub const FILE_SHARE_DELETE: u32 = 4;

/// Disposition: the file must exist.
pub const FILE_OPEN: u32 = 1;
/// The highest disposition.
pub const FILE_MAXIMUM_DISPOSITION: u32 = 5;
/// `IO_STATUS_BLOCK::Information` of a create: the file was opened.
pub const FILE_OPENED: usize = 1;
