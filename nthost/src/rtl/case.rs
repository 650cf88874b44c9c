//! Letters in upper and lower case, prefixes, and the hash of a string.
//!
//! A letter whose other case takes more than one UTF-16 unit stays as it is.
//!
//! Sources: RtlUpcaseUnicodeChar, RtlDowncaseUnicodeChar, RtlHashUnicodeString,
//! RtlPrefixUnicodeString.

use nthost_nt::{
    rtl::UNICODE_STRING,
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::string;

/// `HASH_STRING_ALGORITHM_DEFAULT`, `HASH_STRING_ALGORITHM_X65599`: the same.
const ALGORITHMS: core::ops::RangeInclusive<u32> = 0..=1;

/// The only unit of a mapping, if it has but one.
fn single(unit: u16, mapping: Option<impl ExactSizeIterator<Item = char>>) -> u16 {
    match mapping {
        Some(mut chars) if chars.len() == 1 => chars
            .next()
            .and_then(|char| u16::try_from(u32::from(char)).ok())
            .unwrap_or(unit),
        _ => unit,
    }
}

/// Upper case.
#[must_use]
pub fn upcase(unit: u16) -> u16 {
    single(
        unit,
        char::from_u32(u32::from(unit)).map(char::to_uppercase),
    )
}

/// Lower case.
#[must_use]
pub fn downcase(unit: u16) -> u16 {
    single(
        unit,
        char::from_u32(u32::from(unit)).map(char::to_lowercase),
    )
}

/// Whether a string begins another.
fn is_prefix(prefix: &[u16], of: &[u16], ignore_case: bool) -> bool {
    let key = |&unit: &u16| if ignore_case { upcase(unit) } else { unit };
    prefix.len() <= of.len()
        && prefix
            .iter()
            .map(key)
            .eq(of[..prefix.len()].iter().map(key))
}

/// The algorithm "x65599".
fn hash(units: &[u16], ignore_case: bool) -> u32 {
    units.iter().fold(0_u32, |hash, &unit| {
        let unit = if ignore_case { upcase(unit) } else { unit };
        hash.wrapping_mul(65599).wrapping_add(u32::from(unit))
    })
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// A character in upper case.
    ///
    /// Source: RtlUpcaseUnicodeChar.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn RtlUpcaseUnicodeChar(unit: u16) -> u16 {
        upcase(unit)
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// A character in lower case.
    ///
    /// Source: RtlDowncaseUnicodeChar.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn RtlDowncaseUnicodeChar(unit: u16) -> u16 {
        downcase(unit)
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether the first string begins the second.
    ///
    /// Source: RtlPrefixUnicodeString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlPrefixUnicodeString(
        prefix: *const UNICODE_STRING,
        of: *const UNICODE_STRING,
        ignore_case: u8,
    ) -> u8 {
        // SAFETY: the caller's promise.
        let (prefix, of) = (unsafe { string::units(prefix) }, unsafe { string::units(of) });
        u8::from(is_prefix(&prefix, &of, ignore_case != 0))
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// A string's hash. STATUS_INVALID_PARAMETER for an algorithm that there is not, and where
    /// there is no string or no place for the value.
    ///
    /// Source: RtlHashUnicodeString.
    ///
    /// # Safety
    ///
    /// It is null or a string; the value is null or can be written.
    pub unsafe fn RtlHashUnicodeString(
        string: *const UNICODE_STRING,
        ignore_case: u8,
        algorithm: u32,
        value: *mut u32,
    ) -> NTSTATUS {
        if string.is_null() || value.is_null() || !ALGORITHMS.contains(&algorithm) {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let units = unsafe { string::units(string) };
        // SAFETY: the caller's promise.
        unsafe { value.write_unaligned(hash(&units, ignore_case != 0)) };
        STATUS_SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    #[test]
    fn letters_have_their_other_case_and_all_else_stays() {
        for (lower, upper) in [("a", "A"), ("z", "Z"), ("ä", "Ä"), ("я", "Я"), ("ÿ", "Ÿ")] {
            assert_eq!(upcase(wide(lower)[0]), wide(upper)[0], "{lower}");
            assert_eq!(downcase(wide(upper)[0]), wide(lower)[0], "{upper}");
        }
        for unit in [0, 0x20, u16::from(b'1'), 0xd800, 0xdfff, 0xffff] {
            assert_eq!((upcase(unit), downcase(unit)), (unit, unit), "{unit:#x}");
        }
        // Its upper case is two letters.
        assert_eq!(upcase(wide("ß")[0]), wide("ß")[0]);
    }

    #[test]
    fn a_prefix_is_no_longer_than_what_it_begins() {
        let test = |prefix, of, ignore_case| is_prefix(&wide(prefix), &wide(of), ignore_case);
        assert!(test("", "", false));
        assert!(test("", "abc", false));
        assert!(test("ab", "abc", false));
        assert!(!test("AB", "abc", false));
        assert!(test("AB", "abc", true));
        assert!(!test("abcd", "abc", true));
        assert!(!test("bc", "abc", true));
    }

    #[test]
    fn a_hash_that_ignores_case_is_that_of_upper_case() {
        assert_eq!(hash(&[], false), 0);
        assert_eq!(hash(&wide("A"), false), 65);
        assert_eq!(hash(&wide("AB"), false), 65 * 65599 + 66);
        assert_eq!(hash(&wide("aB"), true), hash(&wide("AB"), false));
        assert_ne!(hash(&wide("aB"), false), hash(&wide("AB"), false));
    }

    #[test]
    fn a_hash_needs_a_string_a_place_and_a_known_algorithm() {
        let mut units = wide("AB");
        let string = UNICODE_STRING {
            Length: 4,
            MaximumLength: 4,
            Buffer: units.as_mut_ptr(),
        };
        let mut value = 0;
        let null = core::ptr::null();
        let nowhere = core::ptr::null_mut();
        for (string, algorithm, value, status) in [
            (&raw const string, 0, &raw mut value, STATUS_SUCCESS),
            (&raw const string, 1, &raw mut value, STATUS_SUCCESS),
            (
                &raw const string,
                2,
                &raw mut value,
                STATUS_INVALID_PARAMETER,
            ),
            (null, 0, &raw mut value, STATUS_INVALID_PARAMETER),
            (&raw const string, 0, nowhere, STATUS_INVALID_PARAMETER),
        ] {
            // SAFETY: each is null, or the test's own.
            let given = unsafe { RtlHashUnicodeString(string, 0, algorithm, value) };
            assert_eq!(given, status);
        }
        assert_eq!(value, 65 * 65599 + 66);
    }
}
