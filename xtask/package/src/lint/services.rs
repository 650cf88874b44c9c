//! `[DDInstall.Services]`, the services, and what starts them.
//!
//! Source: "INF AddService Directive".

use super::extension::is_extension;
use super::kind::Kind;
use super::rules;
use super::walk::Walk;
use crate::inf::decoration::number;
use crate::inf::guid::is_guid;
use crate::inf::{Entry, Section};

rules! {
    KEY_MISSING = 1013 "key-missing" Error,
        "a section must hold the keys that its directive needs", "add the key";
    KEY_INVALID = 1014 "key-invalid" Error,
        "a key must have one of its documented values", "correct the value";
    SAMPLE_NAME = 1017 "sample-name" Error,
        "the service names of the sample drivers are reserved", "give the service a name of its own";
    TWO_FUNCTIONS = 1211 "two-function-drivers" Error,
        "a device has one function driver", "set SPSVCINST_ASSOCSERVICE on one service alone";
    LOG_TYPE = 1250 "event-log-type" Error,
        "an event log is System, Application or Security", "write System, or leave it out";
    DISABLED = 1251 "function-disabled" Warning,
        "a function driver that is disabled cannot start its device", "write StartType=3";
    COMBINATION = 1252 "start-combination" Warning,
        "a driver is not started by the service manager, and a program not by the loader", "write StartType=3";
    NO_NAME = 1253 "service-name" Error,
        "a service has a name", "name it; only a device without a driver has AddService=,2";
    NULL_SECTION = 1272 "null-service-section" Error,
        "a device without a driver has no service to install", "write AddService=,2 alone";
    DIRECTIVE_MISSING = 1289 "directive-missing" Error,
        "a section must hold the directives that its purpose needs", "add the directive";
    INDIRECT = 1292 "indirect-string" Error,
        "what a person reads is a %token%, so that it can be translated", "put the text into [Strings]";
    RESERVED = 1293 "reserved-name" Error,
        "the names of Windows' own services are taken", "give the service a name of its own";
    NO_SERVICE = 1296 "no-function-driver" Error,
        "a device has a function driver, or says that it needs none", "add AddService=<name>,2,<section> or AddService=,2";
    UNDEFINED = 2006 "service-undefined" Error,
        "the service-install section that AddService names must exist", "add the section, or correct its name";
}

/// `SPSVCINST_ASSOCSERVICE`
const FUNCTION_DRIVER: u32 = 2;

/// Names of services that Windows has on every machine.
const SYSTEM: &[&str] = &[
    "ACPI",
    "AFD",
    "Beep",
    "CNG",
    "Disk",
    "DiskPerf",
    "Fastfat",
    "FltMgr",
    "HTTP",
    "i8042prt",
    "kbdclass",
    "KSecDD",
    "LanmanServer",
    "LanmanWorkstation",
    "mouclass",
    "mountmgr",
    "MsHidKmdf",
    "Mup",
    "NDIS",
    "NetBT",
    "Npfs",
    "Ntfs",
    "Null",
    "partmgr",
    "pci",
    "PlugPlay",
    "Power",
    "RpcSs",
    "SCardSvr",
    "Serial",
    "storahci",
    "stornvme",
    "Tcpip",
    "TPM",
    "usbhub",
    "USBXHCI",
    "volmgr",
    "volsnap",
    "Wdf01000",
    "WudfPf",
    "WUDFRd",
];

/// Names that the public driver samples use.
const SAMPLES: &[&str] = &[
    "AudioCodec",
    "AvsCamera",
    "avshws",
    "avssamp",
    "BthEchoSampleCli",
    "BthEchoSampleSrv",
    "dynambus",
    "ECHO",
    "ECHO_2",
    "fakemdm",
    "Firefly",
    "GenPCI",
    "hidusbfx2",
    "kbfiltr",
    "KDODSamp",
    "kmdf_enumswitches",
    "moufiltr",
    "NdisLwf",
    "Ndisprot630",
    "NetVMini630",
    "osrusbfx2",
    "Pci9x5x",
    "plclient",
    "plpolicy",
    "sampleacpipep",
    "SerialBusWdk",
    "simbatt",
    "simdevice",
    "simgpio",
    "simgpio_i2c",
    "SimpleAudioSample",
    "simsensor",
    "simtc",
    "skeletoni2c",
    "SpbTestTool",
    "statbus",
    "sysvad_componentizedaudiosample",
    "toaster",
    "ToasterFilter",
    "usbsamp",
    "vhidmini",
    "wdffeatured",
    "WdfMultiComp",
    "wdfsimple",
    "wdfToastMon",
    "WmiSamp",
];

/// Checks the services.
pub fn check(walk: &mut Walk<'_>) {
    function_drivers(walk);
    for (section, entry) in walk.entries(Kind::Services, "AddService") {
        add_service(walk, section, entry);
    }
    for section in walk.met(Kind::Service) {
        service(walk, section);
    }
    for section in walk.met(Kind::Trigger) {
        trigger(walk, section);
    }
    for section in walk.met(Kind::FailureActions) {
        require(walk, section, &KEY_MISSING, &["Action"]);
    }
}

/// Checks that a section has these keys.
pub fn require(walk: &mut Walk<'_>, section: &Section, rule: &'static super::Rule, keys: &[&str]) {
    for key in keys {
        if section.entry(key).is_none() {
            walk.find(rule, section.line, format!("{key} in [{}]", section.name));
        }
    }
}

fn is_function(entry: &Entry) -> bool {
    number(entry.value(1)).is_some_and(|flags| flags & FUNCTION_DRIVER != 0)
}

fn function_drivers(walk: &mut Walk<'_>) {
    // Network services and transports are no devices, though they have IDs.
    let exempt = walk.is_of_class(&["NetClient", "NetService", "NetTrans"]);
    let extension = is_extension(walk.document) || exempt;
    for install in walk.installs.clone() {
        let Some(services) = install.suffixed(walk.document, "Services") else {
            if !extension && !install.ids.is_empty() {
                let detail = format!(
                    "{} has no [{}.Services]",
                    install.ids[0], install.section.name
                );
                walk.find(&NO_SERVICE, install.line, detail);
            }
            continue;
        };
        let functions: Vec<&Entry> = services
            .entries
            .iter()
            .filter(|entry| entry.is("AddService") && is_function(entry))
            .collect();
        let inherits = services.entry("Needs").is_some();
        // A modem's function driver is chosen by the class installer.
        let chosen = inherits || extension || walk.is_of_class(&["Modem"]);
        if functions.is_empty() && !chosen && !install.ids.is_empty() {
            let detail = format!("{}, in [{}]", install.ids[0], services.name);
            walk.find(&NO_SERVICE, install.line, detail);
        }
        if let [first, .., last] = functions.as_slice() {
            let detail = format!(
                "\"{}\" and \"{}\" in [{}]",
                first.value(0),
                last.value(0),
                services.name
            );
            walk.find(&TWO_FUNCTIONS, last.line, detail);
        }
    }
}

fn add_service(walk: &mut Walk<'_>, section: &Section, entry: &Entry) {
    let name = entry.value(0);
    if name.is_empty() {
        if !is_function(entry) {
            walk.find(
                &NO_NAME,
                entry.line,
                format!("AddService in [{}]", section.name),
            );
        } else if !entry.value(2).is_empty() {
            walk.find(&NULL_SECTION, entry.line, format!("[{}]", entry.value(2)));
        }
        return;
    }
    if entry.value(2).is_empty() {
        let detail = format!("AddService of {name} names no service-install section");
        walk.find(&super::generic::SECTION_NAME_MISSING, entry.line, detail);
    }
    let known = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    if known(SAMPLES) {
        walk.find(&SAMPLE_NAME, entry.line, name);
    }
    if known(SYSTEM) {
        walk.find(&RESERVED, entry.line, name);
    }
    let log = entry.value(4);
    if !log.is_empty()
        && !["System", "Application", "Security"]
            .iter()
            .any(|k| k.eq_ignore_ascii_case(log))
    {
        walk.find(&LOG_TYPE, entry.line, format!("\"{log}\""));
    }
    let start = walk
        .document
        .section(entry.value(2))
        .and_then(|service| service.value("StartType"))
        .and_then(number);
    if is_function(entry) && start == Some(4) {
        walk.find(&DISABLED, entry.line, format!("{name} has StartType=4"));
    }
}

fn service(walk: &mut Walk<'_>, section: &Section) {
    let keys = ["ServiceType", "StartType", "ErrorControl", "ServiceBinary"];
    require(walk, section, &DIRECTIVE_MISSING, &keys);
    for key in ["DisplayName", "Description"] {
        if let Some(entry) = section.entry(key) {
            let token = entry.values.first().is_some_and(|v| v.raw.starts_with('%'));
            if !token && !entry.values.is_empty() {
                walk.find(
                    &INDIRECT,
                    entry.line,
                    format!("{key} in [{}]", section.name),
                );
            }
        }
    }
    let get = |key| {
        section
            .entry(key)
            .map(|entry| (entry.line, number(entry.value(0))))
    };
    let Some((line, Some(kind))) = get("ServiceType") else {
        return;
    };
    let driver = [1, 2, 8].contains(&kind);
    let program = [0x10, 0x20, 0x50, 0x60].contains(&(kind & !0x100));
    if !driver && !program {
        let detail = format!("ServiceType {kind:#x} in [{}]", section.name);
        walk.find(&super::generic::ARGUMENT_INVALID, line, detail);
    }
    if let Some((line, Some(start))) = get("StartType")
        && ((driver && start == 2) || (program && start < 2))
    {
        let detail = format!(
            "StartType={start} with ServiceType={kind:#x} in [{}]",
            section.name
        );
        walk.find(&COMBINATION, line, detail);
    }
    // What belongs to programs alone, and what belongs to drivers alone.
    let programs = [
        "RequiredPrivileges",
        "ServiceSidType",
        "DelayedAutoStart",
        "AddTrigger",
        "FailureActions",
    ];
    for (key, wrong) in programs
        .iter()
        .map(|key| (*key, driver))
        .chain([("BootFlags", program)])
    {
        if let Some((line, _)) = get(key).filter(|_| wrong) {
            let detail = format!("{key} with ServiceType={kind:#x} in [{}]", section.name);
            walk.find(&COMBINATION, line, detail);
        }
    }
}

fn trigger(walk: &mut Walk<'_>, section: &Section) {
    require(
        walk,
        section,
        &KEY_MISSING,
        &["TriggerType", "Action", "SubType"],
    );
    for entry in &section.entries {
        let value = entry.value(0);
        let valid = match entry.key().to_lowercase().as_str() {
            "triggertype" => number(value) == Some(1),
            "action" => matches!(number(value), Some(1 | 2)),
            "subtype" => is_guid(value),
            _ => continue,
        };
        if !valid {
            let detail = format!("{} \"{value}\" in [{}]", entry.key(), section.name);
            walk.find(&KEY_INVALID, entry.line, detail);
        }
    }
}
