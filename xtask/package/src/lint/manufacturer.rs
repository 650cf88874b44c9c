//! `[Manufacturer]`, the models sections, and the way to the install sections.
//!
//! Sources: "INF Manufacturer Section", "INF Models Section", "INF ControlFlags Section", "Using
//! a Universal INF File" (no product type and no suite in a decoration).

use super::rules;
use super::walk::{Install, Walk};
use crate::inf::decoration::{FIRST_BUILD, Target};
use crate::inf::{Entry, Section};

rules! {
    MODELS_NAME = 1011 "models-name" Error,
        "an entry of [Manufacturer] names a models section", "write %Manufacturer% = <models section>,<target>";
    CONTROL_FLAGS = 1078 "control-flags" Error,
        "[ControlFlags] can only name device IDs of this file", "correct the ID, or write *";
    NO_INSTALL = 1261 "install-undefined" Error,
        "the install section that a model names must exist", "add the section, or correct its name";
    DEVICE_INSTALL = 1270 "device-install" Error,
        "a device that [DeviceInstall32] creates must be installed by this file", "add its ID to a models section";
    MODEL_SECTION = 1271 "model-section" Error,
        "a model names its install section", "write <description> = <install section>,<device ID>";
    TARGET = 1287 "target" Error,
        "a target is NT[architecture][.major[.minor[.product[.suite[.build]]]]]", "correct the decoration";
    TARGET_BUILD = 1288 "target-build" Error,
        "a build number counts from 10.0.14310 on", "raise it, or leave it out";
    DUPLICATE_ID = 1294 "value-twice" Error,
        "a value may be listed once", "remove the repetition";
    NO_DEVICES = 1297 "no-devices" Error,
        "a device driver's file names the devices it is for", "add device IDs to a models section";
    PRODUCT = 1307 "product-type" Error,
        "a Windows Driver is for every product and suite", "take product type and suite mask out of the decoration";
    ARCHITECTURE = 2010 "architecture" Warning,
        "a models section without an architecture is for x86", "write the architecture, such as NTamd64";
}

/// Finds the models and their install sections.
pub fn models(walk: &mut Walk<'_>) {
    let document = walk.document;
    let Some(manufacturer) = document.section("Manufacturer") else {
        return;
    };
    let mut devices = 0;
    for entry in &manufacturer.entries {
        // `manufacturer-name` alone is the name of its models section too.
        let (base, decorations) = if entry.key.is_some() {
            (entry.value(0), entry.values.get(1..).unwrap_or_default())
        } else {
            (entry.value(0), &[] as &[_])
        };
        if base.is_empty() {
            walk.find(&MODELS_NAME, entry.line, format!("\"{}\"", entry.key()));
            continue;
        }
        for decoration in decorations {
            if let Some((name, target)) = decorated(walk, base, &decoration.text, entry.line) {
                devices += section(walk, &name, target, entry);
            }
        }
        if decorations.is_empty() || document.section(base).is_some() {
            walk.find(&ARCHITECTURE, entry.line, format!("[{base}]"));
            devices += section(walk, base, Target::default(), entry);
        }
    }
    if devices == 0 {
        walk.find(&NO_DEVICES, manufacturer.line, "no model has a device ID");
    }
    ids(walk);
}

fn decorated(walk: &mut Walk<'_>, base: &str, text: &str, line: u32) -> Option<(String, Target)> {
    let name = format!("{base}.{text}");
    if text.contains("$ARCH$") {
        walk.find(&super::syntax::ARCH_TOKEN, line, format!("\"{text}\""));
        return None;
    }
    let Some(target) = Target::parse(text) else {
        walk.find(&TARGET, line, format!("\"{text}\""));
        return None;
    };
    if target.build.is_some() && (target.version < (10, 0) || target.build < Some(FIRST_BUILD)) {
        walk.find(&TARGET_BUILD, line, format!("{target} in \"{text}\""));
    }
    let isolated = target.lowest_build() >= super::enforced::ISOLATION;
    if isolated && (target.product.is_some() || target.suite.is_some()) {
        walk.find(&PRODUCT, line, format!("\"{text}\""));
    }
    if target.architecture.is_none() {
        walk.find(&ARCHITECTURE, line, format!("[{name}]"));
    }
    Some((name, target))
}

/// Goes through a models section; says how many of its entries have a device ID.
fn section(walk: &mut Walk<'_>, name: &str, target: Target, from: &Entry) -> usize {
    let Some(models) = walk.document.section(name) else {
        walk.find(
            &super::generic::NOT_FOUND,
            from.line,
            format!("[{name}], named by [Manufacturer]"),
        );
        return 0;
    };
    walk.models.push((models, target));
    let mut devices = 0;
    let mut seen: Vec<(String, u32)> = Vec::new();
    for entry in &models.entries {
        let install = entry.value(0);
        if install.is_empty() {
            walk.find(&MODEL_SECTION, entry.line, format!("\"{}\"", entry.key()));
            continue;
        }
        let ids: Vec<String> = entry
            .values
            .iter()
            .skip(1)
            .map(|id| id.text.clone())
            .filter(|id| !id.is_empty())
            .collect();
        devices += usize::from(!ids.is_empty());
        // The hardware ID, by which the model is chosen; its compatible IDs may be another's.
        for id in ids.iter().take(1) {
            match seen
                .iter()
                .find(|(other, _)| other.eq_ignore_ascii_case(id))
            {
                Some((_, line)) => {
                    let detail = format!("{id} in [{name}], first on line {line}");
                    walk.find(&DUPLICATE_ID, entry.line, detail);
                }
                None => seen.push((id.clone(), entry.line)),
            }
        }
        if let Some(section) = walk.install_section(install, target) {
            walk.installs.push(Install {
                section,
                line: entry.line,
                target,
                ids,
            });
        } else {
            let detail = format!("[{install}], for \"{}\"", entry.key());
            walk.find(&NO_INSTALL, entry.line, detail);
        }
    }
    devices
}

/// Checks the sections that name device IDs again.
fn ids(walk: &mut Walk<'_>) {
    let known: Vec<String> = walk
        .models
        .iter()
        .flat_map(|(models, _)| &models.entries)
        .flat_map(|entry| entry.values.iter().skip(1))
        .map(|id| id.text.to_lowercase())
        .collect();
    let document = walk.document;
    let named = |section: Option<&Section>| -> Vec<(u32, String, String)> {
        section
            .into_iter()
            .flat_map(|section| &section.entries)
            .flat_map(|entry| {
                entry
                    .values
                    .iter()
                    .map(|id| (entry.line, entry.key().to_owned(), id.text.clone()))
            })
            .collect()
    };
    for (line, key, id) in named(document.section("ControlFlags")) {
        // An ID that no model has hides nothing, and does no harm.
        let hides = key.to_lowercase().starts_with("excludefromselect");
        if id != "*" && !hides && !known.contains(&id.to_lowercase()) {
            walk.find(&CONTROL_FLAGS, line, format!("{key}: {id}"));
        }
    }
    // Each of its entries names a section that lists the new device's IDs.
    for (line, _, name) in named(document.section("DeviceInstall32")) {
        let ids = named(document.section(&name));
        if !ids
            .iter()
            .any(|(_, _, id)| known.contains(&id.to_lowercase()))
        {
            walk.find(
                &DEVICE_INSTALL,
                line,
                format!("no model has an ID of [{name}]"),
            );
        }
    }
}
