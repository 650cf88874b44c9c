//! What is documented of DMA adapters, checked by a driver in C with the device `edu`, with and
//! without the verifier's DMA checking: without it, no page goes through a map register that
//! need not.
//!
//! The driver is `drivers/c/dma.c`.
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

fn check(machine: &str, verifier: Vec<VerifierOption>) {
    let driver = DriverImage {
        service: "dma".to_owned(),
        image: "dma.sys".to_owned(),
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
        line.contains("dma: ") && line.contains(" hold, ")
    });
    let last = last.unwrap_or_else(|| panic!("the driver did not end:\n{}", booted.log()));
    assert!(last.contains(" 0 failed"), "{}", booted.log());
    let nodes = booted.host.devices().unwrap();
    for node in nodes.iter().filter(|node| node.service == "dma") {
        for operation in [PnpOperation::QueryRemove, PnpOperation::Remove] {
            let done = booted.host.pnp(&node.instance, operation);
            done.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()));
        }
    }
    let unload = HostRequest::UnloadDriver {
        service: "dma".to_owned(),
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
    check("up", VerifierOption::STANDARD.to_vec());
}

#[test]
fn the_rules_of_adapters_hold_without_the_verifier() {
    check("smp4", Vec::new());
}

#[test]
fn the_rules_of_adapters_hold_behind_an_iommu() {
    check("iommu", VerifierOption::STANDARD.to_vec());
}

#[test]
fn the_rules_of_adapters_hold_behind_an_iommu_without_the_verifier() {
    check("iommu", Vec::new());
}
