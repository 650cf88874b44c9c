//! The devices that the driver of a bus reports become devices of the system: they are asked
//! what they are, get their drivers, start behind their bus and go before it, and go when their
//! bus does not report them any more. The bus's driver keeps the journal.
#![cfg(unix)]

use std::{thread, time::Duration};

use eductl::{Interrupt, Request, Status, device::OpenDevice, io::IoSystem};
use eduwdm_abi::InterfaceClass;
use eduwdm_tests::{Booted, boot, options};
use nthost_protocol::{
    HostRequest, Manifest,
    host::{Device, DeviceState, PnpOperation},
    manifest::{DriverImage, Role},
};

const fn class(last: u8) -> InterfaceClass {
    InterfaceClass {
        data1: 0x8f1f_6f0a,
        data2: 0x38a5,
        data3: 0x4f36,
        data4: [0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, last],
    }
}

/// The interface classes of `drivers/c/bus.c` and `drivers/c/bus_child.c`.
const BUS: InterfaceClass = class(0x30);
const CHILD: InterfaceClass = class(0x32);

const SUCCESS: Status = Status::Nt(0);
const DEVICE_BUSY: Status = Status::Nt(0x8000_0011);
const QUERY_VETOED: Status = Status::Nt(0x8000_0028);

const PLUG: u32 = 0x800;
const UNPLUG: u32 = 0x801;
const JOURNAL: u32 = 0x802;
const VETO: u32 = 0x803;
const RELATE: u32 = 0x804;
const WATCH: u32 = 0x805;
const EJECT_SLOT: u32 = 0x806;

const EJECTION_RELATIONS: u32 = 1;
const POWER_RELATIONS: u32 = 2;
const REMOVAL_RELATIONS: u32 = 3;

const START: u32 = 0x00;
const QUERY_REMOVE: u32 = 0x01;
const REMOVE: u32 = 0x02;
const CANCEL_REMOVE: u32 = 0x03;
const STOP: u32 = 0x04;
const QUERY_STOP: u32 = 0x05;
const QUERY_RELATIONS: u32 = 0x07;
const QUERY_ID: u32 = 0x13;
const SURPRISE: u32 = 0x17;
const EJECT: u32 = 0x11;
const ADD_DEVICE: u32 = 0x100;
/// For the `TargetDeviceRelation` of a file.
const TARGET_OF_FILE: u32 = 0x201;
/// A system power request: without and with the minor function and the state.
const SYSTEM_POWER: u32 = 0x8000;
const QUERY_POWER: u32 = 3 << 8;
const SET_POWER: u32 = 2 << 8;
const WORKING: u32 = 1;
const SLEEPING: u32 = 4;
/// What a system power request says that the one before it was about.
const BEFORE: u32 = 0x4000;

/// Who is in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Bus,
    /// The physical device of what is in a slot.
    Pdo(u32),
    /// Its function driver.
    Child(u32),
}

type Entry = (Who, u32);

fn driver(service: &str, id: &str) -> DriverImage {
    DriverImage {
        service: service.to_owned(),
        image: format!("{service}.sys"),
        role: Role::Function,
        hardware_ids: vec![id.to_owned()],
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    }
}

fn boot_bus() -> Booted {
    let manifest = Manifest {
        drivers: vec![
            driver("bus", r"PCI\VEN_1B36&DEV_0005"),
            driver("bus_child", r"CBUS\ANY"),
        ],
        ..Manifest::default()
    };
    boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"))
}

fn open(booted: &Booted, class: &InterfaceClass) -> OpenDevice {
    let paths = booted.host.interface_list(class).unwrap();
    let [path] = paths.as_slice() else {
        panic!("one interface is due, not {paths:?}\n{}", booted.log())
    };
    OpenDevice::open(&booted.host, path, &Interrupt::default()).unwrap()
}

/// Sends a request of the bus driver's or its child's; gives its output as words.
#[track_caller]
fn control(device: &OpenDevice, function: u32, argument: u32) -> Vec<u32> {
    let request = Request::DeviceControl {
        code: 0x9030 << 16 | function << 2,
        input: argument.to_le_bytes().to_vec(),
        output_length: 1024,
    };
    let status = device.submit("control", request).unwrap().wait().unwrap();
    assert_eq!(status.status, SUCCESS);
    let words = status.output().as_chunks::<4>().0;
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

/// The journal since it was read last, without questions that change nothing.
fn journal(bus: &OpenDevice) -> Vec<Entry> {
    let of_interest = [
        START,
        QUERY_REMOVE,
        REMOVE,
        CANCEL_REMOVE,
        STOP,
        QUERY_STOP,
        SURPRISE,
        EJECT,
        ADD_DEVICE,
        TARGET_OF_FILE,
    ];
    raw_journal(bus)
        .into_iter()
        .map(|entry| {
            let who = match entry >> 16 {
                0 => Who::Bus,
                pdo @ 0x10..0x20 => Who::Pdo(pdo - 0x10),
                child => Who::Child(child - 0x20),
            };
            (who, entry & 0xffff)
        })
        .filter(|(_, what)| of_interest.contains(what) || what & (SYSTEM_POWER | BEFORE) != 0)
        .collect()
}

/// The whole journal since it was read last, as the driver wrote it.
fn raw_journal(bus: &OpenDevice) -> Vec<u32> {
    let words = control(bus, JOURNAL, 0);
    words[1..=words[0] as usize].to_vec()
}

/// The devices of a service.
fn devices(booted: &Booted, service: &str) -> Vec<Device> {
    let all = booted.host.devices().unwrap();
    all.into_iter()
        .filter(|node| node.service == service)
        .collect()
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

/// Waits until the children are in these states, in the order in which they were found.
#[track_caller]
fn children_are(booted: &Booted, expected: &[DeviceState]) {
    eventually(booted, &format!("{expected:?}"), || {
        let children = devices(booted, "bus_child");
        let states: Vec<_> = children.into_iter().map(|node| node.state).collect();
        states == expected
    });
}

fn pnp(booted: &Booted, device: &Device, operation: PnpOperation) -> Status {
    let device = device.instance.clone();
    let request = HostRequest::Pnp { device, operation };
    booted.host.host(request).unwrap()
}

#[test]
fn a_device_that_a_bus_reports_is_asked_what_it_is_and_starts_behind_its_bus() {
    let booted = boot_bus();
    let bus = open(&booted, &BUS);
    let entries = raw_journal(&bus);
    let at = |who: u32, what: u32| {
        let place = entries.iter().position(|&entry| entry == who << 16 | what);
        place.unwrap_or_else(|| panic!("{who:#x} {what:#x} is not in {entries:x?}"))
    };
    let order = [
        at(0, START),
        at(0, QUERY_RELATIONS),
        at(0x10, QUERY_ID),
        at(0x20, ADD_DEVICE),
        at(0x20, START),
        at(0x10, START),
    ];
    assert!(order.is_sorted(), "{order:?} in {entries:x?}");
    let children = devices(&booted, "bus_child");
    let [child] = children.as_slice() else {
        panic!("{children:?}")
    };
    // The bus does not say that its instance ids are unique.
    assert!(child.instance.starts_with(r"CBUS\DEVICE\"), "{child:?}");
    assert!(child.instance.ends_with("&00"), "{child:?}");
    assert_eq!(child.hardware_ids, [r"CBUS\DEVICE&SLOT_0"]);
    assert_eq!(child.state, DeviceState::Started);
    assert_eq!(child.interfaces.len(), 1, "{child:?}");
    drop(bus);
    booted.shut_down();
}

#[test]
fn devices_come_and_go_as_the_bus_reports_them() {
    use DeviceState::{Removed, Started};
    let booted = boot_bus();
    let bus = open(&booted, &BUS);
    journal(&bus);
    control(&bus, PLUG, 2);
    children_are(&booted, &[Started, Started]);
    let came = journal(&bus);
    let child = Who::Child(2);
    assert_eq!(
        came,
        [(child, ADD_DEVICE), (child, START), (Who::Pdo(2), START)]
    );
    control(&bus, UNPLUG, 0);
    children_are(&booted, &[Removed, Started]);
    let went = journal(&bus);
    let (child, pdo) = (Who::Child(0), Who::Pdo(0));
    let expected = [
        (child, SURPRISE),
        (pdo, SURPRISE),
        (child, REMOVE),
        (pdo, REMOVE),
    ];
    assert_eq!(went, expected);
    // It comes back as what it was.
    let before = devices(&booted, "bus_child")[0].instance.clone();
    control(&bus, PLUG, 0);
    children_are(&booted, &[Started, Started]);
    let back = devices(&booted, "bus_child");
    assert!(back.iter().any(|node| node.instance == before), "{back:?}");
    drop(bus);
    booted.shut_down();
}

#[test]
fn a_device_that_is_gone_is_removed_once_it_is_closed_and_makes_room_for_the_next_then() {
    use DeviceState::{Removed, Started, SurpriseRemoved};
    let booted = boot_bus();
    let bus = open(&booted, &BUS);
    let child = open(&booted, &CHILD);
    control(&bus, UNPLUG, 0);
    children_are(&booted, &[SurpriseRemoved]);
    drop(child);
    children_are(&booted, &[Removed]);
    control(&bus, PLUG, 0);
    children_are(&booted, &[Started]);
    drop(bus);
    booted.shut_down();
}

#[test]
fn a_raw_device_that_was_removed_leaves_its_bus_and_makes_room_for_the_next() {
    use DeviceState::{Removed, Started};
    const RAW: u32 = 3;
    let booted = boot_bus();
    let bus = open(&booted, &BUS);
    control(&bus, PLUG, RAW);
    children_are(&booted, &[Started, Started]);
    let device = in_slot(&booted, RAW);
    assert_eq!(pnp(&booted, &device, PnpOperation::QueryRemove), SUCCESS);
    assert_eq!(pnp(&booted, &device, PnpOperation::Remove), SUCCESS);
    children_are(&booted, &[Started, Removed]);
    journal(&bus);
    control(&bus, UNPLUG, RAW);
    eventually(&booted, "the end of its device object", || {
        let now = journal(&bus);
        assert!(!now.contains(&(Who::Pdo(RAW), SURPRISE)), "{now:x?}");
        now.contains(&(Who::Pdo(RAW), REMOVE))
    });
    control(&bus, PLUG, RAW);
    children_are(&booted, &[Started, Started]);
    drop(bus);
    booted.shut_down();
}

#[test]
fn what_changed_while_a_stop_or_a_removal_was_pending_is_seen_to_afterwards() {
    use DeviceState::{Removed, Started};
    let booted = boot_bus();
    let bus = devices(&booted, "bus").remove(0);
    let device = open(&booted, &BUS);
    assert_eq!(pnp(&booted, &bus, PnpOperation::QueryStop), SUCCESS);
    control(&device, PLUG, 1);
    eventually(&booted, "the change", || {
        booted.log().contains("BusRelations has to wait")
    });
    assert_eq!(devices(&booted, "bus_child").len(), 1);
    assert_eq!(pnp(&booted, &bus, PnpOperation::CancelStop), SUCCESS);
    children_are(&booted, &[Started, Started]);
    // Its child is on its way out, and says later what it needs.
    let child = in_slot(&booted, 1);
    assert_eq!(pnp(&booted, &child, PnpOperation::QueryRemove), SUCCESS);
    relate(&device, POWER_RELATIONS, 1, 0);
    eventually(&booted, "the change", || {
        booted.log().contains("PowerRelations has to wait")
    });
    raw_journal(&device);
    assert_eq!(pnp(&booted, &child, PnpOperation::CancelRemove), SUCCESS);
    eventually(&booted, "the question", || {
        raw_journal(&device).contains(&(0x11 << 16 | QUERY_RELATIONS))
    });
    control(&device, UNPLUG, 1);
    children_are(&booted, &[Started, Removed]);
    drop(device);
    booted.shut_down();
}

#[test]
fn children_are_asked_and_removed_before_their_bus_and_nothing_is_left() {
    use DeviceState::{Removed, Started};
    let booted = boot_bus();
    let device = open(&booted, &BUS);
    control(&device, PLUG, 1);
    children_are(&booted, &[Started, Started]);
    let bus = devices(&booted, "bus").remove(0);
    drop(device);
    assert_eq!(pnp(&booted, &bus, PnpOperation::QueryRemove), SUCCESS);
    assert_eq!(pnp(&booted, &bus, PnpOperation::CancelRemove), SUCCESS);
    let device = open(&booted, &BUS);
    let asked = journal(&device);
    let both = |what| {
        let of = |slot| [(Who::Child(slot), what), (Who::Pdo(slot), what)];
        (of(0), of(1), (Who::Bus, what))
    };
    let (first, second, last) = both(QUERY_REMOVE);
    let query = [&first[..], &second, &[last]].concat();
    let (first, second, last) = both(CANCEL_REMOVE);
    let cancel = [&[last][..], &second, &first].concat();
    let tail = &asked[asked.len() - 10..];
    assert_eq!(tail, [query, cancel].concat());
    drop(device);
    assert_eq!(pnp(&booted, &bus, PnpOperation::QueryRemove), SUCCESS);
    assert_eq!(pnp(&booted, &bus, PnpOperation::Remove), SUCCESS);
    children_are(&booted, &[Removed, Removed]);
    booted.assert_nothing_left();
    // And all is there again with it.
    assert_eq!(pnp(&booted, &bus, PnpOperation::Add), SUCCESS);
    assert!(
        devices(&booted, "bus_child")
            .iter()
            .any(|node| node.state == Started)
    );
    booted.shut_down();
}

#[test]
fn a_child_that_is_against_it_or_open_keeps_its_bus() {
    let booted = boot_bus();
    let bus = devices(&booted, "bus").remove(0);
    let child = open(&booted, &CHILD);
    assert_eq!(pnp(&booted, &bus, PnpOperation::QueryRemove), QUERY_VETOED);
    control(&child, VETO, 1);
    drop(child);
    assert_eq!(pnp(&booted, &bus, PnpOperation::QueryRemove), DEVICE_BUSY);
    assert_eq!(devices(&booted, "bus")[0].state, DeviceState::Started);
    children_are(&booted, &[DeviceState::Started]);
    let device = open(&booted, &BUS);
    let asked = journal(&device);
    assert!(!asked.contains(&(Who::Bus, QUERY_REMOVE)), "{asked:?}");
    drop(device);
    control(&open(&booted, &CHILD), VETO, 0);
    assert_eq!(pnp(&booted, &bus, PnpOperation::QueryRemove), SUCCESS);
    assert_eq!(pnp(&booted, &bus, PnpOperation::Remove), SUCCESS);
    booted.assert_nothing_left();
    booted.shut_down();
}

#[test]
fn children_stop_before_their_bus_and_start_behind_it() {
    let booted = boot_bus();
    let bus = devices(&booted, "bus").remove(0);
    let device = open(&booted, &BUS);
    journal(&device);
    assert_eq!(pnp(&booted, &bus, PnpOperation::QueryStop), SUCCESS);
    assert_eq!(pnp(&booted, &bus, PnpOperation::Stop), SUCCESS);
    children_are(&booted, &[DeviceState::Stopped]);
    assert_eq!(pnp(&booted, &bus, PnpOperation::Start), SUCCESS);
    children_are(&booted, &[DeviceState::Started]);
    let (child, pdo, bus) = (Who::Child(0), Who::Pdo(0), Who::Bus);
    let down = |what| [(child, what), (pdo, what), (bus, what)];
    let up = [(bus, START), (child, START), (pdo, START)];
    let expected = [down(QUERY_STOP), down(STOP), up].concat();
    assert_eq!(journal(&device), expected);
    drop(device);
    booted.shut_down();
}

#[test]
fn a_bus_that_is_pulled_takes_its_children_with_it_when_all_are_closed() {
    use DeviceState::{Removed, SurpriseRemoved};
    let booted = boot_bus();
    let bus = devices(&booted, "bus").remove(0);
    let child = open(&booted, &CHILD);
    assert_eq!(pnp(&booted, &bus, PnpOperation::SurpriseRemoval), SUCCESS);
    children_are(&booted, &[SurpriseRemoved]);
    // It stays as long as a device on it is in use.
    assert_eq!(devices(&booted, "bus")[0].state, SurpriseRemoved);
    drop(child);
    children_are(&booted, &[Removed]);
    eventually(&booted, "the removal of the bus", || {
        devices(&booted, "bus")[0].state == Removed
    });
    booted.assert_nothing_left();
    booted.shut_down();
}

/// What is related to a device on the bus: the type, its slot, the slot of the other.
fn relate(bus: &OpenDevice, kind: u32, slot: u32, other: u32) {
    control(bus, RELATE, kind << 16 | slot << 8 | other);
}

/// The node of the device in a slot.
fn in_slot(booted: &Booted, slot: u32) -> Device {
    let children = devices(booted, "bus_child");
    let end = format!("&0{slot}");
    let found = children
        .into_iter()
        .find(|node| node.instance.ends_with(&end));
    found.expect("a device in that slot")
}

#[test]
fn removal_relations_are_asked_and_go_with_a_device() {
    use DeviceState::{RemovePending, Removed, Started};
    let booted = boot_bus();
    let bus = open(&booted, &BUS);
    control(&bus, PLUG, 1);
    children_are(&booted, &[Started, Started]);
    relate(&bus, REMOVAL_RELATIONS, 0, 1);
    let device = in_slot(&booted, 0);
    assert_eq!(pnp(&booted, &device, PnpOperation::QueryRemove), SUCCESS);
    children_are(&booted, &[RemovePending, RemovePending]);
    assert_eq!(pnp(&booted, &device, PnpOperation::CancelRemove), SUCCESS);
    children_are(&booted, &[Started, Started]);
    // It does not hold the other way round.
    let other = in_slot(&booted, 1);
    assert_eq!(pnp(&booted, &other, PnpOperation::QueryRemove), SUCCESS);
    children_are(&booted, &[Started, RemovePending]);
    assert_eq!(pnp(&booted, &other, PnpOperation::CancelRemove), SUCCESS);
    assert_eq!(pnp(&booted, &device, PnpOperation::QueryRemove), SUCCESS);
    assert_eq!(pnp(&booted, &device, PnpOperation::Remove), SUCCESS);
    children_are(&booted, &[Removed, Removed]);
    for device in [device, other] {
        assert_eq!(pnp(&booted, &device, PnpOperation::Add), SUCCESS);
    }
    // And when the device is gone without having been asked.
    control(&bus, UNPLUG, 0);
    children_are(&booted, &[Removed, Removed]);
    drop(bus);
    booted.shut_down();
}

#[test]
fn ejection_relations_are_removed_and_the_device_itself_is_ejected_and_gone() {
    use DeviceState::{Removed, Started};
    let booted = boot_bus();
    let bus = open(&booted, &BUS);
    control(&bus, PLUG, 1);
    children_are(&booted, &[Started, Started]);
    relate(&bus, EJECTION_RELATIONS, 0, 1);
    journal(&bus);
    control(&bus, EJECT_SLOT, 0);
    children_are(&booted, &[Removed, Removed]);
    eventually(&booted, "the end of the device", || {
        let device = in_slot(&booted, 0);
        pnp(&booted, &device, PnpOperation::Add) != SUCCESS
    });
    let all = journal(&bus);
    assert!(all.contains(&(Who::Pdo(0), EJECT)), "{all:x?}");
    assert!(!all.contains(&(Who::Pdo(1), EJECT)), "{all:x?}");
    // The other is still there.
    let other = in_slot(&booted, 1);
    assert_eq!(pnp(&booted, &other, PnpOperation::Add), SUCCESS);
    drop(bus);
    booted.shut_down();
}

#[test]
fn a_file_s_device_is_asked_of_its_stack() {
    let booted = boot_bus();
    let bus = open(&booted, &BUS);
    journal(&bus);
    control(&bus, WATCH, 0);
    assert_eq!(journal(&bus), [(Who::Pdo(0), TARGET_OF_FILE)]);
    drop(bus);
    booted.shut_down();
}

#[test]
fn a_system_power_request_tells_which_one_was_before_it_and_comes_in_the_devices_order() {
    let booted = boot_bus();
    let bus = open(&booted, &BUS);
    control(&bus, PLUG, 1);
    children_are(&booted, &[DeviceState::Started; 2]);
    // The first needs the second.
    relate(&bus, POWER_RELATIONS, 0, 1);
    // The kernel's own time: the relations are asked for before anything else is done.
    eventually(&booted, "another order", || {
        journal(&bus);
        for state in [3, 0] {
            let request = HostRequest::SystemPower { state };
            booted.host.host_success(request).unwrap();
        }
        let (first, second, bus_itself) = (Who::Pdo(0), Who::Pdo(1), Who::Bus);
        let entry = |who, minor, state| (who, SYSTEM_POWER | minor | state);
        let expected = [
            entry(first, QUERY_POWER, SLEEPING),
            entry(second, QUERY_POWER, SLEEPING),
            entry(bus_itself, QUERY_POWER, SLEEPING),
            (bus_itself, BEFORE | WORKING << 4 | WORKING),
            entry(first, SET_POWER, SLEEPING),
            entry(second, SET_POWER, SLEEPING),
            entry(bus_itself, SET_POWER, SLEEPING),
            (bus_itself, BEFORE | SLEEPING << 4 | SLEEPING),
            entry(bus_itself, SET_POWER, WORKING),
            (bus_itself, BEFORE | SLEEPING << 4 | SLEEPING),
            entry(second, SET_POWER, WORKING),
            entry(first, SET_POWER, WORKING),
        ];
        journal(&bus) == expected
    });
    drop(bus);
    booted.shut_down();
}
