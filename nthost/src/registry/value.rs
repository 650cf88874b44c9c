//! Values of registry keys: a type and bytes, as drivers read and write them.

use alloc::vec::Vec;

use nthost_protocol::manifest::RegistryData;

/// `REG_NONE`.
pub const REG_NONE: u32 = 0;
/// A string ended by a NUL.
pub const REG_SZ: u32 = 1;
/// A string with references to environment variables.
pub const REG_EXPAND_SZ: u32 = 2;
/// Any bytes.
pub const REG_BINARY: u32 = 3;
/// A little-endian 32-bit number.
pub const REG_DWORD: u32 = 4;
/// Strings, each ended by a NUL, and one NUL more.
pub const REG_MULTI_SZ: u32 = 7;
/// A little-endian 64-bit number.
pub const REG_QWORD: u32 = 11;

/// A value without its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// `REG_…`.
    pub kind: u32,
    /// The data.
    pub data: Vec<u8>,
}

impl Value {
    /// A `REG_DWORD`.
    #[must_use]
    pub fn dword(value: u32) -> Self {
        Self {
            kind: REG_DWORD,
            data: value.to_le_bytes().to_vec(),
        }
    }

    /// A `REG_SZ`.
    #[must_use]
    pub fn string(text: &str) -> Self {
        Self {
            kind: REG_SZ,
            data: units(text.encode_utf16().chain([0])),
        }
    }

    /// A `REG_MULTI_SZ`.
    #[must_use]
    pub fn strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts = texts
            .into_iter()
            .flat_map(|text| text.encode_utf16().chain([0]));
        Self {
            kind: REG_MULTI_SZ,
            data: units(texts.chain([0])),
        }
    }

    /// The number in a `REG_DWORD`.
    #[must_use]
    pub fn as_dword(&self) -> Option<u32> {
        let bytes = self.data.as_slice().try_into().ok()?;
        (self.kind == REG_DWORD).then(|| u32::from_le_bytes(bytes))
    }
}

fn units(units: impl Iterator<Item = u16>) -> Vec<u8> {
    units.flat_map(u16::to_le_bytes).collect()
}

impl From<&RegistryData> for Value {
    fn from(data: &RegistryData) -> Self {
        match data {
            RegistryData::Dword(value) => Self::dword(*value),
            RegistryData::Qword(value) => Self {
                kind: REG_QWORD,
                data: value.to_le_bytes().to_vec(),
            },
            RegistryData::String(text) => Self::string(text),
            RegistryData::ExpandString(text) => Self {
                kind: REG_EXPAND_SZ,
                ..Self::string(text)
            },
            RegistryData::MultiString(texts) => Self::strings(texts.iter().map(|text| &**text)),
            RegistryData::Binary(bytes) => Self {
                kind: REG_BINARY,
                data: bytes.clone(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::{borrow::ToOwned, vec};

    use super::*;

    #[test]
    fn strings_end_in_a_nul_and_lists_of_strings_in_two() {
        assert_eq!(Value::string("ab").data, b"a\0b\0\0\0");
        assert_eq!(Value::strings(["a", "b"]).data, b"a\0\0\0b\0\0\0\0\0");
        let list = RegistryData::MultiString(vec!["x".to_owned()]);
        assert_eq!(Value::from(&list).data, b"x\0\0\0\0\0");
    }

    #[test]
    fn only_a_dword_of_four_bytes_is_a_dword() {
        assert_eq!(Value::dword(7).as_dword(), Some(7));
        assert_eq!(Value::string("7").as_dword(), None);
        let short = Value {
            kind: REG_DWORD,
            data: vec![7],
        };
        assert_eq!(short.as_dword(), None);
    }
}
