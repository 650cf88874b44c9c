//! Target decorations of models sections: `NT[arch][.major[.minor[.product[.suite[.build]]]]]`.
//!
//! Source: "INF Manufacturer Section". A build number counts only together with the version it
//! belongs to, and is understood from Windows 10 build 14310 on.

use std::fmt;

/// The first build that understands a build number in a decoration.
pub const FIRST_BUILD: u32 = 14310;

/// The architectures that a decoration may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// `x86`
    X86,
    /// `ia64`
    Ia64,
    /// `amd64`
    Amd64,
    /// `arm`
    Arm,
    /// `arm64`
    Arm64,
}

impl Architecture {
    /// All of them, the longer of two with a common beginning first.
    const NAMES: [(&'static str, Self); 5] = [
        ("x86", Self::X86),
        ("ia64", Self::Ia64),
        ("amd64", Self::Amd64),
        ("arm64", Self::Arm64),
        ("arm", Self::Arm),
    ];

    /// As written in the suffix of `[SourceDisksFiles.<name>]`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, architecture)| *architecture == self)
            .map_or("", |(name, _)| name)
    }
}

/// A decoration, taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The architecture; without one, x86 is meant.
    pub architecture: Option<Architecture>,
    /// Major and minor version.
    pub version: (u32, u32),
    /// `VER_NT_…`
    pub product: Option<u32>,
    /// `VER_SUITE_…`
    pub suite: Option<u32>,
    /// The lowest build.
    pub build: Option<u32>,
}

impl Target {
    /// Reads a decoration such as `NTamd64.10.0...19041`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.to_lowercase();
        let rest = lower.strip_prefix("nt")?;
        let mut fields = rest.split('.');
        let architecture = match fields.next()? {
            "" => None,
            name => Some(
                Architecture::NAMES
                    .iter()
                    .find(|(known, _)| *known == name)?
                    .1,
            ),
        };
        let mut numbers = [None; 5];
        for (index, field) in fields.enumerate() {
            let place = numbers.get_mut(index)?;
            if !field.is_empty() {
                *place = Some(number(field)?);
            }
        }
        let [major, minor, product, suite, build] = numbers;
        if (minor.is_some() || build.is_some()) && major.is_none() {
            return None;
        }
        Some(Self {
            architecture,
            version: (major.unwrap_or(0), minor.unwrap_or(0)),
            product,
            suite,
            build,
        })
    }

    /// The lowest build of Windows 10 or 11 that this decoration admits; 0 for an older Windows.
    #[must_use]
    pub fn lowest_build(self) -> u32 {
        match self.version {
            version if version < (10, 0) => 0,
            // The first release of Windows 10.
            (10, 0) => self.build.unwrap_or(10240),
            _ => u32::MAX,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor) = self.version;
        write!(f, "{major}.{minor}.{}", self.build.unwrap_or(0))
    }
}

/// A number in decimal, or in hexadecimal after `0x`.
#[must_use]
pub fn number(text: &str) -> Option<u32> {
    let lower = text.to_lowercase();
    lower.strip_prefix("0x").map_or_else(
        || {
            lower
                .bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| lower.parse().ok())
                .flatten()
        },
        |hex| u32::from_str_radix(hex, 16).ok(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_in_their_places() {
        let target = Target::parse("NTamd64.10.0...19041").unwrap();
        assert_eq!(target.architecture, Some(Architecture::Amd64));
        assert_eq!(target.version, (10, 0));
        assert_eq!(target.build, Some(19041));
        assert_eq!(target.lowest_build(), 19041);
        let target = Target::parse("ntx86....0x80").unwrap();
        assert_eq!(target.suite, Some(0x80));
        assert_eq!(target.lowest_build(), 0);
        assert_eq!(
            Target::parse("NTarm64").unwrap().architecture,
            Some(Architecture::Arm64)
        );
    }

    #[test]
    fn malformed_decorations_are_refused() {
        for text in [
            "amd64",
            "NTamd65",
            "NTamd64.x",
            "NTamd64.10.0.1.2.3.4",
            "NTamd64.....19041",
            "NTamd64..1",
            "NTamd64.-1",
        ] {
            assert_eq!(Target::parse(text), None, "{text}");
        }
    }
}
