//! A verifier that goes on tells of everything that drivers do wrong in one run, and each of its
//! rules does what its page says of it: it goes on, ends in another bug check, or stops.
//!
//! What the drivers do wrong is written down in `verifier.rs`, and what happens then in the fourth
//! column of `docs/src/verifier.md`.
#![cfg(unix)]

use std::{collections::BTreeMap, time::Duration};

use eductl::nthost::NtHost;
use eduwdm_qemu::{Machine, Session};
use eduwdm_tests::{
    artifacts, boot,
    misdeeds::{self, Misdeed, Then},
    options,
};
use nthost_protocol::{
    HostRequest, Manifest, Rule,
    host::PnpOperation,
    manifest::{DriverImage, RegistryData, RegistryValue, Role},
};

const EDU: &str = r"PCI\VEN_1234&DEV_11E8";

/// Those that take a device, which only one driver can have.
const WITH_DEVICE: &[&str] = &[
    "wrong_bus",
    "wrong_device",
    "wrong_dma",
    "wrong_pnp",
    "wrong_po",
];

/// How long the machine may take to its end: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

/// A service whose driver does this.
fn service(driver: &str, misdeed: &str, hardware_ids: Vec<String>) -> DriverImage {
    let value = RegistryValue {
        key: String::new(),
        name: "Misdeed".to_owned(),
        data: RegistryData::String(misdeed.to_owned()),
    };
    DriverImage {
        service: misdeed.to_owned(),
        image: format!("{driver}.sys"),
        role: Role::Function,
        hardware_ids,
        service_values: vec![value],
        device_values: Vec::new(),
        security: None,
    }
}

fn going_on(drivers: Vec<DriverImage>) -> Manifest {
    Manifest {
        drivers,
        verifier_goes_on: vec![Rule::All],
        ..Manifest::default()
    }
}

/// Whether a line tells that the verifier has found this.
fn tells(line: &str, misdeed: &Misdeed) -> bool {
    let Misdeed { code, first, .. } = misdeed;
    let found = first.map_or_else(
        || format!("verifier: found {code:#x} ("),
        |first| format!("verifier: found {code:#x} ({first:#x}, "),
    );
    line.contains(&found)
}

/// What is wrong with the part of a log in which a misdeed was done: it must be told, and the driver
/// be named, there or in the line that says more.
fn fault_in(part: &[String], misdeed: &Misdeed) -> Option<String> {
    let image = format!("{}.sys", misdeed.driver);
    let told = part.iter().any(|line| tells(line, misdeed));
    let mut lines = part.iter().filter(|line| line.contains("verifier: "));
    let named = lines.any(|line| line.contains(&image));
    (!told || !named).then(|| format!("{misdeed:?} is not told of:\n{}", part.join("\n")))
}

type Row = (Misdeed, String);

/// Whether it takes another driver, below.
fn has_helper(misdeed: &Misdeed) -> bool {
    matches!(
        misdeed.name.as_str(),
        "send_irp_below" | "complete_irp_below"
    )
}

/// What is done when drivers are loaded and unloaded, all of a driver's image in one run.
fn faults_of_all(rows: &[Row]) -> Vec<String> {
    let drivers = rows
        .iter()
        .map(|(misdeed, _)| service(&misdeed.driver, &misdeed.name, Vec::new()));
    let booted = match boot("up", &options(going_on(drivers.collect()))) {
        Ok(booted) => booted,
        Err(fault) => return vec![format!("{}: {fault}", rows[0].0.driver)],
    };
    let mut faults = Vec::new();
    let lines = || booted.session.guest.log.lines();
    let mut rest = lines();
    for (misdeed, when) in rows {
        let through = format!("wrong: {} was let through", misdeed.name);
        let Some(end) = rest.iter().position(|line| line.ends_with(&through)) else {
            faults.push(format!("{misdeed:?} was not done:\n{}", rest.join("\n")));
            continue;
        };
        // What is found when a driver fails comes after that line.
        let next = rest[end + 1..]
            .iter()
            .position(|line| line.contains("wrong: "))
            .map_or(rest.len(), |next| end + 1 + next);
        if when != "Unloaded" {
            faults.extend(fault_in(&rest[..next], misdeed));
        }
        rest.drain(..=end);
    }
    for (misdeed, _) in rows.iter().filter(|(_, when)| when == "Unloaded") {
        let before = lines();
        let request = HostRequest::UnloadDriver {
            service: misdeed.name.clone(),
        };
        if let Err(fault) = booted.host.host_success(request) {
            faults.push(format!("{misdeed:?}: {fault}\n{}", booted.log()));
            return faults;
        }
        // The answer may come before the lines of the log do.
        let log = &booted.session.guest.log;
        let told = log.wait(LIMIT, |line| {
            tells(line, misdeed) && !before.iter().any(|known| known == line)
        });
        if told.is_none() {
            faults.extend(fault_in(&lines()[before.len()..], misdeed));
        }
    }
    booted.shut_down();
    faults
}

/// Does with the device of a driver what brings the misdeed to light.
fn bring_to_light(host: &NtHost, misdeed: &Misdeed, when: &str) {
    let operations: &[PnpOperation] = match when {
        "Unloaded" | "Removed" => &[PnpOperation::QueryRemove, PnpOperation::Remove],
        "Failed" => &[PnpOperation::Fail],
        _ => &[],
    };
    // The machine may end instead of an answer, which the log tells.
    for device in host.devices().unwrap_or_default() {
        if device.service == misdeed.name {
            for &operation in operations {
                let _ = host.pnp(&device.instance, operation);
            }
        }
    }
    if when == "Unloaded" {
        let _ = host.host(HostRequest::UnloadDriver {
            service: misdeed.name.clone(),
        });
    }
}

/// What takes a device, or ends the machine, in a run of its own.
fn fault_of_one(machine: &str, row: &Row, then: &Then) -> Option<String> {
    let (misdeed, when) = row;
    let ids = if WITH_DEVICE.contains(&misdeed.driver.as_str()) {
        vec![EDU.to_owned()]
    } else {
        Vec::new()
    };
    let mut drivers = vec![service(&misdeed.driver, &misdeed.name, ids)];
    if has_helper(misdeed) {
        drivers.insert(0, service(&misdeed.driver, "keep_for_others", Vec::new()));
    }
    let manifest = going_on(drivers);
    let machine = Machine::load(machine).unwrap_or_else(|fault| panic!("{fault}"));
    let mut session = match Session::start(&machine, &artifacts(), &options(manifest), |_| ()) {
        Ok(session) => session,
        Err(fault) => return Some(fault.to_string()),
    };
    if session.wait_ready().is_ok()
        && let Ok(host) = NtHost::connect(session.socket())
    {
        bring_to_light(&host, misdeed, when);
    }
    if let Then::Ends(_) = then {
        session.guest.wait(LIMIT);
    } else {
        let _ = session.guest.log.wait(LIMIT, |line| tells(line, misdeed));
    }
    let log = session.guest.log.lines();
    let end = session.guest.log.bugcheck().map(|end| u64::from(end.code));
    let due = match then {
        Then::Ends(code) => Some(*code),
        _ => None,
    };
    if end != due {
        return Some(format!(
            "{misdeed:?} ends in {end:x?}, not {due:x?}:\n{}",
            log.join("\n")
        ));
    }
    fault_in(&log, misdeed)
}

/// What the page says that the system goes on from, with when it comes to light, by driver.
fn rows() -> BTreeMap<String, Vec<(Row, Then)>> {
    let then: BTreeMap<_, _> = misdeeds::told().into_iter().collect();
    let mut rows = BTreeMap::<_, Vec<_>>::new();
    for row in misdeeds::tested() {
        match then.get(&row.0) {
            None | Some(Then::Stops) => {}
            Some(then) => rows
                .entry(row.0.driver.clone())
                .or_default()
                .push((row, then.clone())),
        }
    }
    rows
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn all_that_drivers_without_devices_do_wrong_is_told_in_one_run_of_each() {
    let mut faults = Vec::new();
    for (driver, rows) in rows() {
        if WITH_DEVICE.contains(&driver.as_str()) {
            continue;
        }
        let alone = |(row, then): &(Row, Then)| {
            *then != Then::GoesOn || row.1 == "Ended" || has_helper(&row.0)
        };
        let (alone, together): (Vec<_>, Vec<_>) = rows.into_iter().partition(alone);
        let together: Vec<_> = together.into_iter().map(|(row, _)| row).collect();
        if !together.is_empty() {
            faults.extend(faults_of_all(&together));
        }
        for (row, then) in alone.iter().filter(|(row, _)| row.1 != "Ended") {
            faults.extend(fault_of_one("up", row, then));
        }
    }
    assert_none(&faults);
}

#[test]
fn what_drivers_of_devices_do_wrong_is_told_and_the_system_goes_on() {
    let mut faults = Vec::new();
    for (driver, rows) in rows() {
        if !WITH_DEVICE.contains(&driver.as_str()) {
            continue;
        }
        let machine = if driver == "wrong_bus" { "smp4" } else { "up" };
        for (row, then) in &rows {
            faults.extend(fault_of_one(machine, row, then));
        }
    }
    assert_none(&faults);
}

/// The finding of [`THREE`], and a rule that names it.
const THREE: &[(&str, &str)] = &[
    ("take_resource_with_apcs", "0xC4/0x37"),
    ("initialize_resource_twice", "0xC4/0xD0"),
    ("delete_resource_twice", "0xC4/0xD1"),
];

fn three() -> Vec<DriverImage> {
    let three = THREE.iter();
    three
        .map(|(misdeed, _)| service("wrong_ex", misdeed, Vec::new()))
        .collect()
}

/// The first parameter of the bug check 0xC4 in which a machine ends, if it does.
fn end_of(manifest: Manifest, switches: &[&str]) -> Option<u64> {
    let machine = Machine::load("up").unwrap();
    let mut options = options(manifest);
    let switches = switches.iter().map(|&switch| switch.to_owned());
    options.extras.switches.extend(switches);
    let mut session = Session::start(&machine, &artifacts(), &options, |_| ()).unwrap();
    if session.wait_ready().is_ok() {
        return None;
    }
    let end = session.guest.log.bugcheck().expect("a bug check");
    assert_eq!(end.code, 0xc4);
    Some(end.parameters[0])
}

#[test]
fn a_rule_stops_unless_it_is_named_and_stops_if_it_is_named_for_that() {
    let named = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    let first_two = [THREE[0].1, THREE[1].1];
    for (goes_on, stops, switches, end) in [
        (&[][..], &[][..], &[][..], Some(0x37)),
        (&first_two[..1], &[], &[], Some(0xd0)),
        (&first_two[..], &[], &[], Some(0xd1)),
        (&["0xC4"], &[], &[], None),
        (&["0xC9"], &[], &[], Some(0x37)),
        (&["all"], &["0xC4/0xD1"], &[], Some(0xd1)),
        (&["all"], &["0xC4"], &[], Some(0x37)),
        (
            &[],
            &[],
            &["verifier_goes_on=0xC4/0x37,0xC4/0xD0"],
            Some(0xd1),
        ),
        (&["all"], &[], &["verifier_stops=0xC4/0xD0"], Some(0xd0)),
    ] {
        let manifest = Manifest {
            drivers: three(),
            verifier_goes_on: named(goes_on),
            verifier_stops: named(stops),
            ..Manifest::default()
        };
        let found = end_of(manifest, switches);
        assert_eq!(found, end, "{goes_on:?}, {stops:?}, {switches:?}");
    }
}
