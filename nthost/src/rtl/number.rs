//! Numbers, identifiers and text, one as the other. Pure: the exported routines are in
//! [`super::convert`].
//!
//! Sources: RtlUnicodeStringToInteger, RtlIntegerToUnicodeString, RtlGUIDFromString,
//! RtlStringFromGUID.

use alloc::{string::String, vec::Vec};

use nthost_nt::guid::GUID;

/// The number that a text begins with; zero if it begins with none. A base of zero has the text
/// tell it by a prefix (`0x`, `0o`, `0b`), and is ten without. `None` for another base than 0,
/// 2, 8, 10 and 16. The sign and a carry beyond 32 bits wrap, as in the kernel.
#[must_use]
pub fn parse(text: &[u16], base: u32) -> Option<u32> {
    let mut rest = text
        .iter()
        .map(|&unit| char::from_u32(u32::from(unit)).unwrap_or(char::REPLACEMENT_CHARACTER))
        .skip_while(|&char| char <= ' ')
        .collect::<Vec<_>>();
    let negative = rest.first() == Some(&'-');
    if matches!(rest.first(), Some('-' | '+')) {
        rest.remove(0);
    }
    let base = match (base, &rest[..]) {
        (0, ['0', 'x', ..]) => {
            rest.drain(..2);
            16
        }
        (0, ['0', 'o', ..]) => {
            rest.drain(..2);
            8
        }
        (0, ['0', 'b', ..]) => {
            rest.drain(..2);
            2
        }
        (0, _) => 10,
        (2 | 8 | 10 | 16, _) => base,
        _ => return None,
    };
    let digits = rest.iter().map_while(|char| char.to_digit(base));
    let value = digits.fold(0_u32, |value, digit| {
        value.wrapping_mul(base).wrapping_add(digit)
    });
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// A number as text, with letters in upper case; ten for a base of zero. `None` for another
/// base than 0, 2, 8, 10 and 16.
#[must_use]
pub fn text(mut value: u64, base: u32) -> Option<String> {
    let base = match base {
        0 => 10,
        2 | 8 | 10 | 16 => base,
        _ => return None,
    };
    let mut digits = Vec::new();
    loop {
        digits.extend(char::from_digit((value % u64::from(base)) as u32, base));
        value /= u64::from(base);
        if value == 0 {
            break;
        }
    }
    Some(digits.iter().rev().map(char::to_ascii_uppercase).collect())
}

/// The identifier that a text such as `{c200e360-38c5-11ce-ae62-08002b2b79ef}` stands for.
#[must_use]
pub fn parse_guid(text: &[u16]) -> Option<GUID> {
    let text = String::from_utf16(text).ok()?;
    let inner = text.strip_prefix('{')?.strip_suffix('}')?;
    let groups: Vec<&str> = inner.split('-').collect();
    let lengths = groups.iter().map(|group| group.len());
    if !lengths.eq([8, 4, 4, 4, 12]) || !inner.chars().all(|c| c == '-' || c.is_ascii_hexdigit()) {
        return None;
    }
    let number = |group: &str| u64::from_str_radix(group, 16).ok();
    let last = number(groups[3])? << 48 | number(groups[4])?;
    Some(GUID {
        Data1: number(groups[0])? as u32,
        Data2: number(groups[1])? as u16,
        Data3: number(groups[2])? as u16,
        Data4: last.to_be_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    #[test]
    fn the_examples_of_the_documentation_convert_as_it_says() {
        for (text, base, value) in [
            ("123", 10, 123),
            ("-345", 10, -345),
            ("xyz", 10, 0),
            ("+678abc", 10, 678),
            ("+678abc", 16, 6_785_724),
            ("007", 10, 7),
            ("789", 8, 7),
            ("FGH", 16, 15),
            (" ", 10, 0),
        ] {
            let parsed = parse(&wide(text), base).map(u32::cast_signed);
            assert_eq!(parsed, Some(value), "{text:?} in base {base}");
        }
    }

    #[test]
    fn a_base_of_zero_is_told_by_the_text() {
        assert_eq!(parse(&wide("0x1f"), 0), Some(31));
        assert_eq!(parse(&wide("0o17"), 0), Some(15));
        assert_eq!(parse(&wide("0b101"), 0), Some(5));
        assert_eq!(parse(&wide("19"), 0), Some(19));
    }

    #[test]
    fn only_the_documented_bases_are_taken() {
        for base in [1, 3, 7, 9, 11, 17, 36] {
            assert_eq!(parse(&wide("1"), base), None, "base {base}");
            assert_eq!(text(1, base), None, "base {base}");
        }
    }

    #[test]
    fn a_number_reads_back_as_it_was_written() {
        for value in [0, 1, 7, 8, 255, 0x8000_0000, u32::MAX] {
            for base in [2, 8, 10, 16] {
                let written = text(value.into(), base).unwrap();
                assert_eq!(parse(&wide(&written), base), Some(value), "{written}");
            }
        }
        assert_eq!(text(48879, 16).as_deref(), Some("BEEF"));
        assert_eq!(text(0, 10).as_deref(), Some("0"));
        assert_eq!(text(u64::MAX, 16).as_deref(), Some("FFFFFFFFFFFFFFFF"));
    }

    #[test]
    fn an_identifier_reads_back_as_it_was_written() {
        let text = "{c200e360-38c5-11ce-ae62-08002b2b79ef}";
        let guid = parse_guid(&wide(text)).unwrap();
        assert_eq!(
            (guid.Data1, guid.Data4[0], guid.Data4[7]),
            (0xc200_e360, 0xae, 0xef)
        );
        assert_eq!(alloc::format!("{guid}"), text);
    }

    #[test]
    fn a_text_that_is_no_identifier_is_none() {
        for text in [
            "",
            "{}",
            "c200e360-38c5-11ce-ae62-08002b2b79ef",
            "{c200e360-38c5-11ce-ae62-08002b2b79ef",
            "{c200e36-038c5-11ce-ae62-08002b2b79ef}",
            "{+200e360-38c5-11ce-ae62-08002b2b79ef}",
            "{c200e360-38c5-11ce-ae62-08002b2b79eg}",
        ] {
            assert_eq!(parse_guid(&wide(text)), None, "{text:?}");
        }
    }
}
