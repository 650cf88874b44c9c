//! Counted strings.
//!
//! Sources: RtlInitUnicodeString, RtlCopyUnicodeString,
//! RtlCompareUnicodeString, RtlEqualUnicodeString, RtlAppendUnicodeStringToString,
//! RtlAppendUnicodeToString.
//!
//! A string may lie at any address, and so may its buffer: the processor reads both where they are.

use alloc::{borrow::Cow, vec::Vec};
use core::cmp::Ordering;

use nthost_nt::{
    rtl::UNICODE_STRING,
    status::{NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_SUCCESS},
};

use super::case::upcase;

/// Characters at any address: where they are, or copied if that is odd.
///
/// # Safety
///
/// There are so many, and they can be read.
#[must_use]
unsafe fn units_at<'a>(start: *const u16, count: usize) -> Cow<'a, [u16]> {
    if start.is_aligned() {
        // SAFETY: the caller's promise.
        return Cow::Borrowed(unsafe { core::slice::from_raw_parts(start, count) });
    }
    let unit_at = |index| {
        // SAFETY: the caller's promise.
        let place = unsafe { start.add(index) };
        // SAFETY: as above.
        unsafe { place.read_unaligned() }
    };
    Cow::Owned((0..count).map(unit_at).collect())
}

/// A string's characters.
///
/// # Safety
///
/// It is null or a string whose buffer can be read.
#[must_use]
pub unsafe fn units<'a>(string: *const UNICODE_STRING) -> Cow<'a, [u16]> {
    if string.is_null() {
        return Cow::Borrowed(&[]);
    }
    // SAFETY: the caller's promise.
    let string = unsafe { string.read_unaligned() };
    if string.Buffer.is_null() {
        return Cow::Borrowed(&[]);
    }
    // SAFETY: the caller's promise.
    unsafe { units_at(string.Buffer, usize::from(string.Length) / 2) }
}

/// A string's characters, taken down: what takes a lock later does not meet the caller's memory
/// under it. `None` if there are none.
///
/// # Safety
///
/// As [`units`].
#[must_use]
pub unsafe fn captured(string: *const UNICODE_STRING) -> Option<Vec<u16>> {
    // SAFETY: the caller's promise.
    let units = unsafe { units(string) };
    (!units.is_empty()).then(|| units.into_owned())
}

/// The characters of a NUL-terminated string, at most as many as a counted one can have.
///
/// # Safety
///
/// It is null or such a string.
#[must_use]
pub unsafe fn terminated<'a>(text: *const u16) -> Cow<'a, [u16]> {
    if text.is_null() {
        return Cow::Borrowed(&[]);
    }
    let unit_at = |index| {
        // SAFETY: the string goes on up to its NUL.
        let place = unsafe { text.add(index) };
        // SAFETY: as above.
        unsafe { place.read_unaligned() }
    };
    let length = (0..0x7ffe).take_while(|&index| unit_at(index) != 0).count();
    // SAFETY: as above.
    unsafe { units_at(text, length) }
}

fn compare(first: &[u16], second: &[u16], ignore_case: bool) -> i32 {
    let key = |&unit: &u16| if ignore_case { upcase(unit) } else { unit };
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

/// Appends; `STATUS_BUFFER_TOO_SMALL`, and no change, if it does not fit.
///
/// # Safety
///
/// `to` is a string whose buffer can be written.
unsafe fn append(to: *mut UNICODE_STRING, from: &[u16]) -> NTSTATUS {
    // SAFETY: the caller's promise.
    let mut value = unsafe { to.read_unaligned() };
    let (length, maximum) = (usize::from(value.Length), usize::from(value.MaximumLength));
    let after = length + 2 * from.len();
    if after > maximum {
        return STATUS_BUFFER_TOO_SMALL;
    }
    // SAFETY: within the buffer.
    let end = unsafe { value.Buffer.add(length / 2) };
    let (source, bytes) = (from.as_ptr().cast::<u8>(), size_of_val(from));
    // SAFETY: there is room for it; the source may be part of the same buffer.
    unsafe { core::ptr::copy(source, end.cast(), bytes) };
    value.Length = after as u16;
    // SAFETY: the caller's promise.
    unsafe { to.write_unaligned(value) };
    if after + 2 <= maximum {
        // SAFETY: there is room for a NUL.
        let terminator = unsafe { end.add(from.len()) };
        // SAFETY: as above.
        unsafe { terminator.write_unaligned(0) };
    }
    STATUS_SUCCESS
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a counted string of a NUL-terminated one, which stays where it is.
    ///
    /// Source: RtlInitUnicodeString.
    ///
    /// # Safety
    ///
    /// `text` is null or NUL-terminated.
    pub unsafe fn RtlInitUnicodeString(string: *mut UNICODE_STRING, text: *const u16) {
        // SAFETY: the caller's promise.
        let length = 2 * unsafe { terminated(text) }.len() as u16;
        let maximum = if text.is_null() { 0 } else { length + 2 };
        let value =
            UNICODE_STRING { Length: length, MaximumLength: maximum, Buffer: text.cast_mut() };
        // SAFETY: the caller's promise.
        unsafe { string.write_unaligned(value) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Copies a string, as much as fits; nothing makes it empty.
    ///
    /// Source: RtlCopyUnicodeString.
    ///
    /// # Safety
    ///
    /// Both are strings; `from` may be null.
    pub unsafe fn RtlCopyUnicodeString(to: *mut UNICODE_STRING, from: *const UNICODE_STRING) {
        // SAFETY: the caller's promise.
        let units = unsafe { units(from) };
        // SAFETY: the caller's promise.
        let mut value = unsafe { to.read_unaligned() };
        let maximum = usize::from(value.MaximumLength) / 2;
        value.Length = 0;
        // SAFETY: the caller's promise.
        unsafe { to.write_unaligned(value) };
        // SAFETY: the caller's promise; it fits.
        let _ = unsafe { append(to, &units[..units.len().min(maximum)]) };
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Compares two strings: negative, zero or positive.
    ///
    /// Source: RtlCompareUnicodeString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlCompareUnicodeString(
        first: *const UNICODE_STRING,
        second: *const UNICODE_STRING,
        ignore_case: u8,
    ) -> i32 {
        // SAFETY: the caller's promise.
        let (first, second) = (unsafe { units(first) }, unsafe { units(second) });
        compare(&first, &second, ignore_case != 0)
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether two strings are equal.
    ///
    /// Source: RtlEqualUnicodeString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlEqualUnicodeString(
        first: *const UNICODE_STRING,
        second: *const UNICODE_STRING,
        ignore_case: u8,
    ) -> u8 {
        // SAFETY: the caller's promise.
        let (first, second) = (unsafe { units(first) }, unsafe { units(second) });
        u8::from(first.len() == second.len() && compare(&first, &second, ignore_case != 0) == 0)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Appends a string; STATUS_BUFFER_TOO_SMALL, and no change, if it does not fit.
    ///
    /// Source: RtlAppendUnicodeStringToString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlAppendUnicodeStringToString(
        to: *mut UNICODE_STRING,
        from: *const UNICODE_STRING,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let units = unsafe { units(from) };
        // SAFETY: the caller's promise.
        unsafe { append(to, &units) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Appends a NUL-terminated string, likewise.
    ///
    /// Source: RtlAppendUnicodeToString.
    ///
    /// # Safety
    ///
    /// `to` is a string, `from` is null or NUL-terminated.
    pub unsafe fn RtlAppendUnicodeToString(to: *mut UNICODE_STRING, from: *const u16) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let units = unsafe { terminated(from) };
        // SAFETY: the caller's promise.
        unsafe { append(to, &units) }
    }
}
