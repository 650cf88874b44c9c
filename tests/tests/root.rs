//! Devices that no bus reports: the root bus has those that the manifest has drivers for, and
//! those that drivers report by themselves.
#![cfg(unix)]

use std::{sync::Arc, time::Duration};

use eductl::{
    Interrupt, Request, Status,
    device::OpenDevice,
    io::{Completion, IoSystem},
    nthost::Access,
};
use eduwdm_abi::InterfaceClass;
use eduwdm_tests::{Booted, boot, options};
use nthost_protocol::{
    Buffer, HostRequest, Manifest,
    host::{Device, DeviceState, PnpOperation},
    manifest::{DriverImage, Role, VerifierOption},
};

/// The interface class of `drivers/c/software.c`.
const CLASS: InterfaceClass = InterfaceClass {
    data1: 0x8f1f_6f0a,
    data2: 0x38a5,
    data3: 0x4f36,
    data4: [0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x40],
};

const SUCCESS: Status = Status::Nt(0);

/// How often the software's driver was called for a device.
const ADDED: u32 = 0x9040 << 16 | 0x800 << 2;

/// Says that it has written as many bytes as its input tells.
const TELL: u32 = 0x9040 << 16 | 0x801 << 2;

const ACCESS_VIOLATION: Status = Status::Nt(0xc000_0005);

/// How long a request may take before the test fails: no test measures time.
const LIMIT: Duration = Duration::from_secs(30);

fn manifest(service: &str, hardware_ids: &[&str]) -> Manifest {
    let driver = DriverImage {
        service: service.to_owned(),
        image: format!("{service}.sys"),
        role: Role::Function,
        hardware_ids: hardware_ids.iter().map(|&id| id.to_owned()).collect(),
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    Manifest {
        drivers: vec![driver],
        ..Manifest::default()
    }
}

fn boot_with(service: &str, hardware_ids: &[&str]) -> Booted {
    let manifest = manifest(service, hardware_ids);
    boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"))
}

/// The one device of a service.
#[track_caller]
fn device(booted: &Booted, service: &str) -> Device {
    let mut devices = booted.host.devices().unwrap();
    devices.retain(|node| node.service == service);
    let [device] = devices.as_slice() else {
        panic!(
            "one device of {service} is due: {devices:?}\n{}",
            booted.log()
        )
    };
    device.clone()
}

fn pnp(booted: &Booted, device: &Device, operation: PnpOperation) -> Status {
    let device = device.instance.clone();
    let request = HostRequest::Pnp { device, operation };
    booted.host.host(request).unwrap()
}

/// How often `AddDevice` was called, as the device says.
fn added(booted: &Booted) -> u32 {
    let path = booted.host.interface_list(&CLASS).unwrap().remove(0);
    let open = OpenDevice::open(&booted.host, &path, &Interrupt::default()).unwrap();
    let request = Request::DeviceControl {
        code: ADDED,
        input: Vec::new(),
        output_length: 4,
    };
    let answer = open.submit("control", request).unwrap().wait().unwrap();
    assert_eq!(answer.status, SUCCESS);
    u32::from_le_bytes(answer.output().try_into().unwrap())
}

#[test]
fn a_device_of_software_alone_is_on_the_root_bus_and_lives_like_any_other() {
    let booted = boot_with("software", &[r"ROOT\SOFTWARE"]);
    let node = device(&booted, "software");
    assert_eq!(node.instance, r"ROOT\SOFTWARE\0000");
    assert_eq!(node.state, DeviceState::Started);
    assert_eq!(node.resources, [""; 0], "{node:?}");
    // The driver has reported it, too, and it is one device all the same.
    assert_eq!(added(&booted), 1);
    for operation in [PnpOperation::QueryRemove, PnpOperation::Remove] {
        assert_eq!(pnp(&booted, &node, operation), SUCCESS);
    }
    booted.assert_nothing_left();
    assert_eq!(pnp(&booted, &node, PnpOperation::Add), SUCCESS);
    assert_eq!(added(&booted), 2);
    for operation in [
        PnpOperation::QueryStop,
        PnpOperation::Stop,
        PnpOperation::Start,
    ] {
        assert_eq!(pnp(&booted, &node, operation), SUCCESS);
    }
    for state in [3, 0] {
        let request = HostRequest::SystemPower { state };
        booted.host.host_success(request).unwrap();
    }
    assert_eq!(added(&booted), 2);
    booted.shut_down();
}

/// The I/O manager copies as many bytes as the driver says, to where the caller's pointer leads:
/// how long the buffer is there, it does not look.
#[test]
fn what_a_driver_says_it_has_written_is_copied_however_short_the_buffer_is() {
    /// Bytes of input, and so of the system buffer.
    const INPUT: usize = 64;
    const MOVED: u8 = 0xa5;
    let mut manifest = manifest("software", &[r"ROOT\SOFTWARE"]);
    // It would stop the machine.
    let options_left = VerifierOption::STANDARD.iter().copied();
    manifest.verifier = Some(
        options_left
            .filter(|&option| option != VerifierOption::IoVerification)
            .collect(),
    );
    let booted = boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let path = booted.host.interface_list(&CLASS).unwrap().remove(0);
    let file = booted.host.open(&path, Access::default()).unwrap();
    let memory = booted.host.allocate(4096).unwrap();
    let tell = |told: u8, output: Buffer| {
        let mut input = vec![0; INPUT];
        input[0] = told;
        let completion = Arc::new(Completion::default());
        file.control(TELL, Buffer::Data(input), output, Arc::clone(&completion))
            .unwrap();
        let ended = completion.wait(Some(LIMIT)).unwrap().unwrap();
        let bytes = memory.read(4096).unwrap();
        let moved = bytes.iter().position(|&byte| byte != MOVED);
        (ended.status, moved.unwrap_or(bytes.len()))
    };
    // Without a pointer, nothing is copied.
    assert_eq!(tell(INPUT as u8, Buffer::Length(0)), (SUCCESS, 0));
    // With one, the length that comes with it does not matter.
    let at = |address, length| Buffer::At { address, length };
    assert_eq!(tell(8, at(memory.address(), 0)), (SUCCESS, 8));
    assert_eq!(tell(40, at(memory.address(), 4)), (SUCCESS, 40));
    // Where there is no memory the request ends with that, though the driver has done it.
    let end = memory.address() + 4096;
    assert_eq!(tell(16, at(end - 8, 8)), (ACCESS_VIOLATION, 40));
    assert_eq!(tell(16, at(8, 0)), (ACCESS_VIOLATION, 40));
    drop((memory, file));
    booted.shut_down();
}

#[test]
fn a_driver_reports_devices_that_it_has_detected_and_gets_their_requests() {
    let booted = boot_with("detected", &[]);
    let detected = || {
        let mut devices = booted.host.devices().unwrap();
        devices.retain(|node| node.service == "detected");
        devices
    };
    let nodes = detected();
    let instances: Vec<_> = nodes.iter().map(|node| &*node.instance).collect();
    assert_eq!(instances, [r"ROOT\DETECTED\0000", r"ROOT\DETECTED\0001"]);
    for node in nodes {
        assert_eq!(node.state, DeviceState::Started);
        for operation in [PnpOperation::QueryRemove, PnpOperation::Remove] {
            assert_eq!(pnp(&booted, &node, operation), SUCCESS);
        }
    }
    let gone = detected();
    assert!(
        gone.iter().all(|node| node.state == DeviceState::Removed),
        "{gone:?}"
    );
    booted.assert_nothing_left();
    let service = "detected".to_owned();
    let unloaded = booted
        .host
        .host(HostRequest::UnloadDriver { service })
        .unwrap();
    assert_eq!(unloaded, SUCCESS);
    booted.shut_down();
}
