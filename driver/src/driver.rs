//! What the kernel calls first: DriverEntry, AddDevice, Unload.

use core::sync::atomic::{AtomicU32, Ordering};

use eduwdm_abi::edu::{DEVICE_BUFFER_LENGTH, DEVICE_BUFFER_LENGTH_FULL};
use wdm::{
    Result, Status,
    device::PhysicalDevice,
    driver::{Driver, DriverObject},
    irql::Passive,
    pnp::HardwareIds,
    registry::Key,
    unicode::UnicodeString,
    utf16,
};

use crate::{edu, tags, testdev, trace};

/// The driver. All state but one parameter belongs to a device.
pub struct EduWdm;

/// How many bytes of the `edu` device's buffer requests may use: written once by DriverEntry,
/// before there is a device.
static BUFFER_LENGTH: AtomicU32 = AtomicU32::new(DEVICE_BUFFER_LENGTH);

impl Driver for EduWdm {
    fn entry(registry_path: UnicodeString<'_>, irql: &mut Passive) -> Result<()> {
        if use_last_byte(registry_path, irql) {
            // Relaxed: AddDevice is called after DriverEntry, by the PnP manager.
            BUFFER_LENGTH.store(DEVICE_BUFFER_LENGTH_FULL, Ordering::Relaxed);
        }
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
            let buffer_length = BUFFER_LENGTH.load(Ordering::Relaxed);
            edu::add_device(driver, physical, buffer_length, irql)
        } else if ids.any_starts_with(utf16!("PCI\\VEN_1B36&DEV_0005")) {
            testdev::add_device(driver, physical, irql)
        } else {
            Err(Status::NO_SUCH_DEVICE)
        }
    }

    fn unload(_irql: &mut Passive) {
        trace::unregister();
        wdk::println!("eduwdm: unloaded");
    }
}

/// The parameter `UseLastByte` of the service: whether the emulator's range check is known to
/// let transfers touch the last byte of the device's buffer. Without it, it is not.
fn use_last_byte(registry_path: UnicodeString<'_>, irql: &Passive) -> bool {
    Key::open(registry_path, irql)
        .and_then(|key| key.open_subkey(UnicodeString::new(utf16!("Parameters")), irql))
        .and_then(|key| key.query_dword(UnicodeString::new(utf16!("UseLastByte")), irql))
        .is_ok_and(|value| value != 0)
}
