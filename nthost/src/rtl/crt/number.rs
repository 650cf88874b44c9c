//! Numbers as text, and text as numbers.

use super::{
    Unit, c_export,
    checked::{TOO_SMALL, WRONG},
    text,
};

/// What the text of a number is: the number as far as it could be kept, and where the text ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parsed {
    negative: bool,
    /// Cut to the largest number that there is.
    magnitude: u64,
    /// Units up to the end of the number; zero if there is none.
    end: usize,
}

/// Reads a number, in a base of 2 to 36, or as the text tells by `0x` or `0` if that is zero.
fn parse<U: Unit>(units: &[U], mut base: u32) -> Parsed {
    let code = |index: usize| units.get(index).map_or(0, |unit| unit.code());
    let digit = |index: usize, base| char::from_u32(code(index)).and_then(|c| c.to_digit(base));
    let mut at = 0;
    while matches!(code(at), 9..=13 | 0x20) {
        at += 1;
    }
    let negative = code(at) == u32::from(b'-');
    if negative || code(at) == u32::from(b'+') {
        at += 1;
    }
    let hexadecimal = code(at) == u32::from(b'0')
        && matches!(code(at + 1), 0x58 | 0x78)
        && digit(at + 2, 16).is_some();
    if matches!(base, 0 | 16) && hexadecimal {
        at += 2;
        base = 16;
    } else if base == 0 {
        base = if code(at) == u32::from(b'0') { 8 } else { 10 };
    }
    let (mut magnitude, mut end) = (0_u64, 0);
    if (2..=36).contains(&base) {
        while let Some(value) = digit(at, base) {
            magnitude = magnitude
                .checked_mul(base.into())
                .and_then(|product| product.checked_add(value.into()))
                .unwrap_or(u64::MAX);
            at += 1;
            end = at;
        }
    }
    Parsed {
        negative,
        magnitude,
        end,
    }
}

impl Parsed {
    /// As a number of 32 bits with a sign; the nearest that there is.
    fn signed(self) -> i32 {
        let magnitude = i64::try_from(self.magnitude).unwrap_or(i64::MAX);
        let value = if self.negative { -magnitude } else { magnitude };
        value.clamp(i32::MIN.into(), i32::MAX.into()) as i32
    }

    /// As a number of so many bits without a sign; the largest if it is larger. A sign turns it
    /// round.
    const fn unsigned(self, largest: u64) -> u64 {
        if self.magnitude > largest {
            largest
        } else if self.negative {
            self.magnitude.wrapping_neg() & largest
        } else {
            self.magnitude
        }
    }
}

/// Reads a number of a text, and says where it ends.
///
/// # Safety
///
/// The text ends in a NUL; the end is null or can be written.
unsafe fn read<U: Unit>(from: *const U, end: *mut *const U, base: i32) -> Parsed {
    // SAFETY: the caller's promise.
    let parsed = parse(unsafe { text(from) }, base.cast_unsigned());
    if !end.is_null() {
        // SAFETY: within the text.
        let place = unsafe { from.add(parsed.end) };
        // SAFETY: the caller's promise.
        unsafe { end.write(place) };
    }
    parsed
}

/// The digits of a number, the last first; how many. Letters are in lower case.
fn digits<U: Unit>(mut value: u64, base: u32, negative: bool) -> ([U; 66], usize) {
    let mut digits = [U::from(0); 66];
    let mut count = 0;
    loop {
        let digit = char::from_digit((value % u64::from(base)) as u32, base).unwrap_or('0');
        digits[count] = U::of(digit.into());
        count += 1;
        value /= u64::from(base);
        if value == 0 {
            break;
        }
    }
    if negative {
        digits[count] = U::from(b'-');
        count += 1;
    }
    (digits, count)
}

/// Writes a number and a NUL into a buffer of so many units.
///
/// # Safety
///
/// It has so many.
unsafe fn write<U: Unit>(
    value: u64,
    negative: bool,
    buffer: *mut U,
    size: usize,
    base: i32,
) -> i32 {
    if buffer.is_null() || size == 0 {
        return WRONG;
    }
    // SAFETY: there is room for a NUL.
    unsafe { buffer.write(U::from(0)) };
    let base = base.cast_unsigned();
    if !(2..=36).contains(&base) {
        return WRONG;
    }
    let (digits, count) = digits::<U>(value, base, negative);
    if count >= size {
        return TOO_SMALL;
    }
    let units = digits[..count].iter().rev().copied().chain([U::from(0)]);
    for (index, unit) in units.enumerate() {
        // SAFETY: within the buffer.
        let place = unsafe { buffer.add(index) };
        // SAFETY: as above.
        unsafe { place.write(unit) };
    }
    0
}

/// A number of 32 bits: only in base ten is it one with a sign.
const fn long(value: i32, base: i32) -> (u64, bool) {
    if base == 10 && value < 0 {
        (value.unsigned_abs() as u64, true)
    } else {
        (value.cast_unsigned() as u64, false)
    }
}

/// A number of 64 bits, likewise.
const fn quad(value: i64, base: i32) -> (u64, bool) {
    if base == 10 && value < 0 {
        (value.unsigned_abs(), true)
    } else {
        (value.cast_unsigned(), false)
    }
}

/// Room enough: the caller promises it.
const ENOUGH: usize = usize::MAX;

macro_rules! writers {
    ($($(#[$meta:meta])* $name:ident $checked:ident ($value:ty, $unit:ty) = $split:expr;)*) => { $(
        c_export! {
            $(#[$meta])*
            fn $name(value: $value, buffer: *mut $unit, base: i32) -> *mut $unit {
                let (value, negative) = $split(value, base);
                // SAFETY: the caller's promise, as C has it.
                unsafe { write(value, negative, buffer, ENOUGH, base) };
                buffer
            }
            $(#[$meta])*
            fn $checked(value: $value, buffer: *mut $unit, size: usize, base: i32) -> i32 {
                let (value, negative) = $split(value, base);
                // SAFETY: the caller's promise, as C has it.
                unsafe { write(value, negative, buffer, size, base) }
            }
        }
    )* };
}

writers! {
    /// Writes a number in a base.
    _itoa _itoa_s (i32, u8) = long;
    /// Writes a number in a base.
    _itow _itow_s (i32, u16) = long;
    /// Writes a number in a base.
    _ltoa _ltoa_s (i32, u8) = long;
    /// Writes a number in a base.
    _ltow _ltow_s (i32, u16) = long;
    /// Writes a number without a sign in a base.
    _ultoa _ultoa_s (u32, u8) = |value: u32, _| (u64::from(value), false);
    /// Writes a number without a sign in a base.
    _ultow _ultow_s (u32, u16) = |value: u32, _| (u64::from(value), false);
    /// Writes a number of 64 bits in a base.
    _i64toa _i64toa_s (i64, u8) = quad;
    /// Writes a number of 64 bits in a base.
    _i64tow _i64tow_s (i64, u16) = quad;
    /// Writes a number of 64 bits without a sign in a base.
    _ui64toa _ui64toa_s (u64, u8) = |value: u64, _| (value, false);
    /// Writes a number of 64 bits without a sign in a base.
    _ui64tow _ui64tow_s (u64, u16) = |value: u64, _| (value, false);
}

c_export! {
    /// Reads a number.
    fn atoi(from: *const u8) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { read(from, core::ptr::null_mut(), 10) }.signed()
    }
    /// Reads a number.
    fn atol(from: *const u8) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { read(from, core::ptr::null_mut(), 10) }.signed()
    }
    /// Reads a number.
    fn _wtoi(from: *const u16) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { read(from, core::ptr::null_mut(), 10) }.signed()
    }
    /// Reads a number.
    fn _wtol(from: *const u16) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { read(from, core::ptr::null_mut(), 10) }.signed()
    }
    /// Reads a number in a base, and says where it ends.
    fn strtol(from: *const u8, end: *mut *const u8, base: i32) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { read(from, end, base) }.signed()
    }
    /// Reads a number without a sign in a base, and says where it ends.
    fn strtoul(from: *const u8, end: *mut *const u8, base: i32) -> u32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { read(from, end, base) }.unsigned(u32::MAX.into()) as u32
    }
    /// Reads a number in a base, and says where it ends.
    fn wcstol(from: *const u16, end: *mut *const u16, base: i32) -> i32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { read(from, end, base) }.signed()
    }
    /// Reads a number without a sign in a base, and says where it ends.
    fn wcstoul(from: *const u16, end: *mut *const u16, base: i32) -> u32 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { read(from, end, base) }.unsigned(u32::MAX.into()) as u32
    }
    /// Reads a number of 64 bits without a sign in a base, and says where it ends.
    fn _strtoui64(from: *const u8, end: *mut *const u8, base: i32) -> u64 {
        // SAFETY: the caller's promise, as C has it.
        unsafe { read(from, end, base) }.unsigned(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_far_as_it_is_a_number() {
        for (text, base, value, end) in [
            ("12x", 10, 12, 2),
            (" \t-12", 10, -12, 5),
            ("+7", 0, 7, 2),
            ("0x1F", 0, 31, 4),
            ("0x1F", 16, 31, 4),
            ("0xg", 16, 0, 1),
            ("017", 0, 15, 3),
            ("zz", 36, 1295, 2),
            ("x", 10, 0, 0),
            ("-", 10, 0, 0),
            ("2147483648", 10, i32::MAX, 10),
            ("-99999999999999999999", 10, i32::MIN, 21),
            ("1", 1, 0, 0),
        ] {
            let parsed = parse(text.as_bytes(), base);
            assert_eq!(
                (parsed.signed(), parsed.end),
                (value, end),
                "{text} in {base}"
            );
        }
    }

    #[test]
    fn a_number_without_a_sign_is_turned_round_by_one() {
        let unsigned = |text: &str, largest| parse(text.as_bytes(), 10).unsigned(largest);
        assert_eq!(unsigned("-1", u32::MAX.into()), u32::MAX.into());
        assert_eq!(unsigned("4294967296", u32::MAX.into()), u32::MAX.into());
        assert_eq!(unsigned("4294967296", u64::MAX), 4_294_967_296);
        assert_eq!(unsigned("99999999999999999999", u64::MAX), u64::MAX);
    }

    #[test]
    fn a_number_is_written_in_any_base_and_with_a_sign_in_base_ten() {
        let mut buffer = [0_u8; 72];
        for (value, base, expected) in [
            (0, 10, "0"),
            (-1, 10, "-1"),
            (-1, 16, "ffffffff"),
            (35, 36, "z"),
            (i32::MIN, 10, "-2147483648"),
            (5, 2, "101"),
        ] {
            // SAFETY: there is room.
            unsafe { _itoa(value, buffer.as_mut_ptr(), base) };
            let count = buffer.iter().position(|&byte| byte == 0).unwrap();
            assert_eq!(&buffer[..count], expected.as_bytes());
        }
        // SAFETY: there is room: 64 digits and a NUL.
        unsafe { _ui64toa(u64::MAX, buffer.as_mut_ptr(), 2) };
        assert_eq!(&buffer[..65], [&[b'1'; 64][..], &[0]].concat());
    }

    #[test]
    fn a_number_that_does_not_fit_leaves_the_buffer_empty() {
        for (size, base, result, expected) in [
            (4, 10, 0, [b'1', b'2', b'3', 0]),
            (3, 10, TOO_SMALL, [0, 1, 1, 1]),
            (4, 1, WRONG, [0, 1, 1, 1]),
            (0, 10, WRONG, [1; 4]),
        ] {
            let mut buffer = [1_u16; 4];
            // SAFETY: the test's own.
            let given = unsafe { _itow_s(123, buffer.as_mut_ptr(), size, base) };
            assert_eq!((given, buffer), (result, expected.map(u16::from)));
        }
    }
}
