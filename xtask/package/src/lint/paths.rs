//! Paths in values: `%13%\eduwdm.sys` and the like.
//!
//! Sources: "Using Dirids", "INF AddService Directive" and InfVerif's own page on rule 2084.

use super::files::copies;
use super::kind::Kind;
use super::registry::writes;
use super::walk::{Install, Walk};
use super::{layout, rules};
use crate::inf::{Entry, Section};

rules! {
    PATH = 1015 "path" Error,
        "a path is %<dirid>%\\<file>", "write %13%\\<file>";
    IMAGE_PATH = 1254 "image-path" Error,
        "a service's binary is one path", "put three quotation marks around a path with spaces";
    WINDOWS_FOLDER = 1257 "windows-folder" Error,
        "a registry value names the Windows folder as the machine knows it", "write %%SystemRoot%%";
    SYSTEM_FOLDER = 1258 "system-folder" Error,
        "a registry value names system folders as the machine knows them", "write %%SystemRoot%%\\System32";
    OLD_DIRID = 1341 "dirid-old-in-path" Error,
        "some directory identifiers may no longer be used", "use %13%";
    NOT_COPIED = 2084 "binary-not-copied" Error,
        "a service's binary is a file that the package copies", "add the file to the install section's CopyFiles";
    NO_DIRID = 2085 "binary-without-dirid" Error,
        "a service's binary stands under a directory identifier", "write %13%\\<file>";
    INBOX_BINARY = 2650 "inbox-binary" Error,
        "drivers that come with Windows are taken from their own INF files", "use Include and Needs";
}

/// Drivers that come with Windows, and the file that installs each.
const INBOX: &[(&str, &str)] = &[
    ("wudfrd.sys", "WUDFRD.inf"),
    ("mshidkmdf.sys", "MsHidKmdf.inf"),
];

/// A path, taken apart.
struct Path<'t> {
    dirid: Option<i64>,
    rest: &'t str,
}

fn split(path: &str) -> Path<'_> {
    path.strip_prefix('%')
        .and_then(|rest| rest.split_once('%'))
        .and_then(|(id, rest)| Some((id.parse().ok()?, rest)))
        .map_or(
            Path {
                dirid: None,
                rest: path,
            },
            |(id, rest)| Path {
                dirid: Some(id),
                rest: rest.trim_start_matches('\\'),
            },
        )
}

/// Checks the paths.
pub fn check(walk: &mut Walk<'_>) {
    for kind in [Kind::EventProvider, Kind::ComServer] {
        for key in [
            "ResourceFile",
            "MessageFile",
            "ParameterFile",
            "ServerBinary",
            "ServerBinaryWow64",
        ] {
            for (section, entry) in walk.entries(kind, key) {
                resource(walk, section, entry);
            }
        }
    }
    for write in writes(walk) {
        for value in write.entry.values.iter().skip(4) {
            for (dirid, rule) in [
                (10, &WINDOWS_FOLDER),
                (11, &SYSTEM_FOLDER),
                (12, &SYSTEM_FOLDER),
            ] {
                if value.text.contains(&format!("%{dirid}%")) {
                    walk.find(rule, write.entry.line, &*value.text);
                }
            }
            if let Some(id) = split(&value.text)
                .dirid
                .filter(|id| layout::OLD.contains(id))
            {
                walk.find(
                    &OLD_DIRID,
                    write.entry.line,
                    format!("{id} in \"{}\"", value.text),
                );
            }
        }
    }
    for (install, services) in walk.suffixed("Services") {
        for entry in services.entries.iter().filter(|e| e.is("AddService")) {
            let binary = walk
                .document
                .section(entry.value(2))
                .and_then(|service| service.entry("ServiceBinary"));
            if let Some(binary) = binary {
                service_binary(walk, &install, binary);
            }
        }
    }
}

fn resource(walk: &mut Walk<'_>, section: &Section, entry: &Entry) {
    let path = split(entry.value(0));
    match path.dirid {
        Some(id) if layout::OLD.contains(&id) => {
            walk.find(&OLD_DIRID, entry.line, format!("{id} in {}", entry.key()));
        }
        Some(_) if !path.rest.is_empty() && !path.rest.ends_with('\\') => {}
        _ if entry.value(0).is_empty() => {}
        _ => {
            let detail = format!(
                "{} \"{}\" in [{}]",
                entry.key(),
                entry.value(0),
                section.name
            );
            walk.find(&PATH, entry.line, detail);
        }
    }
}

/// The path that a service's command line begins with: quoted, or up to the first space.
fn image(command: &str) -> Option<&str> {
    match command.strip_prefix('"') {
        Some(rest) => Some(rest.split_once('"')?.0),
        None => command.split(' ').next(),
    }
    .filter(|path| !path.is_empty())
}

fn service_binary(walk: &mut Walk<'_>, install: &Install<'_>, entry: &Entry) {
    let command = entry.value(0);
    if command.is_empty() {
        return;
    }
    let Some(image) = image(command).filter(|image| !image.ends_with('\\')) else {
        walk.find(&IMAGE_PATH, entry.line, format!("\"{command}\""));
        return;
    };
    let path = split(image);
    let Some(dirid) = path.dirid else {
        walk.find(&NO_DIRID, entry.line, format!("\"{image}\""));
        return;
    };
    if layout::OLD.contains(&dirid) {
        walk.find(&OLD_DIRID, entry.line, format!("{dirid} in \"{image}\""));
        return;
    }
    let file = path.rest.rsplit('\\').next().unwrap_or_default();
    if let Some((_, inf)) = INBOX
        .iter()
        .find(|(inbox, _)| inbox.eq_ignore_ascii_case(file))
    {
        walk.find(
            &INBOX_BINARY,
            entry.line,
            format!("{file}, which {inf} installs"),
        );
        return;
    }
    let copied = copies(walk, install.section).iter().any(|copy| {
        let destination = if copy.folder.is_empty() {
            copy.destination.clone()
        } else {
            format!("{}\\{}", copy.folder, copy.destination)
        };
        copy.dirid == Some(dirid) && destination.eq_ignore_ascii_case(path.rest)
    });
    if !copied {
        let detail = format!("{image}, in [{}]", install.section.name);
        walk.find(&NOT_COPIED, entry.line, detail);
    }
}
