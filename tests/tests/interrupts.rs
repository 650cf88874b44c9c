//! What the driver's interrupt service routine and DPC owe to the device: they acknowledge what they
//! have read and nothing else, serve every reason of an interrupt, and leave a device alone that has
//! no power.
#![cfg(unix)]

use std::{collections::BTreeMap, path::PathBuf};

use eductl::{DeviceKind, status::Status};
use eduwdm_abi::{
    Header, Ioctl,
    edu::{WaitEventInput, WaitEventOutput},
};
use eduwdm_qemu::device_trace::{self, Access, Direction};
use eduwdm_tests::{Booted, InFlight, boot, manifest, options, until};
use nthost_protocol::{HostRequest, fault::Fault};
use zerocopy::FromBytes;

const EDU: &str = "VEN_1234&DEV_11E8";
/// The registers that tell of an interrupt, take one, and make one.
const STATUS: u64 = 0x24;
const RAISE: u32 = 0x60;
const ACKNOWLEDGE: u64 = 0x64;
/// The bit of a factorial that is done, and one of a client's.
const FACTORIAL: u32 = 0x1;
const EVENT: u32 = 0x80;

/// A machine whose devices' registers are watched from outside of it.
struct Watched {
    booted: Booted,
    trace: PathBuf,
    _directory: tempfile::TempDir,
}

impl Watched {
    fn boot(machine: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let trace = directory.path().join("trace");
        let mut options = options(manifest());
        options.extras.device_trace = Some(trace.clone());
        let booted = boot(machine, &options).unwrap_or_else(|fault| panic!("{fault}"));
        Self {
            booted,
            trace,
            _directory: directory,
        }
    }

    /// What was done to the registers of `edu` devices so far.
    fn accesses(&self) -> Vec<Access> {
        device_trace::accesses(&self.trace, "edu-mmio").unwrap()
    }

    /// Where the registers of a device begin, as the log of its start tells.
    fn registers(&self, index: usize) -> u64 {
        let line = format!("{}: BAR0 memory 0x", self.booted.instance(EDU, index));
        let log = self.booted.log();
        let range = log.split_once(&line).unwrap_or_else(|| panic!("{log}")).1;
        u64::from_str_radix(range.split('-').next().unwrap(), 16).unwrap()
    }
}

#[test]
fn an_isr_acknowledges_what_it_has_read_and_nothing_else() {
    for machine in ["smp4", "edu8-intx"] {
        let watched = Watched::boot(machine);
        let path = watched.booted.path(DeviceKind::Edu, 0).unwrap();
        let file = InFlight::open(&watched.booted, &path);
        let device = watched.booted.instance(EDU, 0);
        for _ in 0..8 {
            let factorial = InFlight::factorial(&file, 5);
            watched.booted.write_register(&device, RAISE, EVENT);
            assert_eq!(factorial.end(machine).status, Status::Nt(0));
        }
        drop(file);
        let registers = watched.registers(0);
        // By processor: an ISR is not interrupted by itself.
        let mut read = BTreeMap::new();
        let mut acknowledged = 0;
        for access in watched.accesses() {
            match (access.direction, access.address.wrapping_sub(registers)) {
                (Direction::Read, STATUS) => {
                    read.insert(access.processor, access.value);
                }
                (Direction::Write, ACKNOWLEDGE) => {
                    let status = read.remove(&access.processor);
                    assert_eq!(Some(access.value), status, "{machine}: {access:x?}");
                    acknowledged += 1;
                }
                _ => {}
            }
        }
        assert!(acknowledged >= 8, "{machine}: {acknowledged} acknowledged");
        watched.booted.shut_down();
    }
}

#[test]
fn a_dpc_serves_every_reason_of_an_interrupt() {
    let booted = boot("smp4", &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
    let path = booted.path(DeviceKind::Edu, 0).unwrap();
    let file = InFlight::open(&booted, &path);
    let device = booted.instance(EDU, 0);
    let input = WaitEventInput {
        header: Header::of::<WaitEventInput>(),
        mask: EVENT,
        timeout_ms: u32::MAX,
    };
    let wait = InFlight::control(
        &file,
        Ioctl::WaitEvent,
        &input,
        size_of::<WaitEventOutput>(),
    );
    // The device has said that the factorial is done, and its driver has not heard of it.
    let fault = Fault::LostInterrupt {
        service: "eduwdm".to_owned(),
        nth: 0,
        count: 1,
    };
    booted.host.host_success(HostRequest::Fault(fault)).unwrap();
    let factorial = InFlight::factorial(&file, 5);
    until("the factorial's interrupt", || {
        booted.host.faults().unwrap()[0].struck == 1
    });
    // The next interrupt has two reasons.
    booted.write_register(&device, RAISE, EVENT);
    let what = format!("bits {:#x}", FACTORIAL | EVENT);
    assert_eq!(factorial.end(&what).status, Status::Nt(0), "{what}");
    let ended = wait.end(&what);
    assert_eq!(ended.status, Status::Nt(0), "{what}");
    let (answer, _) = WaitEventOutput::read_from_prefix(ended.output()).unwrap();
    assert_eq!(answer.bits, EVENT, "{what}");
    drop((file, wait, factorial));
    booted.host.host_success(HostRequest::ClearFaults).unwrap();
    booted.shut_down();
}

#[test]
fn an_isr_of_a_shared_line_leaves_its_device_alone_while_that_has_no_power() {
    let watched = Watched::boot("edu8-intx");
    let booted = &watched.booted;
    let (quiet, quiet_registers) = (booted.instance(EDU, 0), watched.registers(0));
    let power = |state| HostRequest::DevicePower {
        device: quiet.clone(),
        state,
    };
    let of_quiet = || {
        let accesses = watched.accesses().into_iter();
        let within =
            |access: &Access| (quiet_registers..quiet_registers + 0x100).contains(&access.address);
        accesses.filter(within).count()
    };
    booted.host.host_success(power(3)).unwrap();
    let before = of_quiet();
    assert_ne!(before, 0, "nothing is traced");
    // One of the others has the same line.
    for index in 1..8 {
        booted.assert_edu_works(index, "a neighbor");
    }
    assert_eq!(of_quiet(), before, "it was touched");
    booted.host.host_success(power(0)).unwrap();
    booted.assert_edu_works(0, "with its power back");
    assert_ne!(of_quiet(), before);
    watched.booted.shut_down();
}
