//! A driver provides WMI data by the library, and uses them itself: queries, sets, a method, an
//! event.
#![cfg(unix)]

use eductl::{Interrupt, Request, Status, device::OpenDevice, io::IoSystem};
use eduwdm_abi::InterfaceClass;
use eduwdm_tests::{Booted, boot, options, until};
use nthost_protocol::{
    HostRequest, Manifest,
    host::PnpOperation,
    manifest::{DriverImage, Role},
};

/// The interface class of `drivers/c/wmi.c`.
const CLASS: InterfaceClass = InterfaceClass {
    data1: 0x8f1f_6f0a,
    data2: 0x38a5,
    data3: 0x4f36,
    data4: [0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x50],
};

const SUCCESS: Status = Status::Nt(0);

const USE: u32 = 0x9050 << 16 | 0x800 << 2;
const COUNTS: u32 = 0x9050 << 16 | 0x801 << 2;

fn boot_wmi() -> Booted {
    let driver = DriverImage {
        service: "wmi".to_owned(),
        image: "wmi.sys".to_owned(),
        role: Role::Function,
        hardware_ids: vec![r"ROOT\WMI".to_owned()],
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

fn control(booted: &Booted, code: u32) -> Vec<u32> {
    let path = booted.host.interface_list(&CLASS).unwrap().remove(0);
    let open = OpenDevice::open(&booted.host, &path, &Interrupt::default()).unwrap();
    let request = Request::DeviceControl {
        code,
        input: Vec::new(),
        output_length: 20,
    };
    let answer = open.submit("control", request).unwrap().wait().unwrap();
    assert_eq!(answer.status, SUCCESS);
    let words = answer.output().as_chunks::<4>().0;
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

#[test]
fn data_are_queried_and_set_a_method_runs_and_an_event_comes() {
    let booted = boot_wmi();
    let pnp = |operation| {
        let device = r"ROOT\WMI\0000".to_owned();
        let request = HostRequest::Pnp { device, operation };
        assert_eq!(booted.host.host(request).unwrap(), SUCCESS, "{operation:?}");
    };
    // Twice: a new device is another provider, and begins afresh.
    for _ in 0..2 {
        let used = control(&booted, USE);
        let (step, status) = (used[0], used[1]);
        assert_eq!(step, 0, "it ended in {status:#x}\n{}", booted.log());
        // The driver is told once that somebody wants data or events, and later, by the kernel's
        // own threads, that nobody does any more.
        let wanted = [1; 5];
        until("it has been told of each once", || {
            control(&booted, COUNTS) == wanted
        });
        pnp(PnpOperation::QueryRemove);
        pnp(PnpOperation::Remove);
        pnp(PnpOperation::Add);
    }
    pnp(PnpOperation::QueryRemove);
    pnp(PnpOperation::Remove);
    let service = "wmi".to_owned();
    let unloaded = booted
        .host
        .host(HostRequest::UnloadDriver { service })
        .unwrap();
    assert_eq!(unloaded, SUCCESS);
    booted.assert_nothing_left();
    booted.shut_down();
}
