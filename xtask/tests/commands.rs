//! What people on Windows are told to type is there on Windows: the guide's page and the
//! workflow's job name no sub-command that is left out of `cargo xtask` there. That those which
//! are not left out compile there, `cargo xtask test` checks.

use std::{collections::BTreeSet, fs, path::Path};

fn file(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(name)).unwrap()
}

/// The part of a text from one line up to another.
fn part<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let (_, rest) = text.split_once(from).unwrap();
    rest.split_once(to).map_or(rest, |(part, _)| part)
}

/// The words behind `cargo xtask`.
fn named(text: &str) -> BTreeSet<String> {
    text.split("cargo xtask ")
        .skip(1)
        .map(|rest| {
            rest.chars()
                .take_while(char::is_ascii_lowercase)
                .collect::<String>()
        })
        .filter(|word| !word.is_empty())
        .collect()
}

/// The sub-commands that are compiled on Windows.
fn on_windows() -> BTreeSet<String> {
    let main = file("xtask/src/main.rs");
    let mut commands = BTreeSet::new();
    let mut is_for_others = false;
    for line in part(&main, "enum Command {\n", "\n}\n").lines() {
        let line = line.trim();
        if line == "#[cfg(unix)]" {
            is_for_others = true;
        } else if let Some((name, _)) = line.split_once('(')
            && name.chars().all(char::is_alphanumeric)
        {
            if !is_for_others {
                commands.insert(name.to_lowercase());
            }
            is_for_others = false;
        }
    }
    commands
}

#[test]
fn what_is_told_to_be_typed_on_windows_is_there() {
    let there = on_windows();
    assert!(
        there.contains("package") && !there.contains("demo"),
        "{there:?}"
    );
    let page = file("docs/src/windows-build.md");
    let workflow = file(".github/workflows/ci.yml");
    let told = [
        named(&page),
        named(part(&workflow, "\n  windows:\n", "\n\n\n")),
    ];
    for names in told {
        assert!(names.contains("package"), "{names:?}");
        let missing: Vec<_> = names.difference(&there).collect();
        assert!(missing.is_empty(), "{missing:?} of {there:?}");
    }
}
