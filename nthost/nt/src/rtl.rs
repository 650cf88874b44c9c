//! Strings, bitmaps, times and tables of registry queries.

use core::ffi::c_void;

use crate::status::NTSTATUS;

/// A counted string of UTF-16 (ns-ntdef-_unicode_string).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UNICODE_STRING {
    /// Bytes in use.
    pub Length: u16,
    /// Bytes there are.
    pub MaximumLength: u16,
    /// The characters; no NUL ends them.
    pub Buffer: *mut u16,
}

/// A counted string of bytes (ns-ntdef-_string).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct STRING {
    /// Bytes in use.
    pub Length: u16,
    /// Bytes there are.
    pub MaximumLength: u16,
    /// The characters; no NUL ends them.
    pub Buffer: *mut u8,
}

/// The system's version (ns-wdm-_osversioninfoexw); `RTL_OSVERSIONINFOW` ends before
/// `wServicePackMajor`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RTL_OSVERSIONINFOEXW {
    /// Bytes of the form that the caller wants.
    pub dwOSVersionInfoSize: u32,
    /// 10 for Windows 10.
    pub dwMajorVersion: u32,
    /// 0 for Windows 10.
    pub dwMinorVersion: u32,
    /// The build.
    pub dwBuildNumber: u32,
    /// `VER_PLATFORM_WIN32_NT`.
    pub dwPlatformId: u32,
    /// The service pack as text.
    pub szCSDVersion: [u16; 128],
    /// The service pack.
    pub wServicePackMajor: u16,
    /// See above.
    pub wServicePackMinor: u16,
    /// `VER_SUITE_…`.
    pub wSuiteMask: u16,
    /// `VER_NT_WORKSTATION` and others.
    pub wProductType: u8,
    /// The system's.
    pub wReserved: u8,
}

/// A bitmap (ns-wdm-_rtl_bitmap).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RTL_BITMAP {
    /// How many bits there are.
    pub SizeOfBitMap: u32,
    /// The words that they are in.
    pub Buffer: *mut u32,
}

/// A range of bits (ns-wdm-_rtl_bitmap_run).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RTL_BITMAP_RUN {
    /// The first.
    pub StartingIndex: u32,
    /// How many.
    pub NumberOfBits: u32,
}

/// A date (ns-wdm-time_fields).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TIME_FIELDS {
    /// 1601 to 30827.
    pub Year: i16,
    /// 1 to 12.
    pub Month: i16,
    /// From 1 on.
    pub Day: i16,
    /// 0 to 23.
    pub Hour: i16,
    /// 0 to 59.
    pub Minute: i16,
    /// 0 to 59.
    pub Second: i16,
    /// 0 to 999.
    pub Milliseconds: i16,
    /// 0, a Sunday, to 6.
    pub Weekday: i16,
}

/// A driver's routine for a value (nc-wdm-rtl_query_registry_routine).
pub type RTL_QUERY_REGISTRY_ROUTINE = unsafe extern "win64" fn(
    name: *const u16,
    kind: u32,
    data: *mut c_void,
    length: u32,
    context: *mut c_void,
    entry_context: *mut c_void,
) -> NTSTATUS;

/// What is to be queried (the page of RtlQueryRegistryValues).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RTL_QUERY_REGISTRY_TABLE {
    /// Called with each value.
    pub QueryRoutine: Option<RTL_QUERY_REGISTRY_ROUTINE>,
    /// `RTL_QUERY_REGISTRY_…`.
    pub Flags: u32,
    /// The value, or the key's path.
    pub Name: *const u16,
    /// For the routine, or the place for the value.
    pub EntryContext: *mut c_void,
    /// The default's type, and in the highest byte that which is expected.
    pub DefaultType: u32,
    /// The default.
    pub DefaultData: *const c_void,
    /// Its bytes.
    pub DefaultLength: u32,
}

/// The links of an element of a table (opaque in the reference); the driver's data follow them.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RTL_BALANCED_LINKS {
    /// Above; the table's own links for the topmost.
    pub Parent: *mut Self,
    /// What is less.
    pub LeftChild: *mut Self,
    /// What is greater.
    pub RightChild: *mut Self,
    /// How much higher the right side is.
    pub Balance: i8,
    /// The system's.
    pub Reserved: [u8; 3],
}

/// Compares: 0 for less, 1 for greater, 2 for equal (the page of RtlInitializeGenericTableAvl).
pub type RTL_AVL_COMPARE_ROUTINE = unsafe extern "win64" fn(
    table: *mut RTL_AVL_TABLE,
    first: *mut c_void,
    second: *mut c_void,
) -> i32;
/// Allocates an element.
pub type RTL_AVL_ALLOCATE_ROUTINE =
    unsafe extern "win64" fn(table: *mut RTL_AVL_TABLE, size: u32) -> *mut c_void;
/// Frees an element.
pub type RTL_AVL_FREE_ROUTINE =
    unsafe extern "win64" fn(table: *mut RTL_AVL_TABLE, buffer: *mut c_void);

/// A table that is kept in order (ns-ntddk-_rtl_avl_table).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RTL_AVL_TABLE {
    /// The topmost element is its right child.
    pub BalancedRoot: RTL_BALANCED_LINKS,
    /// The system's.
    pub OrderedPointer: *mut c_void,
    /// The system's.
    pub WhichOrderedElement: u32,
    /// How many elements there are.
    pub NumberGenericTableElements: u32,
    /// The system's.
    pub DepthOfTree: u32,
    /// The element that an enumeration gave last.
    pub RestartKey: *mut RTL_BALANCED_LINKS,
    /// How many were deleted.
    pub DeleteCount: u32,
    /// The driver's.
    pub CompareRoutine: RTL_AVL_COMPARE_ROUTINE,
    /// The driver's.
    pub AllocateRoutine: RTL_AVL_ALLOCATE_ROUTINE,
    /// The driver's.
    pub FreeRoutine: RTL_AVL_FREE_ROUTINE,
    /// The driver's.
    pub TableContext: *mut c_void,
}

/// The links of a splay tree's node (ns-ntddk-_rtl_splay_links).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RTL_SPLAY_LINKS {
    /// Above; the topmost node's own address.
    pub Parent: *mut Self,
    /// What is less.
    pub LeftChild: *mut Self,
    /// What is greater.
    pub RightChild: *mut Self,
}

/// Compares: 0 for less, 1 for greater, 2 for equal (the page of RtlInitializeGenericTable).
pub type RTL_GENERIC_COMPARE_ROUTINE = unsafe extern "win64" fn(
    table: *mut RTL_GENERIC_TABLE,
    first: *mut c_void,
    second: *mut c_void,
) -> i32;
/// Allocates an element.
pub type RTL_GENERIC_ALLOCATE_ROUTINE =
    unsafe extern "win64" fn(table: *mut RTL_GENERIC_TABLE, size: u32) -> *mut c_void;
/// Frees an element.
pub type RTL_GENERIC_FREE_ROUTINE =
    unsafe extern "win64" fn(table: *mut RTL_GENERIC_TABLE, buffer: *mut c_void);

/// A table that is kept in a splay tree (ns-ntddk-_rtl_generic_table).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RTL_GENERIC_TABLE {
    /// The topmost element.
    pub TableRoot: *mut RTL_SPLAY_LINKS,
    /// The elements as they were inserted.
    pub InsertOrderList: crate::ke::LIST_ENTRY,
    /// The system's.
    pub OrderedPointer: *mut crate::ke::LIST_ENTRY,
    /// The system's.
    pub WhichOrderedElement: u32,
    /// How many elements there are.
    pub NumberGenericTableElements: u32,
    /// The driver's.
    pub CompareRoutine: RTL_GENERIC_COMPARE_ROUTINE,
    /// The driver's.
    pub AllocateRoutine: RTL_GENERIC_ALLOCATE_ROUTINE,
    /// The driver's.
    pub FreeRoutine: RTL_GENERIC_FREE_ROUTINE,
    /// The driver's.
    pub TableContext: *mut c_void,
}
