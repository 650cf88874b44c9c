//! The page on the verifier tells what the tests of the verifier show: no more, no less.
//!
//! Both are read as they are written: the rows of `verifier.rs`, and the table of
//! `docs/src/verifier.md` whose last column names drivers and their misdeeds.

use std::collections::BTreeSet;

/// A driver, what it does wrong, the bug check, and its first parameter if that is told.
type Shown = (String, String, u64, Option<u64>);

const TESTS: &str = include_str!("verifier.rs");
const PAGE: &str = include_str!("../../docs/src/verifier.md");

#[track_caller]
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

/// The rows of the tests: `("misdeed", When, code, &[(index, value), …])`, behind the driver's
/// name and `&[`.
fn tested() -> BTreeSet<Shown> {
    let text: String = TESTS.split_whitespace().collect();
    let mut shown = BTreeSet::new();
    for part in text.split("\"wrong_").skip(1) {
        let Some((driver, mut rest)) = part.split_once("\",&[(") else {
            continue;
        };
        while let Some((misdeed, after)) = between(rest, "\"", "\",") {
            let mut fields = after.splitn(3, ',');
            let when = fields.next().unwrap_or_default();
            let (Some(code), Some(parameters)) = (fields.next(), fields.next()) else {
                break;
            };
            if !["Done", "Logged", "Unloaded", "Removed", "Failed"].contains(&when) {
                break;
            }
            assert!(
                parameters.starts_with("&["),
                "{driver}, {misdeed}: the parameters are not written down there"
            );
            let (parameters, after) = between(parameters, "&[", "]").unwrap_or_default();
            let first = between(parameters, "(1,", ")").map(|(value, _)| number(value));
            let driver = format!("wrong_{driver}");
            shown.insert((driver, misdeed.to_owned(), number(code), first));
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

/// The rows of the page's first table.
fn told() -> BTreeSet<Shown> {
    let rows = PAGE.lines().filter(|line| line.starts_with("| "));
    let mut shown = BTreeSet::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, check, _, by] = cells[..] else {
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
        for driver in by.split("; ") {
            let (driver, misdeeds) = driver.split_once(": ").unwrap_or_default();
            for misdeed in misdeeds.split(", ") {
                let misdeed = misdeed.trim_matches('`').to_owned();
                shown.insert((driver.to_owned(), misdeed, number(code), first));
            }
        }
    }
    shown
}

#[test]
fn the_page_tells_what_the_tests_of_the_verifier_show() {
    let (tested, told) = (tested(), told());
    assert!(tested.len() > 200, "only {} rows were read", tested.len());
    let untold: Vec<_> = tested.difference(&told).collect();
    assert_eq!(untold, [] as [&Shown; 0], "the page does not tell these");
    let unshown: Vec<_> = told.difference(&tested).collect();
    assert_eq!(unshown, [] as [&Shown; 0], "no test shows these");
}
