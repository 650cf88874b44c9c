//! Numbers on the command line: decimal, or hexadecimal after `0x`; times in seconds.

use std::time::Duration;

/// A number.
pub fn number(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    if digits.contains('+') {
        return Err("a number has no sign".to_owned());
    }
    let hexadecimal = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    hexadecimal
        .map_or_else(|| digits.parse(), |digits| u64::from_str_radix(digits, 16))
        .map_err(|fault| format!("{fault}; write decimal digits, or hexadecimal ones after 0x"))
}

/// A number of 32 bits.
pub fn number32(text: &str) -> Result<u32, String> {
    let number = number(text)?;
    u32::try_from(number).map_err(|_| format!("{number} does not fit into 32 bits"))
}

/// The longest time that can be given: beyond it no clock counts on every system.
const LONGEST: f64 = 1e9;

/// A time in seconds, with a fraction or without.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|fault| format!("{fault}"))?;
    if seconds > LONGEST {
        return Err(format!(
            "{LONGEST} seconds, which are 31 years, are the longest"
        ));
    }
    Duration::try_from_secs_f64(seconds).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        assert_eq!(number("12"), Ok(12));
        assert_eq!(number("0x1_00"), Ok(256));
        assert_eq!(number32("0xffffffff"), Ok(u32::MAX));
        for wrong in ["", "0x", "1g", "-1", "0x-1", "0x+1", "+1"] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
        assert!(number32("4294967296").unwrap_err().contains("32 bits"));
    }

    #[test]
    fn times_are_positive_seconds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["-1", "NaN", "inf", "1s", "", "1000000001", "1e300"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
