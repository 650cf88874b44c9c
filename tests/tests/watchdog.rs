//! A device that is there, and does not finish what it was told: its requests end, nothing that it
//! does later reaches their memory, nobody waits for ever, and it works again if it can.
#![cfg(unix)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use eductl::{
    DeviceKind,
    io::{IoSystem, Request},
    nthost::NtFile,
    status::Status,
};
use eduwdm_abi::{
    Header, Ioctl,
    edu::{FROM_DEVICE, LockedTransfer, LockedTransferOutput},
};
use eduwdm_qemu::machine::Choice;
use eduwdm_tests::{Booted, InFlight, boot, manifest, options};
use nthost_protocol::{
    Fault, HostRequest, Manifest,
    host::{DeviceState, PnpOperation},
    manifest::{RegistryData, RegistryValue},
};

const IO_TIMEOUT: u32 = 0xc000_00b5;
const CANCELLED: u32 = 0xc000_0120;
const DEVICE_REMOVED: u32 = 0xc000_02b6;

/// How long anything may take before the test fails: no test measures time.
const LIMIT: Duration = Duration::from_secs(30);

const EDU: &str = "VEN_1234&DEV_11E8";

/// The manifest with a time for each operation.
fn with_timeout(milliseconds: u32) -> Manifest {
    let mut manifest = manifest();
    manifest.drivers[0].service_values.push(RegistryValue {
        key: "Parameters".to_owned(),
        name: "OperationTimeout".to_owned(),
        data: RegistryData::Dword(milliseconds),
    });
    manifest
}

/// The device's next interrupts are lost.
fn lose_interrupts(booted: &Booted, count: u32) {
    let fault = Fault::LostInterrupt {
        service: "eduwdm".to_owned(),
        nth: 0,
        count,
    };
    booted.host.host_success(HostRequest::Fault(fault)).unwrap();
}

/// Waits until one has been: the device is done, and its driver does not know.
fn wait_until_lost(booted: &Booted) {
    let begun = Instant::now();
    while booted.host.faults().unwrap()[0].struck == 0 {
        assert!(
            begun.elapsed() < LIMIT,
            "no interrupt comes\n{}",
            booted.log()
        );
    }
}

fn lost(booted: &Booted) -> u64 {
    let faults = booted.host.faults().unwrap();
    let struck = faults[0].struck;
    booted.host.host_success(HostRequest::ClearFaults).unwrap();
    struck
}

/// Sends a request of a kind.
type Send = fn(&Arc<NtFile>) -> InFlight;

fn write(file: &Arc<NtFile>) -> InFlight {
    let data = vec![0x5a; 64];
    InFlight::send(file, Request::Write { offset: 0, data })
}

#[test]
fn an_operation_whose_interrupt_is_lost_ends_in_time_and_the_device_goes_on() {
    let booted =
        boot("smp4", &options(with_timeout(3000))).unwrap_or_else(|fault| panic!("{fault}"));
    let file = InFlight::open(&booted, &booted.path(DeviceKind::Edu, 0).unwrap());
    let send: [(&str, Send); 2] = [
        ("a factorial", |file| InFlight::factorial(file, 5)),
        ("a write", write),
    ];
    for (what, send) in send {
        lose_interrupts(&booted, 1);
        // One that is on the device, and one that waits behind it.
        let (first, second) = (send(&file), send(&file));
        assert_eq!(first.end(what).status, Status::Nt(IO_TIMEOUT), "{what}");
        assert_eq!(second.end(what).status, Status::Nt(0), "{what}");
        assert_eq!(lost(&booted), 1, "{what}");
        booted.assert_edu_works(0, what);
    }
    drop(file);
    booted.assert_nothing_of_requests_left();
    // A person is told, of which device: by its physical device object, which has a name.
    let log = booted.log();
    let entry = log.lines().find(|line| line.contains("0xc0040009"));
    let entry = entry.unwrap_or_else(|| panic!("no entry in the event log:\n{log}"));
    assert!(entry.contains(r"\Device\NTPNP_PCI"), "{entry}");
    booted.shut_down();
}

#[test]
fn neither_a_stop_nor_a_removal_nor_a_sleep_nor_a_handle_waits_for_ever() {
    let booted =
        boot("smp4", &options(with_timeout(1000))).unwrap_or_else(|fault| panic!("{fault}"));
    let edu = booted.instance(EDU, 0);
    let pnp = |operation| HostRequest::Pnp {
        device: edu.clone(),
        operation,
    };
    let rounds: [(&str, &[HostRequest]); 3] = [
        (
            "a stop",
            &[
                pnp(PnpOperation::QueryStop),
                pnp(PnpOperation::Stop),
                pnp(PnpOperation::Start),
            ],
        ),
        (
            "a sleep",
            &[
                HostRequest::SystemPower { state: 3 },
                HostRequest::SystemPower { state: 0 },
            ],
        ),
        (
            "a removal",
            &[
                // One that is there still, and may be moving data.
                pnp(PnpOperation::Fail),
                pnp(PnpOperation::Add),
            ],
        ),
    ];
    for (what, requests) in rounds {
        let file = InFlight::open(&booted, &booted.path(DeviceKind::Edu, 0).unwrap());
        lose_interrupts(&booted, 1);
        let stuck = write(&file);
        wait_until_lost(&booted);
        for request in requests {
            if matches!(
                request,
                HostRequest::Pnp {
                    operation: PnpOperation::Add,
                    ..
                }
            ) {
                file.close();
                booted.wait_until_removed(&edu);
            }
            let done = booted.host.host_success(request.clone());
            done.unwrap_or_else(|fault| panic!("{what}: {request:?}: {fault}\n{}", booted.log()));
        }
        let ended = stuck.end(what).status;
        assert_ne!(ended, Status::Nt(0), "{what}");
        assert_eq!(lost(&booted), 1, "{what}");
        drop((stuck, file));
    }
    // And a handle that is closed over it.
    let file = InFlight::open(&booted, &booted.path(DeviceKind::Edu, 0).unwrap());
    lose_interrupts(&booted, 1);
    let (stuck, waiting) = (write(&file), write(&file));
    wait_until_lost(&booted);
    file.close();
    assert_eq!(waiting.end("waiting").status, Status::Nt(CANCELLED));
    assert_eq!(stuck.end("stuck").status, Status::Nt(IO_TIMEOUT));
    assert_eq!(lost(&booted), 1);
    drop((stuck, waiting, file));
    booted.assert_edu_works(0, "in the end");
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}

/// The device takes a tenth of a second for a transfer, and is given much less: it is in the middle
/// of it when its request is ended.
#[test]
fn what_a_device_does_after_its_request_was_ended_reaches_no_memory() {
    const LENGTH: u32 = 4000;
    for machine in ["smp4", "iommu"] {
        let mut options = options(with_timeout(20));
        // Time is counted in instructions, so that a busy host changes nothing.
        options.accelerator = Choice::Tcg;
        options.extras.instruction_count = Some(3);
        let booted = boot(machine, &options).unwrap_or_else(|fault| panic!("{fault}"));
        let file = InFlight::open(&booted, &booted.path(DeviceKind::Edu, 0).unwrap());
        let mut memory = booted.host.allocate(8192).unwrap();
        memory.write(&[0xee; 8192]).unwrap();
        for round in 0..3 {
            let input = LockedTransfer {
                header: Header::of::<LockedTransfer>(),
                address: memory.address() + 100,
                length: LENGTH,
                device_offset: 0,
                direction: FROM_DEVICE,
                reserved: 0,
            };
            let output = size_of::<LockedTransferOutput>();
            let transfer = InFlight::control(&file, Ioctl::LockedTransfer, &input, output);
            let ended = transfer.end("the transfer").status;
            assert_eq!(ended, Status::Nt(IO_TIMEOUT), "{machine}, {round}");
            // What the adapter had in its own buffers may have been copied back. The device's own
            // holds zeros, which it would have written. The next transfer is not started before it
            // is done with this one.
            let bytes = memory.read(8192).unwrap();
            assert!(!bytes.contains(&0), "{machine}, {round}");
        }
        drop((memory, file));
        let devices = booted.host.devices().unwrap();
        let edu = devices.iter().find(|node| node.instance.contains(EDU));
        assert_eq!(edu.unwrap().state, DeviceState::Started, "{machine}");
        booted.assert_nothing_of_requests_left();
        booted.shut_down();
    }
}

/// Where a factorial is asked for.
const FACTORIAL: u32 = 0x08;

#[test]
fn a_device_that_never_becomes_idle_is_reported_as_failed_and_removed() {
    let booted =
        boot("smp4", &options(with_timeout(200))).unwrap_or_else(|fault| panic!("{fault}"));
    let device = booted.instance(EDU, 0);
    let file = InFlight::open(&booted, &booted.path(DeviceKind::Edu, 0).unwrap());
    // Four billion factors keep it busy for seconds, and it is told again and again: nobody's
    // request, as far as its driver knows. While it is at one, it takes no other.
    booted.write_register(&device, FACTORIAL, u32::MAX);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // The device may have been removed by now.
                let again = HostRequest::WriteRegister {
                    device: device.clone(),
                    bar: 0,
                    offset: FACTORIAL,
                    value: u32::MAX,
                };
                drop(booted.host.host(again));
                thread::sleep(Duration::from_millis(5));
            }
        });
        let (first, second) = (InFlight::factorial(&file, 5), InFlight::factorial(&file, 6));
        assert_eq!(first.end("on the device").status, Status::Nt(IO_TIMEOUT));
        // The one behind it is never started.
        assert_eq!(second.end("behind it").status, Status::Nt(DEVICE_REMOVED));
        drop((first, second));
        file.close();
        let begun = Instant::now();
        let state = || {
            let devices = booted.host.devices().unwrap();
            let node = devices.iter().find(|node| node.instance == device);
            node.expect("a node stays").state
        };
        while state() != DeviceState::Removed {
            assert!(
                begun.elapsed() < LIMIT,
                "it stays: {:?}\n{}",
                state(),
                booted.log()
            );
        }
        stop.store(true, Ordering::Relaxed);
    });
    drop(file);
    booted.assert_nothing_of_requests_left();
    booted.shut_down();
}
