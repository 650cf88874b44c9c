//! Self-describing events, as TraceLogging writes them: the metadata of provider and event come
//! with each event and say how its data are to be read (TraceLoggingProvider.h, "Event
//! metadata").

use alloc::{string::String, vec::Vec};

use super::field::{self, Bytes, Field};

/// Why an event could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Metadata or data end too early.
    Short,
    /// A type that is not known.
    Type(u8),
}

/// The name in a provider's metadata: a 16-bit size, the name with its NUL, then traits.
///
/// # Errors
///
/// [`Fault::Short`].
pub fn provider_name(metadata: &[u8]) -> Result<String, Fault> {
    let mut bytes = Bytes::new(metadata);
    bytes.u16()?;
    bytes.text()
}

/// The event as one line: its name, then its fields.
///
/// # Errors
///
/// What is wrong with its metadata or data.
pub fn event_line(metadata: &[u8], data: &[u8]) -> Result<String, Fault> {
    let mut metadata = Bytes::new(metadata);
    metadata.u16()?;
    // Tags: bytes of which all but the last have their upper bit set.
    while metadata.u8()? & 0x80 != 0 {}
    let mut line = metadata.text()?;
    let mut data = Bytes::new(data);
    let mut fields = Vec::new();
    while !metadata.is_empty() {
        fields.push(Field::read(&mut metadata)?);
    }
    let mut fields = fields.as_slice();
    while !fields.is_empty() {
        let (text, rest) = field::line(fields, &mut data)?;
        line.push(' ');
        line += &text;
        fields = rest;
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    /// Metadata with their size in front.
    fn metadata(parts: &[&[u8]]) -> Vec<u8> {
        let body = parts.concat();
        let size = u16::try_from(body.len() + 2).unwrap();
        [&size.to_le_bytes()[..], &body].concat()
    }

    #[test]
    fn a_provider_has_a_name() {
        assert_eq!(
            provider_name(&metadata(&[b"EduWdm\0"])),
            Ok("EduWdm".to_string())
        );
        assert_eq!(provider_name(&metadata(&[b"EduWdm"])), Err(Fault::Short));
    }

    #[test]
    fn numbers_strings_and_statuses_are_read() {
        let metadata = metadata(&[
            b"\0Slow\0",
            b"n\0\x08",
            b"hex\0\x94\x04", // HexInt32 with an out type
            b"status\0\x87\x0e",
            b"text\0\x02",
            b"wide\0\x16",
        ]);
        let data = [
            &7_u32.to_le_bytes()[..],
            &0xabc_u32.to_le_bytes(),
            &0xc000_0120_u32.to_le_bytes(),
            b"ab\0",
            &4_u16.to_le_bytes(),
            b"x\0y\0",
        ]
        .concat();
        assert_eq!(
            event_line(&metadata, &data).unwrap(),
            "Slow n=7 hex=0xabc status=0xc0000120 text=\"ab\" wide=\"xy\""
        );
    }

    #[test]
    fn arrays_and_structures_are_read() {
        let metadata = metadata(&[
            b"\x81\0E\0",     // two bytes of tags
            b"a\0\x24\x02\0", // two UInt8
            b"v\0\x46",       // a counted number of UInt16
            b"s\0\x98\x02",   // a structure of two fields
            b"x\0\x04",
            b"y\0\x83\x83\x01", // Int8 with an out type and a tag
        ]);
        let data = [1, 2, 1, 0, 3, 0, 4, 0xff];
        assert_eq!(
            event_line(&metadata, &data).unwrap(),
            "E a=[1, 2] v=[3] s={x=4 y=true}"
        );
    }

    #[test]
    fn what_is_cut_is_refused_and_never_read_beyond() {
        let metadata = metadata(&[b"\0E\0", b"n\0\x08", b"b\0\x0e"]);
        let data = [1, 0, 0, 0, 2, 0, 7, 8];
        assert_eq!(event_line(&metadata, &data).unwrap(), "E n=1 b=[07, 08]");
        for length in 0..data.len() {
            assert_eq!(event_line(&metadata, &data[..length]), Err(Fault::Short));
        }
        for length in 0..metadata.len() {
            let _ = event_line(&metadata[..length], &data);
        }
    }

    #[test]
    fn an_unknown_type_is_named() {
        let metadata = metadata(&[b"\0E\0", b"n\0\x1e"]);
        assert_eq!(event_line(&metadata, &[0; 64]), Err(Fault::Type(0x1e)));
    }
}
