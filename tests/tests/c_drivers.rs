//! Drivers written in C against the DDK's own headers do what the kernel's documentation
//! promises them, driven by clients from outside, and leave nothing behind.
//!
//! Their sources are in `drivers/c`; the first lines of each say what it is for.
#![cfg(unix)]

use std::{path::Path, thread, time::Duration};

use eductl::{
    Interrupt, IoStatus, Overlapped, Request, Status, device::OpenDevice, io::IoSystem,
    nthost::NtHost,
};
use eduwdm_abi::InterfaceClass;
use eduwdm_qemu::manifest as manifests;
use eduwdm_tests::{Booted, boot, options};
use nthost_protocol::{
    HostRequest, Manifest,
    host::{Device, PnpOperation},
    manifest::{DriverImage, Role},
};

const EDU: &str = r"PCI\VEN_1234&DEV_11E8";
const TESTDEV: &str = r"PCI\VEN_1B36&DEV_0005";

const SUCCESS: Status = Status::Nt(0);
const DEVICE_BUSY: Status = Status::Nt(0x8000_0011);
const NO_MORE_ENTRIES: Status = Status::Nt(0x8000_001a);
const INFO_LENGTH_MISMATCH: Status = Status::Nt(0xc000_0004);
const INVALID_PARAMETER: Status = Status::Nt(0xc000_000d);
const INVALID_DEVICE_REQUEST: Status = Status::Nt(0xc000_0010);
const UNSUCCESSFUL: Status = Status::Nt(0xc000_0001);
const QUERY_VETOED: Status = Status::Nt(0x8000_0028);
const CANCELLED: Status = Status::Nt(0xc000_0120);

/// The interface class of a driver here: all but its last byte is theirs in common.
const fn class(last: u8) -> InterfaceClass {
    InterfaceClass {
        data1: 0x8f1f_6f0a,
        data2: 0x38a5,
        data3: 0x4f36,
        data4: [0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, last],
    }
}

fn driver(service: &str, role: Role, hardware_id: &str) -> DriverImage {
    DriverImage {
        service: service.to_owned(),
        image: format!("{service}.sys"),
        role,
        hardware_ids: vec![hardware_id.to_owned()],
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    }
}

fn boot_function(service: &str, hardware_id: &str) -> Booted {
    let manifest = Manifest {
        drivers: vec![driver(service, Role::Function, hardware_id)],
        ..Manifest::default()
    };
    boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"))
}

fn open(host: &NtHost, class: u8) -> OpenDevice {
    let paths = host.interface_list(&self::class(class)).unwrap();
    let [path] = paths.as_slice() else {
        panic!("one interface is due, not {paths:?}")
    };
    OpenDevice::open(host, path, &Interrupt::default()).unwrap()
}

fn submit(device: &OpenDevice, what: &str, request: Request) -> Overlapped {
    device.submit(what, request).unwrap()
}

fn ended(device: &OpenDevice, what: &str, request: Request) -> IoStatus {
    submit(device, what, request).wait().unwrap()
}

/// The device node that a service is the function driver of.
fn device_of(booted: &Booted, service: &str) -> Device {
    let devices = booted.host.devices().unwrap();
    let mut of_service = devices.into_iter().filter(|node| node.service == service);
    of_service.next().expect("the device is there")
}

/// Removes the first device of a service in the orderly way.
fn remove(booted: &Booted, service: &str) {
    let node = device_of(booted, service);
    wait_for_no_handles(booted, &node);
    let done = booted.host.pnp(&node.instance, PnpOperation::Remove);
    done.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()));
}

/// Asks whether a device may go until it may: the handles of a client that is gone are closed once
/// its requests have ended, and until then they veto that.
fn wait_for_no_handles(booted: &Booted, node: &Device) {
    for _ in 0..1200 {
        let asked = booted.host.pnp(&node.instance, PnpOperation::QueryRemove);
        match asked {
            Ok(()) => return,
            Err(fault) if fault.status() == Some(QUERY_VETOED) => {
                thread::sleep(Duration::from_millis(50));
            }
            Err(fault) => panic!("{fault}\n{}", booted.log()),
        }
    }
    panic!("{} is still in use\n{}", node.instance, booted.log());
}

/// Removes the device and unloads its driver, at which the verifier looks for what is left, and
/// ends the machine.
fn remove_and_unload(booted: Booted, service: &str, services: &[&str]) {
    remove(&booted, service);
    for service in services {
        let unload = HostRequest::UnloadDriver {
            service: (*service).to_owned(),
        };
        let unloaded = booted.host.host_success(unload);
        unloaded.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()));
    }
    let report = booted.host.verifier().unwrap();
    let left = [
        report.pool_allocations,
        report.irps,
        report.locks,
        report.interrupts,
        report.pages,
        report.locked_pages,
        report.map_registers,
        report.mappings,
        report.objects,
    ];
    assert_eq!(left, [0; 9], "{report:?}");
    booted.shut_down();
}

/// Waits until no IRP is left: those of a client that has gone end when its process does.
fn wait_for_no_irps(booted: &Booted) {
    for _ in 0..1200 {
        if booted.host.verifier().unwrap().irps == 0 {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!(
        "IRPs of a client that is gone are still there: {:?}",
        booted.host.verifier().unwrap()
    );
}

fn read(length: u32) -> Request {
    Request::Read { offset: 0, length }
}

fn write(data: &[u8]) -> Request {
    Request::Write {
        offset: 0,
        data: data.to_vec(),
    }
}

/// How many reads the driver lets wait.
const QUEUE_LIMIT: usize = 64;

#[test]
fn a_cancel_safe_queue_keeps_its_order_gives_canceled_irps_up_and_refuses_when_it_says_so() {
    let booted = boot_function("csq", EDU);
    let device = open(&booted.host, 1);

    // First come, first served, around one that is canceled.
    let first = submit(&device, "first read", read(16));
    let second = submit(&device, "second read", read(16));
    let third = submit(&device, "third read", read(3));
    second.cancel();
    assert_eq!(second.wait().unwrap().status, CANCELLED);
    assert!(!first.is_complete() && !third.is_complete());
    let written = ended(&device, "first write", write(b"one"));
    assert_eq!((written.status, written.information), (SUCCESS, 3));
    let first = first.wait().unwrap();
    assert_eq!((first.status, first.output()), (SUCCESS, &b"one"[..]));
    // What does not fit stays behind.
    let written = ended(&device, "second write", write(b"three"));
    assert_eq!((written.status, written.information), (SUCCESS, 3));
    let third = third.wait().unwrap();
    assert_eq!((third.status, third.output()), (SUCCESS, &b"thr"[..]));
    let unread = ended(&device, "third write", write(b"none"));
    assert_eq!(unread.status, NO_MORE_ENTRIES);

    // An IRP that the insert routine refuses is not queued, and its status reaches the client.
    let waiting: Vec<_> = (0..QUEUE_LIMIT)
        .map(|number| submit(&device, &format!("read {number}"), read(1)))
        .collect();
    let refused = ended(&device, "one read too many", read(1));
    assert_eq!(refused.status, DEVICE_BUSY);
    device.cancel_all();
    for read in waiting {
        assert_eq!(read.wait().unwrap().status, CANCELLED);
    }

    // A client that dies leaves nothing in the queue.
    let other = NtHost::connect(booted.session.socket()).unwrap();
    let others = open(&other, 1);
    let lost: Vec<_> = (0..5)
        .map(|number| submit(&others, &format!("lost read {number}"), read(1)))
        .collect();
    let mine = submit(&device, "a read that stays", read(4));
    assert!(lost.iter().all(|read| !read.is_complete()));
    other.hang_up();
    drop((lost, others, other));
    // Those of the dead client were first in the queue.
    let first_left = loop {
        let written = ended(&device, "a write past the dead", write(b"live"));
        if written.information != 1 {
            break written;
        }
    };
    assert_eq!((first_left.status, first_left.information), (SUCCESS, 4));
    assert_eq!(mine.wait().unwrap().output(), b"live");
    wait_for_no_irps(&booted);

    // Whatever waits is canceled before a device goes.
    let waiting = submit(&device, "a read until removal", read(1));
    let node = device_of(&booted, "csq");
    // The device is open, so the query is vetoed and the stack told that it stays.
    let query = HostRequest::Pnp {
        device: node.instance,
        operation: PnpOperation::QueryRemove,
    };
    let vetoed = booted.host.host(query).unwrap();
    assert_eq!(vetoed, QUERY_VETOED);
    assert_eq!(waiting.wait().unwrap().status, CANCELLED);
    let written = ended(&device, "a write after all", write(b"none"));
    assert_eq!(written.status, NO_MORE_ENTRIES);
    drop(device);
    remove_and_unload(booted, "csq", &["csq"]);
}

/// `IOCTL_RUN` of the driver: `CTL_CODE(0x9001, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)`.
const RUN: u32 = 0x9001 << 16 | 0x800 << 2;

fn run(test: u32, writes: u32) -> Request {
    Request::DeviceControl {
        code: RUN,
        input: [test.to_le_bytes(), writes.to_le_bytes()].concat(),
        output_length: 8,
    }
}

/// How many writes the device has counted, and how often `StartIo` was found running already.
fn counted(status: &IoStatus) -> (u32, u32) {
    let output = status.output();
    let word = |at: usize| u32::from_le_bytes(output[at..at + 4].try_into().unwrap());
    (word(0), word(4))
}

#[test]
fn start_io_gets_one_irp_at_a_time_in_order_and_canceled_ones_never() {
    let booted = boot_function("startio", TESTDEV);
    let device = open(&booted.host, 2);

    for writes in [0, 1, 10, 1000] {
        let ran = ended(&device, "a run", run(0, writes));
        assert_eq!(ran.status, SUCCESS, "{writes} writes");
        assert_eq!(counted(&ran), (writes, 0), "{writes} writes");
    }
    assert_eq!(
        ended(&device, "no such test", run(3, 1)).status,
        INVALID_PARAMETER
    );
    assert_eq!(
        ended(&device, "too many writes", run(0, 1001)).status,
        INVALID_PARAMETER
    );
    let short = Request::DeviceControl {
        code: RUN,
        input: vec![0; 7],
        output_length: 8,
    };
    assert_eq!(
        ended(&device, "short input", short).status,
        INFO_LENGTH_MISMATCH
    );
    let other = Request::DeviceControl {
        code: RUN + 4,
        input: vec![0; 8],
        output_length: 8,
    };
    assert_eq!(
        ended(&device, "another code", other).status,
        INVALID_DEVICE_REQUEST
    );

    // A queue of them: each is run with its own parameters, none while another runs.
    let queue: Vec<_> = (1..=40)
        .map(|writes| (writes, submit(&device, "a queued run", run(0, writes))))
        .collect();
    for (writes, ran) in queue {
        let ran = ran.wait().unwrap();
        assert_eq!(ran.status, SUCCESS);
        assert_eq!(counted(&ran), (writes, 0));
    }

    // Of a queue that is canceled, each IRP is either done or canceled, and the queue goes on.
    let queue: Vec<_> = (1..=40)
        .map(|writes| (writes, submit(&device, "a canceled run", run(0, writes))))
        .collect();
    device.cancel_all();
    let mut canceled = 0;
    for (writes, ran) in queue {
        let ran = ran.wait().unwrap();
        if ran.status == CANCELLED {
            canceled += 1;
            assert_eq!(ran.information, 0);
        } else {
            assert_eq!(ran.status, SUCCESS);
            assert_eq!(counted(&ran), (writes, 0));
        }
    }
    assert!(canceled > 0, "40 ms of work were waiting");
    let ran = ended(&device, "a run after all", run(0, 7));
    assert_eq!(counted(&ran), (7, 0));

    // A client that dies with a queue full.
    let other = NtHost::connect(booted.session.socket()).unwrap();
    let others = open(&other, 2);
    let lost: Vec<_> = (0..20)
        .map(|_| submit(&others, "a lost run", run(0, 5)))
        .collect();
    other.hang_up();
    drop((lost, others, other));
    let ran = ended(&device, "a run beside the dead", run(0, 9));
    assert_eq!(counted(&ran), (9, 0));
    wait_for_no_irps(&booted);

    // The driver cannot have its registers moved, says so, and stays as it is.
    let node = device_of(&booted, "startio");
    let stop = HostRequest::Pnp {
        device: node.instance,
        operation: PnpOperation::QueryStop,
    };
    assert_eq!(booted.host.host(stop).unwrap(), UNSUCCESSFUL);
    let ran = ended(&device, "a run after the query", run(0, 3));
    assert_eq!(counted(&ran), (3, 0));
    drop(device);
    remove_and_unload(booted, "startio", &["startio"]);
}

/// How long a line of the log may take: no test measures time.
const LOG_LIMIT: Duration = Duration::from_mins(1);
/// What the filter says when it is removed, before its counts.
const REMOVED: &str = "filter: passed ";

/// Drives the first `edu` device through a filter, and gives what the filter counted: passed,
/// completed, and pending when completed.
fn filtered(role: Role) -> [u64; 3] {
    let mut manifest = manifests::load(Path::new(manifests::EDUWDM)).unwrap();
    manifest.drivers.push(driver("filter", role, EDU));
    let booted = boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let edu = booted.edu(0).unwrap();
    for n in [0, 1, 5, 12] {
        let factorial = (1..=n).product::<u32>();
        assert_eq!(edu.factorial(n).unwrap().wait().unwrap().result, factorial);
        assert_eq!(edu.liveness(n).unwrap(), !n);
    }
    drop(edu);
    remove(&booted, "eduwdm");
    let log = &booted.session.guest.log;
    let line = log.wait(LOG_LIMIT, |line| line.contains(REMOVED));
    let line = line.expect("the filter says what it counted when it is removed");
    let (_, line) = line.split_once(REMOVED).expect("it was just found");
    let counts: Vec<u64> = line
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    booted.shut_down();
    counts.try_into().expect("three counts")
}

#[test]
fn a_filter_above_sees_each_irp_pass_and_complete_and_whether_it_pended() {
    let [passed, completed, pending] = filtered(Role::UpperFilter);
    // Create, four of each request, cleanup and close.
    assert!(passed >= 11, "{passed}");
    assert_eq!(completed, passed);
    assert!(
        pending >= 4,
        "each factorial waits for its interrupt: {pending}"
    );
}

#[test]
fn a_filter_below_the_function_driver_gets_what_that_passes_down() {
    let [passed, completed, _] = filtered(Role::LowerFilter);
    assert_eq!(completed, passed);
}
