//! From bytes to text: an INF file is ANSI or UTF-16 LE with a byte-order mark.
//!
//! Source: "General guidelines for INF files", "Editing INF files and file encodings". Which
//! ANSI code page counts depends on the machine, so only ASCII is the same everywhere; a file
//! with other characters must be UTF-16 LE.

use thiserror::Error;

/// A file that is not encoded as an INF file may be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EncodingError {
    /// UTF-8 with its mark, which the installer does not know.
    #[error("UTF-8 with a byte-order mark")]
    Utf8Mark,
    /// UTF-16 in the other byte order.
    #[error("UTF-16 BE")]
    Utf16Be,
    /// UTF-16 LE that ends in half a character, or has half a surrogate pair.
    #[error("UTF-16 LE that is malformed")]
    Utf16,
    /// A byte whose meaning depends on the code page.
    #[error("byte 0x{byte:02x} on line {line}, which only UTF-16 LE can hold safely")]
    NotAscii {
        /// The byte.
        byte: u8,
        /// Its line, from 1.
        line: u32,
    },
}

/// Decodes a file.
///
/// # Errors
/// Where the encoding is none that the installer reads in the same way everywhere.
pub fn decode(bytes: &[u8]) -> Result<String, EncodingError> {
    match bytes {
        [0xef, 0xbb, 0xbf, ..] => Err(EncodingError::Utf8Mark),
        [0xfe, 0xff, ..] => Err(EncodingError::Utf16Be),
        [0xff, 0xfe, rest @ ..] => {
            if !rest.len().is_multiple_of(2) {
                return Err(EncodingError::Utf16);
            }
            let units: Vec<u16> = rest
                .as_chunks()
                .0
                .iter()
                .map(|&pair| u16::from_le_bytes(pair))
                .collect();
            String::from_utf16(&units).map_err(|_| EncodingError::Utf16)
        }
        _ => {
            let mut line = 1;
            for &byte in bytes {
                if !byte.is_ascii() {
                    return Err(EncodingError::NotAscii { byte, line });
                }
                line += u32::from(byte == b'\n');
            }
            Ok(bytes.iter().map(|&byte| char::from(byte)).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_and_utf16_le_are_read() {
        assert_eq!(decode(b"[a]\r\n"), Ok("[a]\r\n".to_owned()));
        assert_eq!(decode(&[0xff, 0xfe, b'a', 0, 0xe9, 0]), Ok("aé".to_owned()));
    }

    #[test]
    fn other_encodings_are_refused() {
        assert_eq!(decode(b"\xef\xbb\xbfa"), Err(EncodingError::Utf8Mark));
        assert_eq!(decode(b"\xfe\xff\0a"), Err(EncodingError::Utf16Be));
        assert_eq!(decode(b"\xff\xfea"), Err(EncodingError::Utf16));
        assert_eq!(
            decode(b"a\n\xe9"),
            Err(EncodingError::NotAscii {
                byte: 0xe9,
                line: 2
            })
        );
    }
}
