//! `eduwdm.sys`: a reference WDM driver for QEMU's `edu` and `pci-testdev` devices.
#![no_std]

mod panic;

use wdk_sys::{DRIVER_OBJECT, NTSTATUS, PCUNICODE_STRING, STATUS_SUCCESS};

/// `DriverEntry`.
///
/// # Safety
///
/// Called by the I/O manager alone.
// SAFETY: the linker's entry point; no other symbol of the image has this name.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(
    driver: &mut DRIVER_OBJECT,
    _registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    driver.DriverUnload = Some(unload);
    wdk::println!("eduwdm: loaded");
    STATUS_SUCCESS
}

extern "C" fn unload(_driver: *mut DRIVER_OBJECT) {
    wdk::println!("eduwdm: unloaded");
}
