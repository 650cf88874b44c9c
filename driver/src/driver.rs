//! What the kernel calls first: DriverEntry, AddDevice, Unload.

use eduwdm_abi::InterfaceClass;
use wdm::{
    Result, Status, bugcheck,
    device::PhysicalDevice,
    driver::{Driver, DriverObject},
    guid::Guid,
    irql::Passive,
    pnp::HardwareIds,
    unicode::UnicodeString,
    utf16,
};

use crate::{edu, parameters, tags, testdev, trace};

/// A device interface class as the contract with clients has it, in the safe layer's own type.
pub const fn interface(class: InterfaceClass) -> Guid {
    Guid::new(class.data1, class.data2, class.data3, class.data4)
}

/// The driver. All state but one parameter belongs to a device.
pub struct EduWdm;

impl Driver for EduWdm {
    fn entry(registry_path: UnicodeString<'_>, irql: &mut Passive) -> Result<()> {
        parameters::read(registry_path, irql);
        // Without it, dumps tell less.
        bugcheck::register(irql);
        trace::register();
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
            edu::add_device(driver, physical, parameters::get(), irql)
        } else if ids.any_starts_with(utf16!("PCI\\VEN_1B36&DEV_0005")) {
            testdev::add_device(driver, physical, parameters::get(), irql)
        } else {
            Err(Status::NO_SUCH_DEVICE)
        }
    }

    fn unload(irql: &mut Passive) {
        trace::unregister();
        bugcheck::deregister(irql);
        wdk::println!("eduwdm: unloaded");
    }
}
