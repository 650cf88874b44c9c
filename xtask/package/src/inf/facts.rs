//! What a package is made from: the file's version, catalog, files, device IDs and services.

use super::decoration::{Target, number};
use super::driver_version::{Date, Version};
use super::{Document, Section};

/// What an INF file says of its package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Of `DriverVer`.
    pub date: Option<Date>,
    /// Of `DriverVer`.
    pub version: Option<Version>,
    /// The catalog's name.
    pub catalog: String,
    /// The files of `[SourceDisksFiles]`, with their folders.
    pub files: Vec<String>,
    /// The device IDs of all models, in lower case, without repetition.
    pub device_ids: Vec<String>,
    /// The first service that is a device's function driver.
    pub service: String,
    /// The decorations of the models.
    pub targets: Vec<Target>,
}

fn each<'d>(document: &'d Document, base: &str) -> impl Iterator<Item = &'d Section> {
    let base = base.to_owned();
    document.sections.iter().filter(move |section| {
        let lower = section.name.to_lowercase();
        lower == base
            || lower
                .strip_prefix(&base)
                .is_some_and(|rest| rest.starts_with('.'))
    })
}

impl Facts {
    /// Reads them from a file.
    #[must_use]
    pub fn of(document: &Document) -> Self {
        let mut facts = Self::default();
        if let Some(version) = document.section("Version") {
            if let Some(entry) = version.entry("DriverVer") {
                facts.date = Date::parse(entry.value(0));
                facts.version = Version::parse(entry.value(1));
            }
            ["CatalogFile", "CatalogFile.NTamd64"]
                .iter()
                .find_map(|key| version.value(key))
                .unwrap_or_default()
                .clone_into(&mut facts.catalog);
        }
        for section in each(document, "sourcedisksfiles") {
            for entry in &section.entries {
                let folder = entry.value(1).trim_matches('\\');
                let file = if folder.is_empty() {
                    entry.key().to_owned()
                } else {
                    format!("{folder}\\{}", entry.key())
                };
                if !facts.files.contains(&file) {
                    facts.files.push(file);
                }
            }
        }
        facts.service = service(document);
        let Some(manufacturer) = document.section("Manufacturer") else {
            return facts;
        };
        for entry in &manufacturer.entries {
            for decoration in entry.values.iter().skip(1) {
                facts.targets.extend(Target::parse(&decoration.text));
                let name = format!("{}.{}", entry.value(0), decoration.text);
                let models = document.section(&name).into_iter().flat_map(|s| &s.entries);
                for id in models.flat_map(|model| model.values.iter().skip(1)) {
                    let id = id.text.to_lowercase();
                    if !id.is_empty() && !facts.device_ids.contains(&id) {
                        facts.device_ids.push(id);
                    }
                }
            }
        }
        facts
    }
}

/// The first service that `AddService` makes a device's function driver
/// (`SPSVCINST_ASSOCSERVICE`).
fn service(document: &Document) -> String {
    let sections = document.sections.iter();
    let services = sections.filter(|section| section.name.to_lowercase().ends_with(".services"));
    let mut added = services.flat_map(|section| &section.entries);
    let is_function = |flags: &str| number(flags).is_some_and(|flags| flags & 2 != 0);
    added
        .find(|entry| entry.is("AddService") && is_function(entry.value(1)))
        .map(|entry| entry.value(0).to_owned())
        .unwrap_or_default()
}
