//! Drivers that nthost must not load, and what it says of them.
#![cfg(unix)]

use std::fs;

use eductl::Status;
use eduwdm_qemu::archive::Image;
use eduwdm_tests::{boot, make_writable, manifest, options, out, rename_import};
use nthost_protocol::{host::DeviceState, manifest::VerifierOption};

const IMAGE: &str = "eduwdm.sys";

/// Boots with this in the driver's place, and checks what is said of it.
#[track_caller]
fn refused(image: Vec<u8>, status: &str, words: &[&str]) {
    let mut options = options(manifest());
    options.images.push(Image {
        name: IMAGE.to_owned(),
        bytes: image,
    });
    let booted = boot("up", &options).unwrap_or_else(|fault| panic!("{fault}"));
    let drivers = booted.host.drivers().unwrap();
    let driver = drivers.iter().find(|driver| driver.service == "eduwdm");
    let driver = driver.expect("even a driver that is refused is listed");
    assert_eq!(
        Status::Nt(driver.status.cast_unsigned()).name(),
        Some(status),
        "{driver:?}"
    );
    for word in words {
        assert!(
            driver.fault.contains(word),
            "“{word}” is not in: {}",
            driver.fault
        );
    }
    // Its devices are there, and nobody's.
    let devices = booted.host.devices().unwrap();
    let edu = devices
        .iter()
        .find(|device| device.instance.contains("DEV_11E8"));
    let edu = edu.expect("the device is there");
    assert_eq!(edu.state, DeviceState::NoDriver, "{edu:?}");
    assert!(booted.edu(0).is_err());
    booted.shut_down();
}

fn image() -> Vec<u8> {
    fs::read(out().join(IMAGE)).expect("cargo xtask build makes it")
}

#[test]
fn a_truncated_image_is_refused() {
    let mut image = image();
    image.truncate(image.len() / 2);
    refused(image, "STATUS_INVALID_IMAGE_FORMAT", &["section"]);
}

#[test]
fn a_changed_image_is_refused_for_its_checksum() {
    let mut image = image();
    // In the text of the DOS stub, which nobody looks at otherwise.
    image[0x50] ^= 1;
    refused(image, "STATUS_IMAGE_CHECKSUM_MISMATCH", &["checksum"]);
}

#[test]
fn unknown_routines_are_named_all_at_once() {
    let mut image = image();
    rename_import(&mut image, "KeInsertQueueDpc", "KeInsertQueueDpX");
    rename_import(&mut image, "KeSetEvent", "KeSetEvenX");
    let words = ["KeInsertQueueDpX", "KeSetEvenX"];
    refused(image, "STATUS_DRIVER_ENTRYPOINT_NOT_FOUND", &words);
}

/// Drivers of old compilers have such code, which Windows loads unless it enforces its integrity.
#[test]
fn code_that_can_be_written_is_refused_where_the_integrity_of_code_is_checked() {
    let mut image = image();
    make_writable(&mut image, ".text");
    refused(image.clone(), "STATUS_INVALID_IMAGE_FORMAT", &[".text"]);

    let mut manifest = manifest();
    let others = VerifierOption::STANDARD.iter().copied();
    let others = others.filter(|option| *option != VerifierOption::CodeIntegrity);
    manifest.verifier = Some(others.collect());
    let mut options = options(manifest);
    options.images.push(Image {
        name: IMAGE.to_owned(),
        bytes: image,
    });
    let booted = boot("up", &options).unwrap_or_else(|fault| panic!("{fault}"));
    booted.edu(0).unwrap();
    booted.shut_down();
}

#[test]
fn what_is_no_image_is_refused() {
    refused(b"not an image".to_vec(), "STATUS_INVALID_IMAGE_FORMAT", &[]);
    refused(Vec::new(), "STATUS_INVALID_IMAGE_FORMAT", &[]);
}
