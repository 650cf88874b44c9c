//! The routines that are told how large a buffer is, and leave it empty if it is too small.
//!
//! In the kernel nobody is told of a wrong parameter but the caller, by the result.

use super::{Unit, c_export, length, part};

/// `EINVAL`: a parameter is wrong.
pub const WRONG: i32 = 22;
/// `ERANGE`: the buffer is too small.
pub const TOO_SMALL: i32 = 34;
/// `STRUNCATE`: the text was cut, as asked for.
pub const CUT: i32 = 80;
/// `_TRUNCATE`: as much as there is room for.
pub const TRUNCATE: usize = usize::MAX;

/// Writes a NUL at the start of a buffer.
///
/// # Safety
///
/// There is room for it.
unsafe fn clear<U: Unit>(buffer: *mut U) {
    // SAFETY: the caller's promise.
    unsafe { buffer.write(U::from(0)) };
}

/// Copies a text, at most so many units of it, behind what a buffer holds up to `used`.
///
/// # Safety
///
/// The buffer has `size` units; the text ends in a NUL, or has so many units.
unsafe fn copy_to<U: Unit>(
    buffer: *mut U,
    size: usize,
    used: usize,
    from: *const U,
    most: usize,
) -> i32 {
    if from.is_null() {
        // SAFETY: there is room for a NUL.
        unsafe { clear(buffer) };
        return WRONG;
    }
    let room = size - used;
    // One unit more than there is room for shows that there is too much.
    // SAFETY: the caller's promise.
    let whole = unsafe { part(from, most.min(room)) };
    let (from, result) = if whole.len() < room {
        (whole, 0)
    } else if most == TRUNCATE {
        (&whole[..room - 1], CUT)
    } else {
        // SAFETY: there is room for a NUL.
        unsafe { clear(buffer) };
        return TOO_SMALL;
    };
    // SAFETY: within the buffer.
    let start = unsafe { buffer.add(used) };
    // SAFETY: there is room.
    unsafe { start.copy_from(from.as_ptr(), from.len()) };
    // SAFETY: within the buffer.
    let end = unsafe { start.add(from.len()) };
    // SAFETY: there is room for a NUL.
    unsafe { clear(end) };
    result
}

/// `strncpy_s` and its kin.
///
/// # Safety
///
/// As [`copy_to`]; the buffer may be null.
unsafe fn copy<U: Unit>(buffer: *mut U, size: usize, from: *const U, most: usize) -> i32 {
    if buffer.is_null() && size == 0 && most == 0 {
        return 0;
    }
    if buffer.is_null() || size == 0 {
        return WRONG;
    }
    if most == 0 {
        // SAFETY: there is room for a NUL.
        unsafe { clear(buffer) };
        return 0;
    }
    // SAFETY: the caller's promise.
    unsafe { copy_to(buffer, size, 0, from, most) }
}

/// `strncat_s` and its kin.
///
/// # Safety
///
/// As [`copy`].
unsafe fn append<U: Unit>(buffer: *mut U, size: usize, from: *const U, most: usize) -> i32 {
    if buffer.is_null() && size == 0 && most == 0 {
        return 0;
    }
    if buffer.is_null() || size == 0 {
        return WRONG;
    }
    // SAFETY: the caller's promise.
    let used = unsafe { length(buffer, size) };
    if used == size {
        // SAFETY: there is room for a NUL.
        unsafe { clear(buffer) };
        return WRONG;
    }
    // SAFETY: the caller's promise.
    unsafe { copy_to(buffer, size, used, from, most) }
}

/// No limit but the text's own end: one that is never taken for [`TRUNCATE`].
const ALL: usize = usize::MAX - 1;

c_export! {
    /// Copies a text.
    fn strcpy_s(to: *mut u8, size: usize, from: *const u8) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { copy(to, size, from, ALL) }
    }
    /// Copies a text.
    fn wcscpy_s(to: *mut u16, size: usize, from: *const u16) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { copy(to, size, from, ALL) }
    }
    /// Copies at most so many units of a text.
    fn strncpy_s(to: *mut u8, size: usize, from: *const u8, most: usize) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { copy(to, size, from, most) }
    }
    /// Copies at most so many units of a text.
    fn wcsncpy_s(to: *mut u16, size: usize, from: *const u16, most: usize) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { copy(to, size, from, most) }
    }
    /// Copies a text behind another.
    fn strcat_s(to: *mut u8, size: usize, from: *const u8) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { append(to, size, from, ALL) }
    }
    /// Copies a text behind another.
    fn wcscat_s(to: *mut u16, size: usize, from: *const u16) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { append(to, size, from, ALL) }
    }
    /// Copies at most so many units of a text behind another.
    fn strncat_s(to: *mut u8, size: usize, from: *const u8, most: usize) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { append(to, size, from, most) }
    }
    /// Copies at most so many units of a text behind another.
    fn wcsncat_s(to: *mut u16, size: usize, from: *const u16, most: usize) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { append(to, size, from, most) }
    }
    /// Copies bytes; the ranges do not overlap. What goes wrong leaves the buffer zeroed.
    fn memcpy_s(to: *mut u8, size: usize, from: *const u8, count: usize) -> i32 {
        if count == 0 {
            return 0;
        }
        if to.is_null() {
            return WRONG;
        }
        if from.is_null() || size < count {
            // SAFETY: the buffer has so many bytes.
            unsafe { to.write_bytes(0, size) };
            return if from.is_null() { WRONG } else { TOO_SMALL };
        }
        // SAFETY: there is room. (The copy is one that allows for an overlap.)
        unsafe { to.copy_from(from, count) };
        0
    }
    /// Copies bytes; the ranges may overlap. What goes wrong leaves the buffer as it is.
    fn memmove_s(to: *mut u8, size: usize, from: *const u8, count: usize) -> i32 {
        if count == 0 {
            return 0;
        }
        if to.is_null() || from.is_null() {
            return WRONG;
        }
        if size < count {
            return TOO_SMALL;
        }
        // SAFETY: there is room.
        unsafe { to.copy_from(from, count) };
        0
    }
}

#[cfg(test)]
mod tests {
    use core::ptr::{null, null_mut};

    use super::*;

    #[test]
    fn a_text_that_does_not_fit_leaves_the_buffer_empty() {
        for (from, size, result, expected) in [
            (&b"ab\0"[..], 4, 0, *b"ab\0."),
            (b"abc\0", 4, 0, *b"abc\0"),
            (b"abcd\0", 4, TOO_SMALL, *b"\0..."),
            (b"ab\0", 2, TOO_SMALL, *b"\0..."),
            (b"\0", 0, WRONG, *b"...."),
        ] {
            let mut to = *b"....";
            // SAFETY: the test's own.
            let given = unsafe { strcpy_s(to.as_mut_ptr(), size, from.as_ptr()) };
            assert_eq!((given, to), (result, expected), "{from:?} into {size}");
        }
        let mut to = *b"....";
        // SAFETY: the test's own.
        assert_eq!(unsafe { strcpy_s(to.as_mut_ptr(), 4, null()) }, WRONG);
        assert_eq!(to, *b"\0...");
        // SAFETY: null is looked for.
        let given = unsafe { strcpy_s(null_mut(), 4, c"".as_ptr().cast()) };
        assert_eq!(given, WRONG);
    }

    #[test]
    fn a_text_is_cut_if_that_is_asked_for() {
        for (most, result, expected) in [
            (0, 0, *b"\0..."),
            (2, 0, *b"ab\0."),
            (3, 0, *b"abc\0"),
            (4, TOO_SMALL, *b"\0..."),
            (TRUNCATE, CUT, *b"abc\0"),
        ] {
            let mut to = *b"....";
            // SAFETY: the test's own.
            let given = unsafe { strncpy_s(to.as_mut_ptr(), 4, c"abcd".as_ptr().cast(), most) };
            assert_eq!((given, to), (result, expected), "{most}");
        }
        let mut to = *b"x\0..";
        // SAFETY: the test's own.
        let given = unsafe { strncat_s(to.as_mut_ptr(), 4, c"abc".as_ptr().cast(), TRUNCATE) };
        assert_eq!((given, to), (CUT, *b"xab\0"));
        // SAFETY: the test's own.
        let given = unsafe { strcat_s(to.as_mut_ptr(), 4, c"c".as_ptr().cast()) };
        assert_eq!((given, to), (TOO_SMALL, *b"\0ab\0"));
        let mut full = *b"....";
        // SAFETY: the test's own.
        let given = unsafe { strcat_s(full.as_mut_ptr(), 4, c"c".as_ptr().cast()) };
        assert_eq!((given, full), (WRONG, *b"\0..."));
    }

    #[test]
    fn bytes_that_do_not_fit_are_not_copied() {
        let mut to = *b"....";
        // SAFETY: the test's own.
        let given = unsafe { memmove_s(to.as_mut_ptr(), 4, b"abcde".as_ptr(), 5) };
        assert_eq!(given, TOO_SMALL);
        assert_eq!(to, *b"....");
        // SAFETY: the test's own.
        let given = unsafe { memcpy_s(to.as_mut_ptr(), 4, b"abcd".as_ptr(), 4) };
        assert_eq!(given, 0);
        assert_eq!(to, *b"abcd");
        // SAFETY: the test's own.
        let given = unsafe { memcpy_s(to.as_mut_ptr(), 4, b"abcde".as_ptr(), 5) };
        assert_eq!(given, TOO_SMALL);
        assert_eq!(to, [0; 4]);
    }
}
