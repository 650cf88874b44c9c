//! What ends at PASSIVE_LEVEL stops the system with IRQL_UNEXPECTED_VALUE if it is dropped above, and
//! memory that a device may use with DRIVER_VIOLATION if it is dropped at all: `wdm` does both, for
//! safe Rust that does wrong.
#![cfg(unix)]

use eduwdm_qemu::{Machine, Session, serial::Bugcheck};
use eduwdm_tests::{artifacts, manifest, options};
use nthost_protocol::{
    Manifest,
    manifest::{RegistryData, RegistryValue},
};

/// `IRQL_UNEXPECTED_VALUE`.
const IRQL: u32 = 0xc8;
/// `DRIVER_VIOLATION`.
const DRIVER_VIOLATION: u32 = 0x121;
/// How `wdm` tells its own places from the kernel's, in the first parameter.
const PLACE: u64 = 0x57;

/// `tests/drivers/drops` in the place of the driver, told what to drop.
fn with(what: u32) -> Manifest {
    let mut manifest = manifest();
    let driver = &mut manifest.drivers[0];
    "drops".clone_into(&mut driver.service);
    "drops.sys".clone_into(&mut driver.image);
    driver.hardware_ids.truncate(1);
    driver.service_values = vec![RegistryValue {
        key: "Parameters".to_owned(),
        name: "What".to_owned(),
        data: RegistryData::Dword(what),
    }];
    manifest
}

/// The end of a machine whose driver drops this.
fn end(what: u32) -> (Option<Bugcheck>, String) {
    let machine = Machine::load("up").unwrap();
    let options = options(with(what));
    let mut session = Session::start(&machine, &artifacts(), &options, |_| ()).unwrap();
    let ready = session.wait_ready();
    let text = session.guest.log.lines().join("\n");
    let bugcheck = session.guest.log.bugcheck();
    assert_eq!(ready.is_err(), bugcheck.is_some(), "{text}");
    (bugcheck, text)
}

#[test]
fn what_ends_at_passive_level_stops_the_system_if_it_is_dropped_above() {
    let things = [
        (0, "a Key", 0),
        (1, "a Dpc", 0),
        (2, "a Timer", 0),
        (3, "a DeviceInterface", 1),
        (4, "a BusInterface", 0),
        (5, "a CommonBuffer", 0),
        (6, "an Interrupt", 0),
        (7, "a Framework", 0),
    ];
    for (what, name, limit) in things {
        let (bugcheck, text) = end(what);
        let bugcheck = bugcheck.unwrap_or_else(|| panic!("{name} was dropped:\n{text}"));
        assert_eq!(bugcheck.code, IRQL, "{name}: {text}");
        // DISPATCH_LEVEL, and what was expected; the object.
        let [levels, object, ..] = bugcheck.parameters;
        assert_eq!(levels, 2 << 16 | limit << 8 | PLACE, "{name}: {text}");
        assert_ne!(object, 0, "{name}");
    }
}

#[test]
fn memory_that_a_device_may_use_stops_the_system_if_it_is_dropped() {
    let (bugcheck, text) = end(8);
    let bugcheck = bugcheck.unwrap_or_else(|| panic!("it was dropped:\n{text}"));
    assert_eq!(bugcheck.code, DRIVER_VIOLATION, "{text}");
    assert_eq!(bugcheck.parameters[0], 0x5744_4d01, "{text}");
}

#[test]
fn the_same_driver_is_let_through_if_it_drops_nothing() {
    let (bugcheck, text) = end(9);
    assert!(bugcheck.is_none(), "{text}");
}
