//! `Include` and `Needs`: what is taken from INF files that come with Windows.
//!
//! The files themselves are not at hand, so this knows a few sections that the documentation
//! names, and the rule that a section's suffix must match.

use super::grammar::SUFFIXES;
use super::kind::Kind;
use super::rules;
use super::walk::Walk;
use crate::inf::Section;

rules! {
    SUFFIX = 1310 "needs-suffix" Error,
        "a section needs sections of its own kind", "name the section with the same suffix";
    SUFFIX_MISSING = 1311 "needs-suffix-missing" Error,
        "a section needs sections of its own kind", "add the suffix to the name";
    NESTED_SUFFIX = 1312 "needs-suffix-nested" Error,
        "a section that is needed needs sections of its own kind in turn", "name the section with the same suffix";
    NESTED_MISSING = 1313 "needs-suffix-nested-missing" Error,
        "a section that is needed needs sections of its own kind in turn", "add the suffix to the name";
    OTHER_INCLUDE = 1314 "include-elsewhere" Error,
        "a section includes the files whose sections it needs", "add Include to the same section";
    NEEDED = 1315 "needed-not-found" Error,
        "a section that is needed exists here, or in an included file", "add Include, or correct the name";
    NEEDED_DECORATED = 1316 "needed-decorated" Error,
        "a decorated section that is needed exists here, or in an included file", "add Include, or correct the name";
    INCLUDE_OTHER = 1319 "include-other" Error,
        "a section includes the very file whose section it needs", "add that file to Include";
    NOT_INCLUDED = 2651 "not-included" Error,
        "Needs goes with Include", "add Include";
}

/// Sections of files that come with Windows, by the beginning of their names.
const INBOX: &[(&str, &str)] = &[
    ("ks.registration", "ks.inf"),
    ("kscaptur.registration", "kscaptur.inf"),
    ("mshidkmdf", "mshidkmdf.inf"),
    ("wdmaudio.registration", "wdmaudio.inf"),
    ("wudfrd", "wudfrd.inf"),
];

/// The kinds of sections that take `Needs`.
const TAKING: &[Kind] = &[
    Kind::Install,
    Kind::Hw,
    Kind::Services,
    Kind::Interfaces,
    Kind::CoInstallers,
    Kind::Events,
    Kind::Filters,
    Kind::Components,
    Kind::Software,
    Kind::Com,
];

fn suffix(name: &str) -> Option<&'static str> {
    let last = name.rsplit('.').next()?;
    SUFFIXES
        .iter()
        .map(|(suffix, _)| *suffix)
        .find(|suffix| suffix.eq_ignore_ascii_case(last))
        .filter(|_| name.contains('.'))
}

fn included(section: &Section) -> Vec<String> {
    section
        .entries
        .iter()
        .filter(|entry| entry.is("Include"))
        .flat_map(|entry| &entry.values)
        .map(|file| file.text.to_lowercase())
        .collect()
}

/// Checks the directives.
pub fn check(walk: &mut Walk<'_>) {
    let everywhere: Vec<String> = walk.document.sections.iter().flat_map(included).collect();
    let sections: Vec<&Section> = TAKING.iter().flat_map(|kind| walk.met(*kind)).collect();
    for section in sections {
        let own = included(section);
        for entry in section.entries.iter().filter(|entry| entry.is("Needs")) {
            for needed in &entry.values {
                suffixes(walk, section, &needed.text, entry.line, false);
                found(walk, &own, &everywhere, &needed.text, entry.line);
            }
        }
    }
}

fn suffixes(walk: &mut Walk<'_>, section: &Section, needed: &str, line: u32, nested: bool) {
    let wanted = suffix(&section.name);
    let given = suffix(needed);
    let detail = format!("[{needed}], needed by [{}]", section.name);
    match (wanted, given) {
        (Some(_), None) => {
            let rule = if nested {
                &NESTED_MISSING
            } else {
                &SUFFIX_MISSING
            };
            walk.find(rule, line, detail);
        }
        (wanted, Some(given)) if wanted != Some(given) => {
            let rule = if nested { &NESTED_SUFFIX } else { &SUFFIX };
            walk.find(rule, line, detail);
        }
        _ => {}
    }
    // A section of this file that is needed may need others.
    if let Some(inner) = walk.document.section(needed).filter(|_| !nested) {
        for entry in inner.entries.iter().filter(|entry| entry.is("Needs")) {
            for next in &entry.values {
                suffixes(walk, inner, &next.text, entry.line, true);
            }
        }
    }
}

fn found(walk: &mut Walk<'_>, own: &[String], everywhere: &[String], needed: &str, line: u32) {
    if walk.document.section(needed).is_some() {
        return;
    }
    let lower = needed.to_lowercase();
    let inbox = INBOX
        .iter()
        .find(|(section, _)| lower.starts_with(section))
        .map(|(_, file)| *file);
    let has = |files: &[String], file: &str| files.iter().any(|given| given == file);
    match inbox {
        Some(file) if has(own, file) => {}
        Some(file) if has(everywhere, file) => {
            walk.find(&OTHER_INCLUDE, line, format!("[{needed}] of {file}"));
        }
        Some(file) if own.is_empty() => {
            walk.find(&NOT_INCLUDED, line, format!("[{needed}] of {file}"));
        }
        Some(file) => walk.find(&INCLUDE_OTHER, line, format!("[{needed}] of {file}")),
        // Any included file may have it; without one, nothing has.
        None if own.is_empty() => {
            let decorated = lower.split('.').skip(1).any(|part| part.starts_with("nt"));
            let rule = if decorated {
                &NEEDED_DECORATED
            } else {
                &NEEDED
            };
            walk.find(rule, line, format!("[{needed}]"));
        }
        None => {}
    }
}
