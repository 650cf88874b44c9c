//! Numbers, identifiers and the system's version.
//!
//! Sources: RtlIntegerToUnicodeString, RtlInt64ToUnicodeString, RtlUnicodeStringToInteger,
//! RtlStringFromGUID, RtlGUIDFromString, RtlGetVersion.

use alloc::vec::Vec;

use nthost_nt::{
    guid::GUID,
    rtl::{RTL_OSVERSIONINFOEXW, UNICODE_STRING},
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::{
    number,
    owned::{Terminator, give, store},
    string,
};
use crate::verifier::call;

/// Windows 10, version 2004.
const VERSION: (u32, u32, u32) = (10, 0, 19041);
/// `VER_PLATFORM_WIN32_NT`, `VER_NT_WORKSTATION`.
const PLATFORM_NT: u32 = 2;
const WORKSTATION: u8 = 1;

/// Writes a number; see the exported routines.
///
/// # Safety
///
/// It is a string.
unsafe fn store_number(value: u64, base: u32, to: *mut UNICODE_STRING) -> NTSTATUS {
    let Some(text) = number::text(value, base) else {
        return STATUS_INVALID_PARAMETER;
    };
    let text: Vec<u16> = text.encode_utf16().collect();
    // SAFETY: the caller's promise.
    unsafe { store(to, &text, Terminator::Optional) }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Writes a number in a base of 2, 8, 10 or 16 (0 is 10). STATUS_INVALID_PARAMETER for
    /// another base, STATUS_BUFFER_OVERFLOW if it does not fit.
    ///
    /// Source: RtlIntegerToUnicodeString.
    ///
    /// # Safety
    ///
    /// It is a string.
    pub unsafe fn RtlIntegerToUnicodeString(
        value: u32,
        base: u32,
        to: *mut UNICODE_STRING,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { store_number(value.into(), base, to) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Writes a number of 64 bits, likewise.
    ///
    /// Source: RtlInt64ToUnicodeString.
    ///
    /// # Safety
    ///
    /// It is a string.
    pub unsafe fn RtlInt64ToUnicodeString(
        value: u64,
        base: u32,
        to: *mut UNICODE_STRING,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { store_number(value, base, to) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Reads the number that a string begins with, zero if none. STATUS_INVALID_PARAMETER for
    /// a base other than 0, 2, 8, 10 and 16.
    ///
    /// Source: RtlUnicodeStringToInteger.
    ///
    /// # Safety
    ///
    /// It is a string; the value can be written.
    pub unsafe fn RtlUnicodeStringToInteger(
        from: *const UNICODE_STRING,
        base: u32,
        value: *mut u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let Some(number) = number::parse(unsafe { string::units(from) }, base) else {
            return STATUS_INVALID_PARAMETER;
        };
        // SAFETY: the caller's promise.
        unsafe { value.write(number) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Writes an identifier, in a buffer that RtlFreeUnicodeString frees.
    ///
    /// Source: RtlStringFromGUID.
    ///
    /// # Safety
    ///
    /// It is an identifier, and memory for a string.
    pub unsafe fn RtlStringFromGUID(guid: *const GUID, to: *mut UNICODE_STRING) -> NTSTATUS {
        let caller = call::caller();
        // SAFETY: the caller's promise.
        let text = alloc::format!("{}", unsafe { guid.read_unaligned() });
        let text: Vec<u16> = text.encode_utf16().collect();
        // SAFETY: the caller's promise.
        unsafe { give(to, &text, Terminator::Required, true, ("RtlStringFromGUID", caller)) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Reads an identifier in braces; STATUS_INVALID_PARAMETER, and no change, if it is none.
    ///
    /// Source: RtlGUIDFromString.
    ///
    /// # Safety
    ///
    /// It is a string, and memory for an identifier.
    pub unsafe fn RtlGUIDFromString(from: *const UNICODE_STRING, guid: *mut GUID) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let Some(value) = number::parse_guid(unsafe { string::units(from) }) else {
            return STATUS_INVALID_PARAMETER;
        };
        // SAFETY: the caller's promise.
        unsafe { guid.write_unaligned(value) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells the system's version: Windows 10, version 2004. The caller says by the structure's
    /// size which form it wants.
    ///
    /// Source: RtlGetVersion.
    ///
    /// # Safety
    ///
    /// The structure is as large as it says.
    pub unsafe fn RtlGetVersion(version: *mut RTL_OSVERSIONINFOEXW) -> NTSTATUS {
        // SAFETY: the caller's promise: the first word of either form.
        let size = unsafe { version.cast::<u32>().read() };
        let short = core::mem::offset_of!(RTL_OSVERSIONINFOEXW, wServicePackMajor);
        let count = (size as usize).min(size_of::<RTL_OSVERSIONINFOEXW>());
        if count < short {
            return STATUS_INVALID_PARAMETER;
        }
        let (major, minor, build) = VERSION;
        let value = RTL_OSVERSIONINFOEXW {
            dwOSVersionInfoSize: size,
            dwMajorVersion: major,
            dwMinorVersion: minor,
            dwBuildNumber: build,
            dwPlatformId: PLATFORM_NT,
            szCSDVersion: [0; 128],
            wServicePackMajor: 0,
            wServicePackMinor: 0,
            wSuiteMask: 0,
            wProductType: WORKSTATION,
            wReserved: 0,
        };
        let from = (&raw const value).cast::<u8>();
        // SAFETY: the caller's structure has so many bytes, and ours is at least as large.
        unsafe { core::ptr::copy_nonoverlapping(from, version.cast(), count) };
        STATUS_SUCCESS
    }
}
