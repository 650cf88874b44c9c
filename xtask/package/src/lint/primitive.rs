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

/// The bases whose sections belong together, with what follows the point.
fn default_sections(walk: &Walk<'_>, base: &str) -> Vec<(String, u32, bool)> {
    walk.document
        .sections
        .iter()
        .filter_map(|section| {
            let lower = section.name.to_lowercase();
            let rest = lower.strip_prefix(base)?;
            // `.Services` and the like follow; they are no sections of their own here.
            let parts: Vec<&str> = rest.split('.').skip(1).collect();
            let decorated = parts.first().is_some_and(|part| part.starts_with("nt"));
            let own = parts.len() == usize::from(decorated);
            own.then(|| {
                (
                    section.name.clone(),
                    section.line,
                    decorated && parts[0] != "nt",
                )
            })
        })
        .collect()
}

/// Adds the install sections of a primitive driver.
pub fn installs(walk: &mut Walk<'_>) {
    if walk.document.section("Manufacturer").is_some() {
        return;
    }
    for (name, line, _) in default_sections(walk, "defaultinstall") {
        let target = name
            .split('.')
            .nth(1)
            .and_then(Target::parse)
            .unwrap_or_default();
        if let Some(section) = walk.document.section(&name) {
            walk.installs.push(Install {
                section,
                line,
                target,
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
        if let Some((name, line, _)) = installs.first() {
            let detail = format!("[{name}] and [Manufacturer] on line {}", manufacturer.line);
            walk.find(&BOTH, *line, detail);
        }
        return;
    }
    let line = walk
        .document
        .sections
        .iter()
        .find(|section| is_root(&section.name))
        .map_or(1, |section| section.line);
    if !installs.iter().any(|(_, _, decorated)| *decorated) {
        walk.find(&DECORATED, line, "there is none");
    }
    for (name, line, decorated) in installs.iter().chain(&uninstalls) {
        if !decorated {
            walk.find(&DECORATION, *line, format!("[{name}]"));
            walk.find(
                &NOT_PRIMITIVE,
                *line,
                format!("[{name}] has no architecture"),
            );
        }
    }
    for (name, line, _) in &uninstalls {
        let set = walk
            .document
            .section(name)
            .and_then(|section| section.value("LegacyUninstall"))
            .and_then(number);
        if set != Some(1) {
            walk.find(&UNINSTALL, *line, format!("[{name}]"));
        }
    }
}
