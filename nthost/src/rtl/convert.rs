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
    string, version,
};
use crate::{
    export,
    ke::version::{VERSION, system},
};

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
        let Some(number) = number::parse(&unsafe { string::units(from) }, base) else {
            return STATUS_INVALID_PARAMETER;
        };
        // SAFETY: the caller's promise.
        unsafe { value.write_unaligned(number) };
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
        let caller = export::caller();
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
        let Some(value) = number::parse_guid(&unsafe { string::units(from) }) else {
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
        let value = system(size);
        let from = (&raw const value).cast::<u8>();
        // SAFETY: the caller's structure has so many bytes, and ours is at least as large.
        unsafe { core::ptr::copy_nonoverlapping(from, version.cast(), count) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells the system's version; FALSE, as it is no checked build.
    ///
    /// Source: PsGetVersion.
    ///
    /// # Safety
    ///
    /// Each is null, or can be written.
    pub unsafe fn PsGetVersion(
        major: *mut u32,
        minor: *mut u32,
        build: *mut u32,
        service_pack: *mut UNICODE_STRING,
    ) -> u8 {
        for (place, number) in [major, minor, build].into_iter().zip(VERSION) {
            if !place.is_null() {
                // SAFETY: the caller's promise.
                unsafe { place.write(number) };
            }
        }
        if !service_pack.is_null() {
            let none = UNICODE_STRING {
                Length: 0,
                MaximumLength: 0,
                Buffer: core::ptr::null_mut(),
            };
            // SAFETY: the caller's promise.
            unsafe { service_pack.write(none) };
        }
        0
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Compares the system's version with what is wanted, as the types and conditions say.
    ///
    /// Source: RtlVerifyVersionInfo.
    ///
    /// # Safety
    ///
    /// It is a version.
    pub unsafe fn RtlVerifyVersionInfo(
        wanted: *const RTL_OSVERSIONINFOEXW,
        types: u32,
        conditions: u64,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let wanted = unsafe { &*wanted };
        let verified = version::verify(&system(0), wanted, types, conditions);
        verified.err().unwrap_or(STATUS_SUCCESS)
    }
}
