//! Structured exceptions, stack cookies and guarded calls of a driver that is built for
//! Microsoft's ABI, as the WDK's compiler builds them.
//!
//! Its sources are in `drivers/c/exceptions`.
#![cfg(unix)]

use std::time::Duration;

use eduwdm_tests::{boot, options};
use nthost_protocol::{
    HostRequest, Manifest,
    manifest::{DriverImage, Role},
};

/// How long a line of the log may take: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

#[test]
fn exceptions_find_their_handlers_and_unwind_to_them() {
    let driver = DriverImage {
        service: "exceptions".to_owned(),
        image: "exceptions.sys".to_owned(),
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
    let booted = boot("up", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let unload = HostRequest::UnloadDriver {
        service: "exceptions".to_owned(),
    };
    let unloaded = booted.host.host_success(unload);
    unloaded.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()));
    let log = &booted.session.guest.log;
    let last = log.wait(LIMIT, |line| line.contains("exceptions is unloaded"));
    assert!(last.is_some(), "the driver was not unloaded");
    let lines = log.lines();
    let failed: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("exceptions: FAILED"))
        .map(String::as_str)
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let ended = lines.iter().any(|line| line.contains("hold, 0 failed"));
    assert!(ended, "not all rules were checked\n{}", booted.log());
    booted.shut_down();
}
