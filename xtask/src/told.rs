//! What people are told to type is what there is: each call of `cargo xtask` and of `cargo nt` in a
//! block of the guide and of the READMEs parses, and each that is named in a sentence has its
//! sub-command and its options.

use std::{fs, path::PathBuf};

use clap::{CommandFactory, Parser};

use crate::{Arguments, paths};

fn pages() -> Vec<PathBuf> {
    let root = paths::root();
    let mut pages: Vec<_> = ["README.md", "nthost/README.md", "cross/README.md"]
        .map(|page| root.join(page))
        .into();
    for entry in fs::read_dir(root.join("docs/src")).unwrap() {
        let page = entry.unwrap().path();
        if page.extension().is_some_and(|extension| extension == "md") {
            pages.push(page);
        }
    }
    pages
}

/// The words of a call, from `cargo` on: `cargo nt` is `cargo xtask driver`.
fn call(text: &str) -> Option<Vec<String>> {
    let words = shlex::split(text)?;
    let command: &[&str] = match words.get(..2)? {
        [cargo, xtask] if cargo == "cargo" && xtask == "xtask" => &["cargo xtask"],
        [cargo, nt] if cargo == "cargo" && nt == "nt" => &["cargo xtask", "driver"],
        _ => return None,
    };
    let rest = words.get(2..)?.iter().cloned();
    Some(
        command
            .iter()
            .map(ToString::to_string)
            .chain(rest)
            .collect(),
    )
}

/// The calls in a page's blocks, and those in its sentences.
fn calls(page: &str) -> (Vec<String>, Vec<String>) {
    let (mut typed, mut named) = (Vec::new(), Vec::new());
    let mut fenced = false;
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            continue;
        }
        if fenced || line.starts_with("    ") {
            let mut line = line.trim_start().trim_start_matches("$ ").to_owned();
            while let Some(begun) = line.strip_suffix('\\') {
                line = begun.to_owned() + lines.next().unwrap_or_default();
            }
            typed.extend(line.starts_with("cargo ").then_some(line));
        } else {
            let quoted = line.split('`').skip(1).step_by(2);
            named.extend(quoted.map(ToOwned::to_owned));
        }
    }
    (typed, named)
}

/// What is wrong with a call that is named: the rest of its words may be anything.
fn fault(call: &[String]) -> Option<String> {
    let mut command = &{
        let mut command = Arguments::command();
        command.build();
        command
    };
    for word in call.iter().skip(1).take_while(|word| *word != "--") {
        if word == "…" {
            return None;
        }
        if let Some(option) = word.strip_prefix("--") {
            let has = |it: &clap::Arg| it.get_long() == Some(option);
            if !command.get_arguments().any(has) {
                return Some(format!("{} has no --{option}", command.get_name()));
            }
        } else if command.has_subcommands() {
            match command.find_subcommand(word) {
                Some(found) => command = found,
                None => return Some(format!("{} has no {word}", command.get_name())),
            }
        }
    }
    None
}

#[test]
fn what_the_guide_and_the_readmes_tell_to_type_parses() {
    let (mut faults, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        let page = page.display();
        let (typed, named) = calls(&text);
        for line in typed {
            if let Some(call) = call(&line) {
                count += 1;
                if let Err(fault) = Arguments::try_parse_from(call) {
                    faults.push(format!("{page}: {line}: {fault}"));
                }
            }
        }
        for words in named {
            if let Some(call) = call(&words) {
                count += 1;
                faults.extend(fault(&call).map(|fault| format!("{page}: {words}: {fault}")));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(count > 100, "{count} calls");
}

#[test]
fn what_there_is_not_is_found() {
    let named = |text| fault(&call(text).unwrap());
    assert_eq!(named("cargo xtask test --replay SEED --gdb"), None);
    assert!(named("cargo xtask test --reply SEED").is_some());
    assert!(named("cargo xtask tests").is_some());
    assert_eq!(named("cargo nt run --keep"), None);
    assert!(named("cargo nt go").is_some());
    let (typed, named) = calls("`a`\n```console\n$ cargo x \\\n  y\nz\n```\n    cargo nt\n");
    assert_eq!(typed, ["cargo x   y", "cargo nt"]);
    assert_eq!(named, ["a"]);
}
