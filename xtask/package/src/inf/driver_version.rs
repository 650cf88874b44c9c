//! `DriverVer=mm/dd/yyyy,w.x.y.z`.
//!
//! Source: "INF DriverVer Directive". The date must be that of the newest file of the package,
//! since the newer of two drivers is chosen by it; 0.0.0.0 is no version.

use std::fmt;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    /// From 1601, where Windows begins to count.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// Reads `mm/dd/yyyy`; a hyphen may stand for the slash.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(['/', '-']).collect();
        let &[month, day, year] = parts.as_slice() else {
            return None;
        };
        if (month.len(), day.len(), year.len()) != (2, 2, 4) {
            return None;
        }
        let date = Self {
            year: year.parse().ok()?,
            month: month.parse().ok()?,
            day: day.parse().ok()?,
        };
        date.is_real().then_some(date)
    }

    fn is_real(self) -> bool {
        let leap = self.year.is_multiple_of(4)
            && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        let days = match self.month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return false,
        };
        self.year >= 1601 && (1..=days).contains(&self.day)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}/{:02}/{:04}", self.month, self.day, self.year)
    }
}

/// A version of four parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub [u16; 4]);

impl Version {
    /// Reads one to four numbers with points between them. Parts that are left out are zero.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = [0; 4];
        let mut given = text.split('.');
        for part in &mut parts {
            match given.next() {
                Some(number) if number.bytes().all(|b| b.is_ascii_digit()) => {
                    *part = number.parse().ok()?;
                }
                Some(_) => return None,
                None => break,
            }
        }
        given.next().is_none().then_some(Self(parts))
    }

    /// From a Cargo version: `1.2.3` is 1.2.3.0; what follows a hyphen or a plus sign is dropped.
    #[must_use]
    pub fn from_cargo(version: &str) -> Option<Self> {
        Self::parse(version.split(['-', '+']).next()?)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, fourth] = self.0;
        write!(f, "{first}.{second}.{third}.{fourth}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_real_days_in_american_order() {
        assert_eq!(Date::parse("02/29/2024").unwrap().to_string(), "02/29/2024");
        assert!(Date::parse("12-31-2025").is_some());
        for text in [
            "2/3/2024",
            "02/29/2023",
            "13/01/2024",
            "31/12/2024",
            "01/01/24",
            "x",
        ] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }

    #[test]
    fn versions_have_up_to_four_parts_of_16_bits() {
        assert_eq!(Version::parse("1.2"), Some(Version([1, 2, 0, 0])));
        assert_eq!(
            Version::from_cargo("0.1.0-rc.1"),
            Some(Version([0, 1, 0, 0]))
        );
        for text in ["", "1.2.3.4.5", "1.70000", "1.x", "1..2", "-1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
        assert!(Version([1, 0, 0, 0]) > Version([0, 9, 9, 9]));
    }
}
