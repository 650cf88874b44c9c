//! Entries of the error log in words: what a driver has put into an `IO_ERROR_LOG_PACKET`.
//!
//! Source: ns-wdm-_io_error_log_packet. An entry is the driver's: lengths and offsets in it that
//! lead out of it are said to, and nothing outside is read.

use alloc::{format, string::String, vec, vec::Vec};

use super::error_code;

/// Bytes of an `IO_ERROR_LOG_PACKET` with the one element that its declaration has.
pub const PACKET_SIZE: usize = 48;
/// `ERROR_LOG_MAXIMUM_SIZE`: the longest entry, with its strings.
pub const MAXIMUM_SIZE: usize = 240;
/// Where `DumpData` begins.
const DUMP: usize = 40;

fn bytes<const N: usize>(entry: &[u8], offset: usize) -> [u8; N] {
    let found = entry.get(offset..offset + N);
    found
        .and_then(|found| found.try_into().ok())
        .unwrap_or([0; N])
}

fn word(entry: &[u8], offset: usize) -> usize {
    u16::from_le_bytes(bytes(entry, offset)).into()
}

fn long(entry: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(bytes(entry, offset))
}

/// An entry, without whom it is about. `entry` has [`PACKET_SIZE`] bytes at least.
#[must_use]
pub fn describe(entry: &[u8]) -> String {
    let code = long(entry, 12);
    let code = error_code::name(code).map_or_else(
        || format!("{code:#010x}"),
        |name| format!("{name} ({code:#010x})"),
    );
    let mut parts = vec![code, format!("final status {:#010x}", long(entry, 20))];
    let [major, retries] = bytes(entry, 0);
    let optional = [
        ("major function", major.into()),
        ("retries", retries.into()),
        ("category", word(entry, 8) as u64),
        ("where", long(entry, 16).into()),
        ("sequence", long(entry, 24).into()),
        ("control code", long(entry, 28).into()),
        ("device offset", u64::from_le_bytes(bytes(entry, 32))),
    ];
    for (name, value) in optional.into_iter().filter(|(_, value)| *value != 0) {
        parts.push(format!("{name} {value:#x}"));
    }
    parts.extend(dump(entry));
    parts.extend(strings(entry));
    parts.join(", ")
}

/// The binary data, as numbers.
fn dump(entry: &[u8]) -> Option<String> {
    let size = word(entry, 2);
    if size == 0 {
        return None;
    }
    let Some(data) = entry.get(DUMP..DUMP + size) else {
        return Some(format!(
            "{size} bytes of data that do not fit into the entry"
        ));
    };
    let (numbers, rest) = data.as_chunks::<4>();
    let numbers: Vec<_> = numbers
        .iter()
        .map(|number| format!("{:#x}", u32::from_le_bytes(*number)))
        .collect();
    let odd = if rest.is_empty() {
        ""
    } else {
        " and less than a whole number, which is against the rules"
    };
    Some(format!("data [{}]{odd}", numbers.join(" ")))
}

/// The insertion strings: UTF-16, each ended by a NUL.
fn strings(entry: &[u8]) -> Vec<String> {
    let (count, offset) = (word(entry, 4), word(entry, 6));
    let mut texts = Vec::new();
    let units = entry.get(offset..).unwrap_or_default().as_chunks::<2>().0;
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    let mut rest = units.as_slice();
    for _ in 0..count {
        let Some(end) = rest.iter().position(|&unit| unit == 0) else {
            texts.push(String::from("a string that does not end within the entry"));
            break;
        };
        let (string, behind) = rest.split_at(end);
        texts.push(format!("{:?}", String::from_utf16_lossy(string)));
        rest = behind.get(1..).unwrap_or_default();
    }
    texts
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    fn entry() -> Vec<u8> {
        let mut entry = vec![0; PACKET_SIZE];
        entry[12..16].copy_from_slice(&0xc004_000b_u32.to_le_bytes());
        entry[20..24].copy_from_slice(&0xc000_0185_u32.to_le_bytes());
        entry
    }

    #[test]
    fn what_the_driver_left_at_zero_is_not_mentioned() {
        assert_eq!(
            describe(&entry()),
            "IO_ERR_CONTROLLER_ERROR (0xc004000b), final status 0xc0000185"
        );
    }

    #[test]
    fn every_field_is_told() {
        let mut entry = entry();
        entry[12..16].copy_from_slice(&0xe001_0007_u32.to_le_bytes());
        (entry[0], entry[1], entry[8]) = (0x0e, 3, 5);
        entry[16] = 0x21;
        entry[24] = 9;
        entry[28..32].copy_from_slice(&0x0022_2004_u32.to_le_bytes());
        entry[32] = 0x80;
        entry[2] = 8;
        entry[40] = 0xaa;
        entry[44] = 0xbb;
        entry[4] = 2;
        entry[6] = 48;
        for unit in "edu\0BAR 0\0".encode_utf16() {
            entry.extend(unit.to_le_bytes());
        }
        assert_eq!(
            describe(&entry),
            "0xe0010007, final status 0xc0000185, major function 0xe, retries 0x3, category 0x5, \
             where 0x21, sequence 0x9, control code 0x222004, device offset 0x80, \
             data [0xaa 0xbb], \"edu\", \"BAR 0\""
        );
    }

    #[test]
    fn what_leads_out_of_the_entry_is_said_to() {
        let mut entry = entry();
        entry[2] = 12;
        entry[4] = 1;
        entry[6] = 46;
        entry[46] = b'x';
        let text = describe(&entry);
        assert!(text.contains("12 bytes of data that do not fit"), "{text}");
        assert!(text.contains("a string that does not end"), "{text}");
        entry[6] = 0xff;
        entry[7] = 0xff;
        assert!(describe(&entry).contains("a string that does not end"));
    }

    #[test]
    fn data_of_an_odd_length_is_against_the_rules() {
        let mut entry = entry();
        entry[2] = 5;
        assert!(describe(&entry).contains("data [0x0] and less than a whole number"));
    }
}
