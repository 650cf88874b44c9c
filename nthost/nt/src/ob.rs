//! The object manager's structures.

use crate::rtl::UNICODE_STRING;

/// How an object is named, and what its handle is to be.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct OBJECT_ATTRIBUTES {
    /// The size of this structure.
    pub Length: u32,
    /// Where the name begins; zero if at the root.
    pub RootDirectory: u64,
    /// The name.
    pub ObjectName: *const UNICODE_STRING,
    /// `OBJ_…`.
    pub Attributes: u32,
    /// Who may open it.
    pub SecurityDescriptor: *const core::ffi::c_void,
    /// Impersonation.
    pub SecurityQualityOfService: *const core::ffi::c_void,
}

/// The object stays, with its name, until it is made temporary.
pub const OBJ_PERMANENT: u32 = 0x10;
/// Children inherit the handle.
pub const OBJ_INHERIT: u32 = 0x2;
/// What exists is opened.
pub const OBJ_OPENIF: u32 = 0x80;
/// The kernel, too, is checked.
pub const OBJ_FORCE_ACCESS_CHECK: u32 = 0x400;
/// The handle is the kernel's own, and valid in every process's context.
pub const OBJ_KERNEL_HANDLE: u32 = 0x200;

/// The ids of a thread (the reference leaves them opaque).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CLIENT_ID {
    /// Its process's.
    pub UniqueProcess: u64,
    /// Its own.
    pub UniqueThread: u64,
}
