//! Properties of devices and interfaces that drivers have set, each in any number of languages.
//!
//! Sources: IoSetDevicePropertyData, IoGetDevicePropertyData, IoSetDeviceInterfacePropertyData,
//! the pages of the `DEVPROP_TYPE_…`. As since Windows 8, what is set stays (an instance path
//! names its owner), and LOCALE_NEUTRAL is a language like others.

use alloc::{collections::BTreeMap, string::String, vec::Vec};

use nthost_nt::{
    io::property::{
        DEVPROP_TYPE_EMPTY, DEVPROP_TYPE_NULL, DEVPROP_TYPEMOD_ARRAY, DEVPROP_TYPEMOD_LIST,
        DEVPROPKEY,
    },
    status::{
        NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND,
    },
};

/// A property's type and data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// `DEVPROP_TYPE_…`, with a modifier perhaps.
    pub kind: u32,
    /// Its data.
    pub data: Vec<u8>,
}

/// Bytes of a value by its type; none of types that have no fixed length.
const fn fixed_length(base: u32) -> Option<usize> {
    Some(match base {
        // SBYTE, BYTE, BOOLEAN.
        0x02 | 0x03 | 0x11 => 1,
        // INT16, UINT16.
        0x04 | 0x05 => 2,
        // INT32, UINT32, FLOAT, DEVPROPTYPE, ERROR, NTSTATUS.
        0x06 | 0x07 | 0x0a | 0x16 | 0x17 | 0x18 => 4,
        // INT64, UINT64, DOUBLE, CURRENCY, DATE, FILETIME.
        0x08 | 0x09 | 0x0b | 0x0e | 0x0f | 0x10 => 8,
        // DECIMAL, GUID.
        0x0c | 0x0d => 16,
        // DEVPROPKEY.
        0x15 => 20,
        _ => return None,
    })
}

/// The highest type without its modifier: STRING_INDIRECT.
const MAX_TYPE: u32 = 0x19;
/// The modifiers.
const MODIFIERS: u32 = 0xf000;

impl Property {
    /// Whether the data are what the type says.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let base = self.kind & !MODIFIERS;
        if !(DEVPROP_TYPE_NULL..=MAX_TYPE).contains(&base) {
            return false;
        }
        let length = self.data.len();
        let units = self.data.as_chunks::<2>();
        match (self.kind & MODIFIERS, fixed_length(base)) {
            (0, Some(fixed)) => length == fixed,
            (DEVPROP_TYPEMOD_ARRAY, Some(fixed)) => length.is_multiple_of(fixed),
            (0, None) if base == DEVPROP_TYPE_NULL => length == 0,
            // SECURITY_DESCRIPTOR.
            (0, None) if base == 0x13 => length != 0,
            // STRING, SECURITY_DESCRIPTOR_STRING, STRING_INDIRECT.
            (0, None) => units.1.is_empty() && units.0.last() == Some(&[0; 2]),
            // STRING_LIST, SECURITY_DESCRIPTOR_STRING_LIST.
            (DEVPROP_TYPEMOD_LIST, None) if matches!(base, 0x12 | 0x14) => {
                units.1.is_empty() && (units.0 == [[0; 2]] || units.0.ends_with(&[[0; 2], [0; 2]]))
            }
            _ => false,
        }
    }

    /// What fits into a buffer: all or nothing.
    ///
    /// # Errors
    ///
    /// `STATUS_BUFFER_TOO_SMALL`.
    pub fn for_buffer(&self, length: usize) -> Result<&[u8], NTSTATUS> {
        if self.data.len() > length {
            return Err(STATUS_BUFFER_TOO_SMALL);
        }
        Ok(&self.data)
    }
}

/// Whose property it is: the instance path of a device, or the name of an interface.
type Owner = String;

/// All properties that were set.
#[derive(Debug)]
pub struct Properties(BTreeMap<(Owner, DEVPROPKEY, u32), Property>);

impl Default for Properties {
    fn default() -> Self {
        Self::new()
    }
}

impl Properties {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Sets a property in a language.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` for data that are not what their type says.
    pub fn set(
        &mut self,
        owner: &str,
        key: DEVPROPKEY,
        locale: u32,
        property: Property,
    ) -> Result<(), NTSTATUS> {
        if !property.is_valid() {
            return Err(STATUS_INVALID_PARAMETER);
        }
        self.0.insert((name(owner), key, locale), property);
        Ok(())
    }

    /// Deletes a property in a language.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND` if it was not set.
    pub fn delete(&mut self, owner: &str, key: DEVPROPKEY, locale: u32) -> Result<(), NTSTATUS> {
        let removed = self.0.remove(&(name(owner), key, locale));
        removed.map(drop).ok_or(STATUS_OBJECT_NAME_NOT_FOUND)
    }

    /// A property in a language.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND` if it was not set.
    pub fn get(&self, owner: &str, key: DEVPROPKEY, locale: u32) -> Result<&Property, NTSTATUS> {
        let found = self.0.get(&(name(owner), key, locale));
        found.ok_or(STATUS_OBJECT_NAME_NOT_FOUND)
    }
}

/// Names of owners are told apart without regard to case.
fn name(owner: &str) -> Owner {
    owner.to_uppercase()
}

/// A property that is no property: the type that deletes one.
#[must_use]
pub const fn deletes(kind: u32) -> bool {
    kind == DEVPROP_TYPE_EMPTY
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use nthost_nt::{
        guid::GUID,
        io::property::{
            DEVPROP_TYPE_BINARY, DEVPROP_TYPE_STRING, DEVPROP_TYPE_STRING_LIST, DEVPROP_TYPE_UINT32,
        },
    };

    use super::*;

    const KEY: DEVPROPKEY = DEVPROPKEY {
        fmtid: GUID {
            Data1: 1,
            Data2: 2,
            Data3: 3,
            Data4: [4; 8],
        },
        pid: 2,
    };

    fn number(value: u32) -> Property {
        Property {
            kind: DEVPROP_TYPE_UINT32,
            data: value.to_le_bytes().to_vec(),
        }
    }

    #[test]
    fn each_language_has_a_property_of_its_own() {
        let mut properties = Properties::new();
        properties.set("PCI\\a", KEY, 0, number(1)).unwrap();
        properties.set("PCI\\a", KEY, 0x407, number(2)).unwrap();
        assert_eq!(properties.get("pci\\A", KEY, 0), Ok(&number(1)));
        assert_eq!(properties.get("pci\\A", KEY, 0x407), Ok(&number(2)));
        assert_eq!(properties.delete("PCI\\a", KEY, 0), Ok(()));
        assert_eq!(
            properties.get("PCI\\a", KEY, 0),
            Err(STATUS_OBJECT_NAME_NOT_FOUND)
        );
        assert!(properties.get("PCI\\a", KEY, 0x407).is_ok());
    }

    #[test]
    fn owners_and_keys_do_not_share_properties() {
        let mut properties = Properties::new();
        properties.set("PCI\\a", KEY, 0, number(1)).unwrap();
        let other = DEVPROPKEY { pid: 3, ..KEY };
        assert!(properties.get("PCI\\a", other, 0).is_err());
        assert!(properties.get("PCI\\b", KEY, 0).is_err());
        assert!(properties.delete("PCI\\b", KEY, 0).is_err());
    }

    #[test]
    fn data_are_what_their_type_says() {
        let valid = |kind, data: &[u8]| {
            Property {
                kind,
                data: data.to_vec(),
            }
            .is_valid()
        };
        assert!(valid(DEVPROP_TYPE_UINT32, &[1, 2, 3, 4]));
        assert!(!valid(DEVPROP_TYPE_UINT32, &[1, 2, 3]));
        assert!(valid(DEVPROP_TYPE_UINT32 | DEVPROP_TYPEMOD_ARRAY, &[0; 8]));
        assert!(!valid(DEVPROP_TYPE_UINT32 | DEVPROP_TYPEMOD_ARRAY, &[0; 6]));
        assert!(!valid(DEVPROP_TYPE_UINT32 | DEVPROP_TYPEMOD_LIST, &[0; 4]));
        assert!(valid(DEVPROP_TYPE_BINARY, &[1, 2, 3]));
        assert!(valid(DEVPROP_TYPE_STRING, b"a\0\0\0"));
        assert!(!valid(DEVPROP_TYPE_STRING, b"a\0"));
        assert!(!valid(DEVPROP_TYPE_STRING, b"a\0\0"));
        assert!(!valid(DEVPROP_TYPE_STRING, b""));
        assert!(valid(DEVPROP_TYPE_STRING_LIST, b"a\0\0\0\0\0"));
        assert!(!valid(DEVPROP_TYPE_STRING_LIST, b"a\0\0\0"));
        assert!(valid(DEVPROP_TYPE_STRING_LIST, b"\0\0"));
        assert!(valid(DEVPROP_TYPE_NULL, b""));
        assert!(!valid(DEVPROP_TYPE_NULL, b"x"));
        assert!(!valid(0, b""));
        assert!(!valid(0x1a, b""));
        assert!(!valid(0x4007, &[0; 4]));
    }

    #[test]
    fn a_buffer_gets_all_of_it_or_nothing() {
        let property = Property {
            kind: DEVPROP_TYPE_BINARY,
            data: vec![1, 2, 3],
        };
        assert_eq!(property.for_buffer(2), Err(STATUS_BUFFER_TOO_SMALL));
        assert_eq!(property.for_buffer(3), Ok(&[1, 2, 3][..]));
    }
}
