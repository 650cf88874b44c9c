//! A driver is told of processes, threads and images that come and go, may refuse a process, and
//! must not leave before it has taken its routines back.
#![cfg(unix)]

use std::time::Duration;

use eductl::nthost::NtHost;
use eduwdm_qemu::{Machine, Session};
use eduwdm_tests::{Booted, artifacts, boot, options};
use nthost_protocol::{
    HostRequest, Manifest,
    manifest::{DriverImage, RegistryData, RegistryValue, Role},
};

/// How long a line of the log may take: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

fn driver(service: &str, misdeed: Option<&str>) -> DriverImage {
    let value = misdeed.map(|misdeed| RegistryValue {
        key: String::new(),
        name: "Misdeed".to_owned(),
        data: RegistryData::String(misdeed.to_owned()),
    });
    DriverImage {
        service: service.to_owned(),
        image: format!("{service}.sys"),
        role: Role::Function,
        hardware_ids: Vec::new(),
        service_values: value.into_iter().collect(),
        device_values: Vec::new(),
        security: None,
    }
}

fn manifest(misdeed: Option<&str>) -> Manifest {
    Manifest {
        // The second is an image that the first is told of.
        drivers: vec![driver("watch", misdeed), driver("share", None)],
        ..Manifest::default()
    }
}

fn wait_for(booted: &Booted, text: &str) {
    let log = &booted.session.guest.log;
    let found = log.wait(LIMIT, |line| line.contains(text));
    assert!(found.is_some(), "\"{text}\" is not in the log");
}

fn unload(booted: Booted) {
    let service = "watch".to_owned();
    let unloaded = booted
        .host
        .host_success(HostRequest::UnloadDriver { service });
    unloaded.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()));
    wait_for(&booted, "watch: all is as documented");
    booted.shut_down();
}

/// The lines of the driver, in their order.
fn told(booted: &Booted) -> Vec<String> {
    let log = booted.log();
    let lines = log.lines().filter_map(|line| line.split_once("watch: "));
    lines.map(|(_, text)| text.to_owned()).collect()
}

#[test]
fn a_driver_is_told_of_processes_threads_and_images_in_their_order() {
    let booted = boot("smp4", &options(manifest(None))).unwrap_or_else(|fault| panic!("{fault}"));
    let other = NtHost::connect(booted.session.socket()).unwrap();
    // The process comes into being with its first call.
    assert!(other.read_memory(0, 1).is_err());
    other.hang_up();
    wait_for(&booted, "watch: process exits");
    assert_eq!(
        told(&booted),
        [
            "thread of the system created",
            "thread of the system deleted",
            r"image \SystemRoot\System32\drivers\share.sys",
            "process created",
            r"process begins from \Device\Host\client.exe",
            "thread of the client created",
            "thread of the client deleted",
            "process deleted",
            "process exits",
        ]
    );
    unload(booted);
}

#[test]
fn a_driver_refuses_a_process() {
    let manifest = manifest(Some("refuse_processes"));
    let booted = boot("up", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let other = NtHost::connect(booted.session.socket()).unwrap();
    let refused = other.read_memory(0, 1).expect_err("a process").to_string();
    assert!(refused.contains("STATUS_ACCESS_DENIED"), "{refused}");
    wait_for(&booted, "watch: process exits");
    unload(booted);
}

#[test]
fn a_routine_that_is_left_ends_in_a_bug_check() {
    for misdeed in [
        "leave_process_routine",
        "leave_thread_routine",
        "leave_image_routine",
    ] {
        let machine = Machine::load("up").unwrap();
        let options = options(manifest(Some(misdeed)));
        let mut session = Session::start(&machine, &artifacts(), &options, |_| ()).unwrap();
        session.wait_ready().unwrap();
        let host = NtHost::connect(session.socket()).unwrap();
        let service = "watch".to_owned();
        let answer = host.host(HostRequest::UnloadDriver { service });
        session.guest.wait(LIMIT);
        let bugcheck = session.guest.log.bugcheck();
        let bugcheck = bugcheck.unwrap_or_else(|| panic!("{misdeed} was let through: {answer:?}"));
        assert_eq!(bugcheck.code, 0xce, "{misdeed}");
    }
}
