//! Requests wait while the device has no power, and run when it has it again.
#![cfg(unix)]

use std::sync::Arc;

use eductl::{DeviceKind, Error, nthost::NtFile, status::Status};
use eduwdm_abi::{
    Header, Ioctl,
    testdev::{RunInput, RunOutput},
};
use eduwdm_tests::{Booted, InEachQueue, InFlight, boot, manifest, options};
use nthost_protocol::HostRequest;
use zerocopy::FromBytes;

const CANCELLED: u32 = 0xc000_0120;
const DEVICE_NOT_READY: u32 = 0xc000_00a3;

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
        let booted = boot("smp4", &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
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
fn requests_that_wait_for_the_power_can_be_cancelled_and_end_with_their_handle() {
    let machine = Powered::boot();
    machine.power(&machine.edu, 3);
    let requests = InEachQueue::send(&machine.file);
    requests.cancel();
    requests.end_with(CANCELLED, "cancelled without power");
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
        let ended = waiting[index].end("cancelled without power");
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
