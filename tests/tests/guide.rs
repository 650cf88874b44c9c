//! What the guide names is there: files, tests, the wrong drivers' functions, and its own pages.
//! Where something is renamed, the guide says so too. What it says that a command prints is held to
//! that.
#![cfg(unix)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use eduwdm_tests::{
    guide::{self, Shown},
    misdeeds,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// The guide's pages, by name.
fn pages() -> Vec<(String, String)> {
    let folder = root().join("docs/src");
    let mut pages = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "md") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            pages.push((name, fs::read_to_string(path).unwrap()));
        }
    }
    assert!(pages.len() > 5, "{pages:?}");
    pages
}

/// What stands between backquotes, in lines that are no code.
fn quoted(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose
        .flat_map(|part| part.split('`').skip(1).step_by(2))
        .collect()
}

#[test]
fn every_file_that_the_guide_names_exists() {
    const FOLDERS: [&str; 10] = [
        "driver/", "wdm/", "abi/", "userapp/", "inf/", "qemu/", "nthost/", "tests/", "cross/",
        "xtask/",
    ];
    let mut count = 0;
    for (page, text) in pages() {
        for name in quoted(&text) {
            let is_path = FOLDERS.iter().any(|folder| name.starts_with(folder))
                && !name.contains(['*', ' ', '…', '<', '\n']);
            if is_path {
                assert!(root().join(name).exists(), "{page}: {name}");
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count} files are named");
}

/// The source of a file of tests, by its name, or of a wrong driver.
fn source(file: &str) -> Option<String> {
    let path = if file.starts_with("wrong_") {
        root().join(format!("tests/drivers/c/{file}.c"))
    } else {
        root().join(format!("tests/tests/{file}.rs"))
    };
    fs::read_to_string(path).ok()
}

#[test]
fn every_test_and_wrong_driver_of_the_guide_exists() {
    let mut tests = BTreeSet::new();
    for (page, text) in pages() {
        let words = quoted(&text);
        for pair in words.windows(2) {
            let [file, name] = [pair[0], pair[1]];
            // `file`: `name`, where a file of tests is named without its extension.
            let is_pair = text.contains(&format!("`{file}`: `{name}`"))
                || text.contains(&format!("`{file}`:\n`{name}`"));
            if file.contains('.') || !is_pair {
                continue;
            }
            let source = source(file).unwrap_or_else(|| panic!("{page}: `{file}`"));
            assert!(source.contains(name), "{page}: `{file}`: `{name}`");
            tests.insert(name.to_owned());
        }
    }
    assert!(tests.len() > 20, "{tests:?}");
}

/// Whether this is a file's test that cargo runs.
fn tests_of(source: &str) -> BTreeSet<&str> {
    let parts = source.split("#[test]\n").skip(1);
    parts
        .filter_map(|part| part.trim_start().strip_prefix("fn ")?.split('(').next())
        .collect()
}

/// What `cargo test` prints of tests that pass, in any order.
fn passing(output: &str) -> BTreeSet<&str> {
    output
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... ok"))
        .collect()
}

/// Whether a source has a sub-command of this name.
fn is_variant(source: &str, name: &str) -> bool {
    let mut letters = name.chars();
    let first: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .collect();
    source.contains(&format!("    {first}{}(", letters.as_str()))
}

/// Every command that the guide shows, with its output: those of wrong drivers are compared where
/// `verifier.rs` runs them, tests pass or are no part of this, and whatever else is shown must be
/// a command that there is.
#[test]
fn every_command_of_the_guide_prints_what_it_shows() {
    let misdeeds: BTreeSet<_> = misdeeds::tested()
        .into_iter()
        .map(|(it, _)| (it.driver, it.name))
        .collect();
    let commands = fs::read_to_string(root().join("xtask/src/main.rs")).unwrap();
    let own_commands = fs::read_to_string(root().join("xtask/src/driver/mod.rs")).unwrap();
    let mut count = 0;
    for Shown {
        page,
        command,
        output,
    } in guide::shown()
    {
        count += 1;
        let words: Vec<_> = command.split(' ').collect();
        match words[..] {
            ["cargo", "xtask", "misdeed", driver, name, ..] => {
                let key = (driver.to_owned(), name.to_owned());
                assert!(misdeeds.contains(&key), "{page}: {command}");
                assert!(output.contains("STOP "), "{page}: {command}:\n{output}");
            }
            [
                "cargo",
                "test",
                "-p",
                "eduwdm-tests",
                "--test",
                file,
                filter,
            ] => {
                let source = source(file).unwrap_or_else(|| panic!("{page}: {command}"));
                let mut run = tests_of(&source);
                run.retain(|name| name.contains(filter));
                assert!(!run.is_empty(), "{page}: {command} runs nothing");
                assert_eq!(passing(&output), run, "{page}: {command}");
            }
            ["cargo", "test", "-p", "eduwdm-logic", .., "--test", file] => {
                let path = root().join(format!("driver/logic/tests/{file}.rs"));
                let source = fs::read_to_string(path).unwrap();
                assert_eq!(passing(&output), tests_of(&source), "{page}: {command}");
            }
            ["cargo", "xtask", subcommand, ..] => {
                assert!(is_variant(&commands, subcommand), "{page}: {command}");
                // Only what is compared somewhere may be shown.
                let is_shown = output.is_empty() || subcommand == "threads";
                assert!(is_shown, "{page}: {command}:\n{output}");
            }
            // In the folder of a driver. What they show, `new_driver` compares.
            ["cargo", "nt", subcommand, ..] => {
                assert!(is_variant(&own_commands, subcommand), "{page}: {command}");
                let is_shown = output.is_empty() || ["run", "test"].contains(&subcommand);
                assert!(is_shown, "{page}: {command}:\n{output}");
            }
            _ => panic!("{page}: nothing holds this command to what it shows: {command}"),
        }
    }
    assert!(count > 20, "{count} commands");
}

/// What a patch takes away from a file.
fn taken(patch: &str, file: &str) -> String {
    let mut inside = false;
    let mut lines = String::new();
    for line in patch.lines() {
        if let Some(of) = line.strip_prefix("--- a/") {
            inside = of == file;
        } else if let Some(line) = line.strip_prefix('-').filter(|_| inside) {
            lines += line;
            lines.push('\n');
        }
    }
    lines
}

/// Each practice of the checklist is kept where its row says. Each planted bug changes that code,
/// if it takes something away there, and is found by the test of its row.
#[test]
fn every_practice_of_the_checklist_is_kept_and_its_bug_found_by_its_test() {
    let page = fs::read_to_string(root().join("docs/src/best-practices.md")).unwrap();
    let (mut count, mut practices) = (0, 0);
    for row in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [_, kept, by, bug] = cells[..] else {
            continue;
        };
        let &[file, code] = &quoted(kept)[..] else {
            continue;
        };
        let source = fs::read_to_string(root().join(file)).unwrap();
        assert!(source.contains(code), "{row}");
        practices += 1;
        let Some(bug) = bug.strip_prefix('`').and_then(|bug| bug.strip_suffix('`')) else {
            continue;
        };
        let patch = root().join(format!("tests/mutants/{bug}.patch"));
        let patch = fs::read_to_string(patch).unwrap_or_else(|fault| panic!("{bug}: {fault}"));
        let finder = patch
            .lines()
            .find_map(|line| line.strip_prefix("Found-by: "))
            .unwrap();
        let by = by.replace(['`', ':'], "");
        let told = match finder.split_once(' ') {
            Some(("machine", test)) => test.to_owned(),
            Some(("host", arguments)) => format!("cargo test {arguments}"),
            _ => "the compiler".to_owned(),
        };
        assert_eq!(by, told, "{row}");
        let taken = taken(&patch, file);
        assert!(taken.is_empty() || taken.contains(code), "{row}:\n{taken}");
        count += 1;
    }
    assert!(count > 15, "{count} bugs");
    assert!(practices > 20, "{practices} practices");
}

#[test]
fn every_region_that_the_guide_includes_is_marked_in_its_file() {
    let mut count = 0;
    for (page, text) in pages() {
        for include in text.split("{{#include ").skip(1) {
            let what = include.split("}}").next().unwrap();
            let (path, region) = what.split_once(':').expect("a region is included");
            let path = root().join("docs/src").join(path);
            let source =
                fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{page}: {what}: {fault}"));
            let lines: Vec<_> = source.lines().map(str::trim).collect();
            let at = |mark: &str| {
                let mark = format!("{mark}: {region}");
                lines.iter().position(|line| {
                    line.trim_start_matches(['/', '*', '<', '!', '-', ' '])
                        .trim_end_matches([' ', '*', '/', '-', '>'])
                        == mark
                })
            };
            let (begin, end) = (at("ANCHOR"), at("ANCHOR_END"));
            assert!(
                begin.is_some() && end.is_some() && begin < end,
                "{page}: {what} is not marked"
            );
            count += 1;
        }
    }
    assert!(count > 10, "{count} regions");
}

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_to_one() {
    let pages = pages();
    let summary = fs::read_to_string(root().join("docs/src/SUMMARY.md")).unwrap();
    for (page, text) in &pages {
        assert!(
            page == "SUMMARY.md" || summary.contains(&format!("({page})")),
            "{page} is not in the summary"
        );
        for link in text.split("](").skip(1) {
            let (target, heading) = link
                .split(')')
                .next()
                .map(|link| link.split_once('#').unwrap_or((link, "")))
                .unwrap();
            let is_outside = target.is_empty() || target.contains("://");
            assert!(
                is_outside || root().join("docs/src").join(target).exists(),
                "{page}: {target}"
            );
            let is_page = !target.contains("://") && target.rsplit('.').next() == Some("md");
            if !heading.is_empty() && (is_page || target.is_empty()) {
                let file = if target.is_empty() { page } else { target };
                let text = fs::read_to_string(root().join("docs/src").join(file)).unwrap();
                assert!(
                    text.lines().any(|line| slug(line) == heading),
                    "{page}: {target}#{heading}"
                );
            }
        }
    }
}

/// A heading's name in links, as mdBook makes it.
fn slug(line: &str) -> String {
    let Some(heading) = line.strip_prefix('#') else {
        return String::new();
    };
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    heading
        .chars()
        .filter_map(|letter| match letter {
            ' ' => Some('-'),
            '-' | '_' => Some(letter),
            _ => letter.is_alphanumeric().then_some(letter),
        })
        .collect()
}
