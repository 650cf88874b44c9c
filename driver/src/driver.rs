//! What the kernel calls first: DriverEntry, AddDevice, Unload.

use wdm::{
    Result, Status,
    device::PhysicalDevice,
    driver::{Driver, DriverObject},
    irql::Passive,
    pnp::HardwareIds,
    unicode::UnicodeString,
    utf16,
};

use crate::{edu, tags, testdev};

/// The driver. It keeps nothing for itself: all state belongs to a device.
pub struct EduWdm;

impl Driver for EduWdm {
    fn entry(_registry_path: UnicodeString<'_>, _irql: &mut Passive) -> Result<()> {
        wdk::println!("eduwdm: loaded, version {}", env!("CARGO_PKG_VERSION"));
        Ok(())
    }

    fn add_device(
        driver: &DriverObject,
        physical: PhysicalDevice<'_>,
        irql: &mut Passive,
    ) -> Result<()> {
        // The INF names both devices; the first hardware ids tell which this is. Revision and
        // subsystem do not matter.
        let ids = HardwareIds::of(physical, tags::PNP, irql)?;
        if ids.any_starts_with(utf16!("PCI\\VEN_1234&DEV_11E8")) {
            edu::add_device(driver, physical, irql)
        } else if ids.any_starts_with(utf16!("PCI\\VEN_1B36&DEV_0005")) {
            testdev::add_device(driver, physical, irql)
        } else {
            Err(Status::NO_SUCH_DEVICE)
        }
    }

    fn unload(_irql: &mut Passive) {
        wdk::println!("eduwdm: unloaded");
    }
}
