//! Which of the verifier's rules are meant. A rule's name is the bug check that reports it, as Driver
//! Verifier's documentation names it: `0xC9/0x224` is code 0xC9 with 0x224 as its first parameter,
//! `0xC9` are all rules of that code, and `all` are all rules.

use alloc::string::{String, ToString};
use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A rule of the verifier, or several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Rule {
    /// All rules.
    All,
    /// All rules that this bug check reports.
    Code(u32),
    /// The rule that this bug check reports with this first parameter.
    First(u32, u64),
}

impl Rule {
    /// Whether a bug check with this first parameter reports a rule that is meant.
    #[must_use]
    pub const fn covers(self, code: u32, first: u64) -> bool {
        match self {
            Self::All => true,
            Self::Code(own) => own == code,
            Self::First(own, own_first) => own == code && own_first == first,
        }
    }
}

/// A text is no rule's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRule(String);

impl fmt::Display for NoRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` names no rule: `all`, a bug check such as `0xC9`, or one with its first parameter, \
             such as `0xC9/0x224`, does",
            self.0
        )
    }
}

impl core::error::Error for NoRule {}

fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

impl FromStr for Rule {
    type Err = NoRule;

    fn from_str(text: &str) -> Result<Self, NoRule> {
        if text == "all" {
            return Ok(Self::All);
        }
        let (code, first) = match text.split_once('/') {
            Some((code, first)) => (code, Some(first)),
            None => (text, None),
        };
        let code = number(code).and_then(|code| u32::try_from(code).ok());
        let first = first.map(|first| number(first).ok_or(()));
        match (code, first) {
            (Some(code), None) => Ok(Self::Code(code)),
            (Some(code), Some(Ok(first))) => Ok(Self::First(code, first)),
            _ => Err(NoRule(text.to_string())),
        }
    }
}

impl TryFrom<String> for Rule {
    type Error = NoRule;

    fn try_from(text: String) -> Result<Self, NoRule> {
        text.parse()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Code(code) => write!(f, "{code:#X}"),
            Self::First(code, first) => write!(f, "{code:#X}/{first:#X}"),
        }
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_covers_what_it_names_and_nothing_else() {
        let [all, code, first] = ["all", "0xC9", "0xc9/0x224"].map(str::parse::<Rule>);
        let (all, code, first) = (all.unwrap(), code.unwrap(), first.unwrap());
        assert_eq!((code, first), (Rule::Code(0xc9), Rule::First(0xc9, 0x224)));
        assert!(all.covers(0xd1, 7) && code.covers(0xc9, 7) && first.covers(0xc9, 0x224));
        assert!(!code.covers(0xc4, 7) && !first.covers(0xc9, 7) && !first.covers(0xc4, 0x224));
    }

    #[test]
    fn a_name_survives_being_written_and_others_are_refused() {
        for rule in [Rule::All, Rule::Code(0x10), Rule::First(0xc4, 0x2_0023)] {
            assert_eq!(rule.to_string().parse(), Ok(rule));
        }
        for text in [
            "",
            "ALL",
            "201",
            "0x",
            "0xC9/",
            "0xC9/12",
            "0x1_0",
            "0x100000000",
            "0xC9/0x1/0x2",
        ] {
            let fault = text.parse::<Rule>().unwrap_err().to_string();
            assert!(fault.contains(&alloc::format!("`{text}`")), "{fault}");
        }
    }
}
