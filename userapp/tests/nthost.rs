//! The library's requests against a double of nthost: many at once, canceled, too late,
//! interrupted, cut off.
#![cfg(unix)]

mod double;

use std::{thread, time::Duration};

use double::{Double, ENDLESS, FATAL, STUBBORN};
use eductl::{
    Device, DeviceKind, Edu, Error, Interrupt, Status,
    device::{self, OpenDevice},
    edu::factorial_mod_2_32,
    nthost::NtHost,
};
use nthost_protocol::HostRequest;

fn open(double: &Double, interrupt: &Interrupt) -> (NtHost, Edu) {
    let host = NtHost::connect(&double.socket).unwrap();
    let device = OpenDevice::open(&host, r"\\?\double", interrupt).unwrap();
    (host, Edu::new(device))
}

fn limited(edu: &Edu, limit: Duration) -> Edu {
    Edu::new(edu.device().clone().with_limit(Some(limit)))
}

#[test]
fn devices_are_listed_by_kind() {
    let double = Double::start();
    let host = NtHost::connect(&double.socket).unwrap();
    let expected = Device {
        index: 0,
        kind: DeviceKind::Edu,
        path: r"\\?\double".to_owned(),
    };
    assert_eq!(device::list(&host).unwrap(), [expected]);
    let fault = OpenDevice::open(&host, r"\\?\other", &Interrupt::default()).unwrap_err();
    assert!(
        fault.to_string().contains("STATUS_OBJECT_NAME_NOT_FOUND"),
        "{fault}"
    );
}

#[test]
fn requests_of_many_threads_on_one_handle_find_their_answers() {
    let double = Double::start();
    let (_host, edu) = open(&double, &Interrupt::default());
    thread::scope(|scope| {
        for thread in 0..8 {
            let edu = &edu;
            scope.spawn(move || {
                let requests: Vec<_> = (0..32)
                    .map(|index| (thread * 32 + index) % 40)
                    .map(|n| (n, edu.factorial(n).unwrap()))
                    .collect();
                for (n, request) in requests {
                    let answer = request.wait().unwrap();
                    assert_eq!((answer.n, answer.result), (n, factorial_mod_2_32(n)));
                }
            });
        }
    });
}

#[test]
fn any_number_of_requests_is_outstanding_on_one_handle_and_each_is_canceled_alone() {
    let double = Double::start();
    let (_host, edu) = open(&double, &Interrupt::default());
    let mut requests: Vec<_> = (0..100).map(|_| edu.factorial(ENDLESS).unwrap()).collect();
    let one = requests.swap_remove(50);
    one.cancel();
    let fault = one.wait().unwrap_err();
    assert!(fault.status().unwrap().is_canceled(), "{fault}");
    assert!(requests.iter().all(|request| !request.is_complete()));
    assert_eq!(double.seen().most_outstanding, 100);
    edu.device().cancel_all();
    for request in requests {
        assert!(request.wait().unwrap_err().status().unwrap().is_canceled());
    }
}

#[test]
fn a_request_that_is_dropped_is_canceled_and_waited_for() {
    let double = Double::start();
    let (_host, edu) = open(&double, &Interrupt::default());
    drop(edu.factorial(ENDLESS).unwrap());
    let seen = double.seen();
    assert_eq!((seen.cancels, seen.outstanding), (1, 0));
    // One that has ended needs no canceling.
    let done = edu.factorial(5).unwrap();
    edu.factorial(6).unwrap().wait().unwrap();
    drop(done);
    assert_eq!(double.seen().cancels, 1);
}

#[test]
fn a_request_that_takes_too_long_is_canceled_and_waited_for() {
    let double = Double::start();
    let (_host, edu) = open(&double, &Interrupt::default());
    let edu = limited(&edu, Duration::from_millis(10));
    let fault = edu.factorial(ENDLESS).unwrap().wait().unwrap_err();
    assert!(matches!(fault, Error::TimedOut { .. }), "{fault}");
    assert_eq!(fault.exit_code(), 5);
    let seen = double.seen();
    assert_eq!((seen.cancels, seen.outstanding), (1, 0));
    // One that is done while it is being canceled is done.
    let answer = edu.factorial(STUBBORN).unwrap().wait().unwrap();
    assert_eq!(answer.n, STUBBORN);
}

#[test]
fn an_interrupt_cancels_what_is_outstanding_and_lets_nothing_begin() {
    let double = Double::start();
    let interrupt = Interrupt::default();
    let (_host, edu) = open(&double, &interrupt);
    let requests: Vec<_> = (0..10).map(|_| edu.factorial(ENDLESS).unwrap()).collect();
    let waiting = thread::spawn(move || {
        let wait = |request: device::Pending<_>| request.wait().unwrap_err();
        requests.into_iter().map(wait).collect::<Vec<_>>()
    });
    interrupt.raise();
    for fault in waiting.join().unwrap() {
        assert!(matches!(fault, Error::Interrupted), "{fault}");
    }
    let fault = edu.factorial(5).unwrap_err();
    assert!(matches!(fault, Error::Interrupted), "{fault}");
    assert_eq!(double.seen().outstanding, 0);
}

#[test]
fn when_the_machine_ends_every_request_ends() {
    let double = Double::start();
    let (_host, edu) = open(&double, &Interrupt::default());
    let held = edu.factorial(ENDLESS).unwrap();
    let fault = edu.factorial(FATAL).unwrap().wait().unwrap_err();
    assert!(matches!(fault, Error::Disconnected(_)), "{fault}");
    assert!(
        fault.to_string().contains("the machine has ended"),
        "{fault}"
    );
    let fault = held.wait().unwrap_err();
    assert!(matches!(fault, Error::Disconnected(_)), "{fault}");
    let fault = edu.factorial(5).unwrap_err();
    assert!(matches!(fault, Error::Disconnected(_)), "{fault}");
}

#[test]
fn a_handle_is_closed_with_its_last_user() {
    let double = Double::start();
    let (_host, edu) = open(&double, &Interrupt::default());
    let other = edu.clone();
    drop(edu);
    assert_eq!(double.seen().closes, 0);
    drop(other);
    assert_eq!(double.seen().closes, 1);
}

#[test]
fn refusals_are_explained() {
    let double = Double::start();
    let (host, edu) = open(&double, &Interrupt::default());
    let fault = edu.reset().unwrap_err();
    assert_eq!(fault.status(), Some(Status::Nt(0xc000_0010)));
    let text = fault.to_string();
    assert!(
        text.contains("STATUS_INVALID_DEVICE_REQUEST (0xc0000010)"),
        "{text}"
    );
    assert!(
        text.contains("What to do: check the control code"),
        "{text}"
    );
    let status = host.host(HostRequest::ClearFaults).unwrap();
    assert_eq!(status.name(), Some("STATUS_NOT_IMPLEMENTED"));
    let fault = host.machine().unwrap_err();
    assert!(
        fault.to_string().contains("STATUS_NOT_IMPLEMENTED"),
        "{fault}"
    );
}

#[test]
fn another_version_of_the_protocol_is_refused_in_words() {
    let double = Double::with_version(77);
    let fault = NtHost::connect(&double.socket).unwrap_err();
    assert!(fault.to_string().contains("version 77"), "{fault}");
    let fault = NtHost::connect(std::path::Path::new("/nowhere/up.sock")).unwrap_err();
    assert!(fault.to_string().contains("cargo xtask run"), "{fault}");
}
