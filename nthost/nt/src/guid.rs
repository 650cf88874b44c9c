//! Globally unique identifiers.

use core::fmt;

/// A GUID as it lies in memory (ns-guiddef-guid).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GUID {
    /// The first group of its text.
    pub Data1: u32,
    /// The second.
    pub Data2: u16,
    /// The third.
    pub Data3: u16,
    /// The rest.
    pub Data4: [u8; 8],
}

impl GUID {
    /// From the bytes as they lie in memory.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "each group is cut out of the whole"
    )]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        // The first three groups are little-endian numbers, as on the machine.
        let value = u128::from_le_bytes(bytes);
        Self {
            Data1: value as u32,
            Data2: (value >> 32) as u16,
            Data3: (value >> 48) as u16,
            Data4: ((value >> 64) as u64).to_le_bytes(),
        }
    }
}

impl GUID {
    /// The bytes as they lie in memory.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        let first = self.Data1 as u128 | (self.Data2 as u128) << 32 | (self.Data3 as u128) << 48;
        let last = u64::from_le_bytes(self.Data4) as u128;
        (first | last << 64).to_le_bytes()
    }
}

impl fmt::Display for GUID {
    /// `{xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx}` in lower case.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, rest @ ..] = self.Data4;
        write!(
            f,
            "{{{:08x}-{:04x}-{:04x}-{a:02x}{b:02x}-",
            self.Data1, self.Data2, self.Data3
        )?;
        for byte in rest {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("}")
    }
}
