//! Bytes as people write and read them: hexadecimal digits in, 16 to a line out.

use std::io::{self, Write};

/// Bytes that were given as digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

/// Two digits a byte, with white space wherever it helps.
pub fn hexadecimal(text: &str) -> Result<Bytes, String> {
    let digits: String = text.split_whitespace().collect();
    if digits.len() % 2 == 1 {
        return Err("a byte has two digits".to_owned());
    }
    let byte = |at| {
        let digits = digits
            .get(at..at + 2)
            .ok_or("there is more than ASCII in it")?;
        u8::from_str_radix(digits, 16).map_err(|fault| format!("{digits}: {fault}"))
    };
    let bytes: Result<_, String> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.map(Bytes)
}

/// Shows bytes, 16 to a line.
pub fn dump(out: &mut dyn Write, offset: u64, data: &[u8]) -> io::Result<()> {
    for (index, line) in data.chunks(16).enumerate() {
        write!(out, "{:04x}  ", offset + 16 * index as u64)?;
        for byte in line {
            write!(out, "{byte:02x} ")?;
        }
        let text: String = line.iter().map(|byte| printable(*byte)).collect();
        // The last line may be short; its text stands below the others'.
        writeln!(out, "{:indent$} {text}", "", indent = 3 * (16 - line.len()))?;
    }
    Ok(())
}

fn printable(byte: u8) -> char {
    if byte == b' ' || byte.is_ascii_graphic() {
        char::from(byte)
    } else {
        '.'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_digits_come_in_pairs() {
        assert_eq!(
            hexadecimal("de ad BEef"),
            Ok(Bytes(vec![0xde, 0xad, 0xbe, 0xef]))
        );
        assert_eq!(hexadecimal(""), Ok(Bytes(Vec::new())));
        for wrong in ["d", "dg", "aé", "éa", "0x10"] {
            assert!(hexadecimal(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_are_shown_with_their_addresses_and_as_text() {
        let mut out = Vec::new();
        dump(&mut out, 0x100, b"0123456789abcdef\x00\xff").unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("0100  30 31 32 ") && lines[0].ends_with(" 0123456789abcdef"));
        assert!(lines[1].starts_with("0110  00 ff   ") && lines[1].ends_with(" .."));
    }
}
