//! The files that are copied: `CopyFiles`, `CopyINF`, their sources and their destinations.
//!
//! Sources: "INF CopyFiles Directive", "INF CopyINF Directive", "Using Dirids" (what may not be
//! done in the driver store), "Run from the driver store".

use super::kind::Kind;
use super::walk::Walk;
use super::{layout, rules};
use crate::inf::Entry;
use crate::inf::decoration::number;

rules! {
    RENAMED = 1100 "renamed-in-store" Error,
        "a file keeps its name and its folder in the driver store", "copy it under its own name, to the folder it comes from";
    STORE_SECURITY = 1101 "store-security" Error,
        "the driver store has its own security", "remove the .security section";
    STORE_DIRECTIVE = 1102 "store-directive" Error,
        "files of the driver store are neither deleted nor renamed", "remove the directive; Windows removes them with the package";
    STORE_FLAG = 1103 "store-flag" Error,
        "files of the driver store are always those of the package", "remove the flag";
    COPY_INF = 1110 "copy-inf" Error,
        "CopyINF copies INF files alone", "use CopyFiles";
    NO_FILE_NAME = 1229 "no-file-name" Error,
        "an entry of a file list names a file", "name it, or remove the entry";
    NOT_LISTED = 1230 "file-not-listed" Error,
        "a file that is copied is listed in [SourceDisksFiles]", "add <file>=<disk> there";
    NO_DESTINATION = 1275 "no-destination" Error,
        "a file list has its destination in [DestinationDirs]", "add <section>=13, or DefaultDestDir=13";
}

/// Flags that make copying depend on what is there already: `COPYFLG_FORCE_FILE_IN_USE`,
/// `_NO_OVERWRITE`, `_REPLACEONLY`, `_REPLACE_BOOT_FILE`, `_IN_USE_RENAME`.
const CONDITIONAL: u32 = 0x8 | 0x10 | 0x400 | 0x1000 | 0x4000;

/// A file that is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The line of its entry.
    pub line: u32,
    /// The name in the package.
    pub source: String,
    /// The name where it goes.
    pub destination: String,
    /// The directory identifier where it goes.
    pub dirid: Option<i64>,
    /// The folder below that directory.
    pub folder: String,
}

/// Where a file list, or a file by itself, goes.
fn target(walk: &Walk<'_>, list: &str) -> Option<(Option<i64>, String)> {
    let section = walk.document.section("DestinationDirs")?;
    let entry = section
        .entry(list)
        .or_else(|| section.entry("DefaultDestDir"))?;
    Some((
        layout::dirid(entry),
        entry.value(1).trim_matches('\\').to_owned(),
    ))
}

/// The files that a section with `CopyFiles` copies.
#[must_use]
pub fn copies(walk: &Walk<'_>, from: &crate::inf::Section) -> Vec<Copy> {
    let mut copies = Vec::new();
    for entry in from.entries.iter().filter(|e| e.is("CopyFiles")) {
        for value in &entry.values {
            if let Some(file) = value.text.strip_prefix('@') {
                let (dirid, folder) = target(walk, "").unwrap_or_default();
                copies.push(Copy {
                    line: entry.line,
                    source: file.to_owned(),
                    destination: file.to_owned(),
                    dirid,
                    folder,
                });
            } else if let Some(list) = walk.document.section(&value.text) {
                let (dirid, folder) = target(walk, &value.text).unwrap_or_default();
                for entry in &list.entries {
                    let (destination, source) = names(entry);
                    copies.push(Copy {
                        line: entry.line,
                        source: source.to_owned(),
                        destination: destination.to_owned(),
                        dirid,
                        folder: folder.clone(),
                    });
                }
            }
        }
    }
    copies
}

/// Destination and source of an entry of a file list.
fn names(entry: &Entry) -> (&str, &str) {
    let destination = entry.value(0);
    let source = entry.value(1);
    (
        destination,
        if source.is_empty() {
            destination
        } else {
            source
        },
    )
}

/// Checks the file lists.
pub fn check(walk: &mut Walk<'_>) {
    for section in walk.met(Kind::CopyFiles) {
        if target(walk, &section.name).is_none() {
            walk.find(&NO_DESTINATION, section.line, format!("[{}]", section.name));
        }
        list(walk, section);
    }
    for kind in [Kind::DelFiles, Kind::RenFiles] {
        for section in walk.met(kind) {
            if target(walk, &section.name).is_some_and(|(dirid, _)| dirid == Some(13)) {
                let detail = format!("{kind:?} of [{}], which is in directory 13", section.name);
                walk.find(&STORE_DIRECTIVE, section.line, detail);
            }
        }
    }
    for kind in [Kind::Install, Kind::Interface, Kind::CoInstallers] {
        for (_, entry) in walk.entries(kind, "CopyFiles") {
            for file in entry.values.iter().filter_map(|v| v.text.strip_prefix('@')) {
                if file.is_empty() {
                    walk.find(&NO_FILE_NAME, entry.line, "CopyFiles = @");
                } else {
                    listed(walk, file, entry.line);
                    if target(walk, "").is_none() {
                        walk.find(&NO_DESTINATION, entry.line, format!("CopyFiles = @{file}"));
                    }
                }
            }
        }
        for (_, entry) in walk.entries(kind, "CopyINF") {
            for value in &entry.values {
                if !value.text.to_lowercase().ends_with(".inf") {
                    walk.find(&COPY_INF, entry.line, &*value.text);
                }
            }
        }
    }
}

fn list(walk: &mut Walk<'_>, section: &crate::inf::Section) {
    let target = target(walk, &section.name);
    let store = target.as_ref().is_some_and(|(dirid, _)| *dirid == Some(13));
    let folder = target.map(|(_, folder)| folder).unwrap_or_default();
    let security = walk.document.section(&format!("{}.security", section.name));
    if let Some(security) = security.filter(|_| store) {
        walk.find(
            &STORE_SECURITY,
            security.line,
            format!("[{}]", security.name),
        );
    }
    let mut seen: Vec<String> = Vec::new();
    for entry in &section.entries {
        let (destination, source) = names(entry);
        if destination.is_empty() {
            let detail = format!("an entry of [{}]", section.name);
            walk.find(&NO_FILE_NAME, entry.line, detail);
            continue;
        }
        if seen.contains(&destination.to_lowercase()) {
            let detail = format!("{destination} in [{}]", section.name);
            walk.find(&super::manufacturer::DUPLICATE_ID, entry.line, detail);
        }
        seen.push(destination.to_lowercase());
        if let Some(from) = listed(walk, source, entry.line) {
            let moved = !from.eq_ignore_ascii_case(&folder);
            if store && (moved || !source.eq_ignore_ascii_case(destination)) {
                let detail = format!("{from}\\{source} to {folder}\\{destination}");
                walk.find(&RENAMED, entry.line, detail);
            }
        }
        let flags = entry.value(3);
        match number(flags) {
            _ if flags.is_empty() => {}
            None => {
                let detail = format!("flags \"{flags}\" of {destination}");
                walk.find(&super::generic::ARGUMENT_INVALID, entry.line, detail);
            }
            Some(flags) if store && flags & CONDITIONAL != 0 => {
                let detail = format!("0x{:x} of {destination}", flags & CONDITIONAL);
                walk.find(&STORE_FLAG, entry.line, detail);
            }
            Some(_) => {}
        }
    }
}

/// Checks that a file is listed; says the folder it comes from.
fn listed(walk: &mut Walk<'_>, file: &str, line: u32) -> Option<String> {
    let sections: Vec<_> = walk
        .installs
        .iter()
        .filter_map(|install| install.target.architecture)
        .map(|architecture| format!("SourceDisksFiles.{}", architecture.name()))
        .collect();
    let document = walk.document;
    let found = sections
        .iter()
        .map(String::as_str)
        .chain(["SourceDisksFiles"])
        .filter_map(|name| document.section(name))
        .find_map(|section| section.entry(file));
    if let Some(entry) = found {
        return Some(entry.value(1).trim_matches('\\').to_owned());
    }
    walk.find(&NOT_LISTED, line, file);
    None
}
