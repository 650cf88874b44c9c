//! What older Windows did at installation and a Windows Driver may not, and what newer Windows
//! can do that older cannot.
//!
//! Sources: "Using a Universal INF File", and the reference page of each directive for the
//! version that introduced it.

use super::kind::Kind;
use super::registry::writes;
use super::rules;
use super::walk::Walk;

rules! {
    SINCE = 1199 "needs-newer-windows" Error,
        "an install section may only use what every Windows that it is for understands", "raise the build number of the models section's target";
    SCORE = 1245 "feature-score" Error,
        "a feature score is one byte, in hexadecimal", "write 00 to FF";
    SECTION = 1300 "legacy-section" Error,
        "a Windows Driver has no such section", "remove it";
    OPERATION = 1301 "legacy-operation" Error,
        "a Windows Driver is installed by declaration alone", "remove the directive";
    RENAME = 1302 "legacy-rename" Error,
        "a Windows Driver does not rename files", "remove the file list";
    INSTALLER = 1303 "co-installer" Error,
        "a Windows Driver has no co-installer and no class installer", "remove it";
    SUBTRACTIVE = 1308 "legacy-removal" Error,
        "installing only adds; Windows takes away when the driver goes", "remove the directive";
    DELETE_FILE = 1309 "legacy-delete" Error,
        "installing deletes no files", "remove the file list";
    UNISOLATED = 1450 "unisolated-directive" Warning,
        "some directives may be ignored", "remove the directive";
    DISCOURAGED = 2004 "discouraged" Warning,
        "some directives are valid but not recommended", "do without it if you can";
}

/// What came with which build of Windows 10 or 11.
const INTRODUCED: &[(Kind, &str, u32)] = &[
    (Kind::Components, "AddComponent", 15063),
    (Kind::Software, "AddSoftware", 15063),
    (Kind::Events, "AddEventProvider", 17763),
    (Kind::Filters, "AddFilter", 18362),
    (Kind::Service, "AddTrigger", 19041),
    (Kind::Service, "ServiceSidType", 19041),
    (Kind::Service, "DelayedAutoStart", 19041),
    (Kind::Events, "AddAutoLogger", 22000),
    (Kind::Events, "UpdateAutoLogger", 22000),
    (Kind::Service, "FailureActions", 22621),
    (Kind::Service, "BootFlags", 25398),
    (Kind::Com, "AddComServer", 26100),
];

/// Checks the file.
pub fn check(walk: &mut Walk<'_>) {
    operations(walk);
    since(walk);
    let name = "InterfaceInstall32";
    if let Some(section) = walk.document.section(name) {
        walk.find(&DISCOURAGED, section.line, format!("[{name}]"));
    }
    for (rule, suffix) in [
        (&SECTION, "LogConfigOverride"),
        (&SECTION, "FactDef"),
        (&INSTALLER, "CoInstallers"),
    ] {
        for (_, section) in walk.suffixed(suffix) {
            walk.find(rule, section.line, format!("[{}]", section.name));
        }
    }
    for write in writes(walk) {
        let name = write.entry.value(2);
        if ["CoInstallers32", "Installer32"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
        {
            walk.find(&INSTALLER, write.entry.line, name);
        }
    }
    for (_, entry) in walk.entries(Kind::Install, "FeatureScore") {
        let score = entry.value(0);
        let digits = score.trim_start_matches("0x").trim_start_matches("0X");
        if digits.len() > 2 || u8::from_str_radix(digits, 16).is_err() {
            walk.find(&SCORE, entry.line, format!("\"{score}\""));
        }
    }
}

fn operations(walk: &mut Walk<'_>) {
    let takes = [
        Kind::Install,
        Kind::Hw,
        Kind::Interface,
        Kind::CoInstallers,
        Kind::Service,
        Kind::EventLog,
        Kind::Services,
    ];
    let rules: &[(&str, &'static super::Rule)] = &[
        ("RegisterDlls", &OPERATION),
        ("UnregisterDlls", &OPERATION),
        ("ProfileItems", &OPERATION),
        ("UpdateInis", &OPERATION),
        ("UpdateIniFields", &OPERATION),
        ("Ini2Reg", &OPERATION),
        ("BitReg", &OPERATION),
        ("LogConfig", &OPERATION),
        ("DelReg", &SUBTRACTIVE),
        ("DelProperty", &SUBTRACTIVE),
        ("DelService", &SUBTRACTIVE),
        ("AddPowerSetting", &UNISOLATED),
    ];
    for kind in takes {
        for (key, rule) in rules {
            for (section, entry) in walk.entries(kind, key) {
                walk.find(rule, entry.line, format!("{key} in [{}]", section.name));
            }
        }
    }
    for (kind, rule) in [(Kind::RenFiles, &RENAME), (Kind::DelFiles, &DELETE_FILE)] {
        for section in walk.met(kind) {
            for entry in &section.entries {
                walk.find(rule, entry.line, entry.value(0));
            }
        }
    }
    for section in walk.met(Kind::Install) {
        for entry in &section.entries {
            if entry.is("Reboot")
                || (entry.key.is_none() && entry.value(0).eq_ignore_ascii_case("Reboot"))
            {
                walk.find(&DISCOURAGED, entry.line, "Reboot");
            }
        }
    }
}

fn since(walk: &mut Walk<'_>) {
    let mut found: Vec<(u32, String)> = Vec::new();
    for install in &walk.installs {
        let lowest = install.target.lowest_build();
        for (kind, key, build) in INTRODUCED {
            let sections = match kind {
                Kind::Service => install
                    .suffixed(walk.document, "Services")
                    .map(|services| walk.referred(services, Kind::Services, Kind::Service))
                    .unwrap_or_default(),
                _ => super::grammar::SUFFIXES
                    .iter()
                    .filter(|(_, of)| of == kind)
                    .filter_map(|(suffix, _)| install.suffixed(walk.document, suffix))
                    .collect(),
            };
            for entry in sections
                .iter()
                .flat_map(|s| &s.entries)
                .filter(|e| e.is(key))
            {
                if lowest < *build {
                    let detail = format!(
                        "{key} came with build {build}, but [{}] is for builds from {lowest} on",
                        install.section.name
                    );
                    found.push((entry.line, detail));
                }
            }
        }
    }
    for (line, detail) in found {
        walk.find(&SINCE, line, detail);
    }
}
