//! INF files as the device installer reads them: sections, entries, fields, string tokens.
//!
//! Sources: "General Syntax Rules for INF Files", "INF Strings Section" and "INF Manufacturer
//! Section" in the driver documentation. What the grammar decides is in [`scan`] (lines,
//! quoting, continuation, comments), [`expand`] (`%token%` substitution), [`encoding`] (bytes to
//! text) and [`decoration`] (`NTamd64.10.0...19041`).

pub mod decoration;
pub mod driver_version;
pub mod encoding;
pub mod expand;
pub mod facts;
pub mod guid;
pub mod scan;
pub mod stamp;

use std::collections::BTreeMap;

/// One value of an entry, or its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// As written, without the quotation marks around it.
    pub raw: String,
    /// After string substitution. A directory identifier stays a token: `%13%\eduwdm.sys`.
    pub text: String,
    /// Whether any part of it was in quotation marks.
    pub quoted: bool,
}

/// One entry of a section: `key = value, value, …`, or values alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The line it begins on, from 1.
    pub line: u32,
    /// What stands before the equals sign.
    pub key: Option<Field>,
    /// What stands between the commas. Empty fields at the end are dropped.
    pub values: Vec<Field>,
}

impl Entry {
    /// The key's text, or nothing where the entry has none.
    #[must_use]
    pub fn key(&self) -> &str {
        self.key.as_ref().map_or("", |key| key.text.as_str())
    }

    /// The value at `index`, or nothing where the entry has no such value.
    #[must_use]
    pub fn value(&self, index: usize) -> &str {
        self.values
            .get(index)
            .map_or("", |value| value.text.as_str())
    }

    /// Whether the key is this one. Keys are not case-sensitive.
    #[must_use]
    pub fn is(&self, key: &str) -> bool {
        self.key().eq_ignore_ascii_case(key)
    }
}

/// A section with its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// As written between the brackets.
    pub name: String,
    /// The line of the brackets, from 1.
    pub line: u32,
    /// In the order of the file.
    pub entries: Vec<Entry>,
}

impl Section {
    /// The first entry with this key.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.is(key))
    }

    /// The first value of the first entry with this key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&str> {
        self.entry(key).map(|entry| entry.value(0))
    }
}

/// A fault that keeps part of a file from being understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxError {
    /// The line it is on, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
}

/// A whole file.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// In the order of the file. A name that occurs twice is here twice.
    pub sections: Vec<Section>,
    /// The tokens of `[Strings]`, by their names in lower case.
    pub strings: BTreeMap<String, String>,
    /// Tokens that `[Strings]` does not define, with the line of their use.
    pub undefined: Vec<(u32, String)>,
    /// What could not be read.
    pub errors: Vec<SyntaxError>,
    /// How many lines the file has.
    pub lines: u32,
}

impl Document {
    /// Reads a file's text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut document = scan::scan(text);
        expand::expand(&mut document);
        document
    }

    /// The section with this name. Section names are not case-sensitive. The first of several
    /// with one name; the installer would merge them, which the linter does not let pass.
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections
            .iter()
            .find(|section| section.name.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_are_not_case_sensitive() {
        let document = Document::parse("[VERSION]\nsignature = x\n");
        assert_eq!(
            document
                .section("Version")
                .and_then(|section| section.value("Signature")),
            Some("x")
        );
    }
}
