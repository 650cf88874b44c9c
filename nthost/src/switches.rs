//! The switches of the kernel's command line: words, or `name=value`, with blanks between.

/// The switches of a command line.
#[derive(Clone, Copy, Debug)]
pub struct Switches<'a>(&'a str);

impl<'a> Switches<'a> {
    /// Those of this line.
    #[must_use]
    pub const fn new(line: &'a str) -> Self {
        Self(line)
    }

    /// Whether a switch is there, with or without a value.
    #[must_use]
    pub fn has(self, name: &str) -> bool {
        self.0
            .split_whitespace()
            .any(|word| word.split_once('=').map_or(word, |(name, _)| name) == name)
    }

    /// The value of a switch: the last, if there are several.
    #[must_use]
    pub fn value(self, name: &str) -> Option<&'a str> {
        self.0
            .split_whitespace()
            .rev()
            .filter_map(|word| word.split_once('='))
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    /// The seed of the scheduling noise: `noise=7` or `noise=0x1f`.
    #[must_use]
    pub fn noise(self) -> Option<u64> {
        let value = self.value("noise")?;
        value
            .strip_prefix("0x")
            .map_or_else(|| value.parse(), |digits| u64::from_str_radix(digits, 16))
            .ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_a_whole_word_or_has_a_value() {
        let switches = Switches::new("selftest  nodes=2 noisy");
        assert!(switches.has("selftest") && switches.has("nodes"));
        assert!(!switches.has("self") && !switches.has("noise"));
        assert_eq!(switches.value("nodes"), Some("2"));
        assert_eq!(switches.value("selftest"), None);
    }

    #[test]
    fn a_seed_is_decimal_or_hexadecimal_and_anything_else_is_none() {
        for (line, seed) in [
            ("noise=7", Some(7)),
            ("noise=0x1f", Some(31)),
            ("noise=1 noise=2", Some(2)),
            ("noise", None),
            ("noise=x", None),
            ("noise=18446744073709551616", None),
            ("", None),
        ] {
            assert_eq!(Switches::new(line).noise(), seed, "{line:?}");
        }
    }
}
