//! The devices of a bus driver get what it says that they need: memory, ports and lines, of what the
//! bus itself has, or the machine.
//!
//! The driver is `drivers/c/resources.c`, which prints what each device is started with.
#![cfg(unix)]

use eduwdm_tests::{Booted, boot, options};
use nthost_protocol::{
    Manifest,
    host::{DeviceState, PnpOperation},
    manifest::{DriverImage, Role},
};

const TESTDEV: &str = r"PCI\VEN_1B36&DEV_0005";
const CHILD: &str = r"RBUS\DEVICE";
const INSUFFICIENT_RESOURCES: i32 = 0xc000_009a_u32.cast_signed();

/// A resource that a child was started with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    kind: u32,
    share: u32,
    flags: u32,
    words: [u32; 3],
}

impl Part {
    fn start(self) -> u64 {
        u64::from(self.words[1]) << 32 | u64::from(self.words[0])
    }
}

fn boot_bus() -> Booted {
    let driver = DriverImage {
        service: "resources".to_owned(),
        image: "resources.sys".to_owned(),
        role: Role::Function,
        hardware_ids: vec![TESTDEV.to_owned(), CHILD.to_owned()],
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    let manifest = Manifest {
        drivers: vec![driver],
        ..Manifest::default()
    };
    boot("up", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"))
}

#[track_caller]
fn number(text: &str) -> u32 {
    let number = text
        .strip_prefix("0x")
        .map_or_else(|| text.parse(), |digits| u32::from_str_radix(digits, 16));
    number.unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// What the last start of a child printed: the bus, and the resources.
#[track_caller]
fn started(booted: &Booted, child: u32, view: &str) -> (String, Vec<Part>) {
    let prefix = format!("resources: child {child}: {view}: ");
    let lines: Vec<_> = booted
        .session
        .guest
        .log
        .lines()
        .iter()
        .filter_map(|line| Some(line.split_once(&prefix)?.1.to_owned()))
        .collect();
    let head = lines.iter().rposition(|line| line.starts_with("bus "));
    let head = head.unwrap_or_else(|| panic!("child {child} has no list\n{}", booted.log()));
    let bus = lines[head].split(',').next().unwrap_or_default().to_owned();
    let parts = lines[head + 1..].iter().map(|line| {
        let words: Vec<_> = line.split([' ', ':']).filter(|it| !it.is_empty()).collect();
        let [
            "type",
            kind,
            "share",
            share,
            "flags",
            flags,
            first,
            second,
            third,
        ] = words[..]
        else {
            panic!("{line}")
        };
        let [kind, share, flags] = [kind, share, flags].map(number);
        Part {
            kind,
            share,
            flags,
            words: [first, second, third].map(number),
        }
    });
    (bus, parts.collect())
}

#[track_caller]
fn only(booted: &Booted, child: u32, view: &str) -> Part {
    let (_, parts) = started(booted, child, view);
    let [part] = parts[..] else {
        panic!("one resource is due, not {parts:?}")
    };
    part
}

/// A range of the bus's own, by what the host is told of it.
#[track_caller]
fn of_bus(booted: &Booted, kind: &str) -> std::ops::RangeInclusive<u64> {
    let devices = booted.host.devices().unwrap();
    let bus = devices.iter().find(|it| it.instance.starts_with(TESTDEV));
    let lines = &bus.expect("the bus").resources;
    let line = lines.iter().find_map(|line| line.split_once(kind));
    let (_, range) = line.unwrap_or_else(|| panic!("{lines:?}"));
    let hex = |text: &str| {
        let digits = text.trim().trim_start_matches("0x");
        u64::from_str_radix(digits, 16).unwrap()
    };
    let (first, last) = range.split_once('-').unwrap();
    hex(first)..=hex(last)
}

#[test]
fn children_get_parts_of_what_their_bus_has() {
    let booted = boot_bus();
    let memory = of_bus(&booted, " memory ");
    let ports = of_bus(&booted, " ports ");
    let mut starts = Vec::new();
    for (child, length) in [(0, 0x100), (1, 0x100), (7, 0x20), (6, 0x40)] {
        let part = only(&booted, child, "raw");
        assert_eq!(part, only(&booted, child, "translated"));
        assert_eq!((part.kind, part.share, part.words[2]), (3, 1, length));
        let start = part.start();
        assert!(memory.contains(&start), "{part:x?}, {memory:x?}");
        starts.push((start, u64::from(length)));
    }
    assert!(starts[..2].iter().all(|(start, _)| start % 0x100 == 0));
    starts.sort_unstable();
    let apart = starts.windows(2).all(|two| two[0].0 + two[0].1 <= two[1].0);
    assert!(apart, "{starts:x?}");
    let set_up = only(&booted, 6, "raw");
    assert_eq!(set_up.start(), memory.start() + 0xe00);
    let part = only(&booted, 2, "raw");
    assert_eq!((part.kind, part.flags, part.words[2]), (1, 1, 16));
    assert!(ports.contains(&part.start()) && part.start().is_multiple_of(16));
    for (child, bus) in [(0, "bus 0.5"), (6, "bus 0.6")] {
        assert_eq!(started(&booted, child, "raw").0, bus);
    }
    booted.shut_down();
}

#[test]
fn a_line_is_the_machines_and_can_be_connected() {
    let booted = boot_bus();
    let raw = only(&booted, 3, "raw");
    let translated = only(&booted, 3, "translated");
    assert_eq!((raw.kind, raw.share, raw.flags), (2, 1, 1));
    let (line, vector) = (raw.words[1], translated.words[1]);
    assert!(line < 16, "{raw:x?}");
    // The upper four bits of a vector are its IRQL.
    assert_eq!(translated.words[0] & 0xffff, vector >> 4);
    assert!(
        booted.log().contains("its line connects: 0"),
        "{}",
        booted.log()
    );
    booted.shut_down();
}

#[test]
fn another_way_is_taken_and_what_is_not_there_starts_nobody() {
    let booted = boot_bus();
    let part = only(&booted, 4, "raw");
    assert_eq!((part.kind, part.words), (129, [0x11, 0x22, 0x33]));
    let devices = booted.host.devices().unwrap();
    let is_it = |instance: &str| instance.starts_with(CHILD) && instance.ends_with("&5");
    let child = devices.iter().find(|it| is_it(&it.instance));
    let child = child.unwrap_or_else(|| {
        let instances: Vec<_> = devices.iter().map(|it| &it.instance).collect();
        panic!("{instances:?}")
    });
    assert_eq!(child.state, DeviceState::Failed);
    assert_eq!(child.status, INSUFFICIENT_RESOURCES);
    booted.shut_down();
}

#[test]
fn what_a_child_had_is_anothers_when_it_is_gone() {
    let booted = boot_bus();
    let before = only(&booted, 0, "raw");
    let devices = booted.host.devices().unwrap();
    let child = devices
        .iter()
        .find(|it| it.instance.starts_with(CHILD) && it.instance.ends_with('0'));
    let instance = &child.expect("a child").instance;
    for operation in [
        PnpOperation::QueryRemove,
        PnpOperation::Remove,
        PnpOperation::Add,
    ] {
        booted.host.pnp(instance, operation).unwrap();
    }
    let starts = booted.log().matches("child 0: raw: bus").count();
    assert_eq!(starts, 2, "{}", booted.log());
    assert_eq!(only(&booted, 0, "raw"), before);
    booted.shut_down();
}
