//! Files without devices: `[DefaultInstall]` and the rules of primitive drivers.
//!
//! Sources: "Creating a Primitive Driver", "INF DefaultInstall Section".

use super::rules;
use super::walk::{Install, Walk, is_root};
use crate::inf::decoration::{Target, number};

rules! {
    BOTH = 1212 "default-and-devices" Error,
        "a file installs devices or a primitive driver, not both", "split it into two files";
    NOT_PRIMITIVE = 1420 "not-primitive" Error,
        "a [DefaultInstall] file must be a primitive driver", "give every [DefaultInstall] and [DefaultUninstall] an architecture";
    DECORATION = 1421 "default-architecture" Error,
        "[DefaultInstall] needs an architecture", "write [DefaultInstall.NTamd64]";
    UNINSTALL = 1422 "legacy-uninstall" Error,
        "[DefaultUninstall] is only for older Windows", "add LegacyUninstall=1 to it";
    DECORATED = 1423 "default-decorated" Error,
        "a primitive driver has a [DefaultInstall] with an architecture", "add [DefaultInstall.NTamd64]";
}

/// An install section of a primitive driver.
struct Default {
    name: String,
    line: u32,
    target: Option<Target>,
}

/// The sections of this base, with or without a target. Those that belong to one of them, such as
/// `[DefaultInstall.NTamd64.Services]`, have a suffix that is no part of a target.
fn default_sections(walk: &Walk<'_>, base: &str) -> Vec<Default> {
    let mut found = Vec::new();
    for section in &walk.document.sections {
        let lower = section.name.to_lowercase();
        let Some(rest) = lower.strip_prefix(base) else {
            continue;
        };
        let target = rest.strip_prefix('.').map(Target::parse);
        if rest.is_empty() || matches!(target, Some(Some(_))) {
            found.push(Default {
                name: section.name.clone(),
                line: section.line,
                target: target.flatten(),
            });
        }
    }
    found
}

impl Default {
    fn is_decorated(&self) -> bool {
        self.target
            .is_some_and(|target| target.architecture.is_some())
    }
}

/// Adds the install sections of a primitive driver.
pub fn installs(walk: &mut Walk<'_>) {
    if walk.document.section("Manufacturer").is_some() {
        return;
    }
    for default in default_sections(walk, "defaultinstall") {
        if let Some(section) = walk.document.section(&default.name) {
            walk.installs.push(Install {
                section,
                line: default.line,
                target: default.target.unwrap_or_default(),
                ids: Vec::new(),
            });
        }
    }
}

/// Checks the sections.
pub fn check(walk: &mut Walk<'_>) {
    let installs = default_sections(walk, "defaultinstall");
    let uninstalls = default_sections(walk, "defaultuninstall");
    if let Some(manufacturer) = walk.document.section("Manufacturer") {
        if let Some(first) = installs.first() {
            let detail = format!(
                "[{}] and [Manufacturer] on line {}",
                first.name, manufacturer.line
            );
            walk.find(&BOTH, first.line, detail);
        }
        return;
    }
    let line = walk
        .document
        .sections
        .iter()
        .find(|section| is_root(&section.name))
        .map_or(1, |section| section.line);
    if !installs.iter().any(Default::is_decorated) {
        walk.find(&DECORATED, line, "there is none");
    }
    for default in installs.iter().chain(&uninstalls) {
        if !default.is_decorated() {
            let name = &default.name;
            walk.find(&DECORATION, default.line, format!("[{name}]"));
            walk.find(
                &NOT_PRIMITIVE,
                default.line,
                format!("[{name}] has no architecture"),
            );
        }
    }
    for default in &uninstalls {
        // In the section itself or in its services' section, where Microsoft's file system filters
        // have it.
        let services = format!("{}.Services", default.name);
        let set = [&default.name, &services].into_iter().any(|name| {
            walk.document
                .section(name)
                .and_then(|section| section.value("LegacyUninstall"))
                .and_then(number)
                == Some(1)
        });
        if !set {
            walk.find(&UNINSTALL, default.line, format!("[{}]", default.name));
        }
    }
}
