//! The switches of the kernel's command line: words, or `name=value`, with blanks between.

use alloc::vec::Vec;

use nthost_protocol::rule::{NoRule, Rule};

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

    /// The rules that a switch names: `verifier_goes_on=0xC9,0xC4/0x62`.
    ///
    /// # Errors
    ///
    /// A name that is no rule's.
    pub fn rules(self, name: &str) -> Result<Vec<Rule>, NoRule> {
        let value = self.value(name).unwrap_or_default();
        let names = value.split(',').filter(|name| !name.is_empty());
        names.map(str::parse).collect()
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
    fn rules_are_named_with_commas_between() {
        let switches = Switches::new("goes_on=0xC9,0xC4/0x62 none= wrong=0xC9,C4");
        let rules = Ok(Vec::from([Rule::Code(0xc9), Rule::First(0xc4, 0x62)]));
        assert_eq!(switches.rules("goes_on"), rules);
        for name in ["none", "other"] {
            assert_eq!(switches.rules(name), Ok(Vec::new()), "{name}");
        }
        assert!(switches.rules("wrong").is_err());
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
