//! `[DDInstall.Components]`, `[DDInstall.Software]` and `[DDInstall.COM]`.
//!
//! Sources: "INF AddComponent Directive", "INF AddSoftware Directive", "INF AddComServer
//! Directive", "INF AddComClass Directive".

use super::kind::Kind;
use super::rules;
use super::services::{DIRECTIVE_MISSING, require};
use super::walk::Walk;
use crate::inf::decoration::number;

rules! {
    DUPLICATE = 1086 "name-twice" Error,
        "components, software and COM servers have different names", "rename one of them";
    ABSOLUTE = 1141 "software-path" Error,
        "software lies inside the package", "write %13%\\<file>, or the file alone";
    SOFTWARE_NEEDS = 1142 "software-needs" Error,
        "software of type 1 has a binary and a version, that of type 2 an ID", "add what is missing";
    DESKTOP = 1144 "software-desktop" Warning,
        "software of type 1 does not run on every edition of Windows", "use type 2, from the Store";
    COMPONENT_ID = 1150 "component-id" Error,
        "a component ID has no backslash and no comma", "replace the character";
    THREADING = 1160 "threading-model" Error,
        "a threading model is Apartment, Free, Both or Neutral", "write one of them";
    SERVER_TYPE = 1325 "com-server-type" Error,
        "only in-process COM servers are supported", "write ServerType=1";
}

/// Checks the sections.
pub fn check(walk: &mut Walk<'_>) {
    for (kind, key) in [
        (Kind::Components, "AddComponent"),
        (Kind::Software, "AddSoftware"),
        (Kind::Com, "AddComServer"),
    ] {
        let mut seen: Vec<String> = Vec::new();
        for (_, entry) in walk.entries(kind, key) {
            let name = entry.value(0).to_lowercase();
            if seen.contains(&name) {
                walk.find(&DUPLICATE, entry.line, format!("{key} {}", entry.value(0)));
            }
            seen.push(name);
        }
    }
    for section in walk.met(Kind::Component) {
        require(walk, section, &DIRECTIVE_MISSING, &["ComponentIDs"]);
        for value in section.entry("ComponentIDs").iter().flat_map(|e| &e.values) {
            if value.text.contains(['\\', ',']) {
                let line = section
                    .entry("ComponentIDs")
                    .map_or(section.line, |e| e.line);
                walk.find(&COMPONENT_ID, line, format!("\"{}\"", value.text));
            }
        }
    }
    software(walk);
    for section in walk.met(Kind::ComServer) {
        let keys = ["ServerType", "ServerBinary", "AddComClass"];
        require(walk, section, &DIRECTIVE_MISSING, &keys);
        if let Some(entry) = section.entry("ServerType")
            && number(entry.value(0)).is_some_and(|kind| kind != 1)
        {
            walk.find(&SERVER_TYPE, entry.line, entry.value(0));
        }
    }
    for (_, entry) in walk.entries(Kind::ComClass, "ThreadingModel") {
        let model = entry.value(0);
        if !["Apartment", "Free", "Both", "Neutral"]
            .iter()
            .any(|k| k.eq_ignore_ascii_case(model))
        {
            walk.find(&THREADING, entry.line, format!("\"{model}\""));
        }
    }
}

fn software(walk: &mut Walk<'_>) {
    for section in walk.met(Kind::SoftwareInstall) {
        require(walk, section, &DIRECTIVE_MISSING, &["SoftwareType"]);
        let Some(entry) = section.entry("SoftwareType") else {
            continue;
        };
        let kind = number(entry.value(0));
        let needs: &[&str] = match kind {
            Some(1) => &["SoftwareBinary", "SoftwareVersion"],
            Some(2) => &["SoftwareID"],
            _ => &[],
        };
        for key in needs.iter().filter(|key| section.entry(key).is_none()) {
            walk.find(
                &SOFTWARE_NEEDS,
                entry.line,
                format!("{key} in [{}]", section.name),
            );
        }
        if kind == Some(1) {
            walk.find(&DESKTOP, entry.line, format!("[{}]", section.name));
        }
        if let Some(binary) = section.entry("SoftwareBinary") {
            let path = binary.value(0);
            let inside =
                path.starts_with("%13%") || !(path.contains(':') || path.starts_with(['\\', '%']));
            if !inside {
                walk.find(&ABSOLUTE, binary.line, format!("\"{path}\""));
            }
        }
    }
}
