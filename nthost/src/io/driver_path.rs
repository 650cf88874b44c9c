//! Where a driver's image and its keys are.
//!
//! Sources: IoQueryFullDriverPath, IoOpenDriverRegistryKey.

use alloc::format;

use nthost_nt::{
    io::driver::DRIVER_OBJECT,
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_NOT_FOUND, STATUS_NOT_SUPPORTED, STATUS_SUCCESS,
    },
};

use super::interface;
use crate::{pe::module, pnp::keys, registry::key};

/// `DriverRegKeyParameters`.
const PARAMETERS: i32 = 0;
/// `DriverRegKeyPersistentState`, `DriverRegKeySharedPersistentState`.
const STATES: [i32; 2] = [1, 2];

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// The path of a driver's image, in a string whose buffer the caller frees. STATUS_NOT_FOUND
    /// if the driver has no image.
    ///
    /// Source: IoQueryFullDriverPath.
    ///
    /// # Safety
    ///
    /// It is a driver object; `path` can be written.
    pub unsafe fn IoQueryFullDriverPath(
        driver: *mut DRIVER_OBJECT,
        path: *mut UNICODE_STRING,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let start = unsafe { (*driver).DriverStart } as u64;
        let Some(module) = module::find(start) else { return STATUS_NOT_FOUND };
        let path_name = format!(r"\SystemRoot\System32\drivers\{}", module.name);
        match interface::in_pool(&path_name) {
            Ok(string) => {
                // SAFETY: the caller's promise.
                unsafe { path.write(string) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Opens the key of a driver's parameters. Keys for the state of drivers that may not write
    /// to their service's key are not supported.
    ///
    /// Source: IoOpenDriverRegistryKey.
    ///
    /// # Safety
    ///
    /// The driver object is the caller's; `handle` can be written.
    pub unsafe fn IoOpenDriverRegistryKey(
        driver: *mut DRIVER_OBJECT,
        kind: i32,
        desired: u32,
        flags: u32,
        handle: *mut u64,
    ) -> NTSTATUS {
        if STATES.contains(&kind) {
            return STATUS_NOT_SUPPORTED;
        }
        if kind != PARAMETERS || flags != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let extension = unsafe { (*driver).DriverExtension };
        // SAFETY: a driver object has one as long as it exists.
        let name = unsafe { &raw const (*extension).ServiceKeyName };
        // SAFETY: the service's name.
        let service = unsafe { interface::text(name) };
        match keys::open_parameters(&service) {
            Ok(opened) => {
                // SAFETY: the caller's promise.
                unsafe { handle.write(key::open(opened, desired, true)) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }
}
