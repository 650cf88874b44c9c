//! Extension INF files: what they must have, and what they may not.
//!
//! Source: "Using an Extension INF File".

use super::kind::Kind;
use super::rules;
use super::walk::Walk;
use crate::inf::Document;
use crate::inf::decoration::number;
use crate::inf::guid::is_guid;

rules! {
    ID = 1380 "extension-id" Error,
        "ExtensionId is a GUID in braces", "write a GUID of the extension's own";
    NO_ID = 1381 "no-extension-id" Error,
        "an extension has an ExtensionId", "add ExtensionId to [Version]";
    DIRECTIVE = 1382 "extension-directive" Error,
        "an extension leaves the device's class settings to the base driver", "remove the section";
    FLAG = 1383 "extension-flag" Error,
        "an extension does not choose the function driver", "remove SPSVCINST_ASSOCSERVICE";
    FILTERS = 1384 "extension-filters" Warning,
        "extensions are installed in any order, so the order of filter values is left to chance", "use AddFilter";
}

/// Whether a file is an extension.
#[must_use]
pub fn is_extension(document: &Document) -> bool {
    document
        .section("Version")
        .and_then(|version| version.value("Class"))
        .is_some_and(|class| class.eq_ignore_ascii_case("Extension"))
}

/// Checks the file.
pub fn check(walk: &mut Walk<'_>) {
    let Some(version) = walk.document.section("Version") else {
        return;
    };
    if let Some(entry) = version.entry("ExtensionId")
        && !is_guid(entry.value(0))
    {
        walk.find(&ID, entry.line, format!("\"{}\"", entry.value(0)));
    }
    if !is_extension(walk.document) {
        return;
    }
    if version.entry("ExtensionId").is_none() {
        walk.find(&NO_ID, version.line, "Class=Extension without ExtensionId");
    }
    for name in ["ClassInstall32", "ControlFlags"] {
        if let Some(section) = walk.document.section(name) {
            walk.find(&DIRECTIVE, section.line, format!("[{name}]"));
        }
    }
    for (_, entry) in walk.entries(Kind::Services, "AddService") {
        if number(entry.value(1)).is_some_and(|flags| flags & 2 != 0) {
            walk.find(&FLAG, entry.line, entry.value(0));
        }
    }
}
