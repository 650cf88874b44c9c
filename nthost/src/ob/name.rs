//! Names of objects and keys: UTF-16, told apart without regard to case but kept as given.

use alloc::{string::String, vec::Vec};
use core::{cmp::Ordering, fmt};

/// The upper-case form of a UTF-16 unit, as `RtlUpcaseUnicodeChar` gives it: one unit for one
/// unit, so that letters whose upper case is longer (`ß`) stay as they are.
#[must_use]
pub fn upcase(unit: u16) -> u16 {
    let Some(letter) = char::from_u32(unit.into()) else {
        return unit;
    };
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => u16::try_from(u32::from(one)).unwrap_or(unit),
        _ => unit,
    }
}

/// Compares two names without regard to case, by their upper-case forms.
#[must_use]
pub fn compare(one: &[u16], other: &[u16]) -> Ordering {
    let upper = |name: &[u16]| name.iter().copied().map(upcase).collect::<Vec<_>>();
    if one == other {
        return Ordering::Equal;
    }
    upper(one).cmp(&upper(other))
}

/// A name or a path.
#[derive(Clone, Default)]
pub struct Name(Vec<u16>);

impl Name {
    /// The name as it was given.
    #[must_use]
    pub fn units(&self) -> &[u16] {
        &self.0
    }

    /// What lies between the separators of a path, without empty pieces at its ends.
    pub fn components(path: &[u16]) -> impl Iterator<Item = &[u16]> {
        path.split(|&unit| unit == u16::from(b'\\'))
            .filter(|component| !component.is_empty())
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.encode_utf16().collect())
    }
}

impl From<&[u16]> for Name {
    fn from(units: &[u16]) -> Self {
        Self(units.to_vec())
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.0, &other.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf16_lossy(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf16_lossy(&self.0), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_by_more_than_case() {
        assert_eq!(Name::from("EduWdm"), Name::from("eduwdm"));
        assert_eq!(Name::from("ärger"), Name::from("ÄRGER"));
        assert_ne!(Name::from("edu"), Name::from("edu0"));
        assert!(Name::from("a") < Name::from("B"));
    }

    #[test]
    fn a_letter_whose_upper_case_is_longer_stays() {
        assert_eq!(upcase(0xdf), 0xdf);
        assert_eq!(upcase(0xd800), 0xd800);
    }

    #[test]
    fn a_path_has_no_empty_components() {
        let path = Name::from(r"\Registry\\Machine\");
        let components: Vec<_> = Name::components(path.units()).map(Name::from).collect();
        assert_eq!(components, ["Registry", "Machine"].map(Name::from));
    }
}
