//! Export drivers, kernel-mode DLLs that other drivers import from: loaded and initialized
//! before these, and unloaded after the last of them.
#![cfg(unix)]

use std::time::Duration;

use eductl::Status;
use eduwdm_tests::{Booted, boot, options};
use nthost_protocol::{
    HostRequest, Manifest,
    manifest::{DriverImage, RegistryData, RegistryValue, Role},
};

/// How long a line of the log may take: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

const INVALID_DEVICE_STATE: Status = Status::Nt(0xc000_0184);

fn driver(service: &str, image: &str, role: Role) -> DriverImage {
    DriverImage {
        service: service.to_owned(),
        image: image.to_owned(),
        role,
        hardware_ids: Vec::new(),
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    }
}

fn library() -> DriverImage {
    driver("library", "library.sys", Role::Export)
}

fn importer(service: &str) -> DriverImage {
    driver(service, "importer.sys", Role::Function)
}

fn boot_with(drivers: Vec<DriverImage>) -> Booted {
    let manifest = Manifest {
        drivers,
        ..Manifest::default()
    };
    boot("up", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"))
}

fn unload(booted: &Booted, service: &str) -> Status {
    let service = service.to_owned();
    let unload = HostRequest::UnloadDriver { service };
    booted.host.host(unload).unwrap()
}

/// The log, once it holds a text: it takes its own way here.
fn log_with(booted: &Booted, text: &str) -> String {
    let found = booted
        .session
        .guest
        .log
        .wait(LIMIT, |line| line.contains(text));
    assert!(found.is_some(), "\"{text}\" is not in the log");
    booted.log()
}

/// Where in the log a text is.
fn place(log: &str, text: &str) -> usize {
    let found = log.find(text);
    found.unwrap_or_else(|| panic!("\"{text}\" is not in the log:\n{log}"))
}

#[test]
fn it_is_initialized_before_and_unloaded_after_the_drivers_that_import_from_it() {
    let booted = boot_with(vec![library(), importer("first"), importer("second")]);
    assert_eq!(unload(&booted, "library"), INVALID_DEVICE_STATE);
    assert_eq!(unload(&booted, "first"), Status::Nt(0));
    assert_eq!(unload(&booted, "library"), INVALID_DEVICE_STATE);
    assert!(!booted.log().contains("library: unloaded"));
    assert_eq!(unload(&booted, "second"), Status::Nt(0));
    let log = log_with(&booted, "library is unloaded");
    let order = [
        r"library: initialized with \Registry\Machine\System\CurrentControlSet\Services\library",
        "importer: sum 5, call 1",
        "importer: sum 5, call 2",
        r"importer: \Driver\first unloaded, sum 42",
        r"importer: \Driver\second unloaded, sum 42",
        "library: unloaded after 4 calls",
        "library is unloaded",
    ];
    let places = order.map(|text| place(&log, text));
    assert!(places.is_sorted(), "{log}");
    assert!(!log.contains("DriverEntry was called"), "{log}");
    booted.shut_down();
}

#[test]
fn what_it_keeps_is_one_for_all_drivers_that_import_from_it() {
    let numbered = |service| driver(service, "numbered.sys", Role::Function);
    let booted = boot_with(vec![
        driver("sequence", "sequence.sys", Role::Export),
        numbered("first"),
        numbered("second"),
    ]);
    for service in ["first", "second"] {
        assert_eq!(unload(&booted, service), Status::Nt(0));
    }
    let log = log_with(&booted, "sequence is unloaded");
    let lines = [1, 2, 3, 4].map(|number| format!("numbered: number {number}"));
    let mut places: Vec<_> = lines.iter().map(|line| place(&log, line)).collect();
    places.push(place(&log, "sequence: unloaded after number 4"));
    assert!(places.is_sorted(), "{log}");
    booted.shut_down();
}

#[test]
fn without_it_the_importer_is_refused_with_all_that_it_misses() {
    let booted = boot_with(vec![importer("importer")]);
    let log = log_with(&booted, "is refused");
    let refused = &log[place(&log, "importer.sys (importer) is refused: ")..];
    let line = refused.lines().next().unwrap();
    for missing in ["LibraryAdd", "LibraryCalls"] {
        assert!(line.contains(missing), "{line}");
    }
    assert!(!log.contains("importer: sum"));
    booted.shut_down();
}

#[test]
fn one_that_fails_to_initialize_is_not_there_to_import_from() {
    let mut refusing = library();
    refusing.service_values = vec![RegistryValue {
        key: String::new(),
        name: "Refuse".to_owned(),
        data: RegistryData::Dword(1),
    }];
    let booted = boot_with(vec![refusing, importer("importer")]);
    let log = log_with(&booted, "importer.sys (importer) is refused: ");
    place(&log, "DllInitialize of library returned 0xc000000d");
    assert!(!log.contains("importer: sum"));
    booted.shut_down();
}
