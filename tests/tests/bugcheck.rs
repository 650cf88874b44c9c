//! What a driver does wrong ends in a bugcheck that leads to its line.
#![cfg(unix)]

use std::{fs, path::Path};

use eduwdm_qemu::SessionError;
use eduwdm_tests::{boot, options};
use nthost_protocol::{
    Manifest,
    manifest::{DriverImage, Role},
};

/// Boots with a driver that stands alone.
fn boot_with(service: &str) -> SessionError {
    let driver = DriverImage {
        service: service.to_owned(),
        image: format!("{service}.sys"),
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
    match boot("smp4", &options(manifest)) {
        Ok(booted) => panic!("{service} was let through:\n{}", booted.log()),
        Err(error) => error,
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
