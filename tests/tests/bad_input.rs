//! What is wrong with a request gets its documented status, is put into words, and changes
//! nothing: the device answers right afterwards, and nothing is left behind.
#![cfg(unix)]

use eductl::{DeviceKind, device::OpenDevice, io::Request, status::Status};
use eduwdm_abi::{
    Header, Ioctl, VERSION,
    edu::{FactorialInput, FactorialOutput, Liveness},
};
use eduwdm_tests::{boot, manifest, options};
use zerocopy::IntoBytes;

const BUFFER_TOO_SMALL: u32 = 0xc000_0023;
const INVALID_BUFFER_SIZE: u32 = 0xc000_0206;
const REVISION_MISMATCH: u32 = 0xc000_0059;
const INFO_LENGTH_MISMATCH: u32 = 0xc000_0004;
const INVALID_PARAMETER: u32 = 0xc000_000d;
const INVALID_DEVICE_REQUEST: u32 = 0xc000_0010;

fn refused(device: &OpenDevice, code: u32, input: &[u8], output_length: usize, expected: u32) {
    let request = Request::DeviceControl {
        code,
        input: input.to_vec(),
        output_length: u32::try_from(output_length).unwrap(),
    };
    let what = format!("code {code:#x}, {} in, {output_length} out", input.len());
    let ended = device.submit(&what, request).unwrap().wait().unwrap();
    assert_eq!(ended.status, Status::Nt(expected), "{what}");
    assert_eq!(ended.information, 0, "{what}: a refusal moves nothing");
    let words = ended.status.explain();
    assert!(
        words.contains("STATUS_") && words.contains(": "),
        "{what}: {words}"
    );
}

fn input(header: Header, n: u32, reserved: u32) -> FactorialInput {
    FactorialInput {
        header,
        n,
        reserved,
    }
}

#[test]
fn a_bad_request_gets_its_documented_status_and_changes_nothing() {
    let booted = boot("smp4", &options(manifest())).unwrap_or_else(|fault| panic!("{fault}"));
    let device = booted.open(DeviceKind::Edu, 0).unwrap();
    let factorial = Ioctl::Factorial.code();
    let header = Header::of::<FactorialInput>();
    let good = input(header, 5, 0);
    let output = size_of::<FactorialOutput>();

    // A code that no interface has, of each access that the handle was granted.
    for access in 0..4 {
        let unknown = (factorial & !(3 << 14) | access << 14) ^ (1 << 12);
        refused(
            &device,
            unknown,
            good.as_bytes(),
            output,
            INVALID_DEVICE_REQUEST,
        );
    }
    // Input at every length below, and above.
    for length in 0..good.as_bytes().len() {
        refused(
            &device,
            factorial,
            &good.as_bytes()[..length],
            output,
            BUFFER_TOO_SMALL,
        );
    }
    let long = [good.as_bytes(), &[0]].concat();
    refused(&device, factorial, &long, output, INVALID_BUFFER_SIZE);
    // Output that the answer does not fit.
    for length in [0, 1, output - 1] {
        refused(
            &device,
            factorial,
            good.as_bytes(),
            length,
            BUFFER_TOO_SMALL,
        );
    }
    // Another version, before the size is looked at; another size.
    for version in [0, VERSION - 1, VERSION + 1, u32::MAX] {
        let other = input(Header { size: 0, version }, 5, 0);
        refused(
            &device,
            factorial,
            other.as_bytes(),
            output,
            REVISION_MISMATCH,
        );
    }
    for size in [0, header.size - 1, header.size + 1, u32::MAX] {
        let other = input(
            Header {
                size,
                version: VERSION,
            },
            5,
            0,
        );
        refused(
            &device,
            factorial,
            other.as_bytes(),
            output,
            INFO_LENGTH_MISMATCH,
        );
    }
    for reserved in [1, u32::MAX] {
        let other = input(header, 5, reserved);
        refused(
            &device,
            factorial,
            other.as_bytes(),
            output,
            INVALID_PARAMETER,
        );
    }
    let liveness = Ioctl::Liveness.code();
    let header = Header::of::<Liveness>();
    let not_zero = Liveness {
        header,
        value: 1,
        inverse: 1,
    };
    refused(
        &device,
        liveness,
        not_zero.as_bytes(),
        size_of::<Liveness>(),
        INVALID_PARAMETER,
    );
    drop(device);

    let edu = booted.edu(0).unwrap();
    assert_eq!(edu.liveness(0x1234).unwrap(), !0x1234);
    assert_eq!(edu.factorial(5).unwrap().wait().unwrap().result, 120);
    drop(edu);
    let report = booted.host.verifier().unwrap();
    assert_eq!(
        (report.irps, report.locks, report.locked_pages),
        (0, 0, 0),
        "{report:?}"
    );
    booted.shut_down();
}
