//! C's formatted output, as the kernel's `DbgPrint` and `_vsnprintf` know it.
//!
//! Source: "Format specification syntax: printf and wprintf functions", with the kernel's
//! additions `%wZ`, `%wS` and `%ws`.

use alloc::{format, string::String};

/// Gives the arguments of a call one by one, each a 64-bit slot as the calling convention has.
pub trait Arguments {
    /// The next argument.
    fn next(&mut self) -> u64;
    /// The bytes of a string up to its NUL, or up to a limit; `None` if it cannot be read.
    fn string(&self, address: u64, limit: usize) -> Option<String>;
    /// The UTF-16 string at an address, up to its NUL or a limit.
    fn wide_string(&self, address: u64, limit: usize) -> Option<String>;
    /// The counted string that a `UNICODE_STRING` (or, if not wide, an `ANSI_STRING`) is.
    fn counted_string(&self, address: u64, wide: bool) -> Option<String>;
    /// A conversion takes UTF-16 text.
    fn takes_wide_text(&mut self) {}
}

#[derive(Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are the five flags of a conversion"
)]
struct Specification {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

impl Specification {
    fn pad(&self, sign: &str, digits: &str, out: &mut String) {
        let length = sign.chars().count() + digits.chars().count();
        let missing = self.width.saturating_sub(length);
        let zeros = self.zero && self.precision.is_none();
        if !self.left && !zeros {
            out.extend(core::iter::repeat_n(' ', missing));
        }
        out.push_str(sign);
        if !self.left && zeros {
            out.extend(core::iter::repeat_n('0', missing));
        }
        out.push_str(digits);
        if self.left {
            out.extend(core::iter::repeat_n(' ', missing));
        }
    }

    fn text(&self, text: &str, out: &mut String) {
        let text: String = text
            .chars()
            .take(self.precision.unwrap_or(usize::MAX))
            .collect();
        Self {
            zero: false,
            precision: None,
            ..*self
        }
        .pad("", &text, out);
    }

    fn number(&self, sign: &str, mut digits: String, out: &mut String) {
        if let Some(precision) = self.precision {
            if precision == 0 && digits == "0" {
                digits.clear();
            }
            let missing = precision.saturating_sub(digits.len());
            digits.insert_str(0, &"0".repeat(missing));
        }
        self.pad(sign, &digits, out);
    }
}

/// What `%s` and `%c` mean without a prefix, and `%S` and `%C` mean the opposite of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Bytes.
    Narrow,
    /// UTF-16.
    Wide,
}

/// The longest text that an argument is followed to.
const LONGEST: usize = 1 << 16;

/// Bits of an integer argument.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Byte,
    Short,
    Long,
    Quad,
}

/// Formats as C does. What cannot be read is written as `(null)`, or as its address.
#[must_use]
pub fn format_string(format: &str, width_of_text: Width, arguments: &mut impl Arguments) -> String {
    let mut out = String::new();
    let mut rest = format.chars().peekable();
    while let Some(char) = rest.next() {
        if char != '%' {
            out.push(char);
            continue;
        }
        let mut spec = Specification::default();
        while let Some(&flag) = rest.peek() {
            match flag {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                _ => break,
            }
            rest.next();
        }
        let mut number = |rest: &mut core::iter::Peekable<core::str::Chars<'_>>| {
            if rest.next_if_eq(&'*').is_some() {
                return arguments.next() as u32 as i32;
            }
            let mut value = 0_i32;
            while let Some(digit) = rest.peek().and_then(|char| char.to_digit(10)) {
                value = value.saturating_mul(10).saturating_add(digit.cast_signed());
                rest.next();
            }
            value
        };
        let width = number(&mut rest);
        spec.left |= width < 0;
        // No field of a message needs more.
        spec.width = (width.unsigned_abs() as usize).min(4096);
        if rest.next_if_eq(&'.').is_some() {
            spec.precision = usize::try_from(number(&mut rest)).ok().map(|p| p.min(4096));
        }
        let (mut size, mut wide) = (Size::Long, false);
        loop {
            match rest.peek() {
                Some('h') if size == Size::Short => size = Size::Byte,
                Some('h') => size = Size::Short,
                Some('l') if wide => size = Size::Quad,
                // `long` has 32 bits; `long long` 64. As a prefix of text it means wide.
                Some('w' | 'l') => wide = true,
                Some('z' | 't' | 'j') => size = Size::Quad,
                Some('I') => {
                    let mut ahead = rest.clone();
                    ahead.next();
                    size = Size::Quad;
                    if ahead.next_if_eq(&'6').is_some() && ahead.next_if_eq(&'4').is_some() {
                        rest = ahead;
                        continue;
                    }
                    let mut ahead = rest.clone();
                    ahead.next();
                    if ahead.next_if_eq(&'3').is_some() && ahead.next_if_eq(&'2').is_some() {
                        size = Size::Long;
                        rest = ahead;
                        continue;
                    }
                }
                _ => break,
            }
            rest.next();
        }
        let Some(conversion) = rest.next() else { break };
        // A prefix says what a text is made of; without one the conversion and the routine do.
        let other = matches!(conversion, 'S' | 'C');
        let wide = wide
            || conversion != 'Z' && size != Size::Short && other != (width_of_text == Width::Wide);
        convert(conversion, &spec, size, wide, arguments, &mut out);
    }
    out
}

fn convert(
    conversion: char,
    spec: &Specification,
    size: Size,
    wide: bool,
    arguments: &mut impl Arguments,
    out: &mut String,
) {
    if wide && matches!(conversion, 'c' | 'C' | 's' | 'S' | 'Z') {
        arguments.takes_wide_text();
    }
    match conversion {
        '%' => out.push('%'),
        'd' | 'i' => {
            let value = arguments.next();
            let value = match size {
                Size::Byte => i64::from(value as u8 as i8),
                Size::Short => i64::from(value as u16 as i16),
                Size::Long => i64::from(value as u32 as i32),
                Size::Quad => value as i64,
            };
            let sign = match value {
                value if value < 0 => "-",
                _ if spec.plus => "+",
                _ if spec.space => " ",
                _ => "",
            };
            spec.number(sign, format!("{}", value.unsigned_abs()), out);
        }
        'u' | 'x' | 'X' | 'o' => {
            let value = arguments.next();
            let value = match size {
                Size::Byte => value & 0xff,
                Size::Short => value & 0xffff,
                Size::Long => value & 0xffff_ffff,
                Size::Quad => value,
            };
            let prefix = if spec.alternate && value != 0 {
                conversion
            } else {
                ' '
            };
            let (prefix, digits) = match conversion {
                'u' => ("", format!("{value}")),
                'x' => (if prefix == 'x' { "0x" } else { "" }, format!("{value:x}")),
                'X' => (if prefix == 'X' { "0X" } else { "" }, format!("{value:X}")),
                _ => (if prefix == 'o' { "0" } else { "" }, format!("{value:o}")),
            };
            spec.number(prefix, digits, out);
        }
        'p' => {
            let digits = format!("{:016X}", arguments.next());
            spec.text(&digits, out);
        }
        'c' | 'C' => {
            let value = arguments.next();
            let char = char::from_u32(value as u32 & if wide { 0xffff } else { 0xff });
            let mut text = String::new();
            text.push(char.unwrap_or('?'));
            spec.text(&text, out);
        }
        's' | 'S' | 'Z' => {
            let address = arguments.next();
            let limit = spec.precision.unwrap_or(LONGEST);
            let text = match (conversion, wide) {
                _ if address == 0 => None,
                ('Z', wide) => arguments.counted_string(address, wide),
                (_, true) => arguments.wide_string(address, limit),
                (_, false) => arguments.string(address, limit),
            };
            spec.text(text.as_deref().unwrap_or("(null)"), out);
        }
        other => out.push(other),
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// Strings are given by their index from 1 on.
    struct Given(Vec<u64>, &'static [&'static str]);

    impl Arguments for Given {
        fn next(&mut self) -> u64 {
            self.0.remove(0)
        }
        fn string(&self, address: u64, limit: usize) -> Option<String> {
            self.1
                .get(address as usize - 1)
                .map(|text| text.chars().take(limit).collect())
        }
        fn wide_string(&self, address: u64, limit: usize) -> Option<String> {
            self.string(address, limit).map(|text| format!("W{text}"))
        }
        fn counted_string(&self, address: u64, wide: bool) -> Option<String> {
            self.string(address, 9)
                .map(|text| format!("{}{text}", if wide { "U" } else { "A" }))
        }
    }

    fn check(format: &str, arguments: &[u64], expected: &str) {
        check_in(Width::Narrow, format, arguments, expected);
    }

    fn check_in(width: Width, format: &str, arguments: &[u64], expected: &str) {
        let mut given = Given(arguments.to_vec(), &["text"]);
        let text = format_string(format, width, &mut given);
        assert_eq!(text, expected, "{format}");
        assert_eq!(given.0, [], "{format} takes all its arguments");
    }

    #[test]
    fn integers_are_cut_to_their_size_and_signed_as_asked() {
        check("%d %u", &[0xffff_ffff, 0x1_ffff_ffff], "-1 4294967295");
        check(
            "%hd %hhu %I64d %lld %llx",
            &[0xffff, 0x1ff, u64::MAX, 7, 0x1_0000_0000],
            "-1 255 -1 7 100000000",
        );
        check(
            "%I32u %zu %ld",
            &[u64::MAX, u64::MAX, u64::MAX],
            "4294967295 18446744073709551615 -1",
        );
        check("%+d % d", &[5, 5], "+5  5");
    }

    #[test]
    fn fields_are_padded_as_asked() {
        check(
            "[%5d][%-5d][%05d][%.3d][%8.3d]",
            &[42; 5],
            "[   42][42   ][00042][042][     042]",
        );
        check("[%*d][%-*d]", &[4, 1, 4, 1], "[   1][1   ]");
        check(
            "%#x %#X %#o %08X",
            &[255, 255, 8, 0xabc],
            "0xff 0XFF 010 00000ABC",
        );
        check("%p", &[0xffff_8000_0000_0000], "FFFF800000000000");
    }

    #[test]
    fn strings_are_narrow_wide_or_counted() {
        check(
            "%s|%ws|%S|%ls|%wZ|%Z",
            &[1; 6],
            "text|Wtext|Wtext|Wtext|Utext|Atext",
        );
        check("%.2s|%6s|%-6s|", &[1; 3], "te|  text|text  |");
        check("%s %wZ", &[0, 0], "(null) (null)");
        check("%c%C %%", &[u64::from(b'a'), u64::from(b'b')], "ab %");
    }

    #[test]
    fn a_wide_routine_takes_texts_without_a_prefix_for_wide() {
        check_in(
            Width::Wide,
            "%s|%S|%hs|%ls|%ws|%wZ|%Z|%hS",
            &[1; 8],
            "Wtext|text|text|Wtext|Wtext|Utext|Atext|text",
        );
        let euro = u64::from(u32::from('€'));
        check_in(Width::Wide, "%c%C%hc", &[euro, euro, 0x161], "€\u{ac}a");
        check("%c%C%hC", &[euro, euro, 0x161], "\u{ac}€a");
    }

    #[test]
    fn a_format_that_ends_in_a_conversion_ends_there() {
        check("50%", &[], "50");
        check("%-08", &[], "");
    }
}
