//! The driver itself: DriverEntry, AddDevice, Unload.
//!
//! Source: nc-wdm-driver_initialize, nc-wdm-driver_add_device, nc-wdm-driver_unload.
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Result,
//!     device::PhysicalDevice,
//!     driver::{Driver, DriverObject},
//!     irql::Passive,
//!     unicode::UnicodeString,
//! };
//!
//! struct Sample;
//!
//! impl Driver for Sample {
//!     fn entry(_registry_path: UnicodeString<'_>, _irql: &mut Passive) -> Result<()> {
//!         Ok(())
//!     }
//!
//!     fn add_device(
//!         _driver: &DriverObject,
//!         _physical: PhysicalDevice<'_>,
//!         _irql: &mut Passive,
//!     ) -> Result<()> {
//!         Ok(()) // `wdm::function::add_device`, for one
//!     }
//!
//!     fn unload(_irql: &mut Passive) {}
//! }
//!
//! wdm::driver_entry!(Sample);
//! ```

use core::ptr::NonNull;

use wdk_sys::{DEVICE_OBJECT, DRIVER_OBJECT, NTSTATUS, UNICODE_STRING, ntddk::KeFlushQueuedDpcs};

use crate::{
    Result, Status,
    device::{self, PhysicalDevice},
    irql::Passive,
    unicode::UnicodeString,
};

/// A driver's entry points; [`driver_entry!`](crate::driver_entry) makes them the image's.
pub trait Driver {
    /// DriverEntry: the image has been loaded. `registry_path` names the driver's service key
    /// and is only valid during the call.
    ///
    /// # Errors
    ///
    /// The image is unloaded again, without a call of [`Self::unload`].
    fn entry(registry_path: UnicodeString<'_>, irql: &mut Passive) -> Result<()>;

    /// AddDevice: the PnP manager found a device that the driver is installed for.
    ///
    /// # Errors
    ///
    /// The device gets no driver. Nothing may be left behind.
    fn add_device(
        driver: &DriverObject,
        physical: PhysicalDevice<'_>,
        irql: &mut Passive,
    ) -> Result<()>;

    /// Unload: all devices are gone, the image goes next.
    fn unload(irql: &mut Passive);
}

/// The driver object: what the kernel knows the driver by.
#[derive(Debug)]
pub struct DriverObject(NonNull<DRIVER_OBJECT>);

impl DriverObject {
    /// For a kernel routine that takes it. It stays for as long as the image is loaded.
    #[must_use]
    pub const fn as_ptr(&self) -> *mut DRIVER_OBJECT {
        self.0.as_ptr()
    }
}

/// Makes a [`Driver`](crate::driver::Driver) the one of this image: defines its DriverEntry.
#[macro_export]
macro_rules! driver_entry {
    ($driver:ty) => {
        /// DriverEntry.
        ///
        /// # Safety
        ///
        /// Called by the I/O manager alone.
        // SAFETY: the linker's entry point; no other symbol of the image has this name.
        #[unsafe(export_name = "DriverEntry")]
        pub unsafe extern "system" fn driver_entry(
            driver: *mut $crate::wdk_sys::DRIVER_OBJECT,
            registry_path: *const $crate::wdk_sys::UNICODE_STRING,
        ) -> $crate::wdk_sys::NTSTATUS {
            // SAFETY: passed on as the I/O manager gave them.
            unsafe { $crate::driver::entry::<$driver>(driver, registry_path) }
        }
    };
}

/// For [`driver_entry!`].
///
/// # Safety
///
/// Called by the I/O manager as DriverEntry.
#[doc(hidden)]
pub unsafe fn entry<D: Driver>(
    driver: *mut DRIVER_OBJECT,
    registry_path: *const UNICODE_STRING,
) -> NTSTATUS {
    // SAFETY: DriverEntry is called at PASSIVE_LEVEL.
    let irql = &mut unsafe { Passive::assume() };
    // SAFETY: valid during the call, in which the driver fills it in.
    let object = unsafe { &mut *driver };
    // SAFETY: the I/O manager made it along with the driver object.
    let extension = unsafe { &mut *object.DriverExtension };
    extension.AddDevice = Some(add_device::<D>);
    object.DriverUnload = Some(unload::<D>);
    device::set_dispatch_routines(object);
    // SAFETY: valid during the call.
    let raw_path = unsafe { *registry_path };
    // SAFETY: its buffer is, too.
    let registry_path = unsafe { UnicodeString::from_raw(raw_path) };
    match D::entry(registry_path, irql) {
        Ok(()) => Status::SUCCESS,
        Err(status) => status,
    }
    .to_raw()
}

unsafe extern "C" fn add_device<D: Driver>(
    driver: *mut DRIVER_OBJECT,
    physical: *mut DEVICE_OBJECT,
) -> NTSTATUS {
    // SAFETY: AddDevice is called at PASSIVE_LEVEL.
    let irql = &mut unsafe { Passive::assume() };
    // SAFETY: the PnP manager passes this driver's object.
    let driver = DriverObject(unsafe { NonNull::new_unchecked(driver) });
    // SAFETY: and that of the device found.
    let physical = unsafe { NonNull::new_unchecked(physical) };
    // SAFETY: a PDO, which stays during the call and for as long as something is attached to it.
    let physical = unsafe { PhysicalDevice::from_raw(physical) };
    match D::add_device(&driver, physical, irql) {
        Ok(()) => Status::SUCCESS,
        Err(status) => status,
    }
    .to_raw()
}

unsafe extern "C" fn unload<D: Driver>(_driver: *mut DRIVER_OBJECT) {
    // SAFETY: Unload is called at PASSIVE_LEVEL.
    let irql = &mut unsafe { Passive::assume() };
    D::unload(irql);
    // The DPC of a timer that expired just before its request was over may be queued still.
    // SAFETY: at PASSIVE_LEVEL.
    unsafe { KeFlushQueuedDpcs() };
}
