//! Strings in the OEM code page, which is the system's own: Latin 1.
//!
//! Sources: RtlOemStringToUnicodeString, RtlUnicodeStringToOemString, RtlUpcaseUnicodeStringToOemString,
//! their counted forms, RtlOemToUnicodeN, RtlUnicodeToOemN, RtlUpcaseUnicodeToOemN,
//! RtlxOemStringToUnicodeSize, RtlxUnicodeStringToOemSize, RtlFreeOemString.

use alloc::vec::Vec;

use nthost_nt::{
    rtl::{STRING, UNICODE_STRING},
    status::{NTSTATUS, STATUS_UNMAPPABLE_CHARACTER},
};

use super::{
    ansi::{bytes, narrow},
    ansi_conversion::{
        RtlMultiByteToUnicodeN, RtlUnicodeToMultiByteN, RtlUpcaseUnicodeToMultiByteN,
    },
    case::upcase,
    owned::{Terminator, free, give},
    string::units,
};
use crate::export;

/// Makes a UTF-16 string of one of bytes; `own` says whether in a buffer of its own, and for whom.
///
/// # Safety
///
/// Both are strings.
unsafe fn widen(
    to: *mut UNICODE_STRING,
    from: *const STRING,
    terminator: Terminator,
    own: (u8, &'static str, u64),
) -> NTSTATUS {
    // SAFETY: the caller's promise.
    let text: Vec<u16> = unsafe { bytes(from) }
        .iter()
        .copied()
        .map(u16::from)
        .collect();
    // SAFETY: as above.
    unsafe { give(to, &text, terminator, own.0 != 0, (own.1, own.2)) }
}

/// Makes a string of bytes of one of UTF-16, likewise. One that is counted has no characters that the
/// code page lacks.
///
/// # Safety
///
/// Both are strings.
unsafe fn translate(
    to: *mut STRING,
    from: *const UNICODE_STRING,
    change: fn(u16) -> u16,
    counted: bool,
    own: (u8, &'static str, u64),
) -> NTSTATUS {
    // SAFETY: the caller's promise.
    let text: Vec<u16> = unsafe { units(from) }.iter().copied().map(change).collect();
    if counted && text.iter().any(|&unit| unit >= 0x100) {
        return STATUS_UNMAPPABLE_CHARACTER;
    }
    let text: Vec<u8> = text.into_iter().map(narrow).collect();
    let terminator = if counted {
        Terminator::None
    } else {
        Terminator::Required
    };
    // SAFETY: as above.
    unsafe { give(to, &text, terminator, own.0 != 0, (own.1, own.2)) }
}

const fn same(unit: u16) -> u16 {
    unit
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Makes a UTF-16 string, with a NUL, of one of bytes, in a buffer of its own if asked for, which
    /// RtlFreeUnicodeString frees.
    ///
    /// Source: RtlOemStringToUnicodeString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlOemStringToUnicodeString(
        to: *mut UNICODE_STRING,
        from: *const STRING,
        own_buffer: u8,
    ) -> NTSTATUS {
        let own = (own_buffer, "RtlOemStringToUnicodeString", export::caller());
        // SAFETY: the caller's promise.
        unsafe { widen(to, from, Terminator::Required, own) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As RtlOemStringToUnicodeString, without a NUL.
    ///
    /// Source: RtlOemStringToCountedUnicodeString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlOemStringToCountedUnicodeString(
        to: *mut UNICODE_STRING,
        from: *const STRING,
        own_buffer: u8,
    ) -> NTSTATUS {
        let own = (own_buffer, "RtlOemStringToCountedUnicodeString", export::caller());
        // SAFETY: the caller's promise.
        unsafe { widen(to, from, Terminator::None, own) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Makes a string of bytes, with a NUL, of one of UTF-16, in a buffer of its own if asked for,
    /// which RtlFreeOemString frees.
    ///
    /// Source: RtlUnicodeStringToOemString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlUnicodeStringToOemString(
        to: *mut STRING,
        from: *const UNICODE_STRING,
        own_buffer: u8,
    ) -> NTSTATUS {
        let own = (own_buffer, "RtlUnicodeStringToOemString", export::caller());
        // SAFETY: the caller's promise.
        unsafe { translate(to, from, same, false, own) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As RtlUnicodeStringToOemString, in upper case.
    ///
    /// Source: RtlUpcaseUnicodeStringToOemString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlUpcaseUnicodeStringToOemString(
        to: *mut STRING,
        from: *const UNICODE_STRING,
        own_buffer: u8,
    ) -> NTSTATUS {
        let own = (own_buffer, "RtlUpcaseUnicodeStringToOemString", export::caller());
        // SAFETY: the caller's promise.
        unsafe { translate(to, from, upcase, false, own) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As RtlUnicodeStringToOemString, without a NUL; STATUS_UNMAPPABLE_CHARACTER for a character that
    /// the code page lacks.
    ///
    /// Source: RtlUnicodeStringToCountedOemString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlUnicodeStringToCountedOemString(
        to: *mut STRING,
        from: *const UNICODE_STRING,
        own_buffer: u8,
    ) -> NTSTATUS {
        let own = (own_buffer, "RtlUnicodeStringToCountedOemString", export::caller());
        // SAFETY: the caller's promise.
        unsafe { translate(to, from, same, true, own) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As RtlUnicodeStringToCountedOemString, in upper case.
    ///
    /// Source: RtlUpcaseUnicodeStringToCountedOemString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlUpcaseUnicodeStringToCountedOemString(
        to: *mut STRING,
        from: *const UNICODE_STRING,
        own_buffer: u8,
    ) -> NTSTATUS {
        let own = (own_buffer, "RtlUpcaseUnicodeStringToCountedOemString", export::caller());
        // SAFETY: the caller's promise.
        unsafe { translate(to, from, upcase, true, own) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The bytes that a string takes as UTF-16, with its NUL.
    ///
    /// Source: RtlxOemStringToUnicodeSize.
    ///
    /// # Safety
    ///
    /// It is a string.
    pub unsafe fn RtlxOemStringToUnicodeSize(string: *const STRING) -> u32 {
        // SAFETY: the caller's promise.
        2 * (unsafe { bytes(string) }.len() as u32 + 1)
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The bytes that a string takes in the code page, with its NUL.
    ///
    /// Source: RtlxUnicodeStringToOemSize.
    ///
    /// # Safety
    ///
    /// It is a string.
    pub unsafe fn RtlxUnicodeStringToOemSize(string: *const UNICODE_STRING) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { units(string) }.len() as u32 + 1
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Translates bytes, as many as there is room for; says how many bytes were written.
    ///
    /// Source: RtlOemToUnicodeN.
    ///
    /// # Safety
    ///
    /// The buffers are as large as said and do not overlap; the count is null or can be written.
    pub unsafe fn RtlOemToUnicodeN(
        to: *mut u16,
        size: u32,
        count: *mut u32,
        from: *const u8,
        length: u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { RtlMultiByteToUnicodeN(to, size, count, from, length) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Translates UTF-16, as much as there is room for; says how many bytes were written.
    ///
    /// Source: RtlUnicodeToOemN.
    ///
    /// # Safety
    ///
    /// The buffers are as large as said and do not overlap; the count is null or can be written.
    pub unsafe fn RtlUnicodeToOemN(
        to: *mut u8,
        size: u32,
        count: *mut u32,
        from: *const u16,
        length: u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { RtlUnicodeToMultiByteN(to, size, count, from, length) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// As RtlUnicodeToOemN, in upper case.
    ///
    /// Source: RtlUpcaseUnicodeToOemN.
    ///
    /// # Safety
    ///
    /// The buffers are as large as said and do not overlap; the count is null or can be written.
    pub unsafe fn RtlUpcaseUnicodeToOemN(
        to: *mut u8,
        size: u32,
        count: *mut u32,
        from: *const u16,
        length: u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { RtlUpcaseUnicodeToMultiByteN(to, size, count, from, length) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Frees the buffer of a string that one of these routines allocated, and empties it.
    ///
    /// Source: RtlFreeOemString.
    ///
    /// # Safety
    ///
    /// The buffer is null or came from there.
    pub unsafe fn RtlFreeOemString(string: *mut STRING) {
        // SAFETY: the caller's promise.
        unsafe { free(string) };
    }
}
