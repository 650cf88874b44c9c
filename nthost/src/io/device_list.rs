//! The devices of a driver, listed for a driver.
//!
//! Source: IoEnumerateDeviceObjectList.

use nthost_nt::{
    io::{device::DEVICE_OBJECT, driver::DRIVER_OBJECT},
    status::{NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_SUCCESS},
};

use super::device;
use crate::ob::object;

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Fills a list with a driver's devices, as many as fit, and says how many there are. The
    /// caller has a reference to each that it gets.
    ///
    /// Source: IoEnumerateDeviceObjectList.
    ///
    /// # Safety
    ///
    /// The driver object exists; the list has so many bytes; `count` can be written.
    pub unsafe fn IoEnumerateDeviceObjectList(
        driver: *mut DRIVER_OBJECT,
        list: *mut *mut DEVICE_OBJECT,
        bytes: u32,
        count: *mut u32,
    ) -> NTSTATUS {
        let devices = device::of_driver(driver);
        let room = if list.is_null() { 0 } else { bytes as usize / size_of::<*mut DEVICE_OBJECT>() };
        // SAFETY: the caller's promise.
        unsafe { count.write(devices.len() as u32) };
        for (index, &device) in devices.iter().enumerate() {
            if index < room {
                // SAFETY: within the caller's list.
                let entry = unsafe { list.add(index) };
                // SAFETY: as above.
                unsafe { entry.write(device) };
            } else {
                object::dereference(device.cast());
            }
        }
        if devices.len() > room { STATUS_BUFFER_TOO_SMALL } else { STATUS_SUCCESS }
    }
}
