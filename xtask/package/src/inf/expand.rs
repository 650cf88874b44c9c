//! String substitution: `%token%` from `[Strings]`, `%%` for a percent sign.
//!
//! A token that is a number is a directory identifier (see "Using Dirids") and stays as it is,
//! since only the machine that installs knows its directory.

use std::collections::BTreeMap;

use super::{Document, Field};

/// Replaces the tokens of every section but `[Strings]`, and notes those that it does not define.
/// The neutral `[Strings]` section counts; a language's section only replaces its values.
pub fn expand(document: &mut Document) {
    let mut strings = BTreeMap::new();
    for section in &document.sections {
        if section.name.eq_ignore_ascii_case("Strings") {
            for entry in &section.entries {
                strings
                    .entry(entry.key().trim_matches('%').to_lowercase())
                    .or_insert_with(|| entry.value(0).to_owned());
            }
        }
    }
    let mut undefined = Vec::new();
    for section in &mut document.sections {
        if is_strings(&section.name) {
            continue;
        }
        for entry in &mut section.entries {
            let line = entry.line;
            for field in entry.key.iter_mut().chain(&mut entry.values) {
                substitute(field, &strings, |token| undefined.push((line, token)));
            }
        }
    }
    document.strings = strings;
    document.undefined = undefined;
}

/// Whether this is `[Strings]` or `[Strings.<language>]`.
#[must_use]
pub fn is_strings(section: &str) -> bool {
    let section = section.to_lowercase();
    section == "strings" || section.starts_with("strings.")
}

/// Whether a token names a directory: a number, or -1.
#[must_use]
pub fn is_dirid(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn substitute(
    field: &mut Field,
    strings: &BTreeMap<String, String>,
    mut undefined: impl FnMut(String),
) {
    let mut text = String::with_capacity(field.raw.len());
    let mut rest = field.raw.as_str();
    while let Some((before, after)) = rest.split_once('%') {
        text.push_str(before);
        let Some((token, after)) = after.split_once('%') else {
            // A lone percent sign stands for itself.
            text.push('%');
            rest = after;
            continue;
        };
        rest = after;
        if token.is_empty() {
            text.push('%');
        } else if is_dirid(token) {
            text.push('%');
            text.push_str(token);
            text.push('%');
        } else if let Some(value) = strings.get(&token.to_lowercase()) {
            text.push_str(value);
        } else {
            undefined(token.to_owned());
        }
    }
    text.push_str(rest);
    field.text = text;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> (String, Vec<(u32, String)>) {
        let document = Document::parse(&format!("[a]\nk = {text}\n[Strings]\nName = \"Value\"\n"));
        (
            document.sections[0].entries[0].value(0).to_owned(),
            document.undefined,
        )
    }

    #[test]
    fn tokens_are_replaced_whatever_their_case() {
        assert_eq!(value("a%NAME%b").0, "aValueb");
    }

    #[test]
    fn a_doubled_percent_sign_is_one() {
        assert_eq!(value("%%SystemRoot%%\\x").0, "%SystemRoot%\\x");
        assert_eq!(value("100%").0, "100%");
    }

    #[test]
    fn directory_identifiers_stay() {
        assert_eq!(value("%13%\\eduwdm.sys").0, "%13%\\eduwdm.sys");
        assert_eq!(value("%-1%\\x").0, "%-1%\\x");
    }

    #[test]
    fn unknown_tokens_are_named_with_their_line() {
        assert_eq!(value("%REG_DWORD%").1, [(2, "REG_DWORD".to_owned())]);
    }

    #[test]
    fn strings_are_not_substituted_in_their_own_section() {
        let document = Document::parse("[Strings]\na = \"%b%\"\n");
        assert_eq!(document.undefined, []);
        assert_eq!(document.strings["a"], "%b%");
    }
}
