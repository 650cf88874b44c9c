//! What a driver does wrong ends in a bugcheck that leads to its line.
#![cfg(unix)]

use std::{fs, path::Path};

use eduwdm_qemu::{Machine, Session, SessionError};
use eduwdm_tests::{artifacts, boot, options};
use nthost_protocol::{
    Manifest,
    manifest::{DriverImage, Role},
};

/// A driver that stands alone.
fn manifest(service: &str) -> Manifest {
    let driver = DriverImage {
        service: service.to_owned(),
        image: format!("{service}.sys"),
        role: Role::Function,
        hardware_ids: Vec::new(),
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    Manifest {
        drivers: vec![driver],
        ..Manifest::default()
    }
}

/// Boots with it.
fn boot_with(service: &str) -> SessionError {
    match boot("smp4", &options(manifest(service))) {
        Ok(booted) => panic!("{service} was let through:\n{}", booted.log()),
        Err(error) => error,
    }
}

#[test]
fn a_panic_has_a_code_of_the_drivers_own_and_tells_the_dump_where_it_was_and_what_came_before() {
    let machine = Machine::load("up").unwrap();
    let mut session =
        Session::start(&machine, &artifacts(), &options(manifest("panics")), |_| ()).unwrap();
    assert!(session.wait_ready().is_err(), "it was let through");
    let text = session.guest.log.lines().join("\n");
    let bugcheck = session.guest.log.bugcheck().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers/panics/src/lib.rs");
    let source = fs::read_to_string(source).unwrap();
    let wrong = source
        .lines()
        .position(|line| line.ends_with("// the panic"));
    let line = wrong.expect("the line is marked") + 1;
    assert_eq!(bugcheck.code, 0x5041_4e43, "{text}");
    let [_file, length, at, column] = bugcheck.parameters;
    assert_eq!(at, line as u64, "{text}");
    assert!(length > 10 && column > 0, "{text}");
    let data = text
        .lines()
        .find(|line| line.contains("secondary dump data"))
        .unwrap_or_else(|| panic!("nothing is added to the dump: {text}"));
    for told in [
        "c2a1d4b6-7e0f-4a55-9a3e-5b0b6edd0001",
        "panics",
        "lib.rs",
        "it was loaded",
        "it is about to end",
    ] {
        assert!(data.contains(told), "{told}: {data}");
    }
}

#[test]
fn a_wait_at_dispatch_level_is_a_bugcheck_with_its_file_and_line() {
    let fault = boot_with("waits");
    let SessionError::Bugcheck(text) = &fault else {
        panic!("{fault}");
    };
    assert!(
        text.contains("DRIVER_VERIFIER_DETECTED_VIOLATION"),
        "{text}"
    );
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("drivers/waits/src/lib.rs");
    let source = fs::read_to_string(source).unwrap();
    let wrong = source
        .lines()
        .position(|line| line.ends_with("// the wrong"));
    let line = wrong.expect("the line is marked") + 1;
    let place = format!("waits/src/lib.rs:{line}");
    let frame = text
        .lines()
        .find(|frame| frame.contains("wait_at_dispatch_level"));
    let frame = frame.unwrap_or_else(|| panic!("the driver is not on the stack: {text}"));
    assert!(
        frame.replace('\\', "/").ends_with(&place),
        "{frame} should end with {place}"
    );
    // And what the processors did last: this one waited, which it was not to.
    let events: Vec<_> = text
        .lines()
        .skip_while(|line| !line.contains("what each processor did last"))
        .collect();
    let last = events
        .iter()
        .rfind(|event| event.contains("KeWaitForSingleObject from waits.sys!"));
    assert!(
        last.is_some_and(|event| event.contains("wait_at_dispatch_level")),
        "{text}"
    );
    // All four are told of, whether they have done anything or not.
    for processor in 0..4 {
        let start = format!("    cpu{processor} ");
        assert!(
            events.iter().any(|event| event.starts_with(&start)),
            "nothing of processor {processor}: {text}"
        );
    }
}
