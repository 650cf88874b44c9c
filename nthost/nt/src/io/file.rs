//! File objects.

use core::ffi::c_void;

use super::device::DEVICE_OBJECT;
use crate::{
    ke::{KEVENT, LIST_ENTRY},
    rtl::UNICODE_STRING,
    status::NTSTATUS,
};

/// A file object (ns-wdm-_file_object): one for each time that a device is opened.
#[repr(C)]
pub struct FILE_OBJECT {
    /// `IO_TYPE_FILE`.
    pub Type: i16,
    /// Bytes of this structure.
    pub Size: i16,
    /// The device that was opened, not the top of its stack.
    pub DeviceObject: *mut DEVICE_OBJECT,
    /// Volumes only.
    pub Vpb: *mut c_void,
    /// The driver's.
    pub FsContext: *mut c_void,
    /// The driver's.
    pub FsContext2: *mut c_void,
    /// File systems only.
    pub SectionObjectPointer: *mut c_void,
    /// File systems only.
    pub PrivateCacheMap: *mut c_void,
    /// The file system's.
    pub FinalStatus: NTSTATUS,
    /// Files opened relative to another.
    pub RelatedFileObject: *mut Self,
    /// Byte-range locks.
    pub LockOperation: u8,
    /// Deletion.
    pub DeletePending: u8,
    /// Opened for reading.
    pub ReadAccess: u8,
    /// Opened for writing.
    pub WriteAccess: u8,
    /// Opened for deletion.
    pub DeleteAccess: u8,
    /// Shared for reading.
    pub SharedRead: u8,
    /// Shared for writing.
    pub SharedWrite: u8,
    /// Shared for deletion.
    pub SharedDelete: u8,
    /// `FO_…`.
    pub Flags: u32,
    /// The name behind the device's.
    pub FileName: UNICODE_STRING,
    /// The position of a synchronous file.
    pub CurrentByteOffset: i64,
    /// Threads that wait for `Lock`.
    pub Waiters: u32,
    /// The file is in use by a thread (synchronous files).
    pub Busy: u32,
    /// File systems only.
    pub LastLock: *mut c_void,
    /// Serialises a synchronous file.
    pub Lock: KEVENT,
    /// Set when a request is complete.
    pub Event: KEVENT,
    /// A completion port.
    pub CompletionContext: *mut c_void,
    /// Protects `IrpList`.
    pub IrpListLock: usize,
    /// IRPs that belong to no thread.
    pub IrpList: LIST_ENTRY,
    /// The I/O manager's.
    pub FileObjectExtension: *mut c_void,
}

/// How the files of something are open (ns-wdm-_share_access).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SHARE_ACCESS {
    /// How many there are.
    pub OpenCount: u32,
    /// Of which so many are for reading.
    pub Readers: u32,
    /// For writing.
    pub Writers: u32,
    /// For deletion.
    pub Deleters: u32,
    /// So many let others read.
    pub SharedRead: u32,
    /// Write.
    pub SharedWrite: u32,
    /// Delete.
    pub SharedDelete: u32,
}

/// `FILE_OBJECT::Type`.
pub const IO_TYPE_FILE: i16 = 5;

/// One request at a time, in the caller's thread.
pub const FO_SYNCHRONOUS_IO: u32 = 0x0000_0002;
/// Waits of a synchronous file are alertable.
pub const FO_ALERTABLE_IO: u32 = 0x0000_0004;
/// `IRP_MJ_CLEANUP` has been sent.
pub const FO_CLEANUP_COMPLETE: u32 = 0x0000_4000;
/// A handle has been made.
pub const FO_HANDLE_CREATED: u32 = 0x0004_0000;

/// Create option: synchronous, alertable.
pub const FILE_SYNCHRONOUS_IO_ALERT: u32 = 0x0000_0010;
/// Create option: synchronous.
pub const FILE_SYNCHRONOUS_IO_NONALERT: u32 = 0x0000_0020;
