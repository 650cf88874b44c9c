//! What is wrong with a request gets its documented status, is put into words, and changes
//! nothing: the devices answer right afterwards, and nothing is left behind.
//!
//! Every request of the interface is tried with each mistake that its structures allow.
#![cfg(unix)]

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use eductl::{
    DeviceKind,
    io::{Completion, IoStatus, Request},
    nthost::{Access, NtFile},
    status::Status,
};
use eduwdm_abi::{
    Header, Ioctl, VERSION,
    edu::{
        DmaSelfTestInput, DmaSelfTestOutput, EVENT_DMA, EVENT_FACTORIAL, EVENT_USER_MASK,
        FROM_DEVICE, FactorialInput, FactorialOutput, Identity, Liveness, LockedTransfer,
        LockedTransferOutput, RaiseEvent, WaitEventInput, WaitEventOutput,
    },
    statistics::Statistics,
    testdev::{Info, RunInput, RunOutput},
    topology::Topology,
};
use eduwdm_tests::{Booted, InFlight, boot, manifest, options};
use nthost_protocol::Buffer;
use zerocopy::{Immutable, IntoBytes};

const BUFFER_TOO_SMALL: u32 = 0xc000_0023;
const INVALID_BUFFER_SIZE: u32 = 0xc000_0206;
const REVISION_MISMATCH: u32 = 0xc000_0059;
const INFO_LENGTH_MISMATCH: u32 = 0xc000_0004;
const INVALID_PARAMETER: u32 = 0xc000_000d;
const INVALID_DEVICE_REQUEST: u32 = 0xc000_0010;
const ACCESS_DENIED: u32 = 0xc000_0022;
const ACCESS_VIOLATION: u32 = 0xc000_0005;

/// A valid request, to be made invalid in one way after the other.
struct Valid {
    ioctl: Ioctl,
    kind: DeviceKind,
    input: Vec<u8>,
    /// Where in the input a field is that has to be zero.
    reserved: Option<usize>,
    /// Bytes of the answer.
    output: usize,
}

impl Valid {
    fn of<I: IntoBytes + Immutable, O>(ioctl: Ioctl, input: &I, reserved: Option<usize>) -> Self {
        Self {
            ioctl,
            kind: DeviceKind::Edu,
            input: input.as_bytes().to_vec(),
            reserved,
            output: size_of::<O>(),
        }
    }

    fn without_input<O>(ioctl: Ioctl) -> Self {
        Self::of::<(), O>(ioctl, &(), None)
    }

    fn of_testdev(self) -> Self {
        Self {
            kind: DeviceKind::Testdev,
            ..self
        }
    }
}

/// Every request of the interface.
static REQUESTS: LazyLock<Vec<Valid>> = LazyLock::new(|| {
    use core::mem::offset_of;
    let requests = vec![
        Valid::without_input::<Identity>(Ioctl::Identify),
        Valid::of::<_, Liveness>(
            Ioctl::Liveness,
            &Liveness {
                header: Header::of::<Liveness>(),
                value: 7,
                inverse: 0,
            },
            Some(offset_of!(Liveness, inverse)),
        ),
        Valid::of::<_, FactorialOutput>(
            Ioctl::Factorial,
            &FactorialInput {
                header: Header::of::<FactorialInput>(),
                n: 5,
                reserved: 0,
            },
            Some(offset_of!(FactorialInput, reserved)),
        ),
        Valid::of::<_, ()>(
            Ioctl::RaiseEvent,
            &RaiseEvent {
                header: Header::of::<RaiseEvent>(),
                bits: 0x80,
                reserved: 0,
            },
            Some(offset_of!(RaiseEvent, reserved)),
        ),
        Valid::of::<_, WaitEventOutput>(
            Ioctl::WaitEvent,
            &WaitEventInput {
                header: Header::of::<WaitEventInput>(),
                mask: 0x80,
                timeout_ms: 0,
            },
            None,
        ),
        Valid::of::<_, LockedTransferOutput>(
            Ioctl::LockedTransfer,
            &LockedTransfer {
                header: Header::of::<LockedTransfer>(),
                address: 0x1_0000,
                length: 1,
                device_offset: 0,
                direction: FROM_DEVICE,
                reserved: 0,
            },
            Some(offset_of!(LockedTransfer, reserved)),
        ),
        Valid::of::<_, DmaSelfTestOutput>(
            Ioctl::DmaSelfTest,
            &DmaSelfTestInput {
                header: Header::of::<DmaSelfTestInput>(),
                seed: 1,
                length: 1,
                device_offset: 0,
            },
            None,
        ),
        Valid::without_input::<Statistics>(Ioctl::Statistics),
        Valid::without_input::<Topology>(Ioctl::Topology),
        Valid::without_input::<()>(Ioctl::Reset),
        Valid::without_input::<Info>(Ioctl::TestdevInfo).of_testdev(),
        Valid::of::<_, RunOutput>(
            Ioctl::TestdevRun,
            &RunInput {
                header: Header::of::<RunInput>(),
                bar: 0,
                test: 0,
                writes: 1,
                reserved: 0,
            },
            Some(offset_of!(RunInput, reserved)),
        )
        .of_testdev(),
    ];
    let tried: BTreeSet<u32> = requests
        .iter()
        .map(|request| request.ioctl.code())
        .collect();
    let known: BTreeSet<u32> = Ioctl::ALL.iter().map(|ioctl| ioctl.code()).collect();
    assert_eq!(tried, known, "every request is tried");
    requests
});

struct Devices {
    booted: Booted,
    edu: Arc<NtFile>,
    testdev: Arc<NtFile>,
}

impl Devices {
    fn boot() -> Self {
        let booted = boot("smp4", &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
        let open = |kind| InFlight::open(&booted, &booted.path(kind, 0).unwrap());
        let (edu, testdev) = (open(DeviceKind::Edu), open(DeviceKind::Testdev));
        Self {
            booted,
            edu,
            testdev,
        }
    }

    const fn file(&self, kind: DeviceKind) -> &Arc<NtFile> {
        match kind {
            DeviceKind::Edu => &self.edu,
            DeviceKind::Testdev => &self.testdev,
        }
    }

    fn refused(&self, request: &Valid, mistake: &str, expected: u32) {
        let what = format!("{}: {mistake}", request.ioctl.name());
        let sent = Request::DeviceControl {
            code: request.ioctl.code(),
            input: request.input.clone(),
            output_length: u32::try_from(request.output).unwrap(),
        };
        let ended = InFlight::send(self.file(request.kind), sent).end(&what);
        check(&ended, expected, &what);
    }

    /// Checks that nothing has changed, and ends the machine.
    fn end(self) {
        self.booted.assert_edu_works(0, "in the end");
        let edu = self.booted.edu(0).unwrap();
        assert_eq!(edu.liveness(0x1234).unwrap(), !0x1234);
        let queues = edu.statistics().unwrap().fixed.queues;
        // The last factorial alone: what is refused never comes to a queue.
        assert_eq!(queues.map(|queue| queue.inserted), [1, 0, 0, 0]);
        let testdev = self.booted.testdev().unwrap();
        assert_eq!(testdev.run(0, 0, 3).unwrap().wait().unwrap().counted, 3);
        drop((edu, testdev, self.edu, self.testdev));
        self.booted.assert_nothing_of_requests_left();
        self.booted.shut_down();
    }
}

fn check(ended: &IoStatus, expected: u32, what: &str) {
    assert_eq!(ended.status, Status::Nt(expected), "{what}");
    assert_eq!(ended.information, 0, "{what}: a refusal moves nothing");
    let words = ended.status.explain();
    assert!(
        words.contains("STATUS_") && words.contains(": "),
        "{what}: {words}"
    );
}

#[test]
fn buffers_of_every_wrong_length_are_refused() {
    let devices = Devices::boot();
    for request in REQUESTS.iter() {
        let with = |input: Vec<u8>, output: usize| Valid {
            input,
            output,
            ..*request
        };
        let length = request.input.len();
        for shorter in 0..length {
            let wrong = with(request.input[..shorter].to_vec(), request.output);
            let mistake = format!("{shorter} bytes in instead of {length}");
            devices.refused(&wrong, &mistake, BUFFER_TOO_SMALL);
        }
        for longer in [length + 1, length + 4096] {
            let mut input = request.input.clone();
            input.resize(longer, 0);
            let wrong = with(input, request.output);
            let mistake = format!("{longer} bytes in instead of {length}");
            devices.refused(&wrong, &mistake, INVALID_BUFFER_SIZE);
        }
        for shorter in 0..request.output {
            let wrong = with(request.input.clone(), shorter);
            let mistake = format!("{shorter} bytes out of {}", request.output);
            devices.refused(&wrong, &mistake, BUFFER_TOO_SMALL);
        }
    }
    devices.end();
}

#[test]
fn another_version_another_size_and_reserved_fields_are_refused() {
    let devices = Devices::boot();
    for request in REQUESTS.iter().filter(|request| !request.input.is_empty()) {
        let with = |at: usize, value: u32| {
            let mut input = request.input.clone();
            input[at..at + 4].copy_from_slice(&value.to_le_bytes());
            Valid { input, ..*request }
        };
        let header = |size: u32, version: u32| {
            let mut wrong = with(0, 0);
            let header = Header { size, version };
            wrong.input[..size_of::<Header>()].copy_from_slice(header.as_bytes());
            wrong
        };
        let size = u32::try_from(request.input.len()).unwrap();
        // The version comes first: with another, the size may be another too.
        for version in [0, VERSION - 1, VERSION + 1, u32::MAX] {
            let mistake = format!("version {version}");
            devices.refused(&header(0, version), &mistake, REVISION_MISMATCH);
            devices.refused(&header(size, version), &mistake, REVISION_MISMATCH);
        }
        for size in [0, size - 1, size + 1, u32::MAX] {
            let mistake = format!("size {size}");
            devices.refused(&header(size, VERSION), &mistake, INFO_LENGTH_MISMATCH);
        }
        if let Some(at) = request.reserved {
            for value in [1, 1 << 31, u32::MAX] {
                let mistake = format!("{value:#x} where zero belongs");
                devices.refused(&with(at, value), &mistake, INVALID_PARAMETER);
            }
        }
    }
    devices.end();
}

#[test]
fn values_outside_of_what_is_documented_are_refused() {
    let devices = Devices::boot();
    let reserved_bits = [0, EVENT_FACTORIAL, EVENT_DMA, !EVENT_USER_MASK, u32::MAX];
    for bits in reserved_bits {
        let raise = RaiseEvent {
            header: Header::of::<RaiseEvent>(),
            bits,
            reserved: 0,
        };
        let raise = Valid::of::<_, ()>(Ioctl::RaiseEvent, &raise, None);
        devices.refused(&raise, &format!("bits {bits:#x}"), INVALID_PARAMETER);
        let wait = WaitEventInput {
            header: Header::of::<WaitEventInput>(),
            mask: bits,
            timeout_ms: 0,
        };
        let wait = Valid::of::<_, WaitEventOutput>(Ioctl::WaitEvent, &wait, None);
        devices.refused(&wait, &format!("mask {bits:#x}"), INVALID_PARAMETER);
    }
    // Ranges, directions and addresses of transfers are tried where transfers are.
    devices.end();
}

#[test]
fn codes_that_a_device_does_not_know_are_refused() {
    let devices = Devices::boot();
    for request in REQUESTS.iter() {
        let other_device = match request.kind {
            DeviceKind::Edu => DeviceKind::Testdev,
            DeviceKind::Testdev => DeviceKind::Edu,
        };
        let send = |kind: DeviceKind, code: u32, mistake: &str| {
            let what = format!("{}: {mistake} ({code:#x})", request.ioctl.name());
            let sent = Request::DeviceControl {
                code,
                input: request.input.clone(),
                output_length: u32::try_from(request.output).unwrap(),
            };
            let ended = InFlight::send(devices.file(kind), sent).end(&what);
            check(&ended, INVALID_DEVICE_REQUEST, &what);
        };
        let code = request.ioctl.code();
        send(other_device, code, "the other device's");
        for method in (0..4).filter(|method| code & 3 != *method) {
            send(request.kind, code & !3 | method, "another method");
        }
        for access in (0..4).filter(|access| code >> 14 & 3 != *access) {
            send(
                request.kind,
                code & !(3 << 14) | access << 14,
                "another access",
            );
        }
        send(request.kind, code ^ 1 << 13, "another function");
        send(request.kind, code ^ 1 << 31, "another device type");
    }
    for transfer in [
        Request::Read {
            offset: 0,
            length: 4,
        },
        Request::Write {
            offset: 0,
            data: vec![0; 4],
        },
    ] {
        let what = format!("pci-testdev: {transfer:?}");
        let ended = InFlight::send(&devices.testdev, transfer).end(&what);
        check(&ended, INVALID_DEVICE_REQUEST, &what);
    }
    devices.end();
}

#[test]
fn buffers_that_the_caller_cannot_use_are_refused_before_the_driver_sees_them() {
    let devices = Devices::boot();
    for request in REQUESTS.iter() {
        let file = devices.file(request.kind);
        let control = |input: Buffer, output: Buffer, what: &str| {
            let completion = Arc::new(Completion::default());
            file.control(request.ioctl.code(), input, output, Arc::clone(&completion))
                .unwrap();
            let ended = completion.wait(None).unwrap().unwrap();
            check(&ended, ACCESS_VIOLATION, what);
        };
        // Nothing there, the page of null pointers, the kernel's, and what wraps around.
        for address in [8, 0x10_0000_0000, 0xffff_8000_0000_0000, u64::MAX - 4] {
            let at = |length: usize| Buffer::At {
                address,
                length: u32::try_from(length).unwrap(),
            };
            let name = request.ioctl.name();
            if !request.input.is_empty() {
                let what = format!("{name}: input at {address:#x}");
                let output = Buffer::Length(u32::try_from(request.output).unwrap());
                control(at(request.input.len()), output, &what);
            }
            if request.output != 0 {
                let what = format!("{name}: output at {address:#x}");
                control(
                    Buffer::Data(request.input.clone()),
                    at(request.output),
                    &what,
                );
            }
        }
    }
    devices.end();
}

#[test]
fn a_handle_without_the_right_to_it_is_refused() {
    const READ: u32 = 0x1;
    const WRITE: u32 = 0x2;
    let devices = Devices::boot();
    for request in REQUESTS.iter() {
        let path = devices.booted.path(request.kind, 0).unwrap();
        let needed = request.ioctl.code() >> 14 & 3;
        for granted in [READ, WRITE]
            .into_iter()
            .filter(|granted| needed & !granted != 0)
        {
            let access = Access {
                mask: granted,
                ..Access::default()
            };
            let file = devices.booted.host.open(&path, access).unwrap();
            let what = format!("{}: opened for {granted}", request.ioctl.name());
            let sent = Request::DeviceControl {
                code: request.ioctl.code(),
                input: request.input.clone(),
                output_length: u32::try_from(request.output).unwrap(),
            };
            let ended = InFlight::send(&file, sent).end(&what);
            check(&ended, ACCESS_DENIED, &what);
        }
    }
    devices.end();
}

#[test]
fn what_is_refused_is_seen_nowhere_else() {
    // A device refuses what comes to it while its requests are served.
    let devices = Devices::boot();
    let running: Vec<_> = (0..20)
        .map(|_| InFlight::factorial(&devices.edu, 5))
        .collect();
    for request in REQUESTS.iter().filter(|request| !request.input.is_empty()) {
        let mut wrong = Valid {
            input: request.input.clone(),
            ..*request
        };
        wrong.input.pop();
        devices.refused(&wrong, "while others run", BUFFER_TOO_SMALL);
    }
    for factorial in running {
        assert_eq!(factorial.end("a good one").status, Status::Nt(0));
    }
    devices.booted.assert_edu_works(0, "in the end");
    let Devices {
        booted,
        edu,
        testdev,
    } = devices;
    drop((edu, testdev));
    booted.shut_down();
}
