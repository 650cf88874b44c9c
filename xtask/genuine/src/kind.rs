//! What a routine takes and gives, as far as a caller that was compiled apart must agree on it:
//! the kind and the size of each value. It is written as in `functions.tsv`: `signed4`,
//! `pointer8`, `record16`.

use std::fmt;

/// The kind and size of one value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// No result.
    Void,
    /// A signed number of so many bytes.
    Signed(u32),
    /// An unsigned number of so many bytes.
    Unsigned(u32),
    /// An address.
    Pointer,
    /// A structure or union of so many bytes.
    Record(u32),
    /// Any number of further arguments.
    Variadic,
    /// What this crate cannot tell, by its name.
    Unknown(String),
}

impl Kind {
    /// Reads a word of the table.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        let digits = word.len()
            - word
                .trim_end_matches(|char: char| char.is_ascii_digit())
                .len();
        let (name, size) = word.split_at(word.len() - digits);
        match (name, size.parse()) {
            ("void", _) => Self::Void,
            ("...", _) => Self::Variadic,
            // An array without bounds as a parameter is an address, too.
            ("pointer", Ok(8)) | ("unsigned-", _) => Self::Pointer,
            ("signed", Ok(size)) => Self::Signed(size),
            ("unsigned", Ok(size)) => Self::Unsigned(size),
            ("record", Ok(size)) => Self::Record(size),
            _ => Self::Unknown(word.to_owned()),
        }
    }

    /// Whether a value of the one kind can be passed as the other. amd64 passes records of 1, 2,
    /// 4 and 8 bytes as numbers of that size, and others by their address. A handle is an address
    /// in C, and a number where nothing is ever read through it.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        let number = |kind: &Self| match *kind {
            Self::Signed(size) | Self::Unsigned(size) => Some(size),
            _ => None,
        };
        match (self, other) {
            (Self::Unknown(_), _) | (_, Self::Unknown(_)) => false,
            (Self::Pointer, Self::Unsigned(8)) | (Self::Unsigned(8), Self::Pointer) => true,
            (Self::Record(size @ (1 | 2 | 4 | 8)), kind)
            | (kind, Self::Record(size @ (1 | 2 | 4 | 8)))
                if number(kind).is_some() =>
            {
                number(kind) == Some(*size)
            }
            (one, other) => one == other,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Void => formatter.write_str("void"),
            Self::Signed(size) => write!(formatter, "signed{size}"),
            Self::Unsigned(size) => write!(formatter, "unsigned{size}"),
            Self::Pointer => formatter.write_str("pointer8"),
            Self::Record(size) => write!(formatter, "record{size}"),
            Self::Variadic => formatter.write_str("..."),
            Self::Unknown(name) => write!(formatter, "{name}?"),
        }
    }
}

/// A routine's result and arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The result.
    pub result: Kind,
    /// The arguments, in their order.
    pub arguments: Vec<Kind>,
}

impl Signature {
    /// Whether a caller that knows the one can call the other.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.result.agrees_with(&other.result)
            && self.arguments.len() == other.arguments.len()
            && self
                .arguments
                .iter()
                .zip(&other.arguments)
                .all(|(one, other)| one.agrees_with(other))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments: Vec<_> = self.arguments.iter().map(ToString::to_string).collect();
        write!(formatter, "{} ({})", self.result, arguments.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_it_is_read() {
        for word in [
            "void",
            "signed4",
            "unsigned8",
            "pointer8",
            "record16",
            "...",
        ] {
            assert_eq!(Kind::parse(word).to_string(), word);
        }
    }

    #[test]
    fn small_records_are_passed_as_numbers_and_nothing_else_is() {
        let agree = |one, other| Kind::parse(one).agrees_with(&Kind::parse(other));
        assert!(agree("record8", "signed8") && agree("unsigned4", "record4"));
        assert!(agree("pointer8", "unsigned8"));
        for (one, other) in [
            ("record8", "signed4"),
            ("record16", "pointer8"),
            ("signed4", "unsigned4"),
            ("unsigned1", "unsigned4"),
            ("pointer8", "signed8"),
            ("Strange", "Strange"),
        ] {
            assert!(!agree(one, other), "{one} {other}");
        }
    }
}
