//! A driver in C that opens its own device and makes requests of it in all the ways that the
//! kernel has for drivers finds all as the DDK's headers and documentation promise.
#![cfg(unix)]

use eduwdm_tests::{boot, options};
use nthost_protocol::{
    HostRequest, Manifest,
    manifest::{DriverImage, Role},
};

#[test]
fn a_driver_that_is_its_own_client_finds_all_as_documented() {
    let driver = DriverImage {
        service: "requests".to_owned(),
        image: "requests.sys".to_owned(),
        role: Role::Function,
        hardware_ids: Vec::new(),
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    let manifest = Manifest {
        drivers: vec![driver],
        ..Manifest::default()
    };
    let booted = boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let log = booted.log();
    assert!(log.contains("requests: all is as documented"), "{log}");
    // The verifier looks for what is left.
    let service = "requests".to_owned();
    let unloaded = booted
        .host
        .host_success(HostRequest::UnloadDriver { service });
    unloaded.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()));
    booted.shut_down();
}
