//! The project's words: phrases that are not plain, idiomatic technical English do not come back, in
//! what people read of it.
#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Phrases, and what to write instead.
const FORBIDDEN: [(&str, &str); 12] = [
    ("cancelled", "canceled, as in Windows' documentation"),
    ("cancelling", "canceling, as in Windows' documentation"),
    (
        "whoever",
        "the one who does it: the caller, the owner, the holder",
    ),
    ("whither", "where"),
    ("thereof", "of it"),
    ("to be had", "available"),
    ("is to be", "must be, or the present tense"),
    ("are to be", "must be, or the present tense"),
    ("is to have", "must have"),
    ("are to have", "must have"),
    ("sees to", "ensures"),
    ("who writes a driver", "if you are writing a driver"),
];

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the project's folder").to_owned()
}

/// The files below a folder with one of these extensions.
fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            if name != "target" {
                files(&path, extension, found);
            }
        } else if path.extension().is_some_and(|one| one == extension) {
            found.push(path);
        }
    }
}

/// Where a phrase stands in a line, as words of its own.
fn has(line: &str, phrase: &str) -> bool {
    let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let line = line.to_lowercase();
    line.match_indices(phrase).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + phrase.len()..].chars().next();
        !is_word(before) && !is_word(after)
    })
}

/// What is wrong with lines: of code only comments of these forms are read.
fn wrong(path: &Path, comments: Option<&[&str]>) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let name = path.strip_prefix(root()).unwrap_or(path).display();
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let is_read = comments.is_none_or(|comments| {
            let line = line.trim_start();
            comments.iter().any(|comment| line.starts_with(comment))
        });
        if !is_read {
            continue;
        }
        for (phrase, instead) in FORBIDDEN {
            // The name of NT's status has two of them.
            let line = line.replace("CANCELLED", "");
            if has(&line, phrase) {
                let number = number + 1;
                all.push(format!("{name}:{number}: “{phrase}”: write {instead}"));
            }
        }
    }
    all
}

#[test]
fn phrases_are_found_as_words_alone() {
    assert!(has("Whoever holds it", "whoever"));
    assert!(has("it (is to be) done", "is to be"));
    assert!(!has("this to be", "is to be"));
    assert!(!has("is to become", "is to be"));
}

#[test]
fn what_people_read_is_plain_english() {
    let root = root();
    let mut pages = vec![
        root.join("README.md"),
        root.join("nthost/README.md"),
        root.join("cross/README.md"),
        root.join("wdm/README.md"),
    ];
    files(&root.join("docs/src"), "md", &mut pages);
    let mut found: Vec<_> = pages.iter().flat_map(|page| wrong(page, None)).collect();
    // All comments of what driver authors read as the reference.
    let mut sources = Vec::new();
    for folder in ["wdm", "driver", "abi"] {
        files(&root.join(folder), "rs", &mut sources);
    }
    assert!(sources.len() > 100, "{} sources", sources.len());
    found.extend(sources.iter().flat_map(|file| wrong(file, Some(&["//"]))));
    // Of the programs, what becomes their --help, and the heads of their modules.
    let mut programs = Vec::new();
    for folder in ["userapp", "xtask"] {
        files(&root.join(folder), "rs", &mut programs);
    }
    assert!(programs.len() > 80, "{} sources", programs.len());
    let help = &["///", "//!"][..];
    found.extend(programs.iter().flat_map(|file| wrong(file, Some(help))));
    assert!(found.is_empty(), "{}", found.join("\n"));
}
