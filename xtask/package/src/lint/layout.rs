//! Where the package's files are and where they go: `[SourceDisksNames]`, `[SourceDisksFiles]`,
//! `[DestinationDirs]`.
//!
//! Sources: the sections' reference pages and "Using Dirids".

use std::path::Path;

use super::rules;
use super::walk::Walk;
use crate::inf::decoration::number;
use crate::inf::{Entry, Section};

rules! {
    DISK_ID = 1008 "disk-id" Error,
        "a disk's ID is a number", "write the number of an entry of [SourceDisksNames]";
    SOURCE_PATH = 1016 "source-path" Error,
        "a source folder is a relative path inside the package", "write the folder without drive, `..` or wildcard";
    CATALOG_LISTED = 1213 "catalog-listed" Error,
        "the catalog is no file of [SourceDisksFiles]", "name it in [Version] alone";
    COMPRESSED = 1231 "compressed-name" Error,
        "files are listed by their uncompressed names", "write the name without the underscore";
    USER_DIRID = 1241 "dirid-user" Error,
        "a directory identifier from 32768 on has a meaning only to an installer's own code", "use 13, the driver store";
    UNKNOWN_DIRID = 1242 "dirid-unknown" Error,
        "a directory identifier must be a known one", "use 13, the driver store";
    MALFORMED_DIRID = 1243 "dirid-malformed" Error,
        "a destination is a number, not a %token%", "write the number alone, such as 13";
    DISK_UNKNOWN = 1273 "disk-unknown" Error,
        "the disk of a file must be listed in [SourceDisksNames]", "add it there";
    OLD_DIRID = 1340 "dirid-old" Error,
        "some directory identifiers may no longer be used", "use 13, the driver store";
}

/// The identifiers that "Using Dirids" lists without a note that they are out of use.
const KNOWN: &[i64] = &[
    10, 11, 12, 13, 23, 51, 52, 55, 16422, 16425, 16426, 16427, 16428, 66000, 66001, 66002, 66003,
    66004,
];

/// Those with such a note.
pub const OLD: &[i64] = &[
    -1, 1, 17, 18, 20, 21, 24, 25, 30, 50, 53, 54, 16406, 16407, 16408, 16409, 16415, 16419, 16429,
    16430, 65535,
];

/// Where an entry of `[DestinationDirs]` leads.
#[must_use]
pub fn dirid(entry: &Entry) -> Option<i64> {
    entry.value(0).parse().ok()
}

fn decorated<'d>(walk: &Walk<'d>, base: &str) -> Vec<&'d Section> {
    walk.document
        .sections
        .iter()
        .filter(|section| {
            let lower = section.name.to_lowercase();
            lower == base
                || lower
                    .strip_prefix(base)
                    .is_some_and(|rest| rest.starts_with('.'))
        })
        .collect()
}

/// Checks the sections.
pub fn check(walk: &mut Walk<'_>) {
    disks(walk);
    files(walk);
    destinations(walk);
}

fn disks(walk: &mut Walk<'_>) {
    for section in decorated(walk, "sourcedisksnames") {
        for entry in &section.entries {
            if number(entry.key()).is_none() {
                let detail = format!("\"{}\" in [{}]", entry.key(), section.name);
                walk.find(&DISK_ID, entry.line, detail);
            }
            path(walk, entry, entry.value(3), "disk");
        }
    }
}

fn path(walk: &mut Walk<'_>, entry: &Entry, path: &str, of: &str) {
    if path.contains([':', '*', '?', '/', '"', '<', '>', '|'])
        || path.split('\\').any(|part| part == "..")
    {
        let detail = format!("\"{path}\" for {of} {}", entry.key());
        walk.find(&SOURCE_PATH, entry.line, detail);
    }
}

fn files(walk: &mut Walk<'_>) {
    let disks: Vec<u32> = decorated(walk, "sourcedisksnames")
        .iter()
        .flat_map(|section| &section.entries)
        .filter_map(|entry| number(entry.key()))
        .collect();
    for section in decorated(walk, "sourcedisksfiles") {
        let mut seen: Vec<String> = Vec::new();
        for entry in &section.entries {
            let file = if entry.key.is_some() {
                entry.key()
            } else {
                entry.value(0)
            };
            let lower = file.to_lowercase();
            if Path::new(file)
                .extension()
                .is_some_and(|end| end.eq_ignore_ascii_case("cat"))
            {
                walk.find(&CATALOG_LISTED, entry.line, file);
            }
            if lower.ends_with('_') && lower.contains('.') {
                walk.find(&COMPRESSED, entry.line, file);
            }
            if seen.contains(&lower) {
                let detail = format!("{file} in [{}]", section.name);
                walk.find(&super::manufacturer::DUPLICATE_ID, entry.line, detail);
            }
            seen.push(lower);
            match number(entry.value(0)).filter(|_| entry.key.is_some()) {
                None => {
                    let detail = format!("\"{}\" for {file} in [{}]", entry.value(0), section.name);
                    walk.find(&DISK_ID, entry.line, detail);
                }
                Some(disk) if !disks.contains(&disk) => {
                    walk.find(&DISK_UNKNOWN, entry.line, format!("disk {disk} of {file}"));
                }
                Some(_) => {}
            }
            path(walk, entry, entry.value(1), "file");
        }
    }
}

fn destinations(walk: &mut Walk<'_>) {
    let Some(section) = walk.document.section("DestinationDirs") else {
        return;
    };
    for entry in &section.entries {
        let text = entry.value(0);
        match dirid(entry) {
            None => walk.find(
                &MALFORMED_DIRID,
                entry.line,
                format!("\"{text}\" for {}", entry.key()),
            ),
            Some(id) if OLD.contains(&id) => {
                walk.find(&OLD_DIRID, entry.line, format!("{id} for {}", entry.key()));
            }
            Some(id) if KNOWN.contains(&id) => {}
            // CSIDL values follow 16384; what the table leaves out is as unknown here.
            Some(id) if id >= 32768 => {
                walk.find(&USER_DIRID, entry.line, format!("{id} for {}", entry.key()));
            }
            Some(id) => walk.find(
                &UNKNOWN_DIRID,
                entry.line,
                format!("{id} for {}", entry.key()),
            ),
        }
    }
}
