//! Structured exceptions, stack cookies and guarded calls of a driver that is built for
//! Microsoft's ABI, as the WDK's compiler builds them.
//!
//! Its sources are in `drivers/c/exceptions`.
#![cfg(unix)]

use std::{fs, sync::Arc, time::Duration};

use eductl::{
    DeviceKind, Interrupt, Request, Status,
    device::OpenDevice,
    io::Completion,
    nthost::{Access, NtHost},
};
use eduwdm_abi::{
    Header, Ioctl,
    edu::{FROM_DEVICE, LockedTransfer, LockedTransferOutput},
};
use eduwdm_qemu::archive::Image;
use eduwdm_tests::{Booted, InFlight, boot, empty_guard_table, manifest, options, out};
use nthost_protocol::{
    Buffer, HostRequest, Manifest,
    manifest::{DriverImage, Role},
};

/// How long a line of the log may take: no test measures time.
const LIMIT: Duration = Duration::from_mins(1);

const BUFFER_TOO_SMALL: u32 = 0xc000_0023;
const ACCESS_VIOLATION: u32 = 0xc000_0005;
/// `CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800, METHOD_NEITHER, FILE_ANY_ACCESS)`.
const IOCTL_SUM: u32 = 0x22_2003;

#[test]
fn exceptions_find_their_handlers_and_unwind_to_them() {
    let driver = DriverImage {
        service: "exceptions".to_owned(),
        image: "exceptions.sys".to_owned(),
        role: Role::Function,
        hardware_ids: Vec::new(),
        service_values: Vec::new(),
        device_values: Vec::new(),
        security: None,
    };
    let manifest = Manifest {
        drivers: vec![driver],
        ..Manifest::default()
    };
    let booted = boot("up", &options(manifest)).unwrap_or_else(|fault| panic!("{fault}"));
    use_device(&booted.host);
    let unload = HostRequest::UnloadDriver {
        service: "exceptions".to_owned(),
    };
    let unloaded = booted.host.host_success(unload);
    unloaded.unwrap_or_else(|fault| panic!("{fault}\n{}", booted.log()));
    let log = &booted.session.guest.log;
    let last = log.wait(LIMIT, |line| line.contains("exceptions is unloaded"));
    assert!(last.is_some(), "the driver was not unloaded");
    let lines = log.lines();
    let failed: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("exceptions: FAILED"))
        .map(String::as_str)
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let ended = lines.iter().any(|line| line.contains("hold, 0 failed"));
    assert!(ended, "not all rules were checked\n{}", booted.log());
    booted.shut_down();
}

/// A device without a bus is opened by its name; its driver takes addresses as they come.
fn use_device(host: &NtHost) {
    let path = r"\\.\EduExceptions";
    let device = OpenDevice::open(host, path, &Interrupt::default()).unwrap();
    let sum = |output_length| {
        let request = Request::DeviceControl {
            code: IOCTL_SUM,
            input: vec![1, 2, 3],
            output_length,
        };
        device
            .submit("summing bytes", request)
            .unwrap()
            .wait()
            .unwrap()
    };
    let ended = sum(8);
    assert_eq!(ended.status, Status::Nt(0));
    assert_eq!(ended.output(), 6_u64.to_le_bytes());
    assert_eq!(sum(7).status, Status::Nt(BUFFER_TOO_SMALL));

    // Addresses that nothing is at, those of the system, and those that wrap around.
    let file = host.open(path, Access::default()).unwrap();
    for address in [0x10_0000, 0xffff_8000_0000_0000, u64::MAX - 3] {
        let wrong = Buffer::At {
            address,
            length: 16,
        };
        for (input, output) in [
            (wrong.clone(), Buffer::Length(8)),
            (Buffer::Data(vec![1]), wrong.clone()),
        ] {
            let completion = Arc::new(Completion::default());
            file.control(IOCTL_SUM, input, output, completion.clone())
                .unwrap();
            let ended = completion.wait(Some(LIMIT)).unwrap().unwrap();
            assert_eq!(ended.status, Status::Nt(ACCESS_VIOLATION), "{address:#x}");
        }
    }
}

/// Where the integrity of code is enforced, the system calls handlers as Control Flow Guard allows. The
/// driver names its own by hand, so it has to enter it by hand in the image's table.
#[test]
fn a_handler_that_is_not_in_the_images_guard_table_stops_the_system() {
    const IMAGE: &str = "eduwdm.sys";
    // Of an address that is nobody's: the driver's handler makes a status of the exception.
    let ask = |booted: &Booted| {
        let file = InFlight::open(booted, &booted.path(DeviceKind::Edu, 0).unwrap());
        let input = LockedTransfer {
            header: Header::of::<LockedTransfer>(),
            address: 0x10_0000,
            length: 64,
            device_offset: 0,
            direction: FROM_DEVICE,
            reserved: 0,
        };
        let output = size_of::<LockedTransferOutput>();
        InFlight::control(&file, Ioctl::LockedTransfer, &input, output)
    };
    let booted = boot("up", &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
    let refused = ask(&booted).end("a bad address").status;
    assert_eq!(refused, Status::Nt(ACCESS_VIOLATION));
    booted.shut_down();

    let mut bytes = fs::read(out().join(IMAGE)).expect("cargo xtask build makes it");
    empty_guard_table(&mut bytes);
    let mut options = options(manifest());
    options.images.push(Image {
        name: IMAGE.to_owned(),
        bytes,
    });
    let mut booted = boot("up", &options).unwrap_or_else(|fault| panic!("{fault}"));
    let asked = ask(&booted);
    booted.session.guest.wait(LIMIT);
    let bugcheck = booted.session.guest.log.bugcheck().expect("a bug check");
    assert_eq!((bugcheck.code, bugcheck.parameters[0]), (0x139, 10));
    drop(asked);
}
