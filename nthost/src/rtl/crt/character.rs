//! Kinds of characters, and their cases. What is no character (beyond a byte, or `EOF`) is of no
//! kind and has no case.

use super::{Unit, c_export};

fn is(character: i32, kind: fn(&u8) -> bool) -> i32 {
    u8::try_from(character).is_ok_and(|byte| kind(&byte)).into()
}

c_export! {
    /// Whether it is a digit.
    fn isdigit(character: i32) -> i32 {
        is(character, u8::is_ascii_digit)
    }
    /// Whether it is a hexadecimal digit.
    fn isxdigit(character: i32) -> i32 {
        is(character, u8::is_ascii_hexdigit)
    }
    /// Whether it is a letter.
    fn isalpha(character: i32) -> i32 {
        is(character, u8::is_ascii_alphabetic)
    }
    /// Whether it is a letter or a digit.
    fn isalnum(character: i32) -> i32 {
        is(character, u8::is_ascii_alphanumeric)
    }
    /// Whether it is a letter in lower case.
    fn islower(character: i32) -> i32 {
        is(character, u8::is_ascii_lowercase)
    }
    /// Whether it is a letter in upper case.
    fn isupper(character: i32) -> i32 {
        is(character, u8::is_ascii_uppercase)
    }
    /// Whether it is printed, the blank too.
    fn isprint(character: i32) -> i32 {
        is(character, |byte| (0x20..0x7f).contains(byte))
    }
    /// Whether it is a blank, a tabulator, or an end of a line or page.
    fn isspace(character: i32) -> i32 {
        is(character, |byte| matches!(byte, 9..=13 | 0x20))
    }
    /// Lower case.
    fn tolower(character: i32) -> i32 {
        u8::try_from(character).map_or(character, |byte| byte.lower().into())
    }
    /// Upper case.
    fn toupper(character: i32) -> i32 {
        u8::try_from(character).map_or(character, |byte| byte.upper().into())
    }
    /// Lower case.
    fn towlower(character: u16) -> u16 {
        character.lower()
    }
    /// Upper case.
    fn towupper(character: u16) -> u16 {
        character.upper()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ascii_has_kinds_and_cases() {
        for code in -1..300 {
            let byte = u8::try_from(code).ok();
            let ascii = byte.filter(u8::is_ascii);
            // SAFETY: no preconditions.
            let digit = unsafe { isdigit(code) };
            // SAFETY: no preconditions.
            let lower = unsafe { tolower(code) };
            assert_eq!(digit != 0, ascii.is_some_and(|byte| byte.is_ascii_digit()));
            let expected = byte.map_or(code, |byte| byte.to_ascii_lowercase().into());
            assert_eq!(lower, expected, "{code}");
        }
        for code in [9, 10, 11, 12, 13, 32] {
            // SAFETY: no preconditions.
            assert_eq!(unsafe { isspace(code) }, 1, "{code}");
        }
        // SAFETY: no preconditions.
        assert_eq!(unsafe { isspace(8) }, 0);
        for (code, printed) in [(0x7f, 0), (0x20, 1)] {
            // SAFETY: no preconditions.
            assert_eq!(unsafe { isprint(code) }, printed, "{code:#x}");
        }
        for (character, upper) in [(0x7a, 0x5a), (0xe4, 0xe4)] {
            // SAFETY: no preconditions.
            assert_eq!(unsafe { towupper(character) }, upper, "{character:#x}");
        }
        // SAFETY: no preconditions.
        assert_eq!(unsafe { towlower(0x5a) }, 0x7a);
    }
}
