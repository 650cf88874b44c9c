//! Texts that end in a NUL: lengths, copies, comparisons and searches, in bytes and in UTF-16.

use core::cmp::Ordering;

use super::{Unit, c_export, length, part, text};

/// Writes a text where there is room for it.
///
/// # Safety
///
/// There is.
unsafe fn put<U: Unit>(to: *mut U, from: &[U]) {
    // SAFETY: the caller's promise; the two do not overlap.
    unsafe { to.copy_from(from.as_ptr(), from.len()) };
}

/// Writes a text and its NUL.
///
/// # Safety
///
/// There is room for both.
unsafe fn put_ended<U: Unit>(to: *mut U, from: &[U]) {
    // SAFETY: the caller's promise.
    unsafe { put(to, from) };
    // SAFETY: as above.
    let end = unsafe { to.add(from.len()) };
    // SAFETY: as above.
    unsafe { end.write(U::from(0)) };
}

/// Copies a text with its NUL; of a longer one only so many units.
///
/// # Safety
///
/// There is room; the text ends in a NUL or has so many units.
unsafe fn copy<U: Unit>(to: *mut U, from: *const U, most: usize) -> *mut U {
    // SAFETY: the caller's promise.
    let from = unsafe { part(from, most) };
    // SAFETY: the caller's promise.
    unsafe { put_ended(to, from) };
    to
}

/// Copies a text, or so many units of it, behind another.
///
/// # Safety
///
/// The first ends in a NUL; else as [`copy`].
unsafe fn append<U: Unit>(to: *mut U, from: *const U, most: usize) -> *mut U {
    // SAFETY: the caller's promise.
    let count = unsafe { length(to, usize::MAX) };
    // SAFETY: its NUL.
    let end = unsafe { to.add(count) };
    // SAFETY: the caller's promise.
    unsafe { copy(end, from, most) };
    to
}

/// Writes exactly so many units: those of the text, and NULs behind them.
///
/// # Safety
///
/// There is room for them; the text ends in a NUL or has so many units.
unsafe fn put_exactly<U: Unit>(to: *mut U, from: *const U, count: usize) -> *mut U {
    // SAFETY: the caller's promise.
    let from = unsafe { part(from, count) };
    // SAFETY: the caller's promise.
    unsafe { put(to, from) };
    for index in from.len()..count {
        // SAFETY: the caller's promise.
        let place = unsafe { to.add(index) };
        // SAFETY: as above.
        unsafe { place.write(U::from(0)) };
    }
    to
}

/// Negative, zero or positive, by the first units that differ.
///
/// # Safety
///
/// Both end in a NUL, or have so many units.
unsafe fn compare<U: Unit>(
    first: *const U,
    second: *const U,
    count: usize,
    key: fn(U) -> U,
) -> i32 {
    // SAFETY: the caller's promise.
    let (first, second) = (unsafe { part(first, count) }, unsafe {
        part(second, count)
    });
    let first = first.iter().copied().map(key);
    match first.cmp(second.iter().copied().map(key)) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}

fn same<U>(unit: U) -> U {
    unit
}

/// A place in a text, or null.
///
/// # Safety
///
/// The index is within the text.
unsafe fn place<U>(text: *const U, index: Option<usize>) -> *mut U {
    // SAFETY: the caller's promise.
    index.map_or(core::ptr::null_mut(), |index| unsafe {
        text.add(index).cast_mut()
    })
}

/// The first such unit, where the NUL is one too.
///
/// # Safety
///
/// The text ends in a NUL.
unsafe fn first<U: Unit>(of: *const U, unit: impl Into<i64>) -> *mut U {
    let unit = U::of(unit.into() as u32);
    // SAFETY: the caller's promise.
    let units = unsafe { text(of) };
    let index = if unit == U::from(0) {
        Some(units.len())
    } else {
        units.iter().position(|&other| other == unit)
    };
    // SAFETY: it was found there.
    unsafe { place(of, index) }
}

/// The last such unit, where the NUL is one too.
///
/// # Safety
///
/// The text ends in a NUL.
unsafe fn last<U: Unit>(of: *const U, unit: impl Into<i64>) -> *mut U {
    let unit = U::of(unit.into() as u32);
    // SAFETY: the caller's promise.
    let units = unsafe { text(of) };
    let index = if unit == U::from(0) {
        Some(units.len())
    } else {
        units.iter().rposition(|&other| other == unit)
    };
    // SAFETY: it was found there.
    unsafe { place(of, index) }
}

/// The first place where the other text is.
///
/// # Safety
///
/// Both end in a NUL.
unsafe fn find<U: Unit>(of: *const U, wanted: *const U) -> *mut U {
    // SAFETY: the caller's promise.
    let (units, wanted) = (unsafe { text(of) }, unsafe { text(wanted) });
    let index = if wanted.is_empty() {
        Some(0)
    } else {
        units.windows(wanted.len()).position(|part| part == wanted)
    };
    // SAFETY: it was found there.
    unsafe { place(of, index) }
}

/// How many units from the start on are, or are not, in the other text.
///
/// # Safety
///
/// Both end in a NUL.
unsafe fn span<U: Unit>(of: *const U, set: *const U, within: bool) -> usize {
    // SAFETY: the caller's promise.
    let (units, set) = (unsafe { text(of) }, unsafe { text(set) });
    units
        .iter()
        .take_while(|unit| set.contains(unit) == within)
        .count()
}

/// Changes each unit of a text, or of as many as said.
///
/// # Safety
///
/// The text ends in a NUL, or has so many units.
unsafe fn change<U: Unit>(of: *mut U, most: usize, change: impl Fn(U) -> U) -> *mut U {
    // SAFETY: the caller's promise.
    let count = unsafe { length(of, most) };
    for index in 0..count {
        // SAFETY: within the text.
        let place = unsafe { of.add(index) };
        // SAFETY: as above.
        let unit = unsafe { place.read() };
        // SAFETY: as above.
        unsafe { place.write(change(unit)) };
    }
    of
}

/// Turns a text round.
///
/// # Safety
///
/// It ends in a NUL.
unsafe fn reverse<U: Unit>(of: *mut U) -> *mut U {
    // SAFETY: the caller's promise.
    let count = unsafe { length(of, usize::MAX) };
    // SAFETY: as above.
    unsafe { core::slice::from_raw_parts_mut(of, count) }.reverse();
    of
}

/// The first such byte among so many.
///
/// # Safety
///
/// There are so many bytes, or such a byte.
unsafe fn find_byte(of: *const u8, byte: u8, count: usize) -> *mut u8 {
    for index in 0..count {
        // SAFETY: the caller's promise.
        let place = unsafe { of.add(index) };
        // SAFETY: as above.
        if unsafe { place.read() } == byte {
            return place.cast_mut();
        }
    }
    core::ptr::null_mut()
}

/// All of a text.
const ALL: usize = usize::MAX;

/// Defines a routine for bytes and one for UTF-16.
macro_rules! both {
    ($($(#[$meta:meta])* $narrow:ident $wide:ident ($($argument:ident: $type:tt),*) -> $return:tt = $body:expr;)*) => { $(
        c_export! {
            $(#[$meta])*
            fn $narrow($($argument: both!(@narrow $type)),*) -> both!(@narrow $return) {
                // SAFETY: the caller's promise, as C has it.
                unsafe { $body }
            }
            $(#[$meta])*
            fn $wide($($argument: both!(@wide $type)),*) -> both!(@wide $return) {
                // SAFETY: the caller's promise, as C has it.
                unsafe { $body }
            }
        }
    )* };
    (@narrow Text) => { *const u8 };
    (@narrow Buffer) => { *mut u8 };
    (@narrow Character) => { i32 };
    (@narrow $other:ty) => { $other };
    (@wide Text) => { *const u16 };
    (@wide Buffer) => { *mut u16 };
    (@wide Character) => { u16 };
    (@wide $other:ty) => { $other };
}

both! {
    /// The units before the NUL, at most so many.
    strnlen wcsnlen (of: Text, most: usize) -> usize = length(of, most);
    /// Compares two texts.
    strcmp wcscmp (first: Text, second: Text) -> i32 = compare(first, second, ALL, same);
    /// Compares two texts, as far as so many units.
    strncmp wcsncmp (first: Text, second: Text, count: usize) -> i32 =
        compare(first, second, count, same);
    /// Compares two texts, whatever the case of their letters.
    _stricmp _wcsicmp (first: Text, second: Text) -> i32 =
        compare(first, second, ALL, Unit::lower);
    /// Compares two texts, as far as so many units, whatever the case of their letters.
    _strnicmp _wcsnicmp (first: Text, second: Text, count: usize) -> i32 =
        compare(first, second, count, Unit::lower);
    /// Copies a text.
    strcpy wcscpy (to: Buffer, from: Text) -> Buffer = copy(to, from, ALL);
    /// Copies exactly so many units: the rest is NULs, and none follows a longer text.
    strncpy wcsncpy (to: Buffer, from: Text, count: usize) -> Buffer =
        put_exactly(to, from, count);
    /// Copies a text behind another.
    strcat wcscat (to: Buffer, from: Text) -> Buffer = append(to, from, ALL);
    /// Copies at most so many units of a text, and a NUL, behind another.
    strncat wcsncat (to: Buffer, from: Text, count: usize) -> Buffer = append(to, from, count);
    /// The first such character, or the NUL.
    strchr wcschr (of: Text, character: Character) -> Buffer = first(of, character);
    /// The last such character, or the NUL.
    strrchr wcsrchr (of: Text, character: Character) -> Buffer = last(of, character);
    /// The first place where a text is in another.
    strstr wcsstr (of: Text, wanted: Text) -> Buffer = find(of, wanted);
    /// How many characters from the start on are in a set.
    strspn wcsspn (of: Text, set: Text) -> usize = span(of, set, true);
    /// How many characters from the start on are not in a set.
    strcspn wcscspn (of: Text, set: Text) -> usize = span(of, set, false);
    /// Lower case, in place.
    _strlwr _wcslwr (of: Buffer) -> Buffer = change(of, ALL, Unit::lower);
    /// Upper case, in place.
    _strupr _wcsupr (of: Buffer) -> Buffer = change(of, ALL, Unit::upper);
    /// Turns a text round, in place.
    _strrev _wcsrev (of: Buffer) -> Buffer = reverse(of);
    /// Makes so many characters of a text one and the same.
    _strnset _wcsnset (of: Buffer, character: Character, count: usize) -> Buffer =
        change(of, count, |_| Unit::of(i64::from(character) as u32));
}

c_export! {
    /// Makes all characters of a text one and the same.
    fn _strset(of: *mut u8, character: i32) -> *mut u8 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { change(of, ALL, |_| character as u8) }
    }
    /// The first such byte among so many.
    fn memchr(of: *const u8, byte: i32, count: usize) -> *mut u8 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { find_byte(of, byte as u8, count) }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn narrow(text: &str) -> Vec<u8> {
        text.bytes().chain([0]).collect()
    }

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().chain([0]).collect()
    }

    #[test]
    fn texts_compare_by_the_first_units_that_differ() {
        for (first, second, count, expected) in [
            ("", "", 9, 0),
            ("a", "a", 9, 0),
            ("a", "b", 9, -1),
            ("ab", "a", 9, 1),
            ("ab", "ac", 1, 0),
            ("ab", "ac", 0, 0),
            ("A", "a", 9, -1),
        ] {
            let (a, b) = (narrow(first), narrow(second));
            // SAFETY: texts that end in a NUL.
            assert_eq!(unsafe { strncmp(a.as_ptr(), b.as_ptr(), count) }, expected);
            let (a, b) = (wide(first), wide(second));
            // SAFETY: as above.
            assert_eq!(unsafe { wcsncmp(a.as_ptr(), b.as_ptr(), count) }, expected);
        }
        let (high, low) = ([0xff_u8, 0], [0x01_u8, 0]);
        // SAFETY: as above. Bytes are compared without a sign.
        assert_eq!(unsafe { strcmp(high.as_ptr(), low.as_ptr()) }, 1);
        let (upper, lower) = (wide("[AZ_"), wide("[az_"));
        // SAFETY: as above.
        assert_eq!(unsafe { _wcsicmp(upper.as_ptr(), lower.as_ptr()) }, 0);
        // SAFETY: as above: the letters come behind `_` and not before.
        let (one, other) = (narrow("_"), narrow("A"));
        // SAFETY: as above.
        assert_eq!(unsafe { _stricmp(one.as_ptr(), other.as_ptr()) }, -1);
    }

    #[test]
    fn a_copy_of_so_many_units_is_filled_up_or_has_no_nul() {
        let from = narrow("abc");
        for (count, expected) in [
            (0, *b"......"),
            (2, *b"ab...."),
            (3, *b"abc..."),
            (4, *b"abc\0.."),
            (6, *b"abc\0\0\0"),
        ] {
            let mut to = *b"......";
            // SAFETY: there is room.
            let given = unsafe { strncpy(to.as_mut_ptr(), from.as_ptr(), count) };
            assert_eq!((to, given), (expected, to.as_mut_ptr()), "{count}");
        }
    }

    #[test]
    fn an_appended_text_always_ends() {
        let from = wide("abc");
        for (count, expected) in [(0, "x\0####"), (2, "xab\0##"), (9, "xabc\0#")] {
            let mut to: Vec<u16> = "x\0####".encode_utf16().collect();
            // SAFETY: there is room.
            unsafe { wcsncat(to.as_mut_ptr(), from.as_ptr(), count) };
            assert_eq!(to, expected.encode_utf16().collect::<Vec<_>>(), "{count}");
        }
    }

    #[test]
    fn searches_find_the_first_the_last_and_the_nul() {
        let text = narrow("abcab");
        let start = text.as_ptr();
        let at = |found: *mut u8| (!found.is_null()).then(|| found.addr() - start.addr());
        for (wanted, first, last) in [(98, 1, 4), (0, 5, 5)] {
            // SAFETY: a text that ends in a NUL.
            assert_eq!(at(unsafe { strchr(start, wanted) }), Some(first));
            // SAFETY: as above.
            assert_eq!(at(unsafe { strrchr(start, wanted) }), Some(last));
        }
        // SAFETY: as above. Of the character only a byte counts.
        assert_eq!(at(unsafe { strchr(start, 0x161) }), Some(0));
        // SAFETY: as above.
        assert_eq!(at(unsafe { strchr(start, 120) }), None);
        for (wanted, expected) in [
            ("ab", Some(0)),
            ("ca", Some(2)),
            ("", Some(0)),
            ("abx", None),
        ] {
            let wanted = narrow(wanted);
            // SAFETY: as above.
            assert_eq!(at(unsafe { strstr(start, wanted.as_ptr()) }), expected);
        }
        let set = narrow("ab");
        // SAFETY: as above.
        assert_eq!(unsafe { strspn(start, set.as_ptr()) }, 2);
        // SAFETY: as above.
        assert_eq!(unsafe { strcspn(start, set.as_ptr()) }, 0);
        // SAFETY: there are so many bytes.
        assert_eq!(at(unsafe { memchr(start, 99, 2) }), None);
        // SAFETY: as above.
        assert_eq!(at(unsafe { memchr(start, 99, 3) }), Some(2));
    }

    #[test]
    fn texts_are_changed_in_place() {
        let mut text = narrow("aBc");
        let start = text.as_mut_ptr();
        // SAFETY: a text that ends in a NUL.
        unsafe { _strupr(start) };
        // SAFETY: as above.
        unsafe { _strrev(start) };
        assert_eq!(text, *b"CBA\0");
        let mut text = wide("abcd");
        // SAFETY: as above.
        unsafe { _wcsnset(text.as_mut_ptr(), 120, 2) };
        assert_eq!(text, wide("xxcd"));
        // SAFETY: as above.
        unsafe { _wcsnset(text.as_mut_ptr(), 121, 99) };
        assert_eq!(text, wide("yyyy"));
    }
}
