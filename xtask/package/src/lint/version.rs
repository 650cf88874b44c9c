//! `[Version]`: what the package is, who made it, and its setup class.
//!
//! Sources: "INF Version Section", "INF DriverVer Directive", and the two pages of
//! system-defined device setup classes.

use super::generic::{EXTRA, REPEATED};
use super::kind::Kind;
use super::walk::Walk;
use super::{Options, rules};
use crate::inf::Entry;
use crate::inf::decoration::number;
use crate::inf::driver_version::{Date, Version};
use crate::inf::guid::is_guid;

rules! {
    CLASS_GUID = 1010 "class-guid" Error,
        "ClassGuid is a GUID in braces", "write the class's GUID in full";
    PROVIDER_MICROSOFT = 1204 "provider-microsoft" Error,
        "only Microsoft's INF files name Microsoft as their provider", "name who made the package";
    INBOX_ONLY = 1208 "inbox-only" Error,
        "some directives are for the files that come with Windows", "use [SourceDisksFiles] instead of LayoutFile";
    PROVIDER_OTHER = 1210 "provider-other" Error,
        "the provider must be the one that was asked for", "correct Provider";
    CATALOG_NAME = 1214 "catalog-name" Error,
        "a catalog's name is a file name that ends in .cat", "write <name>.cat, without a folder";
    DRIVER_VERSION = 1217 "version-number" Error,
        "a version is w.x.y.z, each from 0 to 65535, and not 0.0.0.0", "write four such numbers";
    DRIVER_DATE = 1218 "driver-date" Error,
        "a driver's date is a real day, as mm/dd/yyyy", "write the month and the day with two digits each";
    NO_CATALOG = 1233 "no-catalog" Error,
        "a package that is to be signed names its catalog", "add CatalogFile=<name>.cat to [Version]";
    REQUIRED = 1234 "version-incomplete" Error,
        "[Version] has Class, ClassGuid, Provider and DriverVer, each with a value", "add what is missing";
    UNREADABLE = 1260 "unreadable-value" Error,
        "a number is expected", "write 0 or 1";
    CLASS_OF_GUID = 1280 "class-of-guid" Error,
        "a system-defined class has its own name", "write the name that belongs to ClassGuid";
    GUID_OF_CLASS = 1281 "guid-of-class" Error,
        "a system-defined class has its own GUID", "write the GUID that belongs to Class";
    CLASS_RESERVED = 1284 "class-reserved" Error,
        "some classes are for Microsoft alone", "use a class that is open to vendors, or one of your own";
    CLASS_INSTALL = 1285 "class-install" Error,
        "only the owner of a class may install it", "remove [ClassInstall32]; Windows has the class already";
    CLASS_LONG = 1286 "class-long" Error,
        "a class's name has at most 31 characters", "shorten it";
    LOCKDOWN = 1324 "pnp-lockdown" Error,
        "PnpLockdown=1 keeps programs from changing the installed files", "add PnpLockdown=1 to [Version]";
    IGNORED = 2009 "directive-ignored" Warning,
        "some directives of old are ignored", "remove the directive";
}

/// The classes that vendors may use.
const OPEN: &[(&str, &str)] = &[
    (
        "AudioProcessingObject",
        "5989fce8-9cd0-467d-8a6a-5419e31529d4",
    ),
    ("Battery", "72631e54-78a4-11d0-bcf7-00aa00b7b32a"),
    ("Biometric", "53d29ef7-377c-4d14-864b-eb3a85769359"),
    ("Bluetooth", "e0cbf06c-cd8b-4647-bb8a-263b43f0f974"),
    ("Camera", "ca3e7ab9-b4c3-4ae6-8251-579ef933890f"),
    ("CDROM", "4d36e965-e325-11ce-bfc1-08002be10318"),
    ("DiskDrive", "4d36e967-e325-11ce-bfc1-08002be10318"),
    ("Display", "4d36e968-e325-11ce-bfc1-08002be10318"),
    ("Extension", "e2f84ce7-8efa-411c-aa69-97454ca4cb57"),
    ("HDC", "4d36e96a-e325-11ce-bfc1-08002be10318"),
    ("HIDClass", "745a17a0-74d3-11d0-b6fe-00a0c90f57da"),
    ("Image", "6bdd1fc6-810f-11d0-bec7-08002be2092f"),
    ("Keyboard", "4d36e96b-e325-11ce-bfc1-08002be10318"),
    ("Media", "4d36e96c-e325-11ce-bfc1-08002be10318"),
    ("Modem", "4d36e96d-e325-11ce-bfc1-08002be10318"),
    ("Monitor", "4d36e96e-e325-11ce-bfc1-08002be10318"),
    ("Mouse", "4d36e96f-e325-11ce-bfc1-08002be10318"),
    ("MTD", "4d36e970-e325-11ce-bfc1-08002be10318"),
    ("Multifunction", "4d36e971-e325-11ce-bfc1-08002be10318"),
    ("MultiportSerial", "50906cb8-ba12-11d1-bf5d-0000f805f530"),
    ("Net", "4d36e972-e325-11ce-bfc1-08002be10318"),
    ("NetService", "4d36e974-e325-11ce-bfc1-08002be10318"),
    ("NetTrans", "4d36e975-e325-11ce-bfc1-08002be10318"),
    ("Ports", "4d36e978-e325-11ce-bfc1-08002be10318"),
    ("Printer", "4d36e979-e325-11ce-bfc1-08002be10318"),
    ("Processor", "50127dc3-0f36-415e-a6cc-4cb3be910b65"),
    ("SCSIAdapter", "4d36e97b-e325-11ce-bfc1-08002be10318"),
    (
        "SecurityAccelerator",
        "268c95a1-edfe-11d3-95c3-0010dc4050a5",
    ),
    ("SecurityDevices", "d94ee5d8-d189-4994-83d2-f68d7d41b0e6"),
    ("Sensor", "5175d334-c371-4806-b3ba-71fd53c9258d"),
    ("SmartCardReader", "50dd5230-ba8a-11d1-bf5d-0000f805f530"),
    ("SoftwareComponent", "5c4c3332-344d-483c-8739-259e934c9cc8"),
    ("System", "4d36e97d-e325-11ce-bfc1-08002be10318"),
    ("TapeDrive", "6d807884-7d21-11cf-801c-08002be10318"),
    ("USBDevice", "88bae032-5a81-49f0-bc3d-a4ff138216d6"),
    ("Volume", "71a27cdd-812a-11d0-bec7-08002be2092f"),
    ("WPD", "eec5ad98-8080-425f-922a-dabf3de3f69a"),
];

/// The classes that are Microsoft's own, and that of its samples.
const RESERVED: &[(&str, &str)] = &[
    ("1394Debug", "66f250d6-7801-4a64-b139-eea80a450b24"),
    ("Adapter", "4d36e964-e325-11ce-bfc1-08002be10318"),
    ("APMSupport", "d45b1c18-c8fa-11d1-9f77-0000f805f530"),
    ("AudioEndpoint", "c166523c-fe0c-4a94-a586-f1a80cfbbf3e"),
    ("Computer", "4d36e966-e325-11ce-bfc1-08002be10318"),
    ("Decoder", "6bdd1fc2-810f-11d0-bec7-08002be2092f"),
    ("Enum1394", "c459df55-db08-11d1-b009-00a0c9081ff6"),
    ("LegacyDriver", "8ecc055d-047f-11d1-a537-0000f8753ed1"),
    ("NoDriver", "4d36e976-e325-11ce-bfc1-08002be10318"),
    ("PrinterUpgrade", "4d36e97a-e325-11ce-bfc1-08002be10318"),
    ("PrintQueue", "1ed2bbf9-11f0-4084-b21f-ad83a8e6dcdc"),
    ("Sample", "78a1c341-4539-11d3-b88d-00c04fad5171"),
    ("SoftwareDevice", "62f9c741-b25a-46ce-b54c-9bccce08b6f2"),
    ("Sound", "4d36e97c-e325-11ce-bfc1-08002be10318"),
    ("Unknown", "4d36e97e-e325-11ce-bfc1-08002be10318"),
    ("VolumeSnapshot", "533c5b84-ec70-11d2-9505-00c04f79deaf"),
];

/// What may stand in the section, apart from `CatalogFile.<platform>`.
const KNOWN: &[&str] = &[
    "Signature",
    "Class",
    "ClassGuid",
    "Provider",
    "ExtensionId",
    "LayoutFile",
    "CatalogFile",
    "DriverVer",
    "PnpLockdown",
    "ClassVer",
    "DriverPackageDisplayName",
    "DriverPackageType",
];

/// Checks the section.
pub fn check(walk: &mut Walk<'_>, options: &Options) {
    let Some(section) = walk.document.section("Version") else {
        return;
    };
    let mut seen: Vec<(String, String)> = Vec::new();
    for entry in &section.entries {
        let key = entry.key();
        let catalog = key.to_lowercase().starts_with("catalogfile");
        if !catalog && !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(key)) {
            let detail = format!("{key} in [Version]");
            walk.find(&super::generic::UNKNOWN, entry.line, detail);
        }
        // The same again says nothing else; only another value leaves it open which one counts.
        let (name, value) = (key.to_lowercase(), entry.value(0).to_lowercase());
        if seen
            .iter()
            .any(|(other, before)| *other == name && *before != value)
        {
            walk.find(&REPEATED, entry.line, format!("{key} in [Version]"));
        }
        seen.push((name, value));
        let most = if entry.is("DriverVer") { 2 } else { 1 };
        if let Some(extra) = entry.values.get(most).filter(|_| !entry.is("LayoutFile")) {
            walk.find(&EXTRA, entry.line, format!("{key}: \"{}\"", extra.text));
        }
        if catalog && !is_catalog_name(entry.value(0)) {
            walk.find(&CATALOG_NAME, entry.line, format!("\"{}\"", entry.value(0)));
        }
    }
    for required in ["Class", "ClassGuid", "Provider", "DriverVer"] {
        if section.value(required).is_none_or(str::is_empty) {
            walk.find(&REQUIRED, section.line, format!("{required} is missing"));
        }
    }
    if !seen.iter().any(|(key, _)| key.starts_with("catalogfile")) {
        walk.find(&NO_CATALOG, section.line, "there is no CatalogFile");
    }
    match section.entry("PnpLockdown") {
        None => walk.find(&LOCKDOWN, section.line, "there is no PnpLockdown"),
        Some(entry) => match number(entry.value(0)) {
            Some(1) => {}
            Some(other) => walk.find(&LOCKDOWN, entry.line, format!("PnpLockdown is {other}")),
            None => {
                let detail = format!("PnpLockdown is \"{}\"", entry.value(0));
                walk.find(&UNREADABLE, entry.line, detail);
            }
        },
    }
    if let Some(entry) = section.entry("LayoutFile") {
        walk.find(&INBOX_ONLY, entry.line, "LayoutFile");
    }
    for old in ["DriverPackageType", "DriverPackageDisplayName"] {
        if let Some(entry) = section.entry(old) {
            walk.find(&IGNORED, entry.line, old);
        }
    }
    provider(walk, section.entry("Provider"), options);
    for entry in section.entries.iter().filter(|e| e.is("DriverVer")) {
        driver_version(walk, entry);
    }
    for (_, entry) in walk.entries(Kind::Install, "DriverVer") {
        driver_version(walk, entry);
    }
    class(walk, section.entry("Class"), section.entry("ClassGuid"));
}

fn is_catalog_name(name: &str) -> bool {
    name.to_lowercase()
        .strip_suffix(".cat")
        .is_some_and(|stem| !stem.is_empty() && !stem.contains(['\\', '/', ':']))
}

fn provider(walk: &mut Walk<'_>, entry: Option<&Entry>, options: &Options) {
    let Some(entry) = entry else { return };
    let given = entry.value(0);
    if given.to_lowercase().starts_with("microsoft") {
        walk.find(
            &PROVIDER_MICROSOFT,
            entry.line,
            format!("Provider is \"{given}\""),
        );
    }
    if let Some(wanted) = options
        .provider
        .as_deref()
        .filter(|wanted| *wanted != given)
    {
        let detail = format!("Provider is \"{given}\", not \"{wanted}\"");
        walk.find(&PROVIDER_OTHER, entry.line, detail);
    }
}

fn driver_version(walk: &mut Walk<'_>, entry: &Entry) {
    if entry.values.is_empty() {
        return;
    }
    let date = entry.value(0);
    if Date::parse(date).is_none() {
        walk.find(&DRIVER_DATE, entry.line, format!("\"{date}\""));
    }
    let version = entry.value(1);
    if Version::parse(version).is_none_or(|version| version == Version([0; 4])) {
        walk.find(&DRIVER_VERSION, entry.line, format!("\"{version}\""));
    }
}

fn class(walk: &mut Walk<'_>, class: Option<&Entry>, guid: Option<&Entry>) {
    let name = class.map_or("", |entry| entry.value(0));
    let line = class.map_or(0, |entry| entry.line);
    if name.chars().count() > 31 {
        walk.find(&CLASS_LONG, line, format!("\"{name}\""));
    }
    let Some(entry) = guid.filter(|entry| !entry.value(0).is_empty()) else {
        return;
    };
    let given = entry.value(0).to_lowercase();
    if !is_guid(&given) {
        walk.find(&CLASS_GUID, entry.line, format!("\"{given}\""));
        return;
    }
    let given = given.trim_matches(['{', '}']);
    let defined = || OPEN.iter().chain(RESERVED);
    let by_guid = defined().find(|(_, guid)| *guid == given);
    let by_name = defined().find(|(known, _)| known.eq_ignore_ascii_case(name));
    match (by_guid, by_name) {
        (Some((wanted, _)), _) if !wanted.eq_ignore_ascii_case(name) => {
            let detail = format!("Class is \"{name}\", but ClassGuid is that of {wanted}");
            walk.find(&CLASS_OF_GUID, line, detail);
        }
        (None, Some((known, wanted))) => {
            let detail = format!("ClassGuid is not that of {known}, {{{wanted}}}");
            walk.find(&GUID_OF_CLASS, entry.line, detail);
        }
        _ => {}
    }
    if RESERVED.iter().any(|(_, guid)| *guid == given) {
        walk.find(&CLASS_RESERVED, line, format!("\"{name}\""));
    }
    if let Some(section) = walk.document.section("ClassInstall32")
        && by_guid.is_some()
    {
        let detail = format!("[ClassInstall32] of {name}");
        walk.find(&CLASS_INSTALL, section.line, detail);
    }
}
