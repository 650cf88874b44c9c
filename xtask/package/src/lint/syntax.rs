//! Whether a file can be read at all: its encoding, its grammar, its signature, its tokens.

use super::{Finding, Rule, rules};
use crate::inf::Document;
use crate::inf::expand::is_strings;

rules! {
    SIGNATURE = 1001 "signature" Error,
        "a file begins with [Version] and Signature=\"$Windows NT$\"", "add the section and the signature";
    GRAMMAR = 1002 "grammar" Error,
        "every line must follow the grammar of INF files", "correct the line";
    ENCODING = 1003 "encoding" Error,
        "a file is ANSI or UTF-16 LE", "save it as UTF-16 LE with a byte-order mark, or keep to ASCII";
    SECTION_TWICE = 1209 "section-twice" Error,
        "a section's name may occur once", "merge the sections";
    STRING_UNDEFINED = 1235 "string-undefined" Error,
        "every %token% must be defined in [Strings]", "define it there, or write %% for a percent sign";
    STRINGS_DIFFER = 1295 "strings-differ" Error,
        "the [Strings] of every language must hold the same tokens", "translate what is missing, remove what is too much";
    SKIPPED = 1299 "checks-skipped" Error,
        "nothing more can be checked in a file that cannot be read", "correct the other errors first";
    ARCH_TOKEN = 1274 "arch-token" Error,
        "$ARCH$ is no architecture", "replace it, as stampinf does";
}

fn finding(rule: &'static Rule, line: u32, detail: impl Into<String>) -> Finding {
    Finding {
        rule,
        line,
        detail: detail.into(),
    }
}

/// Checks what must hold before any other rule can be looked at.
#[must_use]
pub fn check(document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !document.errors.is_empty() {
        for error in &document.errors {
            findings.push(finding(&GRAMMAR, error.line, error.message.clone()));
        }
        let line = document.errors[0].line;
        findings.push(finding(&SKIPPED, line, "the file has errors of grammar"));
        return findings;
    }
    let version = document.section("Version");
    let signature = version.and_then(|section| section.value("Signature"));
    if !signature.is_some_and(|signature| {
        signature.eq_ignore_ascii_case("$Windows NT$")
            || signature.eq_ignore_ascii_case("$Chicago$")
    }) {
        let line = version.map_or(1, |section| section.line);
        let detail = signature.map_or_else(
            || "there is none".to_owned(),
            |signature| format!("the signature is \"{signature}\""),
        );
        findings.push(finding(&SIGNATURE, line, detail));
        return findings;
    }
    sections(document, &mut findings);
    tokens(document, &mut findings);
    findings
}

fn sections(document: &Document, findings: &mut Vec<Finding>) {
    for (index, section) in document.sections.iter().enumerate() {
        let before = document.sections[..index]
            .iter()
            .find(|other| other.name.eq_ignore_ascii_case(&section.name));
        if let Some(before) = before {
            let detail = format!("[{}], first on line {}", section.name, before.line);
            findings.push(finding(&SECTION_TWICE, section.line, detail));
        }
        if section.name.contains("$ARCH$") {
            findings.push(finding(
                &ARCH_TOKEN,
                section.line,
                format!("[{}]", section.name),
            ));
        }
    }
}

fn tokens(document: &Document, findings: &mut Vec<Finding>) {
    for (line, token) in &document.undefined {
        let detail = format!("%{token}% (for the characters themselves: %%{token}%%)");
        findings.push(finding(&STRING_UNDEFINED, *line, detail));
    }
    let neutral = document.section("Strings");
    for section in &document.sections {
        if !is_strings(&section.name) || section.name.eq_ignore_ascii_case("Strings") {
            continue;
        }
        let count = neutral.map_or(0, |neutral| neutral.entries.len());
        if section.entries.len() != count {
            let detail = format!(
                "[{}] has {}, [Strings] {count}",
                section.name,
                section.entries.len()
            );
            findings.push(finding(&STRINGS_DIFFER, section.line, detail));
        }
    }
}
