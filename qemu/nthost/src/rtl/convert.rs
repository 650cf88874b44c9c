//! Numbers, identifiers, strings of bytes and the system's version.
//!
//! The system's code page is Latin 1: each byte stands for the character of the same number.
//!
//! Sources: RtlIntegerToUnicodeString, RtlUnicodeStringToInteger, RtlStringFromGUID,
//! RtlGUIDFromString, RtlInitAnsiString, RtlAnsiStringToUnicodeString, RtlGetVersion.

use nthost_nt::{
    guid::GUID,
    rtl::{RTL_OSVERSIONINFOEXW, STRING, UNICODE_STRING},
    status::{
        NTSTATUS, STATUS_BUFFER_OVERFLOW, STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY,
        STATUS_SUCCESS,
    },
};

use super::{number, string};
use crate::{
    mm::pool::{self, flags},
    verifier::call,
};

/// The tag of strings that the run-time library allocates.
const TAG: u32 = u32::from_le_bytes(*b"Strg");
/// Windows 10, version 2004.
const VERSION: (u32, u32, u32) = (10, 0, 19041);
/// `VER_PLATFORM_WIN32_NT`, `VER_NT_WORKSTATION`.
const PLATFORM_NT: u32 = 2;
const WORKSTATION: u8 = 1;

/// Writes a string's characters, and a NUL behind them if there is room; `false` if it does not
/// fit.
///
/// # Safety
///
/// It is a string whose buffer can be written.
unsafe fn store(to: *mut UNICODE_STRING, units: impl ExactSizeIterator<Item = u16>) -> bool {
    // SAFETY: the caller's promise.
    let to = unsafe { &mut *to };
    let room = usize::from(to.MaximumLength) / 2;
    let count = units.len();
    if count > room {
        return false;
    }
    let terminated = units.chain(core::iter::once(0)).take(room);
    for (index, unit) in terminated.enumerate() {
        // SAFETY: within the buffer.
        let place = unsafe { to.Buffer.add(index) };
        // SAFETY: as above.
        unsafe { place.write(unit) };
    }
    to.Length = 2 * count as u16;
    true
}

/// Gives a string a buffer of its own for so many characters and a NUL.
///
/// # Safety
///
/// It is memory for a string.
unsafe fn allocate(to: *mut UNICODE_STRING, count: usize, caller: u64) -> Result<(), NTSTATUS> {
    let bytes = 2 * (count as u64 + 1);
    let maximum = u16::try_from(bytes).map_err(|_| STATUS_INVALID_PARAMETER)?;
    let buffer = pool::allocate(flags::PAGED, bytes, TAG, caller).ok_or(STATUS_NO_MEMORY)?;
    let value = UNICODE_STRING {
        Length: 0,
        MaximumLength: maximum,
        Buffer: core::ptr::with_exposed_provenance_mut(buffer as usize),
    };
    // SAFETY: the caller's promise.
    unsafe { to.write(value) };
    Ok(())
}

/// Makes a counted string of a NUL-terminated one of bytes.
///
/// # Safety
///
/// `text` is null or NUL-terminated; `string` is memory for a string.
unsafe fn initialize(string: *mut STRING, text: *const u8) {
    let byte_at = |index| {
        // SAFETY: the string goes on up to its NUL.
        let place = unsafe { text.add(index) };
        // SAFETY: as above.
        unsafe { place.read() }
    };
    let (length, maximum) = if text.is_null() {
        (0, 0)
    } else {
        // The longest length there is stands for all that are longer.
        let length = (0..0xfffe).take_while(|&index| byte_at(index) != 0).count() as u16;
        (length, length + 1)
    };
    let value = STRING {
        Length: length,
        MaximumLength: maximum,
        Buffer: text.cast_mut(),
    };
    // SAFETY: the caller's promise.
    unsafe { string.write(value) };
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a counted string of a NUL-terminated one, which stays where it is.
    ///
    /// Source: RtlInitAnsiString.
    ///
    /// # Safety
    ///
    /// `text` is null or NUL-terminated.
    pub unsafe fn RtlInitAnsiString(string: *mut STRING, text: *const u8) {
        // SAFETY: the caller's promise.
        unsafe { initialize(string, text) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a counted string of a NUL-terminated one, which stays where it is.
    ///
    /// Source: RtlInitString.
    ///
    /// # Safety
    ///
    /// `text` is null or NUL-terminated.
    pub unsafe fn RtlInitString(string: *mut STRING, text: *const u8) {
        // SAFETY: the caller's promise.
        unsafe { initialize(string, text) };
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Makes a UTF-16 string of one of bytes, in a buffer of its own if asked for, which
    /// RtlFreeUnicodeString frees. STATUS_BUFFER_OVERFLOW if the caller's is too small.
    ///
    /// Source: RtlAnsiStringToUnicodeString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlAnsiStringToUnicodeString(
        to: *mut UNICODE_STRING,
        from: *const STRING,
        own_buffer: u8,
    ) -> NTSTATUS {
        let caller = call::caller();
        // SAFETY: the caller's promise.
        let from = unsafe { &*from };
        let bytes = if from.Buffer.is_null() {
            &[]
        } else {
            // SAFETY: the caller's promise.
            unsafe { core::slice::from_raw_parts(from.Buffer, usize::from(from.Length)) }
        };
        if own_buffer != 0 {
            // SAFETY: the caller's promise.
            if let Err(status) = unsafe { allocate(to, bytes.len(), caller) } {
                return status;
            }
        }
        // SAFETY: the caller's promise.
        if unsafe { store(to, bytes.iter().map(|&byte| u16::from(byte))) } {
            STATUS_SUCCESS
        } else {
            STATUS_BUFFER_OVERFLOW
        }
    }

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
        let Some(text) = number::text(value, base) else {
            return STATUS_INVALID_PARAMETER;
        };
        // SAFETY: the caller's promise; digits are ASCII.
        if unsafe { store(to, text.as_bytes().iter().map(|&byte| u16::from(byte))) } {
            STATUS_SUCCESS
        } else {
            STATUS_BUFFER_OVERFLOW
        }
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
        // SAFETY: the caller's promise.
        if let Err(status) = unsafe { allocate(to, text.len(), caller) } {
            return status;
        }
        // SAFETY: it was just allocated for so many characters.
        unsafe { store(to, text.as_bytes().iter().map(|&byte| u16::from(byte))) };
        STATUS_SUCCESS
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
