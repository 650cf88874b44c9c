//! What the driver counts and tells of itself: statistics that add up, and ETW events for what a
//! person would want to know, and for nothing else.
#![cfg(unix)]

use eductl::{DeviceKind, edu::Counters, status::Status};
use eduwdm_abi::{
    Header, Ioctl,
    edu::{WaitEventInput, WaitEventOutput},
    statistics::{Processor, QueueKind, Statistics},
};
use eduwdm_tests::{Booted, InEachQueue, InFlight, boot, manifest, options};
use nthost_protocol::{Fault, HostRequest, host::PnpOperation};

const BUFFER_OVERFLOW: u32 = 0x8000_0005;
const CANCELLED: u32 = 0xc000_0120;
const IO_TIMEOUT: u32 = 0xc000_00b5;

const EDU: &str = "VEN_1234&DEV_11E8";

fn start() -> Booted {
    boot("smp4", &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"))
}

fn sum(counters: &Counters, what: fn(&Processor) -> u64) -> u64 {
    counters.processors.iter().map(what).sum()
}

#[test]
fn each_request_is_counted_once_in_its_queue_and_as_it_ended() {
    let booted = start();
    let edu = booted.edu(0).unwrap();
    let path = booted.path(DeviceKind::Edu, 0).unwrap();
    let file = InFlight::open(&booted, &path);

    for n in 0..10 {
        edu.factorial(n).unwrap().wait().unwrap();
    }
    edu.write_wait(0, vec![7; 100]).unwrap();
    edu.write_wait(50, vec![8; 100]).unwrap();
    edu.read_wait(0, 100).unwrap();
    // One wait that ends well, one by its time-out, three by cancellation.
    let wait = |timeout_ms| {
        let input = WaitEventInput {
            header: Header::of::<WaitEventInput>(),
            mask: 0x80,
            timeout_ms,
        };
        InFlight::control(
            &file,
            Ioctl::WaitEvent,
            &input,
            size_of::<WaitEventOutput>(),
        )
    };
    let raised = wait(u32::MAX);
    edu.raise(0x80).unwrap();
    assert_eq!(raised.end("raised").status, Status::Nt(0));
    assert_eq!(wait(1).end("in time").status, Status::Nt(IO_TIMEOUT));
    let canceled: Vec<_> = (0..3).map(|_| wait(u32::MAX)).collect();
    for wait in canceled {
        wait.cancel().join().unwrap();
        assert_eq!(wait.end("canceled").status, Status::Nt(CANCELLED));
    }

    let counters = edu.statistics().unwrap();
    let of = |kind: QueueKind| {
        let queue = counters.fixed.queues[kind as usize];
        assert_eq!(queue.depth, 0, "{kind:?}: {queue:?}");
        (
            queue.inserted,
            queue.completed,
            queue.failed,
            queue.canceled,
        )
    };
    assert_eq!(of(QueueKind::Compute), (10, 10, 0, 0));
    assert_eq!(of(QueueKind::Write), (2, 2, 0, 0));
    assert_eq!(of(QueueKind::Read), (1, 1, 0, 0));
    assert_eq!(of(QueueKind::Events), (5, 1, 1, 3));
    let longest = counters.fixed.queues.map(|queue| queue.longest_100ns);
    assert!(longest.iter().all(|longest| *longest > 0), "{longest:?}");
    // A factorial, a transfer, a raised event: one interrupt and one DPC each.
    assert_eq!(sum(&counters, |one| one.interrupts), 14);
    assert_eq!(sum(&counters, |one| one.dpcs), 14);
    assert_eq!(sum(&counters, |one| one.completions), 14);
    assert_eq!(sum(&counters, |one| one.cancels), 3);
    drop((edu, file));
    booted.shut_down();
}

#[test]
fn counting_goes_on_over_a_stop_and_a_start() {
    let booted = start();
    let device = booted.instance(EDU, 0);
    let edu = booted.edu(0).unwrap();
    edu.factorial(5).unwrap().wait().unwrap();
    booted.host.pnp(&device, PnpOperation::Rebalance).unwrap();
    edu.factorial(5).unwrap().wait().unwrap();
    let counters = edu.statistics().unwrap();
    assert_eq!(counters.fixed.queues[0].completed, 2);
    drop(edu);
    booted.shut_down();
}

#[test]
fn a_buffer_for_some_processors_gets_as_many_as_fit() {
    let booted = start();
    let path = booted.path(DeviceKind::Edu, 0).unwrap();
    let file = InFlight::open(&booted, &path);
    let fixed = size_of::<Statistics>();
    let each = size_of::<Processor>();
    for (length, status, processors) in [
        (fixed, BUFFER_OVERFLOW, 0),
        (fixed + each - 1, BUFFER_OVERFLOW, 0),
        (fixed + each, BUFFER_OVERFLOW, 1),
        (fixed + 4 * each - 1, BUFFER_OVERFLOW, 3),
        (fixed + 4 * each, 0, 4),
        (fixed + 5 * each, 0, 4),
    ] {
        let what = format!("{length} bytes");
        let ended = InFlight::control(&file, Ioctl::Statistics, &[0_u8; 0], length).end(&what);
        assert_eq!(ended.status, Status::Nt(status), "{what}");
        let expected = (fixed + processors * each) as u64;
        assert_eq!(ended.information, expected, "{what}");
    }
    drop(file);
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

/// The events since the last time, without when and where they were written.
fn events(booted: &Booted) -> Vec<String> {
    let events = booted.host.drain_events().unwrap();
    events
        .into_iter()
        .filter(|event| event.contains("EduWdm"))
        .collect()
}

fn assert_one(events: &[String], words: &[&str]) {
    let matching = |event: &&String| words.iter().all(|word| event.contains(word));
    assert_eq!(
        events.iter().filter(matching).count(),
        1,
        "one event with {words:?} is due in {events:#?}"
    );
}

#[test]
fn starts_stops_errors_and_cancellations_are_events_and_what_goes_well_is_none() {
    let booted = start();
    let device = booted.instance(EDU, 0);
    let started = events(&booted);
    assert_one(&started, &["Start", "edu"]);
    assert_one(&started, &["Start", "pci-testdev"]);
    assert_eq!(started.len(), 2, "{started:#?}");

    // Requests that end well, and quickly, are not told of.
    let edu = booted.edu(0).unwrap();
    for n in 0..10 {
        edu.factorial(n).unwrap().wait().unwrap();
    }
    edu.write_wait(0, vec![7; 100]).unwrap();
    assert_eq!(events(&booted), [""; 0]);

    let path = booted.path(DeviceKind::Edu, 0).unwrap();
    let file = InFlight::open(&booted, &path);
    let power = |state| {
        let device = device.clone();
        let request = HostRequest::DevicePower { device, state };
        booted.host.host_success(request).unwrap();
    };
    power(3);
    let requests = InEachQueue::send(&file);
    requests.cancel();
    requests.end_with(CANCELLED, "canceled");
    power(0);
    let canceled = events(&booted);
    for queue in ["compute", "write", "read", "events"] {
        assert_one(&canceled, &["Request", queue, "canceled", "c0000120"]);
    }
    assert_eq!(canceled.len(), 4, "{canceled:#?}");

    // One whose DPC comes two seconds late is slow, which the next is not any more.
    let late = Fault::LateDpc {
        service: "eduwdm".to_owned(),
        milliseconds: 2100,
        nth: 0,
        count: 1,
    };
    booted.host.host_success(HostRequest::Fault(late)).unwrap();
    for n in 0..2 {
        edu.factorial(n).unwrap().wait().unwrap();
    }
    let slow = events(&booted);
    assert_one(&slow, &["Request", "compute", "slow"]);
    assert_eq!(slow.len(), 1, "{slow:#?}");

    drop((file, edu));
    booted.host.pnp(&device, PnpOperation::QueryRemove).unwrap();
    booted.host.pnp(&device, PnpOperation::Remove).unwrap();
    let stopped = events(&booted);
    assert_one(&stopped, &["Stop", "edu", "removed"]);
    assert_eq!(stopped.len(), 1, "{stopped:#?}");
    booted.shut_down();
}
