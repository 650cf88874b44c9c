//! Altitudes: where a filter stands among others, as a decimal number, with or without a fraction, of
//! any length.
//!
//! Source: "Load Order Groups and Altitudes for Minifilter Drivers".

use alloc::vec::Vec;
use core::cmp::Ordering;

/// How two altitudes stand to each other.
#[must_use]
pub fn compare(first: &[u16], second: &[u16]) -> Ordering {
    let parts = |text: &[u16]| {
        let mut parts = text.splitn(2, |&unit| unit == u16::from(b'.'));
        let zero = |unit: &u16| *unit == u16::from(b'0');
        let whole = parts.next().unwrap_or_default();
        let whole: Vec<u16> = whole
            .iter()
            .skip_while(|unit| zero(unit))
            .copied()
            .collect();
        let mut fraction = parts.next().unwrap_or_default().to_vec();
        while fraction.last().is_some_and(zero) {
            fraction.pop();
        }
        (whole.len(), whole, fraction)
    };
    parts(first).cmp(&parts(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn altitudes_are_numbers_and_no_texts() {
        let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
        for (first, second, expected) in [
            ("9", "10", Ordering::Less),
            ("010", "10.0", Ordering::Equal),
            ("10.25", "10.3", Ordering::Less),
            ("123456789012345678901234567890", "99", Ordering::Greater),
        ] {
            assert_eq!(compare(&units(first), &units(second)), expected);
        }
    }
}
