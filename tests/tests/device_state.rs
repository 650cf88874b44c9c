//! What a driver tells the plug-and-play manager of its own is done: its device's state is asked
//! for again and acted on, its relations are, and it is ejected. And what it reports to the
//! error log is there to read.
#![cfg(unix)]

use std::{thread, time::Duration};

use eductl::{Interrupt, Request, Status, device::OpenDevice, io::IoSystem};
use eduwdm_abi::InterfaceClass;
use eduwdm_tests::{Booted, boot, options};
use nthost_protocol::{
    HostRequest, Manifest,
    host::{DeviceState, PnpOperation},
    manifest::{DriverImage, Role},
};

/// The interface class of `drivers/c/states.c`.
const CLASS: InterfaceClass = InterfaceClass {
    data1: 0x8f1f_6f0a,
    data2: 0x38a5,
    data3: 0x4f36,
    data4: [0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x20],
};

const SUCCESS: Status = Status::Nt(0);
const QUERY_VETOED: Status = Status::Nt(0x8000_0028);

const STATE: u32 = 0x800;
const RELATIONS: u32 = 0x801;
const EJECT: u32 = 0x802;
const COUNTS: u32 = 0x803;
const LOG: u32 = 0x804;

const PNP_DEVICE_FAILED: u32 = 0x04;
const PNP_DEVICE_REMOVED: u32 = 0x08;
const PNP_DEVICE_RESOURCE_REQUIREMENTS_CHANGED: u32 = 0x10;
const PNP_DEVICE_NOT_DISABLEABLE: u32 = 0x20;

fn boot_states() -> Booted {
    let driver = DriverImage {
        service: "states".to_owned(),
        image: "states.sys".to_owned(),
        role: Role::Function,
        hardware_ids: vec![r"PCI\VEN_1B36&DEV_0005".to_owned()],
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    let manifest = Manifest {
        drivers: vec![driver],
        ..Manifest::default()
    };
    boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"))
}

fn open(booted: &Booted) -> OpenDevice {
    let paths = booted.host.interface_list(&CLASS).unwrap();
    let [path] = paths.as_slice() else {
        panic!("one interface is due, not {paths:?}")
    };
    OpenDevice::open(&booted.host, path, &Interrupt::default()).unwrap()
}

/// Sends a request of the driver's; gives its output as words.
#[track_caller]
fn control(device: &OpenDevice, function: u32, argument: u32) -> Vec<u32> {
    let request = Request::DeviceControl {
        code: 0x9020 << 16 | function << 2,
        input: argument.to_le_bytes().to_vec(),
        output_length: 24,
    };
    let status = device.submit("control", request).unwrap().wait().unwrap();
    assert_eq!(status.status, SUCCESS);
    let words = status.output().as_chunks::<4>().0;
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

/// The driver's device: where its life stands, and its ranges.
fn look(booted: &Booted) -> (String, DeviceState, Vec<String>) {
    let devices = booted.host.devices().unwrap();
    let found = devices.into_iter().find(|node| node.service == "states");
    let node = found.expect("the device is there");
    (node.instance, node.state, node.resources)
}

/// Waits until what a driver asked for has been done in the kernel's own time.
#[track_caller]
fn eventually(booted: &Booted, what: &str, done: impl Fn() -> bool) {
    for _ in 0..1200 {
        if done() {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{what} did not happen:\n{}", booted.log());
}

#[track_caller]
fn enters(booted: &Booted, state: DeviceState) {
    eventually(booted, &format!("{state:?}"), || look(booted).1 == state);
}

fn pnp(booted: &Booted, operation: PnpOperation) -> Status {
    let device = look(booted).0;
    booted
        .host
        .host(HostRequest::Pnp { device, operation })
        .unwrap()
}

#[test]
fn a_device_whose_driver_says_that_it_failed_is_removed_once_it_is_closed_and_can_be_added_again() {
    let booted = boot_states();
    let device = open(&booted);
    control(&device, STATE, PNP_DEVICE_FAILED);
    enters(&booted, DeviceState::SurpriseRemoved);
    drop(device);
    enters(&booted, DeviceState::Removed);
    assert_eq!(pnp(&booted, PnpOperation::Add), SUCCESS, "{}", booted.log());
    let device = open(&booted);
    control(&device, STATE, PNP_DEVICE_REMOVED);
    enters(&booted, DeviceState::SurpriseRemoved);
    drop(device);
    enters(&booted, DeviceState::Removed);
    booted.shut_down();
}

#[test]
fn a_device_that_must_not_be_disabled_is_not_removed_until_its_driver_says_otherwise() {
    let booted = boot_states();
    let device = open(&booted);
    let asked = |device: &OpenDevice| control(device, COUNTS, 0)[0];
    assert_eq!(asked(&device), 1, "the state is asked for after the start");
    control(&device, STATE, PNP_DEVICE_NOT_DISABLEABLE);
    eventually(&booted, "the second question", || asked(&device) == 2);
    drop(device);
    assert_eq!(pnp(&booted, PnpOperation::QueryRemove), QUERY_VETOED);
    let device = open(&booted);
    control(&device, STATE, 0);
    eventually(&booted, "the third question", || asked(&device) == 3);
    drop(device);
    eventually(&booted, "the removal", || {
        pnp(&booted, PnpOperation::QueryRemove) == SUCCESS
    });
    assert_eq!(pnp(&booted, PnpOperation::Remove), SUCCESS);
    booted.shut_down();
}

#[test]
fn a_device_that_needs_other_resources_is_stopped_and_started_with_them_and_not_asked_again() {
    let booted = boot_states();
    let device = open(&booted);
    let before = look(&booted).2;
    control(&device, STATE, PNP_DEVICE_RESOURCE_REQUIREMENTS_CHANGED);
    eventually(&booted, "the rebalancing", || {
        let (_, state, ranges) = look(&booted);
        state == DeviceState::Started && ranges != before
    });
    assert_eq!(control(&device, COUNTS, 0)[0], 2);
    drop(device);
    booted.shut_down();
}

#[test]
fn a_device_that_is_not_to_be_shown_is_marked_so_as_long_as_its_driver_says_so() {
    const PNP_DEVICE_DONT_DISPLAY_IN_UI: u32 = 0x02;
    let booted = boot_states();
    let device = open(&booted);
    let is_hidden = || {
        let devices = booted.host.devices().unwrap();
        devices
            .iter()
            .any(|node| node.service == "states" && node.hidden)
    };
    assert!(!is_hidden());
    control(&device, STATE, PNP_DEVICE_DONT_DISPLAY_IN_UI);
    eventually(&booted, "hiding", is_hidden);
    control(&device, STATE, 0);
    eventually(&booted, "showing", || !is_hidden());
    drop(device);
    booted.shut_down();
}

#[test]
fn relations_are_asked_for_again_when_they_are_said_to_have_changed() {
    /// By `DEVICE_RELATION_TYPE`.
    const BUS: u32 = 0;
    const EJECTION: u32 = 1;
    const POWER: u32 = 2;
    let booted = boot_states();
    let device = open(&booted);
    let counts = || control(&device, COUNTS, 0)[1..].to_vec();
    assert_eq!(
        counts()[0],
        1,
        "bus relations are asked for after the start"
    );
    for kind in [EJECTION, BUS, POWER] {
        control(&device, RELATIONS, kind);
    }
    eventually(&booted, "the questions", || {
        counts()[BUS as usize] == 2 && counts()[POWER as usize] == 1
    });
    assert_eq!(counts()[EJECTION as usize], 0);
    drop(device);
    booted.shut_down();
}

#[test]
fn a_device_is_ejected_when_nobody_has_it_open_and_then_is_no_more() {
    let booted = boot_states();
    let device = open(&booted);
    control(&device, EJECT, 0);
    eventually(&booted, "the refusal", || {
        booted.log().contains("not ejected: 0x80000028")
    });
    assert_eq!(look(&booted).1, DeviceState::Started);
    control(&device, EJECT, 1);
    drop(device);
    // A request that comes while a client is about to close the device is refused, too.
    eventually(&booted, "the ejection", || {
        let started = look(&booted).1 == DeviceState::Started;
        for path in booted.host.interface_list(&CLASS).unwrap() {
            // It may be gone by now.
            let _ = OpenDevice::open(&booted.host, &path, &Interrupt::default());
        }
        !started
    });
    enters(&booted, DeviceState::Removed);
    eventually(&booted, "its end", || booted.log().contains("is ejected"));
    // Somebody puts it back.
    assert_eq!(pnp(&booted, PnpOperation::Add), SUCCESS, "{}", booted.log());
    drop(open(&booted));
    booted.shut_down();
}

#[test]
fn an_entry_of_the_error_log_is_a_line_with_all_that_its_driver_put_into_it() {
    let booted = boot_states();
    let device = open(&booted);
    control(&device, LOG, 0xc004_000b);
    eventually(&booted, "the entry", || {
        booted.log().contains(
            "error log: a device of \\Driver\\states: IO_ERR_CONTROLLER_ERROR (0xc004000b), \
             final status 0xc0000185, major function 0xe, data [0xc0ffee], \"states\"",
        )
    });
    drop(device);
    booted.shut_down();
}
