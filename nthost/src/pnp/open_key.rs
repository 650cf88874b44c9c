//! The registry key of a device, opened by its driver.
//!
//! Source: nf-wdm-ioopendeviceregistrykey.

use nthost_nt::{
    io::device::DEVICE_OBJECT,
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER,
        STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS,
    },
};

use super::{keys, node};
use crate::registry::key;

/// `PLUGPLAY_REGKEY_DEVICE`.
const REGKEY_DEVICE: u32 = 1;
/// `PLUGPLAY_REGKEY_DRIVER`.
const REGKEY_DRIVER: u32 = 2;

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Opens the hardware key of a device, with a handle of the kernel's own. Software keys are
    /// made by the installation of a driver, of which there is none here, and there are no
    /// hardware profiles.
    ///
    /// Source: nf-wdm-ioopendeviceregistrykey.
    ///
    /// # Safety
    ///
    /// `device` is null or a device object; `handle` can be written.
    pub unsafe fn IoOpenDeviceRegistryKey(
        device: *mut DEVICE_OBJECT,
        kind: u32,
        desired: u32,
        handle: *mut u64,
    ) -> NTSTATUS {
        let Some(instance) = node::instance_of(device) else {
            return STATUS_INVALID_PARAMETER;
        };
        match kind {
            REGKEY_DEVICE => {}
            REGKEY_DRIVER => return STATUS_OBJECT_NAME_NOT_FOUND,
            _ => return STATUS_INVALID_PARAMETER,
        }
        match keys::open_hardware(&instance) {
            Ok(key) => {
                // SAFETY: the caller's promise.
                unsafe { handle.write(key::open(key, desired, true)) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }
}
