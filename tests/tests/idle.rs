//! A device that nobody uses loses its power, and gets it back for the next request: by the power
//! management framework, in whatever order the two come.
#![cfg(unix)]

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use eductl::{DeviceKind, io::IoStatus, nthost::NtFile, status::Status};
use eduwdm_abi::{
    Header, Ioctl,
    edu::{FactorialOutput, WAIT_INFINITE, WaitEventInput, WaitEventOutput},
    testdev::{RunInput, RunOutput},
};
use eduwdm_qemu::device_trace::accesses;
use eduwdm_tests::{Booted, InEachQueue, InFlight, boot, manifest, options};
use nthost_protocol::{
    Fault, HostRequest, IrpEffect,
    host::PnpOperation,
    manifest::{RegistryData, RegistryValue},
};
use zerocopy::FromBytes;

/// How long anything may take before the test fails: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);
/// For how long the driver is given the opportunity to do what it must not.
const OPPORTUNITY: Duration = Duration::from_millis(300);

const CANCELLED: u32 = 0xc000_0120;
const DEVICE_REMOVED: u32 = 0xc000_02b6;

const IRP_MJ_POWER: u8 = 0x16;
const IRP_MN_SET_POWER: u8 = 0x02;

const EDU: &str = "VEN_1234&DEV_11E8";
const TESTDEV: &str = "VEN_1B36&DEV_0005";

/// A machine whose devices lose their power soon.
struct Idle {
    booted: Booted,
    file: Arc<NtFile>,
    edu: String,
}

impl Idle {
    /// With a device that is idle for so many milliseconds before it goes to D3.
    fn boot(machine: &str, idle_ms: u32) -> Self {
        Self::boot_with(machine, idle_ms, |_| {})
    }

    fn boot_with(
        machine: &str,
        idle_ms: u32,
        change: impl FnOnce(&mut eduwdm_qemu::session::Options),
    ) -> Self {
        let mut manifest = manifest();
        manifest.breakpoints = true;
        manifest.drivers[0].service_values.push(RegistryValue {
            key: "Parameters".to_owned(),
            name: "IdleTimeout".to_owned(),
            data: RegistryData::Dword(idle_ms),
        });
        // The watchdog looks at each queue when its timer ticks: it would go on with a request that
        // nobody else has.
        manifest.drivers[0].service_values.push(RegistryValue {
            key: "Parameters".to_owned(),
            name: "OperationTimeout".to_owned(),
            data: RegistryData::Dword(u32::MAX),
        });
        let mut options = options(manifest);
        change(&mut options);
        let booted = boot(machine, &options).unwrap_or_else(|fault| panic!("{fault}"));
        let edu = booted.instance(EDU, 0);
        let file = InFlight::open(&booted, &booted.path(DeviceKind::Edu, 0).unwrap());
        Self { booted, file, edu }
    }

    fn host(&self, request: HostRequest, what: &str) {
        let done = self.booted.host.host_success(request);
        done.unwrap_or_else(|fault| panic!("{what}: {fault}"));
    }

    /// Counts the requests that set the power of a device, from now on.
    fn count(&self, device: &str) -> Count<'_> {
        let fault = Fault::Irp {
            device: device.to_owned(),
            major: IRP_MJ_POWER,
            minor: Some(IRP_MN_SET_POWER),
            nth: 0,
            // It strikes none.
            count: 0,
            effect: IrpEffect::Fail(0),
        };
        self.host(HostRequest::Fault(fault), "counting");
        Count {
            machine: self,
            device: device.to_owned(),
        }
    }

    /// Boots, and waits until the devices have lost their power.
    fn in_d3(machine: &str) -> Self {
        let machine = Self::boot(machine, 50);
        machine.lose_power();
        machine
    }

    /// Waits until all of the driver's devices have lost their power.
    fn lose_power(&self) {
        let devices = self.booted.host.devices().unwrap();
        for device in devices.iter().filter(|device| device.service == "eduwdm") {
            self.wait_for_power(&device.instance, 3, "idle");
        }
    }

    fn power(&self, device: &str) -> u8 {
        let devices = self.booted.host.devices().unwrap();
        let node = devices.iter().find(|node| node.instance == device);
        node.expect("a node stays").power
    }

    /// Waits until a device is in this state, as its bus has it.
    fn wait_for_power(&self, device: &str, state: u8, what: &str) {
        let begun = Instant::now();
        while self.power(device) != state {
            assert!(
                begun.elapsed() < LIMIT,
                "{what}: {device} is not in D{state}\n{}",
                self.booted.log()
            );
        }
    }

    /// A request that keeps the device in D0 until it is canceled; the other device is in D3, and
    /// stays there.
    fn keep_power(&self) -> InFlight {
        let input = WaitEventInput {
            header: Header::of::<WaitEventInput>(),
            mask: 0x80,
            timeout_ms: WAIT_INFINITE,
        };
        let output = size_of::<WaitEventOutput>();
        let wait = InFlight::control(&self.file, Ioctl::WaitEvent, &input, output);
        self.works("with a wait");
        assert_eq!(self.power(&self.edu), 0, "somebody waits for an event");
        wait
    }

    fn works(&self, what: &str) {
        let (answer, _) =
            FactorialOutput::read_from_prefix(self.factorial().end(what).output()).unwrap();
        assert_eq!(answer.result, 120, "{what}");
    }

    fn factorial(&self) -> InFlight {
        InFlight::factorial(&self.file, 5)
    }

    fn end(self) {
        self.booted.assert_edu_works(0, "in the end");
        drop(self.file);
        self.booted.assert_nothing_of_requests_left();
        self.booted.shut_down();
    }
}

/// How many requests that set a device's power have come.
struct Count<'a> {
    machine: &'a Idle,
    device: String,
}

impl Count<'_> {
    /// Each comes to the driver and from there to its bus.
    fn now(&self) -> u64 {
        let faults = self.machine.booted.host.faults().unwrap();
        let about =
            |fault: &Fault| matches!(fault, Fault::Irp { device, .. } if *device == self.device);
        let mut counting = faults.iter().filter(|state| about(&state.fault));
        counting.next_back().expect("it was set").matched / 2
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        // A machine that has ended has failed the test already.
        let _: Result<_, _> = self
            .machine
            .booted
            .host
            .host_success(HostRequest::ClearFaults);
    }
}

fn check(ended: &IoStatus, what: &str) {
    assert_eq!(ended.status, Status::Nt(0), "{what}");
    let (answer, _) = FactorialOutput::read_from_prefix(ended.output()).unwrap();
    assert_eq!(answer.result, 120, "{what}");
}

#[test]
fn an_idle_device_loses_its_power_and_gets_it_back_for_requests() {
    for name in ["smp4", "iommu"] {
        let machine = Idle::in_d3(name);
        for round in 0..3 {
            let what = format!("{name}, round {round}");
            // Of every queue, and one that raises an event, which is answered at once.
            let requests = InEachQueue::send(&machine.file);
            requests.end_well(&machine.booted, 0, &what);
            machine.wait_for_power(&machine.edu, 3, &what);
        }
        machine.end();
    }
}

#[test]
fn what_is_answered_at_once_waits_for_the_power() {
    let machine = Idle::in_d3("smp4");
    let edu = machine.booted.edu(0).unwrap();
    let idle = |what| machine.wait_for_power(&machine.edu, 3, what);
    assert_eq!(edu.identify().unwrap().major_version, 1);
    idle("identify");
    assert_eq!(edu.liveness(0x1234).unwrap(), !0x1234);
    idle("liveness");
    edu.raise(0x80).unwrap();
    idle("raise");
    edu.reset().unwrap();
    idle("reset");
    drop(edu);
    machine.end();
}

#[test]
fn the_device_without_a_queue_of_its_own_loses_its_power_and_gets_it_back() {
    let machine = Idle::in_d3("smp4");
    let device = machine.booted.instance(TESTDEV, 0);
    let testdev = machine.booted.testdev().unwrap();
    for _ in 0..3 {
        let runs: Vec<_> = (1..=3).map(|writes| testdev.run(0, 0, writes)).collect();
        for (writes, run) in (1..).zip(runs) {
            let output = run.unwrap().wait().unwrap();
            assert_eq!((output.writes, output.counted), (writes, writes));
        }
        machine.wait_for_power(&device, 3, "it loses its power");
    }
    drop(testdev);
    machine.end();
}

/// The system gives StartIo one request at a time: those behind it wait for it, whatever becomes of it.
#[test]
fn a_request_behind_one_that_is_canceled_while_the_power_comes_goes_on() {
    for ends in ["canceled", "closed"] {
        let machine = Idle::in_d3("smp4");
        let path = machine.booted.path(DeviceKind::Testdev, 0).unwrap();
        let file = InFlight::open(&machine.booted, &path);
        let other = InFlight::open(&machine.booted, &path);
        machine.wait_for_power(&machine.booted.instance(TESTDEV, 0), 3, "it is idle again");
        machine.host(
            HostRequest::Fault(Fault::Irp {
                device: machine.booted.instance(TESTDEV, 0),
                major: IRP_MJ_POWER,
                minor: Some(IRP_MN_SET_POWER),
                nth: 0,
                count: 1,
                effect: IrpEffect::Pend { milliseconds: 1000 },
            }),
            "the power comes late",
        );
        let run = |file: &Arc<NtFile>| {
            let input = RunInput {
                header: Header::of::<RunInput>(),
                bar: 0,
                test: 0,
                writes: 1,
                reserved: 0,
            };
            InFlight::control(file, Ioctl::TestdevRun, &input, size_of::<RunOutput>())
        };
        let (first, second) = (run(&file), run(&other));
        if ends == "canceled" {
            first.cancel().join().unwrap();
        } else {
            file.close();
        }
        assert_eq!(first.end(ends).status, Status::Nt(CANCELLED), "{ends}");
        assert!(!second.is_complete(), "{ends}: it waits for the power");
        assert_eq!(second.end(ends).status, Status::Nt(0), "{ends}");
        drop((first, second, file, other));
        machine.host(HostRequest::ClearFaults, "no faults");
        machine.wait_for_power(&machine.booted.instance(TESTDEV, 0), 3, "in the end");
        machine.end();
    }
}

#[test]
fn without_a_time_a_device_keeps_its_power() {
    let machine = Idle::boot("smp4", 0);
    let count = machine.count(&machine.edu);
    machine.works("at first");
    thread::sleep(OPPORTUNITY);
    assert_eq!((count.now(), machine.power(&machine.edu)), (0, 0));
    drop(count);
    machine.end();
}

#[test]
fn a_device_with_a_request_on_it_is_not_idle() {
    let machine = Idle::boot("smp4", 1);
    let wait = machine.keep_power();
    let count = machine.count(&machine.edu);
    // The device has computed it, and its driver has not been told.
    machine.booted.break_at("KeInsertQueueDpc");
    let request = machine.factorial();
    let isr = machine.booted.stopped_at("KeInsertQueueDpc");
    wait.cancel().join().unwrap();
    assert_eq!(wait.end("canceled").status, Status::Nt(CANCELLED));
    thread::sleep(OPPORTUNITY);
    assert_eq!(count.now(), 0, "there is a request on it");
    assert!(!request.is_complete());
    machine.booted.go_on(&isr);
    check(&request.end("on the device"), "on the device");
    machine.wait_for_power(&machine.edu, 3, "it is idle now");
    drop((count, request, wait));
    machine.end();
}

#[test]
fn a_request_that_arrives_while_the_component_becomes_idle_waits_until_it_is_active() {
    let machine = Idle::boot("smp4", 60_000);
    let wait = machine.keep_power();
    // The driver has been told, and has nothing on the device: it is about to say so.
    machine.booted.break_at("PoFxCompleteIdleCondition");
    wait.cancel().join().unwrap();
    let idle = machine.booted.stopped_at("PoFxCompleteIdleCondition");
    let requests = InEachQueue::send(&machine.file);
    thread::sleep(OPPORTUNITY);
    requests.assert_waiting("it is not to be touched");
    machine.booted.go_on(&idle);
    requests.end_well(&machine.booted, 0, "it is active");
    drop(wait);
    machine.end();
}

#[test]
fn a_request_that_arrives_while_the_power_goes_gets_it_back() {
    // Where the power-down is held: before the request for it is made; when the driver has done its
    // part.
    for point in ["PoRequestPowerIrp", "PoSetPowerState"] {
        let machine = Idle::in_d3("smp4");
        let wait = machine.keep_power();
        machine.booted.break_at(point);
        wait.cancel().join().unwrap();
        let down = machine.booted.stopped_at(point);
        let requests = InEachQueue::send(&machine.file);
        thread::sleep(OPPORTUNITY);
        requests.assert_waiting(point);
        machine.booted.go_on(&down);
        requests.end_well(&machine.booted, 0, point);
        drop(wait);
        machine.end();
    }
}

#[test]
fn requests_that_are_canceled_while_the_power_comes_leave_nothing() {
    let machine = Idle::in_d3("smp4");
    // The rest of the power-up has not begun, so all of them wait.
    machine.booted.break_at("IoQueueWorkItem");
    let requests = InEachQueue::send_from_another_thread(&machine.file);
    let up = machine.booted.stopped_at("IoQueueWorkItem");
    machine.booted.go_on(&up);
    let requests = requests.join().unwrap();
    requests.cancel();
    for (name, ended) in requests.ends("canceled") {
        let expected = [0, CANCELLED].map(Status::Nt);
        assert!(expected.contains(&ended.status), "{name}: {ended:?}");
    }
    machine.wait_for_power(&machine.edu, 3, "it is idle again");
    machine.end();
}

#[test]
fn a_device_without_power_is_stopped_started_and_unplugged() {
    let machine = Idle::in_d3("smp4");
    let pnp = |operation, what| {
        let device = machine.edu.clone();
        machine.host(HostRequest::Pnp { device, operation }, what);
    };
    // It is in D0 while it is stopped, and idle afterwards.
    pnp(PnpOperation::QueryStop, "query-stop");
    assert_eq!(machine.power(&machine.edu), 0, "it has its power");
    let waiting = machine.factorial();
    let count = machine.count(&machine.edu);
    pnp(PnpOperation::Stop, "stop");
    thread::sleep(OPPORTUNITY);
    assert_eq!(count.now(), 0, "it is not idle while it is stopped");
    pnp(PnpOperation::Start, "start");
    check(&waiting.end("started"), "started");
    machine.wait_for_power(&machine.edu, 3, "it is idle again");
    pnp(PnpOperation::QueryStop, "query-stop");
    pnp(PnpOperation::CancelStop, "cancel-stop");
    machine.wait_for_power(&machine.edu, 3, "it is idle again");
    drop((count, waiting));
    // Nor is it idle if nothing waits for it.
    pnp(PnpOperation::QueryStop, "query-stop");
    let count = machine.count(&machine.edu);
    pnp(PnpOperation::Stop, "stop");
    thread::sleep(OPPORTUNITY);
    assert_eq!(count.now(), 0, "it is not idle while it is stopped");
    pnp(PnpOperation::Start, "start");
    machine.wait_for_power(&machine.edu, 3, "it is idle again");
    drop(count);
    let Idle { booted, file, edu } = machine;
    // It is unplugged with nothing on it, and plugged in again.
    booted
        .host
        .pnp(&edu, PnpOperation::SurpriseRemoval)
        .unwrap();
    let refused = InFlight::factorial(&file, 5).end("unplugged");
    assert_eq!(refused.status, Status::Nt(DEVICE_REMOVED));
    drop(file);
    // With the last handle, it is removed.
    booted.wait_until_removed(&edu);
    booted.host.pnp(&edu, PnpOperation::Add).unwrap();
    let file = InFlight::open(&booted, &booted.path(DeviceKind::Edu, 0).unwrap());
    let machine = Idle { booted, file, edu };
    machine.works("plugged in again");
    machine.wait_for_power(&machine.edu, 3, "it is idle again");
    machine.end();
}

#[test]
fn a_device_that_is_unplugged_while_its_power_comes_ends_its_requests() {
    let machine = Idle::in_d3("smp4");
    machine.booted.break_at("IoQueueWorkItem");
    let requests = InEachQueue::send_from_another_thread(&machine.file);
    let up = machine.booted.stopped_at("IoQueueWorkItem");
    let host = machine.booted.host.clone();
    let device = machine.edu.clone();
    let unplugged = thread::spawn(move || host.pnp(&device, PnpOperation::SurpriseRemoval));
    thread::sleep(OPPORTUNITY);
    machine.booted.go_on(&up);
    unplugged.join().unwrap().unwrap();
    // The first may have been done with before.
    for (name, ended) in requests.join().unwrap().ends("unplugged") {
        let expected = [0, DEVICE_REMOVED].map(Status::Nt);
        assert!(expected.contains(&ended.status), "{name}: {ended:?}");
    }
    let Idle { booted, file, edu } = machine;
    drop(file);
    // With the last handle, it is removed.
    booted.wait_until_removed(&edu);
    booted.host.pnp(&edu, PnpOperation::Add).unwrap();
    booted.assert_edu_works(0, "plugged in again");
    booted.shut_down();
}

#[test]
fn the_system_sleeps_and_wakes_with_a_device_that_has_no_power() {
    let machine = Idle::in_d3("smp4");
    for round in 0..3 {
        let what = format!("sleep {round}");
        machine.host(HostRequest::SystemPower { state: 3 }, &what);
        let requests = InEachQueue::send(&machine.file);
        thread::sleep(OPPORTUNITY);
        requests.assert_waiting(&what);
        machine.host(HostRequest::SystemPower { state: 0 }, &what);
        requests.end_well(&machine.booted, 0, &what);
        machine.lose_power();
    }
    machine.end();
}

/// The driver's next requests for power IRPs get none.
fn no_power_irp(count: u32) -> HostRequest {
    HostRequest::Fault(Fault::Call {
        routine: "PoRequestPowerIrp".to_owned(),
        service: "eduwdm".to_owned(),
        offset: None,
        nth: 0,
        count,
    })
}

#[test]
fn without_memory_for_power_irps_an_idle_device_stays_on_and_a_wanted_one_is_powered_up_later() {
    let machine = Idle::in_d3("smp4");
    let struck = || machine.booted.host.faults().unwrap()[0].struck;
    let wait = machine.keep_power();
    machine.host(no_power_irp(1), "none to power down");
    wait.cancel().join().unwrap();
    let begun = Instant::now();
    while struck() < 1 {
        assert!(begun.elapsed() < LIMIT, "nothing is asked for");
    }
    assert_eq!(machine.power(&machine.edu), 0, "it has stayed on");
    machine.works("it has stayed on");
    machine.host(HostRequest::ClearFaults, "none to power down");

    machine.lose_power();
    machine.host(no_power_irp(3), "none to power up");
    let requests = InEachQueue::send(&machine.file);
    requests.end_well(&machine.booted, 0, "asked for again");
    assert_eq!(struck(), 3);
    machine.host(HostRequest::ClearFaults, "none to power up");
    drop(wait);
    machine.end();
}

#[test]
fn a_device_without_power_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let trace = directory.path().join("trace");
    let machine = Idle::boot_with("smp4", 50, |options| {
        options.extras.device_trace = Some(trace.clone());
    });
    machine.lose_power();
    let before = accesses(&trace, "edu-mmio").unwrap().len();
    assert_ne!(before, 0, "nothing is traced");
    // Without power, its counters and its place can be asked for, and it can be removed.
    let edu = machine.booted.edu(0).unwrap();
    edu.statistics().unwrap();
    edu.topology().unwrap();
    drop(edu);
    let Idle { booted, file, edu } = machine;
    drop(file);
    booted.host.pnp(&edu, PnpOperation::Fail).unwrap();
    let after = accesses(&trace, "edu-mmio").unwrap();
    assert_eq!(after.len(), before, "{:x?}", &after[before..]);
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}
