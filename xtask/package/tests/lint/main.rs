//! Every rule finds its fault, on its line, and nothing else is found with it.
//!
//! Each case changes a file without a fault. In the changed text `;!1324` stands on the line
//! where rule 1324 must be found; two rules are written `;!1262,1301`.

mod cases;
mod passing;

use std::collections::BTreeSet;
use std::fmt::Write;

use eduwdm_package::inf::Document;
use eduwdm_package::lint::{self, Options, elsewhere::ELSEWHERE};

const GOOD: &str = include_str!("good.inf");

/// What is replaced by what. Nothing is replaced by an addition at the end; `a…b` is what stands
/// from `a` to before `b`.
type Edit = (&'static str, &'static str);

fn apply(edits: &[Edit]) -> String {
    let mut text = GOOD.to_owned();
    for (from, to) in edits {
        if from.is_empty() {
            text.push('\n');
            text.push_str(to);
            text.push('\n');
        } else if let Some((start, end)) = from.split_once('…') {
            let (start, end) = (text.find(start).unwrap(), text.find(end).unwrap());
            text.replace_range(start..end, to);
        } else {
            assert_eq!(text.matches(from).count(), 1, "{from:?} is there once");
            text = text.replace(from, to);
        }
    }
    text
}

/// What the marks in a text expect: lines with codes.
fn expected(text: &str) -> BTreeSet<(u32, u16)> {
    let mut marks = BTreeSet::new();
    for (index, line) in text.lines().enumerate() {
        if let Some((_, codes)) = line.split_once(";!") {
            for code in codes.split(',') {
                let line = u32::try_from(index + 1).unwrap();
                marks.insert((line, code.trim().parse().unwrap()));
            }
        }
    }
    marks
}

fn found(text: &str, options: &Options) -> BTreeSet<(u32, u16)> {
    lint::lint(&Document::parse(text), options)
        .iter()
        .map(|finding| (finding.line, finding.rule.code))
        .collect()
}

#[test]
fn a_file_without_a_fault_has_no_finding() {
    let findings = lint::lint(&Document::parse(GOOD), &Options::default());
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", shown.join("\n"));
}

#[test]
fn each_fault_is_found_on_its_line_and_nothing_else_is() {
    let mut wrong = Vec::new();
    for edits in cases::CASES {
        let text = apply(edits);
        let expected = expected(&text);
        assert!(!expected.is_empty(), "{edits:?} has no mark");
        let found = found(&text, &Options::default());
        if found != expected {
            let show = |set: &BTreeSet<(u32, u16)>| -> String {
                let mut shown = String::new();
                for (line, code) in set {
                    let at = text.lines().nth(*line as usize - 1).unwrap_or("");
                    let _ = write!(shown, "\n    {code} on line {line}: {at}");
                }
                shown
            };
            wrong.push(format!(
                "{edits:?}\n  expected{}\n  found{}",
                show(&expected),
                show(&found)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn each_rule_has_a_case() {
    let mut covered: BTreeSet<u16> = cases::CASES
        .iter()
        .flat_map(|edits| expected(&apply(edits)))
        .map(|(_, code)| code)
        .collect();
    // These two have tests of their own below: they need more than a text.
    covered.extend([
        lint::syntax::ENCODING.code,
        lint::version::PROVIDER_OTHER.code,
    ]);
    let rules: BTreeSet<u16> = lint::all().map(|rule| rule.code).collect();
    let missing: Vec<_> = rules.difference(&covered).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}

#[test]
fn rules_and_numbers_that_are_not_checked_are_what_is_documented() {
    let checked: Vec<u16> = lint::all().map(|rule| rule.code).collect();
    let elsewhere: Vec<u16> = ELSEWHERE.iter().map(|(code, _)| *code).collect();
    let all: BTreeSet<u16> = checked.iter().chain(&elsewhere).copied().collect();
    assert_eq!(
        all.len(),
        checked.len() + elsewhere.len(),
        "no number is in both lists, or twice in one"
    );
    assert_eq!(all, cases::DOCUMENTED.iter().copied().collect());
}

#[test]
fn names_are_different_and_everything_is_said() {
    let names: BTreeSet<&str> = lint::all().map(|rule| rule.name).collect();
    assert_eq!(names.len(), lint::all().count());
    for rule in lint::all() {
        assert!(
            !rule.says.is_empty() && !rule.remedy.is_empty(),
            "{}",
            rule.code
        );
    }
}

#[test]
fn another_encoding_is_found() {
    let findings = lint::lint_bytes(b"\xef\xbb\xbf[Version]\r\n", &Options::default());
    assert_eq!(findings[0].rule.code, 1003);
    let mut utf16 = vec![0xff, 0xfe];
    utf16.extend(GOOD.encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(lint::lint_bytes(&utf16, &Options::default()), []);
}

#[test]
fn another_provider_than_the_wanted_is_found() {
    let options = Options {
        provider: Some("Someone else".to_owned()),
    };
    assert_eq!(found(GOOD, &options), [(6, 1210)].into());
    let options = Options {
        provider: Some("Sample maker".to_owned()),
    };
    assert_eq!(found(GOOD, &options), BTreeSet::new());
}

#[test]
fn a_finding_names_line_rule_and_remedy() {
    let text = apply(&[("PnpLockdown = 1", "PnpLockdown = 0")]);
    let findings = lint::lint(&Document::parse(&text), &Options::default());
    let shown = findings[0].to_string();
    for part in [
        "line 9",
        "error 1324 pnp-lockdown",
        "PnpLockdown is 0",
        "add PnpLockdown=1",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}
