//! The safe layer as a crate of its own: cargo makes a package of it that has all that a reader of it
//! needs, and nothing that leads out of it.
#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn package(arguments: &[&str]) -> Output {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["package", "--package", "wdm", "--allow-dirty"])
        .args(["--config", "../cross/config.toml"])
        .args(arguments)
        .current_dir(root().join("driver"));
    cargo.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_package_has_what_it_needs_and_leads_nowhere_else() {
    let output = package(&["--list"]);
    assert!(output.status.success(), "{}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let files: Vec<_> = text.lines().collect();
    for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "src/lib.rs"] {
        assert!(files.contains(&file), "{file}: {text}");
    }
    for file in files {
        assert!(!file.contains("..") && !file.starts_with("tests"), "{file}");
    }
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let [ours, its] = [root(), root().join("wdm")].map(|folder| fs::read(folder.join(file)));
        assert!(ours.unwrap() == its.unwrap(), "{file} differs");
    }
    let manifest = fs::read_to_string(root().join("wdm/Cargo.toml")).unwrap();
    for field in ["description", "license", "readme", "keywords", "categories"] {
        assert!(manifest.contains(&format!("\n{field}")), "{field}");
    }
}

#[test]
fn cargo_makes_the_package() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().to_str().unwrap();
    let arguments = ["--no-verify", "--target-dir", target];
    // What the drivers' build has fetched is all that it takes, but for a checkout without one.
    let mut output = package(&[&arguments[..], &["--offline"]].concat());
    if !output.status.success() {
        output = package(&arguments);
    }
    assert!(output.status.success(), "{}", said(&output));
    let made = fs::read_dir(folder.path().join("package")).unwrap();
    let is_package = |path: PathBuf| path.extension().is_some_and(|end| end == "crate");
    assert!(made.flatten().any(|entry| is_package(entry.path())));
}
