//! What the drivers that do wrong do, as it is written down: in the rows of `tests/verifier.rs`,
//! and in the first table of `docs/src/verifier.md`.

use std::collections::BTreeSet;

/// Something that a driver does wrong, and how the verifier reports it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Misdeed {
    /// The driver.
    pub driver: String,
    /// What it calls it.
    pub name: String,
    /// The bug check's code.
    pub code: u64,
    /// Its first parameter, where that tells what was done.
    pub first: Option<u64>,
}

/// What becomes of the system if the rule is one that it is to go on from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Then {
    /// It ends in the bug check nevertheless.
    Stops,
    /// It goes on.
    GoesOn,
    /// It goes on, and ends in this bug check.
    Ends(u64),
}

const TESTS: &str = include_str!("../tests/verifier.rs");
const PAGE: &str = include_str!("../../docs/src/verifier.md");

fn number(text: &str) -> u64 {
    let digits = text.trim().replace('_', "");
    let number = digits.strip_prefix("0x").map_or_else(
        || digits.parse(),
        |digits| u64::from_str_radix(&digits.to_ascii_lowercase(), 16),
    );
    number.unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// What stands between the first `open` and the next `close`, and the rest.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    text.split_once(open)?.1.split_once(close)
}

/// The rows of the tests, with the word for when each comes to light: `("misdeed", When, code,
/// &[(index, value), …])`, behind the driver's name and `&[`.
///
/// # Panics
///
/// If they are written in another form.
#[must_use]
pub fn tested() -> BTreeSet<(Misdeed, String)> {
    let text: String = TESTS.split_whitespace().collect();
    let mut shown = BTreeSet::new();
    for part in text.split("\"wrong_").skip(1) {
        let Some((driver, mut rest)) = part.split_once("\",&[(") else {
            continue;
        };
        while let Some((name, after)) = between(rest, "\"", "\",") {
            let mut fields = after.splitn(3, ',');
            let when = fields.next().unwrap_or_default();
            let (Some(code), Some(parameters)) = (fields.next(), fields.next()) else {
                break;
            };
            if !["Done", "Logged", "Unloaded", "Removed", "Failed", "Ended"].contains(&when) {
                break;
            }
            assert!(
                parameters.starts_with("&["),
                "{driver}, {name}: the parameters are not written down there"
            );
            let (parameters, after) = between(parameters, "&[", "]").unwrap_or_default();
            let misdeed = Misdeed {
                driver: format!("wrong_{driver}"),
                name: name.to_owned(),
                code: number(code),
                first: between(parameters, "(1,", ")").map(|(value, _)| number(value)),
            };
            shown.insert((misdeed, when.to_owned()));
            rest = after;
            // Behind the last row, the list ends.
            let end = rest.trim_start_matches([',', ')']);
            if end.starts_with(']') {
                break;
            }
        }
    }
    shown
}

/// The rows of the page's first table, with what it says of going on.
///
/// # Panics
///
/// If they are written in another form.
#[must_use]
pub fn told() -> BTreeSet<(Misdeed, Then)> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| "));
    let mut shown = BTreeSet::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, check, _, then, by] = cells[..] else {
            continue;
        };
        let Some(check) = check
            .strip_prefix('`')
            .and_then(|text| text.strip_suffix('`'))
        else {
            continue;
        };
        let (code, first) = match check.split_once(", ") {
            Some((code, first)) => (code, Some(number(first))),
            None => (check, None),
        };
        let then = match (then, between(then, "then `", "`")) {
            ("stops", _) => Then::Stops,
            (_, Some((code, _))) => Then::Ends(number(code)),
            _ => Then::GoesOn,
        };
        for driver in by.split("; ") {
            let (driver, names) = driver.split_once(": ").unwrap_or_default();
            for name in names.split(", ") {
                let misdeed = Misdeed {
                    driver: driver.to_owned(),
                    name: name.trim_matches('`').to_owned(),
                    code: number(code),
                    first,
                };
                shown.insert((misdeed, then.clone()));
            }
        }
    }
    shown
}
