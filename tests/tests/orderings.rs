//! What can happen at the same time does happen here in each order, forced by breakpoints: a
//! processor is held between two steps of the driver, and the other event comes in between.
#![cfg(unix)]

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use eductl::{DeviceKind, io::IoStatus, nthost::NtFile, status::Status};
use eduwdm_abi::{
    Header, Ioctl,
    edu::{FactorialOutput, WaitEventInput, WaitEventOutput},
    statistics::QueueKind,
};
use eduwdm_tests::{Booted, InFlight, boot, manifest, options, until};
use nthost_protocol::{
    HostRequest,
    breakpoint::Stop,
    host::PnpOperation,
    manifest::{RegistryData, RegistryValue},
};
use zerocopy::FromBytes;

const SUCCESS: u32 = 0;
const CANCELLED: u32 = 0xc000_0120;
const DEVICE_REMOVED: u32 = 0xc000_02b6;
const IO_TIMEOUT: u32 = 0xc000_00b5;

/// How long anything may take before the test fails: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);
/// The register with which an `edu` device is told to interrupt, with these bits.
const RAISE: u32 = 0x60;
const EDU: &str = "VEN_1234&DEV_11E8";

fn start(machine: &str) -> (Booted, Arc<NtFile>) {
    start_with(machine, 0)
}

/// Boots a machine with breakpoints, and opens one of its `edu` devices.
fn start_with(machine: &str, index: usize) -> (Booted, Arc<NtFile>) {
    let mut manifest = manifest();
    manifest.breakpoints = true;
    // The watchdog looks at each queue when its timer ticks, by the routines at which processors are
    // to stop here.
    manifest.drivers[0].service_values.push(RegistryValue {
        key: "Parameters".to_owned(),
        name: "OperationTimeout".to_owned(),
        data: RegistryData::Dword(u32::MAX),
    });
    // Nor is the device to lose its power on its own.
    manifest.drivers[0].service_values.push(RegistryValue {
        key: "Parameters".to_owned(),
        name: "IdleTimeout".to_owned(),
        data: RegistryData::Dword(0),
    });
    let booted = boot(machine, &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let path = booted.path(DeviceKind::Edu, index).unwrap();
    let file = InFlight::open(&booted, &path);
    (booted, file)
}

/// The device answers, and nothing is left of what was done before.
fn works(booted: &Booted, what: &str) {
    booted.assert_edu_works(0, what);
}

fn check(ended: &IoStatus, expected: u32, what: &str) {
    assert_eq!(ended.status, Status::Nt(expected), "{what}");
    if expected == SUCCESS {
        let (answer, _) = FactorialOutput::read_from_prefix(ended.output()).unwrap();
        assert_eq!(answer.result, 120, "{what}");
    } else {
        assert_eq!(ended.information, 0, "{what}: nothing is moved");
    }
}

/// A point on the way of a factorial through the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    /// The dispatch routine is about to put it into the queue.
    BeforeInsertion,
    /// It is in the queue, whose lock is held still.
    BeingInserted,
    /// It is in the queue, and nobody has looked there yet.
    Queued,
    /// It is about to be taken out of the queue.
    BeforeRemoval,
    /// It has been taken out of the queue, whose lock is held still.
    BeingRemoved,
    /// The device has computed it, and the ISR is about to queue the DPC.
    InIsr,
    /// The DPC is about to try the queue's lock.
    InDpc,
    /// The DPC has released the lock, and is about to complete it.
    BeforeCompletion,
}

const POINTS: [Point; 8] = [
    Point::BeforeInsertion,
    Point::BeingInserted,
    Point::Queued,
    Point::BeforeRemoval,
    Point::BeingRemoved,
    Point::InIsr,
    Point::InDpc,
    Point::BeforeCompletion,
];

/// Sends 5! and holds it at a point.
fn hold(booted: &Booted, file: &Arc<NtFile>, point: Point) -> (InFlight, Stop) {
    // Where it stops first, and where it goes on to from there.
    let (first, then) = match point {
        Point::BeforeInsertion => ("IoCsqInsertIrpEx", None),
        Point::BeingInserted => ("IoCsqInsertIrpEx", Some("KeReleaseSpinLock")),
        Point::Queued => ("IoCsqInsertIrpEx", Some("KeTryToAcquireSpinLockAtDpcLevel")),
        Point::BeforeRemoval => ("IoCsqRemoveNextIrp", None),
        Point::BeingRemoved => ("IoCsqRemoveNextIrp", Some("KeReleaseSpinLock")),
        Point::InIsr => ("KeInsertQueueDpc", None),
        Point::InDpc => ("KeInsertQueueDpc", Some("KeTryToAcquireSpinLockAtDpcLevel")),
        Point::BeforeCompletion => ("IofCompleteRequest", None),
    };
    booted.break_at(first);
    let request = InFlight::factorial(file, 5);
    let mut stop = booted.stopped_at(first);
    if let Some(then) = then {
        booted.break_at(then);
        booted.go_on(&stop);
        stop = booted.stopped_at(then);
    }
    assert!(!request.is_complete(), "{point:?}: it is held");
    (request, stop)
}

#[test]
fn a_request_ends_once_wherever_it_is_canceled() {
    let (booted, file) = start("smp4");
    for point in POINTS {
        let what = format!("canceled {point:?}");
        let (request, stop) = hold(&booted, &file, point);
        let canceller = request.cancel();
        // Who cancels waits for the queue's lock only where that is held.
        if point == Point::BeingInserted {
            booted.go_on(&stop);
            canceller.join().unwrap();
        } else {
            canceller.join().unwrap();
            let queued = matches!(
                point,
                Point::BeforeInsertion | Point::Queued | Point::BeforeRemoval
            );
            assert!(
                queued || !request.is_complete(),
                "{what}: it is the device's"
            );
            booted.go_on(&stop);
        }
        let ended = request.end(&what);
        match point {
            Point::BeforeInsertion | Point::Queued | Point::BeforeRemoval => {
                check(&ended, CANCELLED, &what);
            }
            // Whoever takes the queue's lock first, the canceller or the starter, has it.
            Point::BeingInserted if ended.status == Status::Nt(CANCELLED) => {}
            _ => check(&ended, SUCCESS, &what),
        }
        works(&booted, &what);
    }
    // And when it is over already.
    let request = InFlight::factorial(&file, 5);
    check(&request.end("computed"), SUCCESS, "computed");
    request.cancel().join().unwrap();
    works(&booted, "canceled after completion");
    drop(file);
    booted.shut_down();
}

/// Whether something that is done to the device is over before the request that is held goes on.
fn device_event(
    booted: &Booted,
    request: HostRequest,
) -> thread::JoinHandle<Result<(), eductl::Error>> {
    let host = booted.host.clone();
    thread::spawn(move || host.host_success(request))
}

#[test]
fn power_goes_and_comes_wherever_a_request_is() {
    let (booted, file) = start("smp4");
    let device = booted.instance(EDU, 0);
    let power = |state| HostRequest::DevicePower {
        device: device.clone(),
        state,
    };
    for point in POINTS {
        let what = format!("powered down {point:?}");
        // What is on the device, or about to be, is waited for.
        let waits = !matches!(
            point,
            Point::BeforeInsertion | Point::BeingInserted | Point::Queued | Point::BeforeCompletion
        );
        let (request, stop) = hold(&booted, &file, point);
        let down = device_event(&booted, power(3));
        if waits {
            // Closing a queue waits for its lock, or for its request.
            assert!(!down.is_finished(), "{what}");
            booted.go_on(&stop);
            down.join()
                .unwrap()
                .unwrap_or_else(|fault| panic!("{what}: {fault}"));
        } else {
            down.join()
                .unwrap()
                .unwrap_or_else(|fault| panic!("{what}: {fault}"));
            booted.go_on(&stop);
        }
        if point != Point::BeforeCompletion && !waits {
            assert!(!request.is_complete(), "{what}: it waits for the power");
        }
        booted
            .host
            .host_success(power(0))
            .unwrap_or_else(|fault| panic!("{what}: {fault}\n{}", booted.log()));
        check(&request.end(&what), SUCCESS, &what);
        works(&booted, &what);
    }
    drop(file);
    booted.shut_down();
}

#[test]
fn resources_are_rebalanced_wherever_a_request_is() {
    let (booted, file) = start("smp4");
    let device = booted.instance(EDU, 0);
    for point in POINTS {
        let what = format!("rebalanced {point:?}");
        let (request, stop) = hold(&booted, &file, point);
        let rebalance = device_event(
            &booted,
            HostRequest::Pnp {
                device: device.clone(),
                operation: PnpOperation::Rebalance,
            },
        );
        if point == Point::BeforeInsertion {
            // Nothing of the request is the device's yet: it is stopped and started meanwhile.
            rebalance
                .join()
                .unwrap()
                .unwrap_or_else(|fault| panic!("{what}: {fault}"));
            booted.go_on(&stop);
        } else {
            // It is stopped and flushed only when what is held at DISPATCH_LEVEL has gone on.
            booted.go_on(&stop);
            rebalance
                .join()
                .unwrap()
                .unwrap_or_else(|fault| panic!("{what}: {fault}"));
        }
        check(&request.end(&what), SUCCESS, &what);
        works(&booted, &what);
    }
    drop(file);
    booted.shut_down();
}

#[test]
fn the_device_is_unplugged_wherever_a_request_is() {
    let (booted, file) = start("smp4");
    let mut file = Some(file);
    let device = booted.instance(EDU, 0);
    for point in POINTS {
        let what = format!("unplugged {point:?}");
        let open = file.take().unwrap();
        let (request, stop) = hold(&booted, &open, point);
        let unplugged = device_event(
            &booted,
            HostRequest::Pnp {
                device: device.clone(),
                operation: PnpOperation::SurpriseRemoval,
            },
        );
        if point == Point::BeforeInsertion {
            unplugged
                .join()
                .unwrap()
                .unwrap_or_else(|fault| panic!("{what}: {fault}"));
            booted.go_on(&stop);
        } else {
            booted.go_on(&stop);
            unplugged
                .join()
                .unwrap()
                .unwrap_or_else(|fault| panic!("{what}: {fault}"));
        }
        let ended = request.end(&what);
        match point {
            Point::BeforeInsertion => check(&ended, DEVICE_REMOVED, &what),
            Point::BeforeCompletion => check(&ended, SUCCESS, &what),
            // The device's end and the request's are on two processors now: either may be first.
            _ => assert!(
                [SUCCESS, DEVICE_REMOVED]
                    .map(Status::Nt)
                    .contains(&ended.status),
                "{what}: {ended:?}"
            ),
        }
        drop(request);
        // With the last handle, it is removed.
        drop(open);
        booted.wait_until_removed(&device);
        booted
            .host
            .pnp(&device, PnpOperation::Add)
            .unwrap_or_else(|fault| panic!("{what}: {fault}\n{}", booted.log()));
        works(&booted, &what);
        let path = booted.path(DeviceKind::Edu, 0).unwrap();
        file = Some(InFlight::open(&booted, &path));
    }
    drop(file);
    booted.shut_down();
}

/// The last that a device has said is that it is done. By then it may be out of its slot.
#[test]
fn what_a_device_that_is_gone_answers_is_no_result() {
    let (booted, file) = start("smp4");
    let device = booted.instance(EDU, 0);
    let (request, stop) = hold(&booted, &file, Point::InIsr);
    booted
        .host
        .host_success(HostRequest::Unplug {
            device: device.clone(),
        })
        .unwrap();
    booted.go_on(&stop);
    check(&request.end("unplugged"), DEVICE_REMOVED, "unplugged");
    let identify = InFlight::control(&file, Ioctl::Identify, &[0_u8; 0], 64);
    check(&identify.end("identify"), DEVICE_REMOVED, "identify");
    drop((request, identify, file));
    booted
        .host
        .pnp(&device, PnpOperation::SurpriseRemoval)
        .unwrap();
    booted.wait_until_removed(&device);
    booted.host.pnp(&device, PnpOperation::Add).unwrap();
    works(&booted, "it came back");
    booted.shut_down();
}

#[test]
fn an_interrupt_while_its_isr_is_being_connected_is_claimed() {
    for machine in ["smp4", "smp4-intx"] {
        let (booted, file) = start(machine);
        drop(file);
        let device = booted.instance(EDU, 0);
        booted.host.pnp(&device, PnpOperation::QueryStop).unwrap();
        booted.host.pnp(&device, PnpOperation::Stop).unwrap();
        // The first that the driver does with the interrupt once it is connected.
        booted.break_at("KeAcquireInterruptSpinLock");
        let start = device_event(
            &booted,
            HostRequest::Pnp {
                device: device.clone(),
                operation: PnpOperation::Start,
            },
        );
        let stop = booted.stopped_at("KeAcquireInterruptSpinLock");
        // Its status register is read and acknowledged by the ISR, or the line would stay up.
        booted.break_at("KeInsertQueueDpc");
        booted.write_register(&device, RAISE, 0x80);
        let isr = booted.stopped_at("KeInsertQueueDpc");
        booted.go_on(&isr);
        booted.go_on(&stop);
        start.join().unwrap().unwrap();
        works(&booted, machine);
        booted.shut_down();
    }
}

#[test]
fn an_interrupt_while_its_isr_is_being_disconnected_is_claimed() {
    for machine in ["smp4", "smp4-intx"] {
        let (booted, file) = start(machine);
        drop(file);
        let device = booted.instance(EDU, 0);
        booted.break_at("IoDisconnectInterruptEx");
        let stop = device_event(
            &booted,
            HostRequest::Pnp {
                device: device.clone(),
                operation: PnpOperation::Rebalance,
            },
        );
        let disconnecting = booted.stopped_at("IoDisconnectInterruptEx");
        booted.break_at("KeInsertQueueDpc");
        booted.write_register(&device, RAISE, 0x80);
        let isr = booted.stopped_at("KeInsertQueueDpc");
        // The DPC comes when the queues have nothing to work with any more.
        booted.go_on(&isr);
        booted.go_on(&disconnecting);
        stop.join().unwrap().unwrap();
        works(&booted, machine);
        booted.shut_down();
    }
}

#[test]
fn an_interrupt_during_the_dpc_is_seen_to_by_another_run_of_it() {
    let (booted, file) = start("smp4");
    let (first, stop) = hold(&booted, &file, Point::BeforeCompletion);
    // The queue's lock is free, so the next is started, computed, and its interrupt taken.
    booted.break_at("KeInsertQueueDpc");
    let second = from_another_thread(&file);
    let isr = booted.stopped_at("KeInsertQueueDpc");
    booted.go_on(&isr);
    assert!(!first.is_complete());
    booted.go_on(&stop);
    check(&first.end("the first"), SUCCESS, "the first");
    check(&second.end("the second"), SUCCESS, "the second");
    works(&booted, "an interrupt during the DPC");
    drop((first, second, file));
    booted.shut_down();
}

#[test]
fn requests_that_come_while_the_dpc_has_the_queue_are_started_by_it() {
    let (booted, file) = start("smp4");
    let edu = booted.edu(0).unwrap();
    let (first, isr) = hold(&booted, &file, Point::InIsr);
    // The same thread's next request: the dispatch routine of the first has returned by then.
    let before = edu.statistics().unwrap().fixed.queues[0].try_lock_misses;
    // The DPC holds the queue's lock: it is about to look for the next request.
    booted.break_at("IoCsqRemoveNextIrp");
    booted.go_on(&isr);
    let stop = booted.stopped_at("IoCsqRemoveNextIrp");
    // Its dispatch routine tries the lock, misses, and leaves the request to the DPC.
    let second = from_another_thread(&file);
    until("the lock is missed", || {
        edu.statistics().unwrap().fixed.queues[0].try_lock_misses != before
    });
    assert!(!second.is_complete());
    booted.go_on(&stop);
    check(&first.end("the first"), SUCCESS, "the first");
    check(&second.end("the second"), SUCCESS, "the second");
    drop(edu);
    works(&booted, "a missed lock");
    drop((first, second, file));
    booted.shut_down();
}

/// The ISR is held with one event while another is raised and the device is to lose its power: who
/// silences it waits for the interrupt lock, and mostly has it before the interrupt of the other event
/// is taken, which then has nothing to say any more.
#[test]
fn an_event_that_is_raised_while_its_device_loses_its_power_is_not_lost() {
    let (booted, file) = start("smp4");
    let device = booted.instance(EDU, 0);
    let power = |state| HostRequest::DevicePower {
        device: device.clone(),
        state,
    };
    for round in 0..8 {
        let what = format!("round {round}");
        let wait = wait_for_event(&file, u32::MAX);
        until(&what, || {
            let queues = booted.edu(0).unwrap().statistics().unwrap().fixed.queues;
            queues[QueueKind::Events as usize].depth == 1
        });
        booted.break_at("KeInsertQueueDpc");
        booted.write_register(&device, RAISE, 0x40);
        let isr = booted.stopped_at("KeInsertQueueDpc");
        booted.write_register(&device, RAISE, 0x80);
        booted.break_at("KeAcquireInterruptSpinLock");
        let down = device_event(&booted, power(3));
        let silencing = booted.stopped_at("KeAcquireInterruptSpinLock");
        booted.go_on(&silencing);
        booted.go_on(&isr);
        down.join().unwrap().unwrap();
        booted.host.host_success(power(0)).unwrap();
        check_bits(&wait.end(&what), &what);
        works(&booted, &what);
    }
    drop(file);
    booted.shut_down();
}

/// Sends 5! from a thread of its own: one that has made a request may be under what is stopped.
fn from_another_thread(file: &Arc<NtFile>) -> InFlight {
    let file = Arc::clone(file);
    thread::spawn(move || InFlight::factorial(&file, 5))
        .join()
        .unwrap()
}

fn wait_for_event(file: &Arc<NtFile>, timeout_ms: u32) -> InFlight {
    let input = WaitEventInput {
        header: Header::of::<WaitEventInput>(),
        mask: 0x80,
        timeout_ms,
    };
    InFlight::control(file, Ioctl::WaitEvent, &input, size_of::<WaitEventOutput>())
}

#[test]
fn a_wait_that_is_over_takes_its_time_out_with_it() {
    let (booted, file) = start("smp4");
    let device = booted.instance(EDU, 0);
    let wait = || {
        let wait = wait_for_event(&file, 3_600_000);
        // An event that comes before the request is nobody's.
        let begun = Instant::now();
        while !wait.is_complete() {
            assert!(begun.elapsed() < LIMIT, "the event does not come");
            booted.write_register(&device, RAISE, 0x80);
        }
        check_bits(&wait.end("the event comes"), "the event comes");
        booted.wait_for_no_irps();
    };
    // What is allocated once is there from the first on.
    wait();
    let before = booted.counts().pool_allocations;
    for _ in 0..8 {
        wait();
    }
    // The last share of a time-out may be given back by its DPC.
    let begun = Instant::now();
    while booted.counts().pool_allocations > before {
        assert!(begun.elapsed() < LIMIT, "{:?}", booted.counts());
    }
    works(&booted, "in the end");
    booted.shut_down();
}

#[test]
fn an_event_a_time_out_and_a_cancellation_are_never_two_of_them() {
    // The timers' processor is another than that of this device's DPC.
    let (booted, file) = start_with("numa", 1);
    let device = booted.instance(EDU, 1);
    let works = |what| booted.assert_edu_works(1, what);

    let what = "the event comes while the time-out is being taken care of";
    booted.break_at("IoCsqRemoveIrp");
    let wait = wait_for_event(&file, 1);
    let timer = booted.stopped_at("IoCsqRemoveIrp");
    booted.write_register(&device, RAISE, 0x80);
    check_bits(&wait.end(what), what);
    booted.go_on(&timer);
    works(what);

    let what = "the time-out comes while the event is being taken care of";
    booted.break_at("IoCsqRemoveNextIrp");
    let wait = wait_for_event(&file, 50);
    booted.write_register(&device, RAISE, 0x80);
    let event = booted.stopped_at("IoCsqRemoveNextIrp");
    let ended = wait.end(what);
    assert_eq!(ended.status, Status::Nt(IO_TIMEOUT), "{what}");
    booted.go_on(&event);
    works(what);

    let what = "it is canceled while the event is being taken care of";
    booted.break_at("IoCsqRemoveNextIrp");
    let wait = wait_for_event(&file, u32::MAX);
    booted.write_register(&device, RAISE, 0x80);
    let event = booted.stopped_at("IoCsqRemoveNextIrp");
    wait.cancel().join().unwrap();
    assert_eq!(wait.end(what).status, Status::Nt(CANCELLED), "{what}");
    booted.go_on(&event);
    works(what);

    let what = "it is canceled while the time-out is being taken care of";
    booted.break_at("IoCsqRemoveIrp");
    let wait = wait_for_event(&file, 1);
    let timer = booted.stopped_at("IoCsqRemoveIrp");
    let canceller = wait.cancel();
    // The canceled request takes its time-out with it, so it waits for the timer's routine.
    booted.go_on(&timer);
    canceller.join().unwrap();
    let ended = wait.end(what);
    assert!(
        [CANCELLED, IO_TIMEOUT]
            .map(Status::Nt)
            .contains(&ended.status),
        "{what}: {ended:?}"
    );
    works(what);
    drop(wait);
    drop(file);
    booted.shut_down();
}

fn check_bits(ended: &IoStatus, what: &str) {
    assert_eq!(ended.status, Status::Nt(SUCCESS), "{what}");
    let (answer, _) = WaitEventOutput::read_from_prefix(ended.output()).unwrap();
    assert_eq!(answer.bits, 0x80, "{what}");
}
