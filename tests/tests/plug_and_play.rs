//! The device's life as the PnP manager leads it: stopped and started, asked about and removed,
//! unplugged in the middle of everything, and what becomes of requests meanwhile.
#![cfg(unix)]

use std::sync::Arc;

use eductl::{
    DeviceKind,
    nthost::{Access, NtFile},
    status::Status,
};
use eduwdm_abi::Ioctl;
use eduwdm_tests::{Booted, InEachQueue, InFlight, boot, manifest, options, until};
use nthost_protocol::{HostRequest, host::DeviceState, host::PnpOperation};

const SUCCESS: u32 = 0;
const CANCELLED: u32 = 0xc000_0120;
const DELETE_PENDING: u32 = 0xc000_0056;
const DEVICE_REMOVED: u32 = 0xc000_02b6;
const QUERY_VETOED: u32 = 0x8000_0028;

const EDU: &str = "VEN_1234&DEV_11E8";
const TESTDEV: &str = "VEN_1B36&DEV_0005";

struct Machine {
    booted: Booted,
    edu: String,
    testdev: String,
}

impl Machine {
    fn boot(name: &str) -> Self {
        let booted = boot(name, &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
        let (edu, testdev) = (booted.instance(EDU, 0), booted.instance(TESTDEV, 0));
        Self {
            booted,
            edu,
            testdev,
        }
    }

    fn path(&self) -> String {
        self.booted.path(DeviceKind::Edu, 0).unwrap()
    }

    fn open(&self) -> Arc<NtFile> {
        InFlight::open(&self.booted, &self.path())
    }

    fn pnp(&self, device: &str, operation: PnpOperation) {
        let done = self.booted.host.pnp(device, operation);
        done.unwrap_or_else(|fault| panic!("{operation:?} of {device}: {fault}"));
    }

    fn pnp_status(&self, device: &str, operation: PnpOperation) -> Status {
        let request = HostRequest::Pnp {
            device: device.to_owned(),
            operation,
        };
        self.booted.host.host(request).unwrap()
    }

    fn state(&self, device: &str) -> DeviceState {
        let devices = self.booted.host.devices().unwrap();
        let device = devices.iter().find(|node| node.instance == device);
        device.expect("a node stays").state
    }

    fn end(self) {
        self.booted.assert_edu_works(0, "in the end");
        self.booted.assert_nothing_of_requests_left();
        self.booted.shut_down();
    }
}

#[test]
fn requests_wait_while_the_device_may_be_stopped_and_while_it_is() {
    let machine = Machine::boot("smp4");
    let file = machine.open();
    let edu = &machine.edu;

    // It stays, after all.
    machine.pnp(edu, PnpOperation::QueryStop);
    let requests = InEachQueue::send(&file);
    requests.assert_waiting("it may be stopped");
    machine.pnp(edu, PnpOperation::CancelStop);
    requests.end_well(&machine.booted, 0, "it is not stopped");

    // It is stopped and started again.
    machine.pnp(edu, PnpOperation::QueryStop);
    let requests = InEachQueue::send(&file);
    machine.pnp(edu, PnpOperation::Stop);
    let more = InEachQueue::send(&file);
    let given_up = InEachQueue::send(&file);
    given_up.cancel();
    given_up.end_with(CANCELLED, "canceled while it is stopped");
    requests.assert_waiting("it is stopped");
    more.assert_waiting("it is stopped");
    machine.pnp(edu, PnpOperation::Start);
    requests.end_well(&machine.booted, 0, "it is started again");
    more.end_well(&machine.booted, 0, "it is started again");

    // And with other resources.
    let before = machine.booted.host.devices().unwrap();
    machine.pnp(edu, PnpOperation::Rebalance);
    let after = machine.booted.host.devices().unwrap();
    let resources = |nodes: &[nthost_protocol::host::Device]| {
        let node = nodes.iter().find(|node| node.instance == *edu);
        node.unwrap().resources.clone()
    };
    assert_ne!(resources(&before), resources(&after));
    InEachQueue::send(&file).end_well(&machine.booted, 0, "with other resources");
    drop(file);
    machine.end();
}

#[test]
fn requests_end_with_their_handle_while_the_device_is_stopped() {
    let machine = Machine::boot("smp4");
    machine.pnp(&machine.edu, PnpOperation::QueryStop);
    machine.pnp(&machine.edu, PnpOperation::Stop);
    // A stopped device can be opened: it will be back.
    let file = machine.open();
    let requests = InEachQueue::send(&file);
    file.close();
    requests.end_with(CANCELLED, "their handle is closed");
    drop(file);
    machine.pnp(&machine.edu, PnpOperation::Start);
    machine.end();
}

#[test]
fn nothing_opens_a_device_that_may_be_removed_and_everything_one_that_stays() {
    let machine = Machine::boot("smp4");
    let edu = &machine.edu;

    // An open handle is a veto, after which the device works as before.
    let file = machine.open();
    assert_eq!(
        machine.pnp_status(edu, PnpOperation::QueryRemove),
        Status::Nt(QUERY_VETOED)
    );
    InEachQueue::send(&file).end_well(&machine.booted, 0, "after the veto");
    drop(file);

    machine.pnp(edu, PnpOperation::QueryRemove);
    let path = machine.path();
    let refused = machine.booted.host.open(&path, Access::default());
    match refused {
        Err(eductl::Error::Refused { status, .. }) => {
            assert_eq!(status, Status::Nt(DELETE_PENDING));
        }
        other => panic!("not refused: {other:?}"),
    }
    machine.pnp(edu, PnpOperation::CancelRemove);
    machine.end();
}

#[test]
fn a_device_goes_before_it_was_started_and_comes_back() {
    let machine = Machine::boot("smp4");
    for device in [&machine.edu, &machine.testdev] {
        machine.pnp(device, PnpOperation::QueryRemove);
        machine.pnp(device, PnpOperation::Remove);
    }
    machine.booted.assert_nothing_of_requests_left();
    for _ in 0..3 {
        for device in [&machine.edu, &machine.testdev] {
            machine.pnp(device, PnpOperation::AddDevice);
            machine.pnp(device, PnpOperation::Remove);
        }
    }
    let counts = machine.booted.counts();
    assert_eq!(
        (counts.interrupts, counts.pages, counts.mappings),
        (0, 0, 0),
        "{counts:?}"
    );
    // Unplugged before it was started.
    machine.pnp(&machine.edu, PnpOperation::AddDevice);
    machine.pnp(&machine.edu, PnpOperation::SurpriseRemoval);
    machine.booted.wait_until_removed(&machine.edu);
    // Stopped, and removed instead of started.
    machine.pnp(&machine.edu, PnpOperation::Add);
    machine.pnp(&machine.edu, PnpOperation::QueryStop);
    machine.pnp(&machine.edu, PnpOperation::Stop);
    machine.pnp(&machine.edu, PnpOperation::Remove);
    machine.pnp(&machine.edu, PnpOperation::Add);
    machine.end();
}

/// Unplugs the device of a machine with requests in all of its queues, many of them waiting.
fn unplug_busy(name: &str) {
    let machine = Machine::boot(name);
    for round in 0..5 {
        let what = format!("{name}, round {round}");
        let file = machine.open();
        let requests: Vec<_> = (0..16).map(|_| InEachQueue::send(&file)).collect();
        machine.pnp(&machine.edu, PnpOperation::SurpriseRemoval);
        let mut ended_by_removal = 0;
        for each in requests {
            for (request, ended) in each.ends(&what) {
                match ended.status {
                    Status::Nt(SUCCESS) => {}
                    Status::Nt(DEVICE_REMOVED) => {
                        assert_eq!(ended.information, 0, "{what}: {request}");
                        ended_by_removal += 1;
                    }
                    other => panic!("{what}: {request}: {other:?}"),
                }
            }
        }
        // Nobody has raised what is waited for.
        assert!(ended_by_removal >= 16, "{what}: {ended_by_removal}");
        println!("{what}: {ended_by_removal} of 64 were ended by the removal");
        // The handle is there still: nothing works with it, and nothing breaks.
        InEachQueue::send(&file).end_with(DEVICE_REMOVED, &what);
        assert_eq!(machine.state(&machine.edu), DeviceState::SurpriseRemoved);
        let path = machine.booted.path(DeviceKind::Edu, 0);
        assert!(path.is_err(), "{what}: the interface is gone, not {path:?}");
        // With it, the device goes.
        drop(file);
        machine.booted.wait_until_removed(&machine.edu);
        if machine.booted.log().contains("was pulled out of its slot") {
            // It is gone for good, and its driver has given everything back.
            machine.pnp(&machine.testdev, PnpOperation::QueryRemove);
            machine.pnp(&machine.testdev, PnpOperation::Remove);
            println!("{what}: pulled out of its slot");
            machine.booted.shut_down();
            return;
        }
        machine.pnp(&machine.edu, PnpOperation::Add);
        machine.booted.assert_edu_works(0, &what);
    }
    machine.end();
}

#[test]
fn an_unplugged_device_ends_all_requests_and_is_removed_with_its_last_handle() {
    unplug_busy("smp4");
    unplug_busy("up");
    unplug_busy("smp4-intx");
}

#[test]
fn a_device_that_is_pulled_out_of_its_slot_leaves_nothing_behind() {
    unplug_busy("numa2x2");
}

#[test]
fn a_device_that_fails_is_waited_for_before_its_memory_is_given_back() {
    let machine = Machine::boot("smp4");
    for round in 0..2 {
        let what = format!("round {round}");
        let file = machine.open();
        // The transfer takes the device a tenth of a second, and it is there still.
        let requests = InEachQueue::send(&file);
        let behind: Vec<_> = (0..4).map(|_| InEachQueue::send(&file)).collect();
        let edu = machine.booted.edu(0).unwrap();
        until("five are completed", || {
            edu.statistics().unwrap().fixed.queues[0].completed >= 5
        });
        drop(edu);
        machine.pnp(&machine.edu, PnpOperation::Fail);
        let mut done = 0;
        for (name, ended) in requests.ends(&what) {
            match ended.status {
                Status::Nt(SUCCESS) => done += 1,
                Status::Nt(DEVICE_REMOVED) => assert_eq!(ended.information, 0, "{what}: {name}"),
                other => panic!("{what}: {name}: {other:?}"),
            }
        }
        assert!(done > 0, "{what}: what was on the device is done");
        for each in behind {
            for (name, ended) in each.ends(&what) {
                assert!(
                    [SUCCESS, DEVICE_REMOVED]
                        .map(Status::Nt)
                        .contains(&ended.status),
                    "{what}: {name}: {ended:?}"
                );
            }
        }
        let statistics = InFlight::control(&file, Ioctl::Statistics, &[0_u8; 0], 4096);
        let ended = statistics.end(&what);
        assert_eq!(
            ended.status,
            Status::Nt(DEVICE_REMOVED),
            "{what}: nothing works any more"
        );
        drop((statistics, file));
        machine.booted.wait_until_removed(&machine.edu);
        machine.pnp(&machine.edu, PnpOperation::Add);
        machine.booted.assert_edu_works(0, &what);
    }
    machine.end();
}

/// A device that was pulled out need not have lost its power: it goes on with what it was told.
#[test]
fn a_device_that_is_at_work_still_when_it_comes_back_is_waited_for() {
    let machine = Machine::boot("smp4");
    let file = machine.open();
    let long = InFlight::factorial(&file, 1_500_000_000);
    machine.pnp(&machine.edu, PnpOperation::SurpriseRemoval);
    let ended = long.end("the long one");
    assert_eq!(ended.status, Status::Nt(DEVICE_REMOVED), "{ended:?}");
    drop((long, file));
    machine.booted.wait_until_removed(&machine.edu);
    machine.pnp(&machine.edu, PnpOperation::Add);
    machine.end();
}

#[test]
fn nothing_waits_for_a_device_that_is_gone() {
    // Whoever waits for the device to be idle finds out that it is gone, before anybody is told.
    for waits in ["reset", "query-stop", "D3"] {
        let machine = Machine::boot("smp4");
        let file = machine.open();
        let requests = InEachQueue::send(&file);
        let unplug = HostRequest::Unplug {
            device: machine.edu.clone(),
        };
        machine.booted.host.host_success(unplug).unwrap();
        let device = machine.edu.clone();
        match waits {
            "reset" => {
                let reset = InFlight::control(&file, Ioctl::Reset, &[0_u8; 0], 0);
                assert_eq!(reset.end(waits).status, Status::Nt(SUCCESS), "{waits}");
            }
            "query-stop" => machine.pnp(&device, PnpOperation::QueryStop),
            _ => {
                let down = HostRequest::DevicePower { device, state: 3 };
                machine.booted.host.host_success(down).unwrap();
            }
        }
        machine.pnp(&machine.edu, PnpOperation::SurpriseRemoval);
        for (name, ended) in requests.ends(waits) {
            assert!(
                [SUCCESS, CANCELLED, DEVICE_REMOVED]
                    .map(Status::Nt)
                    .contains(&ended.status),
                "{waits}: {name}: {ended:?}"
            );
        }
        drop(file);
        machine.booted.wait_until_removed(&machine.edu);
        machine.booted.assert_nothing_of_requests_left();
        machine.booted.shut_down();
    }
}

/// Two of its breakpoints would be for the plug-and-play manager, which disables what a driver has
/// left enabled: so what is looked for is the driver's call.
#[test]
fn the_driver_disables_its_interface_when_its_device_goes() {
    for operation in [PnpOperation::SurpriseRemoval, PnpOperation::Remove] {
        let mut manifest = manifest();
        manifest.breakpoints = true;
        let booted = boot("smp4", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
        let device = booted.instance(EDU, 0);
        if operation == PnpOperation::Remove {
            booted.host.pnp(&device, PnpOperation::QueryRemove).unwrap();
        }
        booted.break_at("IoSetDeviceInterfaceState");
        let removal = {
            let (host, device) = (booted.host.clone(), device.clone());
            std::thread::spawn(move || host.pnp(&device, operation))
        };
        let stop = booted.stopped_at("IoSetDeviceInterfaceState");
        assert_eq!(stop.module, "eduwdm.sys", "{operation:?}");
        booted.go_on(&stop);
        removal.join().unwrap().unwrap();
        booted.shut_down();
    }
}
