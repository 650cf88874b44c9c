//! What a driver has left behind when it is unloaded, and what is still around at any time.

use alloc::{format, string::String, vec::Vec};

use nthost_nt::io::{device::DEVICE_OBJECT, driver::DRIVER_OBJECT};

use super::{device, driver};
use crate::ob::{self, object};

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

/// Whether a driver whose unload routine has returned, or whose DriverEntry has with a failure, has
/// devices left: a device keeps its driver's object, and that the image.
pub fn has_devices(driver: *mut DRIVER_OBJECT) -> bool {
    let devices = device::of_driver(driver);
    for &device in &devices {
        object::dereference(device.cast());
    }
    !devices.is_empty()
}
