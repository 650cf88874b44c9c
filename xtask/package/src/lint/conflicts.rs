//! What two install sections of one file do to the same thing in different ways. Windows may
//! carry out both before it knows which device is there.
//!
//! Source: InfVerif's own page on rules 1330 to 1333.

use std::collections::BTreeMap;

use super::files::copies;
use super::kind::Kind;
use super::registry::writes;
use super::rules;
use super::walk::{Install, Walk};
use crate::inf::{Entry, Section};

rules! {
    FILE = 1330 "file-conflict" Error,
        "a destination has one source", "copy the files under different names";
    VALUE = 1331 "value-conflict" Error,
        "a registry value that is no device's own is set in one way", "use HKR, or set it alike everywhere";
    SERVICE_VALUE = 1332 "service-value-conflict" Error,
        "a service's registry value is set in one way", "set it alike everywhere, or use two services";
    SERVICE = 1333 "service-conflict" Error,
        "a service is configured in one way", "configure it alike everywhere, or use two services";
}

/// Checks the file.
pub fn check(walk: &mut Walk<'_>) {
    files(walk);
    values(walk);
    services(walk);
}

/// The install sections that one Windows could use together: those of one target.
fn together<'d>(walk: &Walk<'d>) -> Vec<Vec<Install<'d>>> {
    let mut groups: Vec<Vec<Install<'d>>> = Vec::new();
    for install in &walk.installs {
        match groups
            .iter_mut()
            .find(|group| group[0].target == install.target)
        {
            Some(group) => group.push(install.clone()),
            None => groups.push(vec![install.clone()]),
        }
    }
    groups
}

fn files(walk: &mut Walk<'_>) {
    for group in together(walk) {
        let mut sources: BTreeMap<String, String> = BTreeMap::new();
        let mut all = Vec::new();
        for install in &group {
            all.extend(copies(walk, install.section));
        }
        for copy in all {
            let destination =
                format!("{:?}\\{}\\{}", copy.dirid, copy.folder, copy.destination).to_lowercase();
            let source = copy.source.to_lowercase();
            match sources.get(&destination) {
                Some(before) if *before != source => {
                    let detail = format!("{} from {before} and from {source}", copy.destination);
                    walk.find(&FILE, copy.line, detail);
                }
                Some(_) => {}
                None => {
                    sources.insert(destination, source);
                }
            }
        }
    }
}

/// What a line of an add-registry section sets, and to what.
fn assignment(entry: &Entry) -> (String, Vec<String>) {
    let text =
        |from, to| -> Vec<String> { (from..to).map(|i| entry.value(i).to_lowercase()).collect() };
    (text(0, 3).join("\\"), text(3, entry.values.len().max(3)))
}

fn values(walk: &mut Walk<'_>) {
    let mut set: BTreeMap<String, (Vec<String>, String)> = BTreeMap::new();
    for write in writes(walk) {
        let (value, data) = assignment(write.entry);
        if write.entry.value(0).eq_ignore_ascii_case("HKR") {
            continue;
        }
        match set.get(&value) {
            Some((before, by)) if *before != data => {
                let detail = format!("{value} in [{by}] and in [{}]", write.list.name);
                walk.find(&VALUE, write.entry.line, detail);
            }
            Some(_) => {}
            None => {
                set.insert(value, (data, write.list.name.clone()));
            }
        }
    }
}

fn services(walk: &mut Walk<'_>) {
    for group in together(walk) {
        let entries: Vec<&Entry> = group
            .iter()
            .filter_map(|install| install.suffixed(walk.document, "Services"))
            .flat_map(|section| &section.entries)
            .filter(|entry| entry.is("AddService"))
            .collect();
        service(walk, &entries);
    }
}

fn service(walk: &mut Walk<'_>, entries: &[&Entry]) {
    let mut first: BTreeMap<String, &Section> = BTreeMap::new();
    for entry in entries {
        let name = entry.value(0).to_lowercase();
        let Some(section) = walk.document.section(entry.value(2)) else {
            continue;
        };
        let Some(before) = first.get(&name).copied() else {
            first.insert(name, section);
            continue;
        };
        if std::ptr::eq(before, section) {
            continue;
        }
        if directives(before) != directives(section) {
            let detail = format!("{name} by [{}] and by [{}]", before.name, section.name);
            walk.find(&SERVICE, entry.line, detail);
        }
        let assignments = |section: &Section| -> Vec<(u32, String, Vec<String>)> {
            walk.referred(section, Kind::Service, Kind::AddReg)
                .iter()
                .flat_map(|list| &list.entries)
                .map(|entry| {
                    let (value, data) = assignment(entry);
                    (entry.line, value, data)
                })
                .collect()
        };
        let old = assignments(before);
        for (line, value, data) in assignments(section) {
            if old
                .iter()
                .any(|(_, other, set)| *other == value && *set != data)
            {
                walk.find(&SERVICE_VALUE, line, format!("{value} of {name}"));
            }
        }
    }
}

/// A service's directives, apart from its registry values.
fn directives(section: &Section) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<_> = section
        .entries
        .iter()
        .filter(|entry| !entry.is("AddReg"))
        .map(|entry| {
            let values = entry.values.iter().map(|v| v.text.to_lowercase()).collect();
            (entry.key().to_lowercase(), values)
        })
        .collect();
    all.sort();
    all
}
