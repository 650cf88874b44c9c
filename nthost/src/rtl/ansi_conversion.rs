//! Strings of bytes turned into those of UTF-16 and back: in the system's code page, which is
//! Latin 1, and in UTF-8.
//!
//! Sources: RtlAnsiStringToUnicodeString, RtlUnicodeStringToAnsiString,
//! RtlUTF8StringToUnicodeString, RtlMultiByteToUnicodeN and those that their pages lead to.

use alloc::vec::Vec;

use nthost_nt::{
    rtl::{STRING, UNICODE_STRING},
    status::{NTSTATUS, STATUS_SUCCESS, nt_error},
};

use super::{
    ansi::{bytes, narrow},
    case::upcase,
    owned::{Terminator, give},
    string::units,
    utf8,
};
use crate::export;

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Makes a UTF-16 string, with a NUL, of one of bytes, in a buffer of its own if asked for,
    /// which RtlFreeUnicodeString frees. STATUS_BUFFER_OVERFLOW if the caller's is too small.
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
        let caller = export::caller();
        // SAFETY: the caller's promise.
        let text: Vec<u16> = unsafe { bytes(from) }.iter().copied().map(u16::from).collect();
        // SAFETY: the caller's promise.
        unsafe { give(to, &text, Terminator::Required, own_buffer != 0, ("RtlAnsiStringToUnicodeString", caller)) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Makes a string of bytes, with a NUL, of one of UTF-16, in a buffer of its own if asked
    /// for, which RtlFreeAnsiString frees.
    ///
    /// Source: RtlUnicodeStringToAnsiString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlUnicodeStringToAnsiString(
        to: *mut STRING,
        from: *const UNICODE_STRING,
        own_buffer: u8,
    ) -> NTSTATUS {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        let text: Vec<u8> = unsafe { units(from) }.iter().copied().map(narrow).collect();
        // SAFETY: the caller's promise.
        unsafe { give(to, &text, Terminator::Required, own_buffer != 0, ("RtlUnicodeStringToAnsiString", caller)) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Makes a UTF-8 string, with a NUL, of one of UTF-16, in a buffer of its own if asked for,
    /// which RtlFreeUTF8String frees.
    ///
    /// Source: RtlUnicodeStringToUTF8String.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlUnicodeStringToUTF8String(
        to: *mut STRING,
        from: *const UNICODE_STRING,
        own_buffer: u8,
    ) -> NTSTATUS {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        let from = unsafe { units(from) };
        let mut text = alloc::vec![0; utf8::narrow(&from, None).0];
        let (_, converted) = utf8::narrow(&from, Some(&mut text));
        // SAFETY: the caller's promise.
        let status = unsafe { give(to, &text, Terminator::Required, own_buffer != 0, ("RtlUnicodeStringToUTF8String", caller)) };
        if nt_error(status) { status } else { converted }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Makes a UTF-16 string, with a NUL, of one of UTF-8, in a buffer of its own if asked for,
    /// which RtlFreeUnicodeString frees.
    ///
    /// Source: RtlUTF8StringToUnicodeString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlUTF8StringToUnicodeString(
        to: *mut UNICODE_STRING,
        from: *const STRING,
        own_buffer: u8,
    ) -> NTSTATUS {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        let from = unsafe { bytes(from) };
        let mut text = alloc::vec![0; utf8::widen(from, None).0];
        let (_, converted) = utf8::widen(from, Some(&mut text));
        // SAFETY: the caller's promise.
        let status = unsafe { give(to, &text, Terminator::Required, own_buffer != 0, ("RtlUTF8StringToUnicodeString", caller)) };
        if nt_error(status) { status } else { converted }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The bytes that a string takes as UTF-16, with its NUL.
    ///
    /// Source: RtlxAnsiStringToUnicodeSize.
    ///
    /// # Safety
    ///
    /// It is a string.
    pub unsafe fn RtlxAnsiStringToUnicodeSize(string: *const STRING) -> u32 {
        // SAFETY: the caller's promise.
        2 * (unsafe { bytes(string) }.len() as u32 + 1)
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The bytes that a string takes in the code page, with its NUL.
    ///
    /// Source: RtlxUnicodeStringToAnsiSize.
    ///
    /// # Safety
    ///
    /// It is a string.
    pub unsafe fn RtlxUnicodeStringToAnsiSize(string: *const UNICODE_STRING) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { units(string) }.len() as u32 + 1
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Translates bytes, as many as there is room for; says how many bytes were written.
    ///
    /// Source: RtlMultiByteToUnicodeN.
    ///
    /// # Safety
    ///
    /// The buffers are as large as said and do not overlap; the count is null or can be written.
    pub unsafe fn RtlMultiByteToUnicodeN(
        to: *mut u16,
        size: u32,
        count: *mut u32,
        from: *const u8,
        length: u32,
    ) -> NTSTATUS {
        let units = length.min(size / 2);
        for index in 0..units as usize {
            // SAFETY: within the buffer.
            let (place, byte) = (unsafe { to.add(index) }, unsafe { from.add(index) });
            // SAFETY: as above.
            let byte = unsafe { byte.read() };
            // SAFETY: as above.
            unsafe { place.write_unaligned(byte.into()) };
        }
        if !count.is_null() {
            // SAFETY: the caller's promise.
            unsafe { count.write_unaligned(2 * units) };
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Translates UTF-16, as much as there is room for; says how many bytes were written.
    ///
    /// Source: RtlUnicodeToMultiByteN.
    ///
    /// # Safety
    ///
    /// The buffers are as large as said and do not overlap; the count is null or can be written.
    pub unsafe fn RtlUnicodeToMultiByteN(
        to: *mut u8,
        size: u32,
        count: *mut u32,
        from: *const u16,
        length: u32,
    ) -> NTSTATUS {
        let bytes = size.min(length / 2);
        for index in 0..bytes as usize {
            // SAFETY: within the buffer.
            let (place, unit) = (unsafe { to.add(index) }, unsafe { from.add(index) });
            // SAFETY: as above.
            let unit = unsafe { unit.read_unaligned() };
            // SAFETY: as above.
            unsafe { place.write(narrow(unit)) };
        }
        if !count.is_null() {
            // SAFETY: the caller's promise.
            unsafe { count.write_unaligned(bytes) };
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Translates UTF-16 into upper case, as much as there is room for; says how many bytes were
    /// written.
    ///
    /// Source: RtlUpcaseUnicodeToMultiByteN.
    ///
    /// # Safety
    ///
    /// The buffers are as large as said and do not overlap; the count is null or can be written.
    pub unsafe fn RtlUpcaseUnicodeToMultiByteN(
        to: *mut u8,
        size: u32,
        count: *mut u32,
        from: *const u16,
        length: u32,
    ) -> NTSTATUS {
        let bytes = size.min(length / 2);
        for index in 0..bytes as usize {
            // SAFETY: within the buffer.
            let (place, unit) = (unsafe { to.add(index) }, unsafe { from.add(index) });
            // SAFETY: as above.
            let unit = unsafe { unit.read_unaligned() };
            // SAFETY: as above.
            unsafe { place.write(narrow(upcase(unit))) };
        }
        if !count.is_null() {
            // SAFETY: the caller's promise.
            unsafe { count.write_unaligned(bytes) };
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The bytes that a text takes as UTF-16.
    ///
    /// Source: RtlMultiByteToUnicodeSize.
    ///
    /// # Safety
    ///
    /// The size can be written.
    pub unsafe fn RtlMultiByteToUnicodeSize(
        size: *mut u32,
        _text: *const u8,
        length: u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { size.write_unaligned(length.wrapping_mul(2)) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The bytes that a text takes in the code page.
    ///
    /// Source: RtlUnicodeToMultiByteSize.
    ///
    /// # Safety
    ///
    /// The size can be written.
    pub unsafe fn RtlUnicodeToMultiByteSize(
        size: *mut u32,
        _text: *const u16,
        length: u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { size.write_unaligned(length / 2) };
        STATUS_SUCCESS
    }
}
