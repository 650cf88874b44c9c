//! What a driver has left behind when it is unloaded, and what is still around at any time.

use alloc::{format, string::String, vec::Vec};

use nthost_nt::io::{device::DEVICE_OBJECT, driver::DRIVER_OBJECT};
use nthost_protocol::manifest::VerifierOption;

use super::{device, driver, irp, remove_lock};
use crate::{
    hook,
    ob::{self, object},
    pe::module::{Module, module_of},
};

/// DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS.
const PENDING_OPERATIONS: u32 = 0xce;

/// IRPs that drivers made and have not freed, or that are on their way: a line for each.
#[must_use]
pub fn irps() -> Vec<String> {
    let mut lines = Vec::new();
    irp::for_each(|irp, record| {
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

/// Device objects of the manifest's drivers, and symbolic links: a line for each.
#[must_use]
pub fn objects() -> Vec<String> {
    let mut lines = Vec::new();
    for driver in driver::all() {
        if driver.object.is_null() || !driver.is_loaded() {
            continue;
        }
        for device in device::of_driver(driver.object) {
            lines.push(format!(
                "device object {:#x} of {}",
                device.addr(),
                driver.image.service
            ));
            object::dereference(device.cast::<DEVICE_OBJECT>().cast());
        }
    }
    for (link, target) in ob::links() {
        lines.push(format!("symbolic link {link} to {target}"));
    }
    lines
}

/// A driver's unload routine has returned, or its DriverEntry has with a failure: nothing of it
/// may be left that could be called. Whether something is, so that its image must stay.
pub fn check_unloaded(image: &str, driver: *mut DRIVER_OBJECT, module: &Module) -> bool {
    let range = module.base..module.base + u64::from(module.size);
    let mut left = Vec::new();
    irp::for_each(|irp, record| {
        if record.is_owed() && range.contains(&(record.caller as u64)) {
            left.push(irp);
        }
    });
    let devices = device::of_driver(driver);
    for &device in &devices {
        object::dereference(device.cast());
    }
    if hook::watches(VerifierOption::IoVerification) && (!left.is_empty() || !devices.is_empty()) {
        for irp in &left {
            log!("verifier", "{image} leaves irp {irp:#x}");
        }
        for device in &devices {
            log!("verifier", "{image} leaves device {:#x}", device.addr());
        }
        let parameters = [module.base, u64::from(module.size), 0, 0];
        hook::violation(
            VerifierOption::IoVerification,
            PENDING_OPERATIONS,
            parameters,
        );
    }
    // A device keeps its driver's object, and that the image.
    !devices.is_empty()
}

/// Memory of a driver's is gone: what was known of the IRPs and remove locks in it says nothing of
/// those that are made there next.
pub fn forget_memory(start: usize, bytes: usize) {
    irp::forget_memory(start, bytes);
    remove_lock::forget_memory(start, bytes);
}
