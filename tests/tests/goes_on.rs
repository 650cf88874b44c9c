//! What a driver does wrong and a free build of Windows lets pass stops nobody when the verifier is
//! off; and a verifier that is to go on tells all of it in the log.
#![cfg(unix)]

use eduwdm_tests::{boot, options};
use nthost_protocol::{
    Manifest, Rule,
    manifest::{DriverImage, RegistryData, RegistryValue, Role, VerifierOption},
};

/// A driver, what it does wrong, and the first parameter of bug check 0xC4 that reports it.
const LET_PASS: &[(&str, &str, u64)] = &[
    ("wrong_ex", "leave_critical_region", 0x3e),
    ("wrong_ex", "take_resource_with_apcs", 0x37),
    ("wrong_ex", "release_resource_with_apcs", 0x38),
    ("wrong_ex", "initialize_resource_twice", 0xd0),
    ("wrong_ex", "delete_resource_twice", 0xd1),
    ("wrong_ex", "initialize_lookaside_list_twice", 0xca),
    ("wrong_ex", "delete_lookaside_list_twice", 0xcb),
    ("wrong_mm", "unlock_twice", 0x7c),
    ("wrong_mm", "unlock_never_locked", 0x7c),
    ("wrong_mm", "unlock_nonpaged", 0x7d),
    ("wrong_mm", "unmap_twice", 0xb6),
    ("wrong_mm", "free_mapped_mdl", 0xb8),
    ("wrong_ex", "take_uninitialized_resource", 0x1002),
    ("wrong_ex", "make_lookaside_list_of_nothing", 0xcd),
    ("wrong_ke", "release_free_fast_mutex", 0x1007),
    ("wrong_ke", "take_queued_lock_plainly", 0x1008),
    ("wrong_ke", "release_queued_lock_plainly", 0x1009),
    ("wrong_io", "free_irp_as_pool", 0x105),
    ("wrong_irp", "free_at_device_irql", 0x12),
    ("wrong_pool", "allocate_at_device_irql", 2),
    ("wrong_pool", "allocate_nothing", 0),
];

fn manifest(driver: &str, misdeed: &str) -> Manifest {
    let misdeed = RegistryValue {
        key: String::new(),
        name: "Misdeed".to_owned(),
        data: RegistryData::String(misdeed.to_owned()),
    };
    Manifest {
        drivers: vec![DriverImage {
            service: driver.to_owned(),
            image: format!("{driver}.sys"),
            role: Role::Function,
            hardware_ids: Vec::new(),
            service_values: vec![misdeed],
            device_values: Vec::new(),
            security: None,
        }],
        ..Manifest::default()
    }
}

/// The log of a machine that lets it pass; or why it does not.
fn passes(manifest: Manifest, misdeed: &str) -> Result<String, String> {
    let booted = boot("up", &options(manifest)).map_err(|fault| format!("{misdeed}: {fault}"))?;
    let log = booted.log();
    booted.shut_down();
    if log.contains(&format!("wrong: {misdeed} was let through")) {
        Ok(log)
    } else {
        Err(format!("{misdeed} was not done:\n{log}"))
    }
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_a_free_build_lets_pass_stops_nobody_without_the_verifier() {
    let mut faults = Vec::new();
    for &(driver, misdeed, _) in LET_PASS {
        let mut manifest = manifest(driver, misdeed);
        manifest.verifier = Some(Vec::new());
        match passes(manifest, misdeed) {
            Ok(log) if log.contains("verifier: found") => faults.push(log),
            Ok(_) => {}
            Err(fault) => faults.push(fault),
        }
    }
    assert_none(&faults);
}

#[test]
fn a_verifier_that_goes_on_tells_what_it_finds() {
    let mut faults = Vec::new();
    for &(driver, misdeed, first) in LET_PASS {
        let mut manifest = manifest(driver, misdeed);
        // Not what finds the same by other means later.
        manifest.verifier = Some(vec![VerifierOption::SecurityChecks]);
        manifest.verifier_goes_on = vec![Rule::All];
        match passes(manifest, misdeed) {
            Ok(log) => {
                let told = log.lines().any(|line| {
                    line.contains(&format!("verifier: found 0xc4 ({first:#x}, "))
                        && line.contains(&format!("{driver}.sys+"))
                });
                if !told {
                    faults.push(format!("{misdeed} is not told of:\n{log}"));
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
    assert_none(&faults);
}
