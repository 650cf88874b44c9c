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
