//! From bytes to text and back: an INF file is ANSI or UTF-16 LE with a byte-order mark.
//!
//! Source: "General guidelines for INF files", "Editing INF files and file encodings". Which
//! letters the bytes above 0x7f of an ANSI file stand for depends on the machine's code page. What
//! the grammar knows is ASCII, so they are kept as they are: where they are UTF-8, as they are in
//! many a file that nobody meant to write so, as its characters (a no-break space is white space
//! then), and elsewhere each as a character of its own.

use thiserror::Error;

/// How a file is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// In the code page of the machine.
    Ansi,
    /// The same, with bytes that are UTF-8.
    AnsiUtf8,
    /// UTF-16 LE with its mark.
    Utf16,
}

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
}

/// Decodes a file.
///
/// # Errors
/// Where the encoding is none that the installer reads.
pub fn decode(bytes: &[u8]) -> Result<(String, Encoding), EncodingError> {
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
            let text = String::from_utf16(&units).map_err(|_| EncodingError::Utf16)?;
            Ok((text, Encoding::Utf16))
        }
        _ => Ok(std::str::from_utf8(bytes).map_or_else(
            |_| {
                let text = bytes.iter().map(|&byte| char::from(byte)).collect();
                (text, Encoding::Ansi)
            },
            |text| (text.to_owned(), Encoding::AnsiUtf8),
        )),
    }
}

/// Encodes a text that was decoded.
#[must_use]
pub fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        // Every character was a byte; what is added to a text is ASCII.
        Encoding::Ansi => text
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?'))
            .collect(),
        Encoding::AnsiUtf8 => text.as_bytes().to_vec(),
        Encoding::Utf16 => std::iter::once(0xfeff)
            .chain(text.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_decoded_is_encoded_as_it_was() {
        let every_byte: Vec<u8> = (0..=255).collect();
        for (bytes, encoding) in [
            (b"[a]\r\n".as_slice(), Encoding::AnsiUtf8),
            (b"\xc2\xa0\r\n", Encoding::AnsiUtf8),
            (&every_byte, Encoding::Ansi),
            (b"; \xa9 Contoso\r\n", Encoding::Ansi),
            (&[0xff, 0xfe, b'a', 0, 0xe9, 0], Encoding::Utf16),
        ] {
            let (text, found) = decode(bytes).unwrap();
            assert_eq!(found, encoding);
            assert_eq!(encode(&text, found), bytes);
        }
        assert_eq!(decode(&[0xff, 0xfe, 0xe9, 0]).unwrap().0, "é");
    }

    #[test]
    fn other_encodings_are_refused() {
        assert_eq!(decode(b"\xef\xbb\xbfa"), Err(EncodingError::Utf8Mark));
        assert_eq!(decode(b"\xfe\xff\0a"), Err(EncodingError::Utf16Be));
        assert_eq!(decode(b"\xff\xfea"), Err(EncodingError::Utf16));
    }
}
