//! Strings of bytes: the system's code page, and UTF-8.
//!
//! The system's code page is Latin 1: each byte stands for the character of the same number,
//! and `?` for those that it does not have.
//!
//! Sources: RtlInitAnsiString, RtlInitUTF8String, RtlCopyString and those that their pages lead
//! to.

use alloc::vec::Vec;
use core::cmp::Ordering;

use nthost_nt::{
    rtl::STRING,
    status::{
        NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_NAME_TOO_LONG,
        STATUS_SUCCESS,
    },
};

use super::{case::upcase, number};

/// The most bytes that a counted string has before its NUL.
const LONGEST: usize = 0xfffe;

/// A character of the code page.
pub(super) const fn narrow(unit: u16) -> u8 {
    if unit < 0x100 { unit as u8 } else { b'?' }
}

/// A byte's character in upper case, as far as the code page has it.
fn upcase_byte(byte: u8) -> u8 {
    u8::try_from(upcase(byte.into())).unwrap_or(byte)
}

/// A string's bytes.
///
/// # Safety
///
/// It is null or a string whose buffer can be read.
pub(super) unsafe fn bytes<'a>(string: *const STRING) -> &'a [u8] {
    if string.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    let string = unsafe { string.read_unaligned() };
    if string.Buffer.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(string.Buffer, usize::from(string.Length)) }
}

/// The bytes before a text's NUL; at most so many.
///
/// # Safety
///
/// It is NUL-terminated.
unsafe fn length_of(text: *const u8, most: usize) -> usize {
    let byte_at = |index| {
        // SAFETY: the string goes on up to its NUL.
        let place = unsafe { text.add(index) };
        // SAFETY: as above.
        unsafe { place.read() }
    };
    (0..most).take_while(|&index| byte_at(index) != 0).count()
}

/// Makes a counted string of a NUL-terminated one of bytes. The longest that there is stands for
/// all that are longer.
///
/// # Safety
///
/// `text` is null or NUL-terminated; `string` is memory for a string.
unsafe fn initialize(string: *mut STRING, text: *const u8) {
    let (length, maximum) = if text.is_null() {
        (0, 0)
    } else {
        // SAFETY: the caller's promise.
        let length = unsafe { length_of(text, LONGEST) } as u16;
        (length, length + 1)
    };
    let value = STRING {
        Length: length,
        MaximumLength: maximum,
        Buffer: text.cast_mut(),
    };
    // SAFETY: the caller's promise.
    unsafe { string.write_unaligned(value) };
}

/// As [`initialize`], but for a text that is too long.
///
/// # Safety
///
/// As [`initialize`].
unsafe fn initialize_checked(string: *mut STRING, text: *const u8) -> NTSTATUS {
    // SAFETY: the caller's promise.
    if !text.is_null() && unsafe { length_of(text, LONGEST + 1) } > LONGEST {
        return STATUS_NAME_TOO_LONG;
    }
    // SAFETY: the caller's promise.
    unsafe { initialize(string, text) };
    STATUS_SUCCESS
}

fn compare(first: &[u8], second: &[u8], ignore_case: bool) -> i32 {
    let key = |&byte: &u8| if ignore_case { upcase_byte(byte) } else { byte };
    for (a, b) in first.iter().map(key).zip(second.iter().map(key)) {
        if a != b {
            return i32::from(a) - i32::from(b);
        }
    }
    match first.len().cmp(&second.len()) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

/// Copies, with a change, as much as fits.
///
/// # Safety
///
/// `to` is a string whose buffer can be written; `from` is null or a string.
unsafe fn copy(to: *mut STRING, from: *const STRING, change: fn(u8) -> u8) {
    // SAFETY: the caller's promise.
    let (mut value, from) = (unsafe { to.read_unaligned() }, unsafe { bytes(from) });
    let count = from.len().min(usize::from(value.MaximumLength));
    for (index, &byte) in from[..count].iter().enumerate() {
        // SAFETY: within the buffer.
        let place = unsafe { value.Buffer.add(index) };
        // SAFETY: as above.
        unsafe { place.write(change(byte)) };
    }
    value.Length = count as u16;
    // SAFETY: the caller's promise.
    unsafe { to.write_unaligned(value) };
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

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a counted string of a NUL-terminated one, which stays where it is.
    ///
    /// Source: RtlInitUTF8String.
    ///
    /// # Safety
    ///
    /// `text` is null or NUL-terminated.
    pub unsafe fn RtlInitUTF8String(string: *mut STRING, text: *const u8) {
        // SAFETY: the caller's promise.
        unsafe { initialize(string, text) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As RtlInitString; STATUS_NAME_TOO_LONG if a counted string cannot be so long.
    ///
    /// Source: RtlInitStringEx.
    ///
    /// # Safety
    ///
    /// `text` is null or NUL-terminated.
    pub unsafe fn RtlInitStringEx(string: *mut STRING, text: *const u8) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { initialize_checked(string, text) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As RtlInitUTF8String; STATUS_NAME_TOO_LONG if a counted string cannot be so long.
    ///
    /// Source: RtlInitUTF8StringEx.
    ///
    /// # Safety
    ///
    /// `text` is null or NUL-terminated.
    pub unsafe fn RtlInitUTF8StringEx(string: *mut STRING, text: *const u8) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { initialize_checked(string, text) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Copies a string, as much as fits; nothing makes it empty.
    ///
    /// Source: RtlCopyString.
    ///
    /// # Safety
    ///
    /// Both are strings; `from` may be null.
    pub unsafe fn RtlCopyString(to: *mut STRING, from: *const STRING) {
        // SAFETY: the caller's promise.
        unsafe { copy(to, from, |byte| byte) };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Copies a string in upper case, as much as fits.
    ///
    /// Source: RtlUpperString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlUpperString(to: *mut STRING, from: *const STRING) {
        // SAFETY: the caller's promise.
        unsafe { copy(to, from, upcase_byte) };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// A character in upper case.
    ///
    /// Source: RtlUpperChar.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn RtlUpperChar(byte: i8) -> i8 {
        upcase_byte(byte.cast_unsigned()).cast_signed()
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Appends a string; STATUS_BUFFER_TOO_SMALL, and no change, if it does not fit.
    ///
    /// Source: RtlAppendStringToString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlAppendStringToString(to: *mut STRING, from: *const STRING) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let (to, from) = (unsafe { &mut *to }, unsafe { bytes(from) });
        let length = usize::from(to.Length);
        if length + from.len() > usize::from(to.MaximumLength) {
            return STATUS_BUFFER_TOO_SMALL;
        }
        // SAFETY: within the buffer.
        let end = unsafe { to.Buffer.add(length) };
        // SAFETY: there is room for it; the source may be part of the same buffer.
        unsafe { core::ptr::copy(from.as_ptr(), end, from.len()) };
        to.Length += from.len() as u16;
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Compares two strings: negative, zero or positive.
    ///
    /// Source: RtlCompareString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlCompareString(
        first: *const STRING,
        second: *const STRING,
        ignore_case: u8,
    ) -> i32 {
        // SAFETY: the caller's promise.
        let (first, second) = (unsafe { bytes(first) }, unsafe { bytes(second) });
        compare(first, second, ignore_case != 0)
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether two strings are equal.
    ///
    /// Source: RtlEqualString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlEqualString(
        first: *const STRING,
        second: *const STRING,
        ignore_case: u8,
    ) -> u8 {
        // SAFETY: the caller's promise.
        let (first, second) = (unsafe { bytes(first) }, unsafe { bytes(second) });
        u8::from(compare(first, second, ignore_case != 0) == 0)
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Reads the number that a NUL-terminated text begins with, zero if none; as
    /// RtlUnicodeStringToInteger.
    ///
    /// Source: RtlCharToInteger.
    ///
    /// # Safety
    ///
    /// The text is NUL-terminated; the value can be written.
    pub unsafe fn RtlCharToInteger(text: *const u8, base: u32, value: *mut u32) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let length = unsafe { length_of(text, LONGEST) };
        // SAFETY: so long is the text.
        let text = unsafe { core::slice::from_raw_parts(text, length) };
        let text: Vec<u16> = text.iter().copied().map(u16::from).collect();
        let Some(number) = number::parse(&text, base) else {
            return STATUS_INVALID_PARAMETER;
        };
        // SAFETY: the caller's promise.
        unsafe { value.write(number) };
        STATUS_SUCCESS
    }
}
