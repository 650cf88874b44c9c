//! The machine tells what its threads do: a driver that waits for ever is found with the place
//! where it does, and what it waits for.
#![cfg(unix)]

use std::{thread, time::Duration};

use eduwdm_tests::{boot, options};
use nthost_protocol::{
    HostRequest, Manifest,
    manifest::{DriverImage, Role},
    thread::{Activity, ObjectKind},
};

/// How long a line of the log may take: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

#[test]
fn a_driver_that_waits_for_ever_is_found_with_its_place_and_what_it_waits_for() {
    let driver = DriverImage {
        service: "hang".to_owned(),
        image: "hang.sys".to_owned(),
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
    let booted = boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let log = &booted.session.guest.log;
    let waits = log.wait(LIMIT, |line| line.contains("hang: waiting"));
    assert!(waits.is_some(), "the driver does not come to its wait");
    let in_driver = |thread: &nthost_protocol::thread::Thread| {
        let waits = matches!(thread.activity, Activity::Waiting { .. });
        waits && thread.frames.iter().any(|frame| frame.module == "hang.sys")
    };
    let found = loop {
        let threads = booted
            .host
            .threads()
            .unwrap_or_else(|fault| panic!("{fault}"));
        if let Some(found) = threads.into_iter().find(in_driver) {
            break found;
        }
        // It has said that it is about to wait; the test has no end of its own before it does.
        thread::sleep(Duration::from_millis(1));
    };
    let Activity::Waiting { irql, objects, .. } = &found.activity else {
        unreachable!("what was looked for is a thread that waits")
    };
    assert_eq!(*irql, 1, "with a fast mutex in hand");
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0].kind, ObjectKind::Event);
    assert!(found.apc_pending, "what finishes the request is held back");
    let told = booted
        .session
        .threads(&booted.host)
        .unwrap_or_else(|fault| panic!("{fault}"));
    assert!(told.contains("hang.sys!wait_with_mutex at "), "{told}");
    assert!(told.contains("hang.c:"), "{told}");
    let shutdown = HostRequest::Shutdown { code: 0 };
    booted
        .host
        .host_success(shutdown)
        .unwrap_or_else(|fault| panic!("{fault}"));
}
