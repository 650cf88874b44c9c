//! What the query and enumeration routines tell of keys and values, as bytes.
//!
//! Rules it stands for: a buffer that has no room for the fixed part gets nothing
//! (`STATUS_BUFFER_TOO_SMALL`), one that has no room for the rest gets as much as fits
//! (`STATUS_BUFFER_OVERFLOW`), and both are told the length that is needed.
//!
//! Sources: ne-wdm-_key_information_class, ne-wdm-_key_value_information_class and the structures
//! that they name.

use alloc::vec::Vec;

use nthost_nt::status::{
    NTSTATUS, STATUS_BUFFER_OVERFLOW, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER,
    STATUS_SUCCESS,
};

use super::{hive::KeyInformation, value::Value};
use crate::ob::name::Name;

/// `KEY_VALUE_INFORMATION_CLASS`.
mod value_class {
    pub const BASIC: i32 = 0;
    pub const FULL: i32 = 1;
    pub const PARTIAL: i32 = 2;
    pub const FULL_ALIGN64: i32 = 3;
    pub const PARTIAL_ALIGN64: i32 = 4;
}

/// `KEY_INFORMATION_CLASS`.
mod key_class {
    pub const BASIC: i32 = 0;
    pub const NODE: i32 = 1;
    pub const FULL: i32 = 2;
    pub const NAME: i32 = 3;
    pub const CACHED: i32 = 4;
}

/// A structure with a part of variable length behind its fixed part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Information {
    bytes: Vec<u8>,
    fixed: usize,
}

impl Information {
    /// How long it is.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.bytes.len()
    }

    /// What goes into a buffer of this length, and the status that says whether it is all.
    #[must_use]
    pub fn for_buffer(&self, length: usize) -> (&[u8], NTSTATUS) {
        if length < self.fixed {
            (&[], STATUS_BUFFER_TOO_SMALL)
        } else if length < self.bytes.len() {
            (&self.bytes[..length], STATUS_BUFFER_OVERFLOW)
        } else {
            (&self.bytes, STATUS_SUCCESS)
        }
    }

    fn new(fields: &[u32], rest: &[&[u8]]) -> Self {
        let mut bytes: Vec<u8> = fields
            .iter()
            .flat_map(|field| field.to_le_bytes())
            .collect();
        let fixed = bytes.len();
        for part in rest {
            bytes.extend_from_slice(part);
        }
        Self { bytes, fixed }
    }
}

/// A length of what the registry holds: none is anywhere near 4 GiB.
fn length(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn name_bytes(name: &Name) -> Vec<u8> {
    name.units()
        .iter()
        .flat_map(|unit| unit.to_le_bytes())
        .collect()
}

/// What there is to tell of a value.
///
/// # Errors
///
/// `STATUS_INVALID_PARAMETER` for a class that there is not.
pub fn of_value(class: i32, name: &Name, value: &Value) -> Result<Information, NTSTATUS> {
    const TITLE_INDEX: u32 = 0;
    let name = name_bytes(name);
    let (names, data) = (length(name.len()), length(value.data.len()));
    Ok(match class {
        value_class::BASIC => Information::new(&[TITLE_INDEX, value.kind, names], &[&name]),
        value_class::FULL | value_class::FULL_ALIGN64 => {
            // The data begin behind the name; in the aligned form at a multiple of 8.
            let end = 20 + names;
            let offset = if class == value_class::FULL {
                end
            } else {
                end.next_multiple_of(8)
            };
            let padding = [0; 8];
            Information::new(
                &[TITLE_INDEX, value.kind, offset, data, names],
                &[&name, &padding[..(offset - end) as usize], &value.data],
            )
        }
        value_class::PARTIAL => Information::new(&[TITLE_INDEX, value.kind, data], &[&value.data]),
        value_class::PARTIAL_ALIGN64 => Information::new(&[value.kind, data], &[&value.data]),
        _ => return Err(STATUS_INVALID_PARAMETER),
    })
}

/// What there is to tell of a key. Keys have no class names here.
///
/// # Errors
///
/// `STATUS_INVALID_PARAMETER` for a class that there is not, and when a subkey is asked for what
/// only `ZwQueryKey` tells.
pub fn of_key(
    class: i32,
    key: &KeyInformation,
    path: &[u16],
    enumerated: bool,
) -> Result<Information, NTSTATUS> {
    const TITLE_INDEX: u32 = 0;
    const NO_CLASS: u32 = u32::MAX;
    let written = key.written.to_le_bytes();
    let half = |index: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&written[index..index + 4]);
        u32::from_le_bytes(bytes)
    };
    let (low, high) = (half(0), half(4));
    let name = name_bytes(&key.name);
    let names = length(name.len());
    let subkeys = [length(key.subkeys), length(key.longest_subkey * 2)];
    let values = [
        length(key.values),
        length(key.longest_value_name * 2),
        length(key.longest_value_data),
    ];
    Ok(match class {
        key_class::BASIC => Information::new(&[low, high, TITLE_INDEX, names], &[&name]),
        key_class::NODE => {
            let fields = [low, high, TITLE_INDEX, NO_CLASS, 0, names];
            Information::new(&fields, &[&name])
        }
        key_class::FULL => {
            let mut fields = [low, high, TITLE_INDEX, NO_CLASS, 0, 0, 0, 0, 0, 0, 0];
            fields[5..7].copy_from_slice(&subkeys);
            // MaxClassLen in between.
            fields[8..].copy_from_slice(&values);
            Information::new(&fields, &[])
        }
        key_class::NAME if !enumerated => {
            let path: Vec<u8> = path.iter().flat_map(|unit| unit.to_le_bytes()).collect();
            Information::new(&[length(path.len())], &[&path])
        }
        key_class::CACHED if !enumerated => {
            let mut fields = [low, high, TITLE_INDEX, 0, 0, 0, 0, 0, names, 0];
            fields[3..5].copy_from_slice(&subkeys);
            fields[5..8].copy_from_slice(&values);
            Information::new(&fields, &[])
        }
        _ => return Err(STATUS_INVALID_PARAMETER),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partial() -> Information {
        of_value(value_class::PARTIAL, &Name::from("n"), &Value::dword(7)).unwrap()
    }

    #[test]
    fn a_partial_value_is_title_type_length_and_data() {
        let expected = [0, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0];
        assert_eq!(partial().for_buffer(16), (&expected[..], STATUS_SUCCESS));
        assert_eq!(partial().for_buffer(99).0.len(), 16);
    }

    #[test]
    fn a_buffer_without_room_for_the_fixed_part_gets_nothing() {
        for length in 0..12 {
            assert_eq!(
                partial().for_buffer(length),
                (&[][..], STATUS_BUFFER_TOO_SMALL)
            );
        }
        let value = partial();
        for length in 12..16 {
            let (bytes, status) = value.for_buffer(length);
            assert_eq!((bytes.len(), status), (length, STATUS_BUFFER_OVERFLOW));
        }
    }

    #[test]
    fn the_data_of_a_full_value_are_where_its_offset_says() {
        for (class, expected) in [(value_class::FULL, 26), (value_class::FULL_ALIGN64, 32)] {
            let value = of_value(class, &Name::from("abc"), &Value::dword(9)).unwrap();
            let offset = u32::from_le_bytes(value.bytes[8..12].try_into().unwrap());
            assert_eq!(offset, expected);
            assert_eq!(value.bytes[offset as usize..], 9u32.to_le_bytes());
            assert_eq!(value.bytes[20..26], *b"a\0b\0c\0");
        }
    }

    #[test]
    fn lengths_of_names_are_in_bytes() {
        let key = KeyInformation {
            name: Name::from("key"),
            subkeys: 2,
            longest_subkey: 5,
            values: 3,
            longest_value_name: 4,
            longest_value_data: 100,
            written: 0x1_0000_0002,
        };
        let full = of_key(key_class::FULL, &key, &[], true).unwrap();
        assert_eq!(full.length(), 44);
        let field = |at: usize| u32::from_le_bytes(full.bytes[at..at + 4].try_into().unwrap());
        assert_eq!([field(0), field(4)], [2, 1]);
        assert_eq!([field(20), field(24), field(28)], [2, 10, 0]);
        assert_eq!([field(32), field(36), field(40)], [3, 8, 100]);
        let basic = of_key(key_class::BASIC, &key, &[], true).unwrap();
        assert_eq!(basic.bytes[12..], *b"\x06\0\0\0k\0e\0y\0");
    }

    #[test]
    fn the_whole_path_is_told_of_an_open_key_only() {
        let key = KeyInformation {
            name: Name::from("k"),
            subkeys: 0,
            longest_subkey: 0,
            values: 0,
            longest_value_name: 0,
            longest_value_data: 0,
            written: 0,
        };
        let path: Vec<u16> = r"\Registry\k".encode_utf16().collect();
        let name = of_key(key_class::NAME, &key, &path, false).unwrap();
        assert_eq!(name.length(), 4 + 2 * path.len());
        let refused = of_key(key_class::NAME, &key, &path, true);
        assert_eq!(refused, Err(STATUS_INVALID_PARAMETER));
    }
}
