//! The drop-in for `wdk-build` (`cross/wdk-build`), compared with the published crate that it
//! stands in for: both are asked for the same build, with the same WDK. What they have bindgen
//! read, and how, and what they tell the linker differs by what is listed here and nothing else,
//! so that what the next release changes is seen.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{Probe, build, finished, program, tree};
use crate::paths;

/// What only the published crate says, and why; `*` at the end stands for anything.
const PUBLISHED: &[(&str, &str)] = &[
    ("--blocklist-item .*ADDRESS0_OWNERSHIP_ACQUIRE", USB),
    ("--blocklist-item .*USBDEVICE_*", USB),
    ("--blocklist-item IOCTL_USB_*", USB),
    ("--blocklist-item USBD_*", USB),
    ("--no-default .*tagMONITORINFOEXA", "a structure of windows"),
    (
        "--rust-target 1.91.0",
        "that crate's own; the drop-in keeps bindgen's default",
    ),
    ("/IGNORE:4216", "a warning that rust-lld does not have"),
    ("/IGNORE:4257", "a warning that rust-lld does not have"),
];

const USB: &str = "there are no headers for USB drivers here";

/// What only the drop-in says, and why.
const DROP_IN: &[(&str, &str)] = &[
    ("--rust-target 1.82.0", "bindgen's default"),
    (
        "--target=x86_64-pc-windows-msvc",
        "on Windows it is the host's",
    ),
    (
        "-ivfsoverlay OUT/wdk-overlay.json",
        "names are found whatever their case",
    ),
    ("-nostdinc", "the host's headers are not Windows'"),
    ("/BREPRO", "the same sources give the same image"),
    ("/DEBUG", "there is a PDB in any case"),
    ("/RELEASE", "rust-lld makes no checksum without it"),
    ("OUT/guard.obj", "in place of the WDK's run-time library"),
];

/// What a crate says of the driver's build, without this machine's folders.
fn said(program: &Path, tree: &Path, wdk: &Path) -> anyhow::Result<BTreeSet<String>> {
    let probe = Probe {
        program: program.to_owned(),
        arguments: vec!["flags"],
        tree: tree.to_owned(),
        wdk: wdk.to_owned(),
    };
    let target = "driver/target/release";
    let said = probe.configured(target, "crt-static")?;
    let out = probe.out(target).display().to_string();
    let wdk = wdk.display().to_string();
    let mut lines: Vec<String> = Vec::new();
    for line in said.lines() {
        let line = line.replace(&out, "OUT").replace(&wdk, "WDK");
        if let Some(flag) = line.strip_prefix("flag: ") {
            match lines.last_mut() {
                // An option's value.
                Some(option) if !flag.starts_with('-') => option.extend([" ", flag]),
                _ => lines.push(flag.to_owned()),
            }
        } else if let Some(header) = line.strip_prefix("header: ") {
            lines.push(header.to_owned());
        } else if let Some(argument) = line.strip_prefix("cargo::rustc-cdylib-link-arg=") {
            lines.push(argument.to_owned());
        }
    }
    Ok(lines.into_iter().collect())
}

/// A tree that both take for a WDK's, of a version that each libclang reads.
fn wdk(place: &Path) -> anyhow::Result<PathBuf> {
    let root = place.join("wdk");
    let version = "10.0.22621.0";
    let (headers, libraries) = (
        root.join("Include").join(version),
        root.join("Lib").join(version).join("km/x64"),
    );
    for folder in [
        headers.join("km/crt"),
        headers.join("shared"),
        libraries.clone(),
    ] {
        fs::create_dir_all(folder)?;
    }
    fs::write(headers.join("km/wdm.h"), "")?;
    fs::write(libraries.join("ntoskrnl.lib"), "")?;
    Ok(root)
}

/// The lines of one that are not the other's, but for those that are listed; and the listed ones
/// that are not such lines.
fn unexpected(
    these: &BTreeSet<String>,
    others: &BTreeSet<String>,
    listed: &[(&str, &str)],
) -> Vec<String> {
    let matches = |line: &str, listed: &str| {
        listed
            .strip_suffix('*')
            .map_or(line == listed, |beginning| line.starts_with(beginning))
    };
    let alone: Vec<_> = these.difference(others).collect();
    let new = alone
        .iter()
        .filter(|line| !listed.iter().any(|(listed, _)| matches(line, listed)));
    let old = listed
        .iter()
        .filter(|(listed, _)| !alone.iter().any(|line| matches(line, listed)));
    new.map(ToString::to_string)
        .chain(old.map(|(line, why)| format!("no more: {line} ({why})")))
        .collect()
}

#[test]
fn the_drop_in_reads_headers_and_links_as_the_published_crate_does() -> anyhow::Result<()> {
    let place = paths::target().join("published");
    // The other test has folders of its own.
    let compared = place.join("compared");
    let (tree, root) = (tree(&compared)?, wdk(&compared)?);
    let published = said(&program(&place)?, &tree, &root)?;
    let ours = build(&place, "drop-in", &paths::root().join("cross/wdk-build"))?;
    let ours = said(&ours, &tree, &root)?;
    assert!(published.len() > 50, "{published:#?}");

    let published_alone = unexpected(&published, &ours, PUBLISHED);
    let ours_alone = unexpected(&ours, &published, DROP_IN);
    assert!(
        published_alone.is_empty() && ours_alone.is_empty(),
        "the published crate says\n  {}\nand the drop-in\n  {}",
        published_alone.join("\n  "),
        ours_alone.join("\n  ")
    );
    Ok(())
}

/// It is a workspace of its own, so that no other command runs them.
#[test]
fn the_drop_in_s_own_tests_pass() -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--quiet", "--target-dir"])
        .arg(paths::target().join("published/target"))
        .current_dir(paths::root().join("cross/wdk-build"));
    finished(&mut cargo).map(drop)
}
