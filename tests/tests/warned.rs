//! What is documented not to be done, but has no bug check of Driver Verifier's, is told in the log,
//! once for each place; the system goes on.
#![cfg(unix)]

use eductl::{Interrupt, Request, device::OpenDevice};
use eduwdm_tests::{Booted, boot, manifest, options};
use nthost_protocol::{
    Manifest,
    manifest::{DriverImage, Role},
};

const LOCKED: u32 = 0x22_2000;
const RIGHTS: u32 = 0x22_2004;
const RIGHT: u32 = 0x22_2008;
const LOCKED_TOLD: &str = "completes an IRP with a spin lock held: lock 0x";
const RIGHTS_TOLD: &str = "uses a handle without the rights that it takes: handle 0x";

fn warned() -> Booted {
    let image = DriverImage {
        service: "warned".to_owned(),
        image: "warned.sys".to_owned(),
        role: Role::Function,
        hardware_ids: Vec::new(),
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    let manifest = Manifest {
        drivers: vec![image],
        ..Manifest::default()
    };
    boot("up", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"))
}

fn send(booted: &Booted, code: u32) {
    let device = OpenDevice::open(&booted.host, r"\\.\Warned", &Interrupt::default()).unwrap();
    let request = Request::DeviceControl {
        code,
        input: Vec::new(),
        output_length: 0,
    };
    device.submit("a request", request).unwrap().wait().unwrap();
}

/// The lines that warn of something.
fn told(booted: &Booted, text: &str) -> Vec<String> {
    let lines = booted.session.guest.log.lines();
    lines
        .into_iter()
        .filter(|line| line.contains(text))
        .collect()
}

#[track_caller]
fn is_told_once(code: u32, text: &str) {
    let booted = warned();
    send(&booted, RIGHT);
    assert!(told(&booted, "verifier: warned.sys").is_empty());
    for _ in 0..3 {
        send(&booted, code);
    }
    let lines = told(&booted, text);
    assert_eq!(lines.len(), 1, "{}", booted.log());
    // The driver's own place, not the kernel's.
    assert!(lines[0].contains("verifier: warned.sys+0x"), "{lines:?}");
    booted.shut_down();
}

#[test]
fn an_irp_that_is_completed_with_a_spin_lock_held_is_told_of() {
    is_told_once(LOCKED, LOCKED_TOLD);
}

#[test]
fn a_value_that_is_read_by_a_key_that_was_not_opened_for_that_is_told_of() {
    is_told_once(RIGHTS, RIGHTS_TOLD);
}

#[test]
fn the_projects_driver_completes_no_irp_with_a_lock_held() {
    let booted = boot("smp4", &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
    let edu = booted.edu(0).unwrap();
    // Each is completed by the DPC, the last ones by a processor that finds several.
    let pending: Vec<_> = (0..32).map(|n| edu.factorial(n % 13).unwrap()).collect();
    for factorial in pending {
        factorial.wait().unwrap();
    }
    edu.write_wait(0, vec![1; 64]).unwrap();
    assert_eq!(edu.read_wait(0, 64).unwrap(), [1; 64]);
    drop(edu);
    // It looks at what the driver was warned of.
    booted.shut_down();
}
