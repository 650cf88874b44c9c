//! The gate down: with everything off, no call of a driver's passes it; a fault that the host
//! adds has all calls pass it, and when that is taken back, none does any more. And what stands
//! behind the kernel's hooks: with no option on, nothing is remembered of an IRP.
#![cfg(unix)]

use eductl::DeviceKind;
use eduwdm_abi::{
    Header, Ioctl,
    edu::{WAIT_INFINITE, WaitEventInput, WaitEventOutput},
};
use eduwdm_tests::{Booted, InFlight, boot, manifest, options};
use nthost_protocol::{Fault, HostRequest, Manifest};

fn start(manifest: Manifest) -> Booted {
    let mut options = options(manifest);
    // Noise, which all tests may be run with, needs all calls.
    options.extras.switches.clear();
    boot("smp4", &options).unwrap_or_else(|fault| panic!("{fault}"))
}

/// A manifest in which nothing is on.
fn off() -> Manifest {
    let mut manifest = manifest();
    manifest.verifier = Some(Vec::new());
    manifest.noise = None;
    manifest
}

/// A fault that never comes: it is the looking that is meant.
fn strikes_nothing() -> Fault {
    Fault::Call {
        routine: "ZwQueryObject".to_owned(),
        service: String::new(),
        offset: None,
        nth: u32::MAX,
        count: 1,
    }
}

#[test]
fn with_everything_off_no_call_is_looked_at_until_a_fault_is_to_come() {
    let booted = start(off());
    booted.assert_edu_works(0, "with everything off");
    assert_eq!(booted.counts().checks, 0);
    let added = booted
        .host
        .host_success(HostRequest::Fault(strikes_nothing()));
    added.unwrap();
    booted.assert_edu_works(0, "with a fault to come");
    let looked_at = booted.counts().checks;
    assert_ne!(looked_at, 0);
    let cleared = booted.host.host_success(HostRequest::ClearFaults);
    cleared.unwrap();
    let before = booted.counts().checks;
    booted.assert_edu_works(0, "with the fault taken back");
    assert_eq!(booted.counts().checks, before);
    booted.shut_down();
}

#[test]
fn drivers_that_are_not_verified_are_bound_to_the_routines_themselves() {
    let mut none = manifest();
    none.noise = None;
    none.verified = Some(Vec::new());
    let booted = start(none);
    booted.assert_edu_works(0, "with nobody verified");
    assert_eq!(booted.counts().checks, 0);
    booted.shut_down();
    let mut one = manifest();
    one.noise = None;
    one.verified = Some(vec!["EDUWDM".to_owned()]);
    let booted = start(one);
    booted.assert_edu_works(0, "with one verified");
    assert_ne!(booted.counts().checks, 0);
    booted.shut_down();
}

/// How many IRPs the verifier knows of while a driver has one.
fn irps_known(booted: &Booted) -> u64 {
    let path = booted.path(DeviceKind::Edu, 0);
    let file = InFlight::open(booted, &path.unwrap());
    let wait = WaitEventInput {
        header: Header::of::<WaitEventInput>(),
        mask: 0x80,
        timeout_ms: WAIT_INFINITE,
    };
    let wait = InFlight::control(&file, Ioctl::WaitEvent, &wait, size_of::<WaitEventOutput>());
    // The next request of the same thread is sent when the driver has this one.
    let factorial = InFlight::factorial(&file, 5).end("the factorial");
    assert!(factorial.status.is_success(), "{factorial:?}");
    let known = booted.counts().irps;
    assert!(!wait.is_complete());
    wait.cancel().join().unwrap();
    let waited = wait.end("the wait");
    assert!(!waited.status.is_success(), "it was canceled: {waited:?}");
    known
}

#[test]
fn with_no_option_on_nothing_is_remembered_of_an_irp() {
    // Neither with everything off, nor when the gates are open for something else.
    let mut with_fault = off();
    with_fault.faults.push(strikes_nothing());
    for off in [off(), with_fault] {
        let booted = start(off);
        assert_eq!(irps_known(&booted), 0);
        booted.shut_down();
    }
    let mut on = manifest();
    on.noise = None;
    let booted = start(on);
    assert_ne!(irps_known(&booted), 0);
    booted.shut_down();
}
