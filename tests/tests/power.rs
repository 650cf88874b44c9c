//! Requests wait while the device has no power, and run when it has it again.
#![cfg(unix)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use eductl::{DeviceKind, Error, nthost::NtFile, status::Status};
use eduwdm_abi::{
    Header, Ioctl,
    testdev::{RunInput, RunOutput},
};
use eduwdm_qemu::device_trace::accesses;
use eduwdm_tests::{Booted, InEachQueue, InFlight, boot, manifest, options};
use nthost_protocol::{
    Fault, FaultState, HostRequest, IrpEffect,
    host::{DeviceState, PnpOperation},
    manifest::{RegistryData, RegistryValue},
};
use zerocopy::FromBytes;

const CANCELLED: u32 = 0xc000_0120;
const DEVICE_NOT_READY: u32 = 0xc000_00a3;
const DEVICE_BUSY: u32 = 0x8000_0011;
const INSUFFICIENT_RESOURCES: u32 = 0xc000_009a;
const DEVICE_REMOVED: u32 = 0xc000_02b6;

/// How long anything may take before the test fails: no test measures time.
const LIMIT: Duration = Duration::from_secs(30);

const IRP_MJ_POWER: u8 = 0x16;
const IRP_MN_QUERY_POWER: u8 = 0x03;

const EDU: &str = "VEN_1234&DEV_11E8";
const TESTDEV: &str = "VEN_1B36&DEV_0005";

struct Powered {
    booted: Booted,
    file: Arc<NtFile>,
    edu: String,
    testdev: String,
}

impl Powered {
    fn boot() -> Self {
        // The tests say when the device has power.
        let mut manifest = manifest();
        manifest.drivers[0].service_values.push(RegistryValue {
            key: "Parameters".to_owned(),
            name: "IdleTimeout".to_owned(),
            data: RegistryData::Dword(0),
        });
        let booted = boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
        let path = booted.path(DeviceKind::Edu, 0).unwrap();
        let file = InFlight::open(&booted, &path);
        let (edu, testdev) = (booted.instance(EDU, 0), booted.instance(TESTDEV, 0));
        Self {
            booted,
            file,
            edu,
            testdev,
        }
    }

    fn power(&self, device: &str, state: u8) {
        let request = HostRequest::DevicePower {
            device: device.to_owned(),
            state,
        };
        let what = format!("D{state} of {device}");
        self.host(request, &what);
    }

    fn sleep(&self, state: u8) {
        let request = HostRequest::SystemPower { state };
        self.host(request, &format!("S{state}"));
    }

    fn host(&self, request: HostRequest, what: &str) {
        let done = self.booted.host.host_success(request);
        done.unwrap_or_else(|fault| panic!("{what}: {fault}"));
    }

    fn end(self) {
        self.booted.assert_edu_works(0, "in the end");
        drop(self.file);
        self.booted.assert_nothing_of_requests_left();
        self.booted.shut_down();
    }
}

fn status(result: Result<(), Error>) -> Status {
    match result {
        Err(Error::Refused { status, .. }) => status,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn requests_of_each_queue_wait_for_the_power_and_run_with_it() {
    let machine = Powered::boot();
    for state in 1..=3 {
        let what = format!("D{state}");
        machine.power(&machine.edu, state);
        let requests = InEachQueue::send(&machine.file);
        // What would touch the device at once is refused.
        let edu = machine.booted.edu(0).unwrap();
        let refused = Status::Nt(DEVICE_NOT_READY);
        assert_eq!(status(edu.liveness(1).map(drop)), refused, "{what}");
        assert_eq!(status(edu.raise(0x80)), refused, "{what}");
        assert_eq!(status(edu.reset()), refused, "{what}");
        drop(edu);
        requests.assert_waiting(&what);
        machine.power(&machine.edu, 0);
        requests.end_well(&machine.booted, 0, &what);
    }
    machine.end();
}

#[test]
fn from_one_state_without_power_to_another_requests_go_on_waiting() {
    let machine = Powered::boot();
    machine.power(&machine.edu, 1);
    let requests = InEachQueue::send(&machine.file);
    for state in [3, 3, 2] {
        machine.power(&machine.edu, state);
        requests.assert_waiting("without power");
    }
    machine.power(&machine.edu, 0);
    requests.end_well(&machine.booted, 0, "with power");
    // And again to where it is.
    machine.power(&machine.edu, 0);
    machine.end();
}

#[test]
fn requests_that_wait_for_the_power_can_be_canceled_and_end_with_their_handle() {
    let machine = Powered::boot();
    machine.power(&machine.edu, 3);
    let requests = InEachQueue::send(&machine.file);
    requests.cancel();
    requests.end_with(CANCELLED, "canceled without power");
    let path = machine.booted.path(DeviceKind::Edu, 0).unwrap();
    let other = InFlight::open(&machine.booted, &path);
    let requests = InEachQueue::send(&machine.file);
    let others = InEachQueue::send(&other);
    other.close();
    others.end_with(CANCELLED, "their handle is closed");
    requests.assert_waiting("another handle's");
    machine.power(&machine.edu, 0);
    requests.end_well(&machine.booted, 0, "another handle's");
    drop(other);
    machine.end();
}

#[test]
fn the_system_sleeps_and_wakes_with_requests_waiting() {
    let machine = Powered::boot();
    let testdev = machine.booted.testdev().unwrap();
    for round in 0..3 {
        let what = format!("sleep {round}");
        machine.sleep(3);
        let requests = InEachQueue::send(&machine.file);
        let run = testdev.run(0, 0, 5).unwrap();
        requests.assert_waiting(&what);
        machine.sleep(0);
        requests.end_well(&machine.booted, 0, &what);
        assert_eq!(run.wait().unwrap().writes, 5, "{what}");
    }
    drop(testdev);
    machine.end();
}

#[test]
fn what_is_on_the_device_is_finished_before_its_power_goes() {
    let machine = Powered::boot();
    for round in 0..3 {
        let what = format!("round {round}");
        let running: Vec<_> = (0..3).map(|_| InEachQueue::send(&machine.file)).collect();
        machine.power(&machine.edu, 3);
        machine.power(&machine.edu, 0);
        for requests in running {
            requests.end_well(&machine.booted, 0, &what);
        }
    }
    machine.end();
}

/// A fault of the driver's power requests: those from the n-th on, so many.
fn no_power_irp(nth: u32, count: u32) -> HostRequest {
    HostRequest::Fault(Fault::Call {
        routine: "PoRequestPowerIrp".to_owned(),
        service: "eduwdm".to_owned(),
        offset: None,
        nth,
        count,
    })
}

/// How many power queries come to a device of the stack, to each one by one: the count of a fault
/// that strikes none.
fn queries_sent(machine: &Powered, device: &str) -> u64 {
    let faults = machine.booted.host.faults().unwrap();
    let about = |state: &&FaultState| match &state.fault {
        Fault::Irp { device: of, .. } => of == device,
        _ => false,
    };
    faults.iter().find(about).map_or(0, |state| state.matched)
}

fn query_fault(device: &str, count: u32) -> HostRequest {
    HostRequest::Fault(Fault::Irp {
        device: device.to_owned(),
        major: IRP_MJ_POWER,
        minor: Some(IRP_MN_QUERY_POWER),
        // The system's query comes to the driver and to its bus, then the device's to both.
        nth: 3,
        count,
        effect: IrpEffect::Fail(DEVICE_BUSY.cast_signed()),
    })
}

#[test]
fn the_device_is_asked_whether_it_may_sleep_and_its_answer_is_the_systems() {
    let machine = Powered::boot();
    for device in [&machine.edu, &machine.testdev] {
        machine.host(query_fault(device, 0), "counting");
        machine.sleep(3);
        machine.sleep(0);
        assert_eq!(queries_sent(&machine, device), 4, "{device}");
        machine.host(HostRequest::ClearFaults, "counting");

        machine.host(query_fault(device, 1), "a lower driver is against it");
        let request = HostRequest::SystemPower { state: 3 };
        let status = machine.booted.host.host(request).unwrap();
        assert_eq!(status, Status::Nt(DEVICE_BUSY), "{device}");
        machine.host(HostRequest::ClearFaults, "a lower driver is against it");
    }
    machine.end();
}

#[test]
fn without_memory_for_power_irps_the_system_sleeps_and_wakes_all_the_same() {
    let machine = Powered::boot();
    // Two devices have the driver. Neither gets an IRP to sleep, and both get theirs to wake only
    // when they ask for the second time: requests wait for it.
    for (what, nth, count) in [
        ("none to sleep", 2, 2),
        ("none to wake", 4, 2),
        ("none at all", 2, 4),
    ] {
        machine.host(no_power_irp(nth, count), what);
        machine.sleep(3);
        let requests = InEachQueue::send(&machine.file);
        requests.assert_waiting(what);
        machine.sleep(0);
        requests.end_well(&machine.booted, 0, what);
        let faults = machine.booted.host.faults().unwrap();
        assert_eq!(faults[0].struck, u64::from(count), "{what}: {faults:?}");
        machine.host(HostRequest::ClearFaults, what);
    }
    // A query may be failed, and is.
    machine.host(no_power_irp(0, 1), "none to ask");
    let request = HostRequest::SystemPower { state: 3 };
    let status = machine.booted.host.host(request).unwrap();
    assert_eq!(status, Status::Nt(INSUFFICIENT_RESOURCES));
    machine.host(HostRequest::ClearFaults, "none to ask");
    machine.end();
}

#[test]
fn without_memory_for_a_completion_routine_power_irps_are_waited_for() {
    let machine = Powered::boot();
    machine.host(
        HostRequest::Fault(Fault::Call {
            routine: "IoSetCompletionRoutineEx".to_owned(),
            service: "eduwdm".to_owned(),
            offset: None,
            nth: 0,
            count: u32::MAX,
        }),
        "no completion routine",
    );
    let what = "no completion routine";
    machine.sleep(3);
    let requests = InEachQueue::send(&machine.file);
    requests.assert_waiting(what);
    machine.sleep(0);
    requests.end_well(&machine.booted, 0, what);
    let faults = machine.booted.host.faults().unwrap();
    // Of each device: the query, the sleep, the wake-up and the power-up.
    assert_eq!(faults[0].struck, 8, "{faults:?}");
    machine.host(HostRequest::ClearFaults, what);
    machine.end();
}

#[test]
fn a_device_that_comes_back_as_another_is_removed_and_its_requests_end() {
    for index in 0..2 {
        let machine = Powered::boot();
        let device = [&machine.edu, &machine.testdev][index].clone();
        machine.power(&device, 3);
        let requests = InEachQueue::send(&machine.file);
        let testdev = machine.booted.testdev().unwrap();
        let run = testdev.run(0, 0, 5).unwrap();
        let fault = Fault::OtherDevice {
            device: device.clone(),
            nth: 0,
            count: 1,
        };
        machine.host(HostRequest::Fault(fault), "another device");
        // The IRP itself must not fail.
        machine.power(&device, 0);
        if index == 0 {
            requests.end_with(DEVICE_REMOVED, "another device");
            assert_eq!(run.wait().unwrap().writes, 5);
        } else {
            let refused = run.wait().map(drop);
            assert_eq!(status(refused), Status::Nt(DEVICE_REMOVED));
            requests.end_well(&machine.booted, 0, "the other one");
        }
        drop((testdev, machine.file));
        // It is removed now that no handle is left.
        let begun = Instant::now();
        let state = || {
            let devices = machine.booted.host.devices().unwrap();
            let node = devices.iter().find(|node| node.instance == device);
            node.expect("a node stays").state
        };
        while state() != DeviceState::Removed {
            assert!(begun.elapsed() < LIMIT, "it stays: {:?}", state());
        }
        machine.booted.shut_down();
    }
}

#[test]
fn a_device_without_power_is_not_touched_when_it_is_unplugged() {
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let mut options = options(manifest());
    options.extras.device_trace = Some(trace.clone());
    let booted = boot("smp4", &options).unwrap_or_else(|fault| panic!("{fault}"));
    let device = booted.instance(EDU, 0);
    let host = |request| {
        let done = booted.host.host_success(request);
        done.unwrap_or_else(|fault| panic!("{fault}"));
    };
    host(HostRequest::DevicePower {
        device: device.clone(),
        state: 3,
    });
    let before = accesses(&trace, "edu-mmio").unwrap().len();
    assert_ne!(before, 0, "nothing is traced");
    // It is there still: somebody else has found a fault.
    host(HostRequest::Pnp {
        device,
        operation: PnpOperation::Fail,
    });
    let after = accesses(&trace, "edu-mmio").unwrap();
    assert_eq!(after.len(), before, "{:x?}", &after[before..]);
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

#[test]
fn start_io_waits_for_the_power_with_the_request_that_it_has_and_those_behind_it() {
    let machine = Powered::boot();
    let path = machine.booted.path(DeviceKind::Testdev, 0).unwrap();
    let file = InFlight::open(&machine.booted, &path);
    machine.power(&machine.testdev, 3);
    let run = |writes| {
        let input = RunInput {
            header: Header::of::<RunInput>(),
            bar: 1,
            test: 0,
            writes,
            reserved: 0,
        };
        InFlight::control(&file, Ioctl::TestdevRun, &input, size_of::<RunOutput>())
    };
    let waiting: Vec<_> = (1..=5).map(run).collect();
    // The one that StartIo has, and one that the system has still.
    for index in [0, 3] {
        waiting[index].cancel().join().unwrap();
        let ended = waiting[index].end("canceled without power");
        assert_eq!(ended.status, Status::Nt(CANCELLED));
    }
    machine.power(&machine.testdev, 0);
    for (writes, run) in (1..).zip(waiting) {
        let what = format!("{writes} writes");
        let ended = run.end(&what);
        if writes == 1 || writes == 4 {
            assert_eq!(ended.status, Status::Nt(CANCELLED), "{what}");
        } else {
            assert_eq!(ended.status, Status::Nt(0), "{what}");
            let (output, _) = RunOutput::read_from_prefix(ended.output()).unwrap();
            assert_eq!((output.writes, output.counted), (writes, writes));
        }
    }
    drop(file);
    machine.end();
}
