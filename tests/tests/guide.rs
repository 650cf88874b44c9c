//! What the guide names is there: files, tests, the wrong drivers' functions, and its own pages.
//! Where something is renamed, the guide says so too.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
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

#[test]
fn every_test_and_wrong_driver_of_the_chapter_on_multiprocessors_exists() {
    let text = fs::read_to_string(root().join("docs/src/multiprocessor.md")).unwrap();
    let words = quoted(&text);
    let mut tests = BTreeSet::new();
    for pair in words.windows(2) {
        let [file, name] = [pair[0], pair[1]];
        // `file`: `name`
        if !text.contains(&format!("`{file}`: `{name}`"))
            && !text.contains(&format!("`{file}`:\n`{name}`"))
        {
            continue;
        }
        let source = if file.starts_with("wrong_") {
            root().join(format!("tests/drivers/c/{file}.c"))
        } else {
            root().join(format!("tests/tests/{file}.rs"))
        };
        let source = fs::read_to_string(&source)
            .unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        assert!(source.contains(name), "`{file}`: `{name}`");
        tests.insert(name);
    }
    assert!(tests.len() > 20, "{tests:?}");
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
            let target = link.split([')', '#']).next().unwrap();
            let is_outside = target.is_empty() || target.contains("://");
            assert!(
                is_outside || root().join("docs/src").join(target).exists(),
                "{page}: {target}"
            );
        }
    }
}
