//! Which IRPs drivers have made and not freed, and which a driver leaves behind when it is unloaded.
//!
//! Source: bug check 0xCE (DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS).

use alloc::{format, string::String, vec::Vec};

use nthost_nt::io::driver::DRIVER_OBJECT;
use nthost_protocol::manifest::VerifierOption;

use super::for_each;
use crate::{
    io::device,
    ob::object,
    pe::module::{self, module_of},
    verifier::{found, is_on},
};

/// DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS.
const PENDING_OPERATIONS: u32 = 0xce;

/// IRPs that drivers made and have not freed, or that are on their way: a line for each.
#[must_use]
pub fn irps() -> Vec<String> {
    let mut lines = Vec::new();
    for_each(|irp, record| {
        if !record.is_owed() {
            return;
        }
        let holders: Vec<_> = record
            .holders()
            .map(|device| format!("{device:#x}"))
            .collect();
        let (module, offset) = module_of(record.caller as u64);
        lines.push(format!(
            "irp {irp:#x} ({:?}) made at {module}+{offset:#x}, with devices [{}]",
            record.origin,
            holders.join(", ")
        ));
    });
    lines
}

/// A driver's unload routine has returned, or its DriverEntry has with a failure: nothing of it
/// may be left that could be called.
pub fn check_unloaded(driver: *mut DRIVER_OBJECT, base: u64) {
    let Some(module) = module::find(base) else {
        return;
    };
    if !is_on(VerifierOption::IoVerification) {
        return;
    }
    let range = module.base..module.base + u64::from(module.size);
    let mut left = Vec::new();
    for_each(|irp, record| {
        if record.is_owed() && range.contains(&(record.caller as u64)) {
            left.push(irp);
        }
    });
    let devices = device::of_driver(driver);
    let image = &module.name;
    for irp in &left {
        log!("verifier", "{image} leaves irp {irp:#x}");
    }
    for device in &devices {
        log!("verifier", "{image} leaves device {:#x}", device.addr());
        object::dereference(device.cast());
    }
    if !left.is_empty() || !devices.is_empty() {
        found::report(
            PENDING_OPERATIONS,
            [module.base, u64::from(module.size), 0, 0],
        );
    }
}
