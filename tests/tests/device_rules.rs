//! What is documented of routines that take a device, checked by drivers in C with the device
//! `edu`: DMA adapters (`drivers/c/dma.c`), with and without the verifier's DMA checking, for
//! without it no page goes through a map register that need not; the power management framework
//! (`drivers/c/fx.c`), power requests and the like (`drivers/c/po.c`).
#![cfg(unix)]

use std::time::Duration;

use eduwdm_tests::{boot, options};
use nthost_protocol::{
    HostRequest, Manifest,
    host::PnpOperation,
    manifest::{DriverImage, Role, VerifierOption},
};

/// How long a line of the log may take: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

fn check(service: &str, machine: &str, verifier: Vec<VerifierOption>) {
    let driver = DriverImage {
        service: service.to_owned(),
        image: format!("{service}.sys"),
        role: Role::Function,
        hardware_ids: vec![r"PCI\VEN_1234&DEV_11E8".to_owned()],
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    let manifest = Manifest {
        drivers: vec![driver],
        verifier: Some(verifier),
        ..Manifest::default()
    };
    let booted = boot(machine, &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let log = &booted.session.guest.log;
    let last = log.wait(LIMIT, |line| {
        line.contains(&format!("{service}: ")) && line.contains(" hold, ")
    });
    let last = last.unwrap_or_else(|| panic!("the driver did not end:\n{}", booted.log()));
    assert!(last.contains(" 0 failed"), "{}", booted.log());
    let nodes = booted.host.devices().unwrap();
    for node in nodes.iter().filter(|node| node.service == service) {
        for operation in [PnpOperation::QueryRemove, PnpOperation::Remove] {
            let done = booted.host.pnp(&node.instance, operation);
            done.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()));
        }
    }
    let unload = HostRequest::UnloadDriver {
        service: service.to_owned(),
    };
    let unloaded = booted.host.host_success(unload);
    unloaded.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()));
    let report = booted.host.verifier().unwrap();
    let left = [report.map_registers, report.pages, report.mappings];
    assert_eq!(left, [0; 3], "{report:?}");
    booted.shut_down();
}

#[test]
fn the_rules_of_adapters_hold_with_the_verifier() {
    check("dma", "up", VerifierOption::STANDARD.to_vec());
}

#[test]
fn the_rules_of_adapters_hold_without_the_verifier() {
    check("dma", "smp4", Vec::new());
}

#[test]
fn the_rules_of_adapters_hold_behind_an_iommu() {
    check("dma", "iommu", VerifierOption::STANDARD.to_vec());
}

#[test]
fn the_rules_of_adapters_hold_behind_an_iommu_without_the_verifier() {
    check("dma", "iommu", Vec::new());
}

#[test]
fn the_rules_of_the_power_management_framework_hold_on_one_processor() {
    check("fx", "up", VerifierOption::STANDARD.to_vec());
}

#[test]
fn the_rules_of_the_power_management_framework_hold_on_four_processors() {
    check("fx", "smp4", VerifierOption::STANDARD.to_vec());
}

#[test]
fn the_rules_of_power_requests_hold() {
    check("po", "up", VerifierOption::STANDARD.to_vec());
}
