//! `[DDInstall.Wdf]`: drivers on a framework.
//!
//! Source: "Specifying WDF Directives in INF Files".

use super::kind::Kind;
use super::rules;
use super::walk::Walk;

rules! {
    LIBRARY = 1084 "library-version" Error,
        "KmdfService and UmdfService say which version of the framework they need", "add KmdfLibraryVersion or UmdfLibraryVersion";
    ORDER = 1400 "umdf-order" Error,
        "a UMDF service is named in UmdfServiceOrder", "add it there";
    UNSUPPORTED = 1401 "umdf-directive" Error,
        "some directives belong to UMDF 1 alone", "remove the directive";
    DEPRECATED = 1402 "umdf-version" Error,
        "UMDF 1 is out of use", "move the driver to UMDF 2";
}

/// Checks the sections.
pub fn check(walk: &mut Walk<'_>) {
    for (directive, version) in [
        ("KmdfService", "KmdfLibraryVersion"),
        ("UmdfService", "UmdfLibraryVersion"),
    ] {
        for (_, entry) in walk.entries(Kind::Wdf, directive) {
            let Some(section) = walk.document.section(entry.value(1)) else {
                continue;
            };
            let Some(library) = section.entry(version) else {
                let detail = format!(
                    "{version} for {directive} {} in [{}]",
                    entry.value(0),
                    section.name
                );
                walk.find(&LIBRARY, entry.line, detail);
                continue;
            };
            let old = directive == "UmdfService" && library.value(0).starts_with("1.");
            if old {
                walk.find(
                    &DEPRECATED,
                    library.line,
                    format!("UMDF {}", library.value(0)),
                );
            }
            if let Some(clsid) = section.entry("DriverCLSID").filter(|_| !old) {
                walk.find(&UNSUPPORTED, clsid.line, "DriverCLSID");
            }
        }
    }
    for section in walk.met(Kind::Wdf) {
        let order: Vec<String> = section
            .entries
            .iter()
            .filter(|entry| entry.is("UmdfServiceOrder"))
            .flat_map(|entry| &entry.values)
            .map(|service| service.text.to_lowercase())
            .collect();
        for entry in section
            .entries
            .iter()
            .filter(|entry| entry.is("UmdfService"))
        {
            if !order.contains(&entry.value(0).to_lowercase()) {
                walk.find(&ORDER, entry.line, entry.value(0));
            }
        }
    }
}
