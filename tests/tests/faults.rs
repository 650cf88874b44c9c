//! Faults on demand: each call that a driver makes to add and start its device is made to fail,
//! one after the other; requests run while calls fail at random; timers and DPCs are late. The
//! driver takes everything back each time, and works afterwards.
#![cfg(unix)]

use eductl::{DeviceKind, device::Pending, io::Request, status::Status};
use eduwdm_tests::{Booted, InFlight, boot, manifest, options};
use nthost_protocol::{
    Fault, FaultState, HostRequest, IrpEffect, Manifest,
    host::{DeviceState, PnpOperation, Verifier},
    manifest::{DriverImage, Role},
};

const SERVICE: &str = "eduwdm";
const EDU: &str = "VEN_1234&DEV_11E8";
const INSUFFICIENT_RESOURCES: u32 = 0xc000_009a;
const IO_TIMEOUT: u32 = 0xc000_00b5;
/// `IRP_MJ_PNP`.
const PNP: u8 = 0x1b;
/// No driver makes so many calls to start a device: something does not end.
const TOO_MANY: u32 = 200;

struct Machine {
    booted: Booted,
    edu: String,
}

impl Machine {
    fn boot() -> Self {
        let booted = boot("smp4", &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
        let edu = booted.instance(EDU, 0);
        Self { booted, edu }
    }

    fn pnp(&self, operation: PnpOperation) -> Status {
        let device = self.edu.clone();
        let request = HostRequest::Pnp { device, operation };
        self.booted.host.host(request).unwrap()
    }

    fn succeed(&self, operation: PnpOperation, when: &str) {
        let status = self.pnp(operation);
        assert_eq!(status, Status::Nt(0), "{operation:?} {when}");
    }

    fn remove(&self, when: &str) {
        self.succeed(PnpOperation::QueryRemove, when);
        self.succeed(PnpOperation::Remove, when);
    }

    fn state(&self) -> DeviceState {
        let devices = self.booted.host.devices().unwrap();
        let device = devices.iter().find(|node| node.instance == self.edu);
        device.expect("a node stays").state
    }

    fn fault(&self, fault: Fault) {
        let added = self.booted.host.host_success(HostRequest::Fault(fault));
        added.unwrap();
    }

    /// Takes the fault back; says what has become of it.
    fn end_fault(&self) -> FaultState {
        let mut faults = self.booted.host.faults().unwrap();
        let cleared = self.booted.host.host_success(HostRequest::ClearFaults);
        cleared.unwrap();
        assert_eq!(faults.len(), 1, "{faults:?}");
        faults.remove(0)
    }

    fn assert_as_before(&self, before: &Verifier, what: &str) {
        let after = self.booted.counts();
        let counts = |counts: &Verifier| {
            [
                counts.pool_allocations,
                counts.pool_bytes,
                counts.irps,
                counts.locks,
                counts.interrupts,
                counts.pages,
                counts.locked_pages,
                counts.map_registers,
                counts.mappings,
                counts.objects,
            ]
        };
        assert_eq!(
            counts(&after),
            counts(before),
            "{what}: {:#?}",
            after.details
        );
    }

    fn end(self) {
        self.booted.assert_edu_works(0, "in the end");
        self.booted.assert_nothing_of_requests_left();
        self.booted.shut_down();
    }
}

fn call(routine: &str, nth: u32, count: u32) -> Fault {
    Fault::Call {
        routine: routine.to_owned(),
        service: SERVICE.to_owned(),
        offset: None,
        nth,
        count,
    }
}

/// Has the n-th call and `count - 1` behind it fail, for each n, until all of `operation`'s calls
/// have been struck. `prepare` comes before, without faults. Gives the calls struck, and whether
/// the operation failed.
fn fail_each(
    machine: &Machine,
    prepare: Option<PnpOperation>,
    operation: PnpOperation,
    count: u32,
) -> Vec<(String, bool)> {
    machine.remove("before");
    let before = machine.booted.counts();
    let mut steps = Vec::new();
    loop {
        let nth = u32::try_from(steps.len()).unwrap();
        let what = format!("{operation:?} with call {nth} failing ({count} from it on)");
        assert!(nth < TOO_MANY, "{what}");
        if let Some(prepare) = prepare {
            machine.succeed(prepare, &what);
        }
        machine.fault(call("", nth, count));
        let status = machine.pnp(operation);
        let FaultState { struck, last, .. } = machine.end_fault();
        let what = format!("{what}: {last}: {status}");
        if status == Status::Nt(0) {
            // The driver does without what it did not get, or nothing was struck.
            if operation == PnpOperation::AddDevice {
                machine.succeed(PnpOperation::Start, &what);
            }
            machine.booted.assert_edu_works(0, &what);
            machine.remove(&what);
        } else {
            assert_ne!(struck, 0, "{what}");
            assert_eq!(machine.state(), DeviceState::Failed, "{what}");
        }
        machine.assert_as_before(&before, &what);
        if struck == 0 {
            break;
        }
        steps.push((last, status != Status::Nt(0)));
    }
    machine.succeed(PnpOperation::Add, "after all");
    steps
}

fn print(steps: &[(String, bool)], operation: PnpOperation, count: u32) {
    println!(
        "{operation:?}: {} calls made to fail, {count} at a time:",
        steps.len()
    );
    for (last, failed) in steps {
        let end = if *failed { "fails" } else { "goes on without" };
        println!("    {last}: {end}");
    }
}

#[test]
fn a_device_that_fails_to_start_at_any_call_gives_everything_back_and_starts_later() {
    let machine = Machine::boot();
    let (prepare, operation) = (Some(PnpOperation::AddDevice), PnpOperation::Start);
    for count in [1, u32::MAX] {
        let steps = fail_each(&machine, prepare, operation, count);
        print(&steps, operation, count);
        let failed = |routine: &str| {
            let mut steps = steps.iter();
            steps.any(|(last, failed)| *failed && last.starts_with(routine))
        };
        // What no start can do without.
        for routine in ["MmMapIoSpaceEx", "IoConnectInterruptEx", "IoGetDmaAdapter"] {
            assert!(failed(routine), "no start failed for {routine}: {steps:#?}");
        }
    }
    machine.end();
}

#[test]
fn a_device_starts_without_memory_that_it_reaches() {
    let machine = Machine::boot();
    machine.remove("before");
    machine.succeed(PnpOperation::AddDevice, "before");
    // The pages that are asked for within the device's reach, first of its node and then of any, for
    // the one buffer and then for the other; and the buffer that lists are moved through.
    for routine in ["MmAllocateNodePagesForMdlEx", "MmAllocatePagesForMdlEx"] {
        machine.fault(call(routine, 0, 1));
    }
    machine.fault(call("MmAllocatePagesForMdlEx", 1, 1));
    machine.fault(call("MmAllocateNodePagesForMdlEx", 2, 1));
    machine.fault(call("AllocateCommonBuffer", 0, 1));
    machine.succeed(PnpOperation::Start, "without such memory");
    let faults = machine.booted.host.faults().unwrap();
    assert!(faults.iter().all(|fault| fault.struck == 1), "{faults:#?}");
    machine
        .booted
        .host
        .host_success(HostRequest::ClearFaults)
        .unwrap();
    let edu = machine.booted.edu(0).unwrap();
    let tested = edu.self_test(1, 4000, 0).unwrap().wait().unwrap();
    assert_eq!((tested.compared, tested.mismatches), (4000, 0));
    drop(edu);
    machine.end();
}

#[test]
fn a_device_that_cannot_be_added_at_any_call_gives_everything_back_and_is_added_later() {
    let machine = Machine::boot();
    for count in [1, u32::MAX] {
        let steps = fail_each(&machine, None, PnpOperation::AddDevice, count);
        print(&steps, PnpOperation::AddDevice, count);
        let failed = steps.iter().filter(|(_, failed)| *failed).count();
        // IoCreateDevice and IoAttachDeviceToDeviceStackSafe at least.
        assert!(failed >= 2, "{steps:#?}");
    }
    machine.end();
}

#[test]
fn a_driver_whose_entry_fails_at_any_call_leaves_nothing() {
    for nth in 0..TOO_MANY {
        let mut manifest = manifest();
        manifest.hold_devices = true;
        manifest.faults = vec![call("", nth, 1)];
        let booted = boot("up", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
        let drivers = booted.host.drivers().unwrap();
        let status = Status::Nt(drivers[0].status.cast_unsigned());
        let state = booted.host.faults().unwrap().remove(0);
        println!("DriverEntry, call {nth}: {}: {status}", state.last);
        if status != Status::Nt(0) {
            assert_ne!(state.struck, 0, "call {nth}: {status}");
            booted.assert_nothing_left();
        }
        booted.shut_down();
        if state.struck == 0 {
            assert_ne!(nth, 0, "DriverEntry makes no call that may fail");
            return;
        }
    }
    panic!("more than {TOO_MANY} calls");
}

#[test]
fn a_start_that_fails_below_the_driver_gives_everything_back() {
    let machine = Machine::boot();
    machine.remove("before");
    let before = machine.booted.counts();
    machine.succeed(PnpOperation::AddDevice, "before");
    machine.fault(Fault::Irp {
        device: machine.edu.clone(),
        major: PNP,
        minor: Some(0),
        nth: 0,
        count: 1,
        effect: IrpEffect::Fail(INSUFFICIENT_RESOURCES.cast_signed()),
    });
    let status = machine.pnp(PnpOperation::Start);
    assert_eq!(status, Status::Nt(INSUFFICIENT_RESOURCES));
    assert_eq!(machine.end_fault().struck, 1);
    assert_eq!(machine.state(), DeviceState::Failed);
    machine.assert_as_before(&before, "the start failed below");
    machine.succeed(PnpOperation::Add, "afterwards");
    machine.end();
}

#[test]
fn an_mdl_gets_fewer_pages_than_are_asked_for_when_that_is_wanted() {
    let rules = DriverImage {
        service: "rules".to_owned(),
        image: "rules.sys".to_owned(),
        role: Role::Function,
        hardware_ids: Vec::new(),
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    let manifest = Manifest {
        drivers: vec![rules],
        faults: vec![Fault::FewerPages {
            service: "rules".to_owned(),
            nth: 0,
            count: 1,
            pages: 3,
        }],
        ..Manifest::default()
    };
    let booted = boot("up", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let FaultState { struck, last, .. } = booted.host.faults().unwrap().remove(0);
    assert_eq!(struck, 1, "{}", booted.log());
    assert!(
        last.starts_with("MmAllocatePagesForMdlEx from rules.sys"),
        "{last}"
    );
    // The first of its MDLs has three pages instead of five, and is one.
    let log = booted.log();
    assert!(
        log.contains("rules: FAILED an MDL of pages describes them all"),
        "{log}"
    );
    assert!(log.contains("hold, 1 failed"), "{log}");
}

#[test]
fn a_start_that_stays_below_the_driver_for_a_while_ends_well() {
    let machine = Machine::boot();
    machine.remove("before");
    machine.succeed(PnpOperation::AddDevice, "before");
    machine.fault(Fault::Irp {
        device: machine.edu.clone(),
        major: PNP,
        minor: Some(0),
        nth: 0,
        count: 1,
        effect: IrpEffect::Pend { milliseconds: 50 },
    });
    machine.succeed(PnpOperation::Start, "with the IRP pending below");
    assert_eq!(machine.end_fault().struck, 1);
    machine.end();
}

#[test]
fn a_fault_of_one_place_strikes_the_calls_of_that_place_alone() {
    let machine = Machine::boot();
    machine.remove("before");
    machine.fault(call("IoConnectInterruptEx", 0, 1));
    let status = machine.pnp(PnpOperation::Add);
    assert_eq!(status, Status::Nt(INSUFFICIENT_RESOURCES));
    let last = machine.end_fault().last;
    let place = last.split_once("+0x").expect(&last).1;
    let place = u64::from_str_radix(place, 16).expect(&last);
    let at = |offset| Fault::Call {
        routine: String::new(),
        service: SERVICE.to_owned(),
        offset: Some(offset),
        nth: 0,
        count: u32::MAX,
    };
    machine.fault(at(place + 1));
    machine.succeed(PnpOperation::Add, "with a fault of no call");
    assert_eq!(machine.end_fault().matched, 0);
    machine.remove("in between");
    machine.fault(at(place));
    let status = machine.pnp(PnpOperation::Add);
    assert_eq!(status, Status::Nt(INSUFFICIENT_RESOURCES));
    let state = machine.end_fault();
    assert_eq!(state.last, last);
    assert_ne!(state.struck, 0);
    machine.succeed(PnpOperation::Add, "without faults");
    machine.end();
}

#[test]
fn a_fault_of_the_manifest_stands_before_the_first_device_is_started() {
    let mut manifest = manifest();
    manifest.faults = vec![call("IoConnectInterruptEx", 0, u32::MAX)];
    let booted = boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    let edu = booted.instance(EDU, 0);
    let machine = Machine { booted, edu };
    assert_eq!(machine.state(), DeviceState::Failed);
    assert_ne!(machine.end_fault().struck, 0);
    machine.succeed(PnpOperation::Add, "without faults");
    machine.end();
}

#[test]
fn requests_whose_calls_fail_at_random_fail_and_leave_nothing() {
    const SEED: u64 = 0x5eed;
    let machine = Machine::boot();
    let edu = machine.booted.edu(0).unwrap();
    machine.fault(Fault::RandomCalls {
        routine: String::new(),
        service: SERVICE.to_owned(),
        seed: SEED,
        per_mille: 200,
    });
    let mut failed = 0;
    for round in 0..200_u32 {
        let data = vec![round.to_le_bytes()[0]; 1000];
        let written = edu.write_wait(0, data.clone());
        let read = edu.read_wait(0, 1000);
        let answer = edu.factorial(round % 13).and_then(Pending::wait);
        failed += [written.is_err(), read.is_err(), answer.is_err()]
            .iter()
            .filter(|failed| **failed)
            .count();
        if written.is_ok()
            && let Ok(read) = read
        {
            assert_eq!(read, data, "seed {SEED:#x}, round {round}");
        }
    }
    let state = machine.end_fault();
    println!("seed {SEED:#x}: {failed} of 600 requests failed: {state:?}");
    assert_ne!(state.struck, 0, "{state:?}");
    assert_ne!(failed, 0, "seed {SEED:#x}: {state:?}");
    drop(edu);
    machine.end();
}

#[test]
fn requests_end_well_though_dpcs_and_timers_are_late() {
    let machine = Machine::boot();
    let edu = machine.booted.edu(0).unwrap();
    machine.fault(Fault::LateDpc {
        service: SERVICE.to_owned(),
        nth: 1,
        count: 5,
        milliseconds: 20,
    });
    let pending: Vec<_> = (0..13).map(|n| edu.factorial(n).unwrap()).collect();
    for (n, answer) in (0..).zip(pending) {
        let answer = answer.wait().unwrap().result;
        assert_eq!(answer, eductl::edu::factorial_mod_2_32(n), "{n}!");
    }
    let state = machine.end_fault();
    assert_eq!(state.struck, 5, "{state:?}");
    machine.fault(Fault::LateTimer {
        service: SERVICE.to_owned(),
        nth: 0,
        count: 1,
        milliseconds: 20,
    });
    let ended = edu.wait_event(0x1000_0000, Some(std::time::Duration::from_millis(1)));
    let ended = ended.and_then(Pending::wait).unwrap_err();
    assert!(
        ended.to_string().contains(&format!("{IO_TIMEOUT:x}")),
        "{ended}"
    );
    let state = machine.end_fault();
    assert_eq!(state.struck, 1, "{state:?}");
    drop(edu);
    machine.end();
}

/// How many failures each entry of the event log tells of.
fn logged_failures(log: &str) -> Vec<u32> {
    let entries = log.lines().filter(|line| {
        line.contains("error log") && line.contains("IO_ERR_INSUFFICIENT_RESOURCES")
    });
    let count = |line: &str| {
        let (_, data) = line.split_once("data [0x")?;
        let (data, _) = data.split_once(']')?;
        u32::from_str_radix(data, 16).ok()
    };
    entries.filter_map(count).collect()
}

#[test]
fn requests_that_fail_one_after_the_other_take_no_stack_each() {
    let machine = Machine::boot();
    let path = machine.booted.path(DeviceKind::Edu, 0).unwrap();
    let file = InFlight::open(&machine.booted, &path);
    let power = |state| {
        let device = machine.edu.clone();
        let request = HostRequest::DevicePower { device, state };
        machine.booted.host.host_success(request).unwrap();
    };
    // They are there all at once, in both directions, when the device has power again.
    power(3);
    let requests: Vec<_> = (0..200)
        .map(|number| {
            InFlight::send(
                &file,
                if number % 2 == 0 {
                    Request::Read {
                        offset: 0,
                        length: 100,
                    }
                } else {
                    Request::Write {
                        offset: 0,
                        data: vec![1; 100],
                    }
                },
            )
        })
        .collect();
    machine.fault(call("GetScatterGatherList", 0, u32::MAX));
    power(0);
    for request in requests {
        let ended = request.end("a transfer that cannot be mapped");
        assert_eq!(ended.status, Status::Nt(INSUFFICIENT_RESOURCES));
        assert_eq!(ended.information, 0);
    }
    let FaultState { struck, .. } = machine.end_fault();
    assert_eq!(struck, 200);
    // The event log is told of all of them, in fewer entries: a work item that is queued is not
    // queued again.
    let mut told = Vec::new();
    for _ in 0..100_000 {
        told = logged_failures(&machine.booted.log());
        if told.iter().sum::<u32>() == 200 {
            break;
        }
    }
    println!("200 failures in {} entries of the event log", told.len());
    assert_eq!(told.iter().sum::<u32>(), 200, "{told:?}");
    assert!(told.len() < 200, "{told:?}");
    drop(file);
    machine.end();
}
