//! Identification strings as a bus driver returns them: what they may consist of, and where a
//! list ends.
//!
//! Sources: IRP_MN_QUERY_ID, "Bug Check 0xCA" (3: Invalid ID), "Device Identification Strings".

use alloc::{string::String, vec::Vec};

/// The most characters of an id (MAX_DEVICE_ID_LEN), its NUL included.
const MOST: usize = 200;

/// Whether a character may stand in an id.
const fn is_allowed(unit: u16) -> bool {
    matches!(unit, 0x20..=0x2b | 0x2d..=0x7f)
}

/// A string that ends with its NUL; none if it does not end or has what no id may have.
#[must_use]
pub fn one(units: &[u16]) -> Option<String> {
    let end = units.iter().position(|&unit| unit == 0)?;
    let text = &units[..end];
    let sound = end < MOST && text.iter().copied().all(is_allowed);
    sound.then(|| String::from_utf16_lossy(text))
}

/// Strings that end with their NULs, and another behind the last.
#[must_use]
pub fn list(mut units: &[u16]) -> Option<Vec<String>> {
    let mut all = Vec::new();
    loop {
        let text = one(units)?;
        if text.is_empty() {
            return Some(all);
        }
        units = &units[text.len() + 1..];
        all.push(text);
    }
}

/// The instance id of a device whose own is unique on its bus only: it takes the bus's place in
/// the tree before it.
#[must_use]
pub fn made_unique(bus: &str, depth: usize, instance: &str) -> String {
    // FNV-1a: any function that tells buses apart does.
    let hash = bus.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte.to_ascii_uppercase())).wrapping_mul(0x0100_0193)
    });
    alloc::format!("{depth:x}&{hash:x}&{instance}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    #[test]
    fn a_string_ends_with_its_nul() {
        assert_eq!(one(&units("BUS\\CHILD\0rest")).unwrap(), "BUS\\CHILD");
        assert_eq!(one(&units("BUS\\CHILD")), None);
    }

    #[test]
    fn a_comma_and_what_is_not_ascii_stand_in_no_id() {
        for wrong in ["a,b\0", "a\u{1f}\0", "\u{e4}\0"] {
            assert_eq!(one(&units(wrong)), None, "{wrong:?}");
        }
        assert!(one(&units("a b+-\0")).is_some());
    }

    #[test]
    fn an_id_has_fewer_than_two_hundred_characters() {
        assert!(one(&units(&("x".repeat(199) + "\0"))).is_some());
        assert_eq!(one(&units(&("x".repeat(200) + "\0"))), None);
    }

    #[test]
    fn a_list_ends_with_an_empty_string() {
        assert_eq!(list(&units("a\0bc\0\0d\0")).unwrap(), ["a", "bc"]);
        assert_eq!(list(&units("\0")).unwrap(), [""; 0]);
        assert_eq!(list(&units("a\0bc\0")), None);
    }

    #[test]
    fn buses_tell_their_devices_apart() {
        let first = made_unique("PCI\\A\\1", 1, "0");
        assert_ne!(first, made_unique("PCI\\A\\2", 1, "0"));
        assert_eq!(first, made_unique("pci\\a\\1", 1, "0"));
        assert!(first.starts_with("1&") && first.ends_with("&0"));
    }
}
