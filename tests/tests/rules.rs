//! What is documented of the routines that drivers import, checked by a driver in C.
//!
//! Its sources are in `drivers/c/rules`, a file for each component.
#![cfg(unix)]

use std::time::Duration;

use eduwdm_tests::{boot, options};
use nthost_protocol::{
    HostRequest, Manifest,
    manifest::{DriverImage, Role},
};

/// How long a line of the log may take: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);
const COMPONENTS: &[&str] = &[
    "ke",
    "ex",
    "io",
    "mm",
    "ob",
    "rtl",
    "registry",
    "hal",
    "se",
    "apc",
    "requestor",
    "etw",
    "queue",
    "filter",
];
/// What the driver writes to the session.
const TRACED: &[&str] = &[
    "level 4 keyword 0x10 activity {01020304-0000-0000-0000-000000000000}: event 0 [68, 00, 69, 00",
    "{0a0b0c0d-0000-0000-0000-000000000000} message 7 of 0x4.",
    "[01, 02, 03, 61, 62]",
];

fn check(machine: &str) {
    let driver = DriverImage {
        service: "rules".to_owned(),
        image: "rules.sys".to_owned(),
        role: Role::Function,
        hardware_ids: Vec::new(),
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    let manifest = Manifest {
        drivers: vec![driver],
        ..Manifest::default()
    };
    let booted = boot(machine, &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let unload = HostRequest::UnloadDriver {
        service: "rules".to_owned(),
    };
    let unloaded = booted.host.host_success(unload);
    unloaded.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()));
    let log = &booted.session.guest.log;
    let last = log.wait(LIMIT, |line| line.contains("rules is unloaded"));
    assert!(last.is_some(), "the driver was not unloaded");
    let lines = log.lines();
    for component in COMPONENTS {
        let counted = format!("rules: {component} has ");
        let count = lines
            .iter()
            .find_map(|line| line.split_once(&counted)?.1.split(' ').next()?.parse().ok());
        let count: u32 = count.unwrap_or_else(|| panic!("{component} was not checked"));
        assert!(count > 0, "no rule of {component} was checked");
    }
    let failed: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("rules: FAILED"))
        .map(String::as_str)
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let events = booted.host.drain_events().unwrap();
    for wanted in TRACED {
        let found = events.iter().any(|event| event.contains(wanted));
        assert!(found, "no event is {wanted:?}: {}", events.join("\n"));
    }
    booted.shut_down();
}

#[test]
fn the_documented_rules_hold_on_one_processor() {
    check("up");
}

#[test]
fn the_documented_rules_hold_on_four_processors() {
    check("smp4");
}

#[test]
fn the_documented_rules_hold_on_two_nodes() {
    check("numa2x2");
}
