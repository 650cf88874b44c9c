//! The scripts for the test machine: their syntax, by a grammar of PowerShell that is not ours;
//! rules on the syntax tree, for what would fail in Windows PowerShell 5.1 alone; and that they
//! agree with each other and with the package.

mod agreement;
mod names;
mod natives;
mod parameters;
mod text_files;
mod tree;
mod typed;
mod workflow;

use std::fs;
use std::path::Path;

/// Where the project has scripts.
const FOLDERS: [&str; 2] = ["../../inf", "../vm/guest"];
/// Those that a person runs on a test machine, from the package.
const OF_THE_PACKAGE: [&str; 3] = ["install.ps1", "remove.ps1", "verify.ps1"];

/// Every script and module: its name and its text, sorted.
fn scripts() -> Vec<(String, String)> {
    let mut scripts = Vec::new();
    for folder in FOLDERS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|end| end == "ps1" || end == "psm1")
            {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                scripts.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    scripts.sort();
    scripts
}

/// The script with this name.
fn script(wanted: &str) -> String {
    scripts()
        .into_iter()
        .find_map(|(name, text)| (name == wanted).then_some(text))
        .unwrap()
}

#[test]
fn every_script_is_understood_by_the_grammar() {
    let scripts = scripts();
    let names: Vec<&str> = scripts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "agent.ps1",
            "eduwdm.psm1",
            "first-logon.ps1",
            "guest.psm1",
            "install.ps1",
            "remove.ps1",
            "verify-guest.ps1",
            "verify.ps1"
        ]
    );
    for (name, text) in &scripts {
        assert_eq!(tree::syntax_faults(text), [""; 0], "{name}");
    }
}

#[test]
fn they_are_ascii_so_that_every_powershell_reads_them_alike() {
    // Windows PowerShell takes a file without a byte-order mark for ANSI.
    for (name, text) in scripts() {
        assert!(text.is_ascii(), "{name}");
    }
}

#[test]
fn each_says_what_it_does_and_how_it_ends_and_asks_for_an_administrator() {
    for name in OF_THE_PACKAGE {
        let text = script(name);
        for part in [
            ".SYNOPSIS",
            ".DESCRIPTION",
            ".EXAMPLE",
            "Exit codes:",
            "#Requires -RunAsAdministrator",
            "Set-StrictMode -Version 3.0",
            "$ErrorActionPreference = 'Stop'",
            "Import-Module (Join-Path $PSScriptRoot 'eduwdm.psm1')",
            "\nConfirm-Platform ",
        ] {
            assert!(text.contains(part), "{part} in {name}");
        }
    }
}
