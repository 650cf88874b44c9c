//! Unloading a driver: its devices are marked, so that nobody opens or attaches to one any more,
//! and its unload routine is called once none of them is open or attached to. A plug-and-play
//! driver's devices are removed first, by the plug-and-play manager.
//!
//! Sources: nc-wdm-driver_unload, "Unload Routine Environment".

use nthost_nt::{
    io::{
        device::DOE_UNLOAD_PENDING,
        driver::{DRIVER_OBJECT, DRVO_UNLOAD_INVOKED},
    },
    status::{
        NTSTATUS, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_DEVICE_STATE, STATUS_NOT_FOUND,
    },
};

use super::{device, driver, export_driver, leak};
use crate::{
    ex::worker::{self, Queue},
    hook,
    ob::{self, object},
};

/// Unloads a driver, or has it unloaded when its devices are no longer in use. PASSIVE_LEVEL, in a
/// system thread.
///
/// # Errors
///
/// `STATUS_NOT_FOUND` if it is not loaded, `STATUS_INVALID_DEVICE_REQUEST` if it has no unload
/// routine, `STATUS_INVALID_DEVICE_STATE` while a plug-and-play driver has devices, or others
/// import from it.
pub fn unload(service: &str) -> Result<(), NTSTATUS> {
    let driver = driver::of_service(service).ok_or(STATUS_NOT_FOUND)?;
    let module = driver.module().ok_or(STATUS_NOT_FOUND)?;
    let object = driver.object;
    let mut stays = false;
    if !object.is_null() {
        // SAFETY: a loaded driver's object exists.
        let fields = unsafe { &mut *object };
        // SAFETY: as its extension.
        let is_pnp = unsafe { (*fields.DriverExtension).AddDevice }.is_some();
        if is_pnp && !fields.DeviceObject.is_null() {
            return Err(STATUS_INVALID_DEVICE_STATE);
        }
        let unload = fields.DriverUnload.ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
        if mark_devices(object) {
            log!(
                "driver",
                "{service} is unloaded when its devices are no longer in use"
            );
            return Ok(());
        }
        fields.Flags |= DRVO_UNLOAD_INVOKED;
        // SAFETY: the driver's own routine.
        unsafe { unload(object) };
        hook::driver_leaving(object, module.base);
        stays = leak::has_devices(object);
        ob::remove_name_of(object.addr());
        object::dereference(object.cast());
    } else if export_driver::is_imported(module) {
        return Err(STATUS_INVALID_DEVICE_STATE);
    }
    driver.finish_unload(module, stays);
    Ok(())
}

/// Nobody opens a driver's devices or attaches to them from now on; whether one is still open or
/// attached to.
fn mark_devices(driver: *mut DRIVER_OBJECT) -> bool {
    let devices = device::of_driver(driver);
    let mut in_use = false;
    for &device in &devices {
        let guard = device::DEVICES.lock();
        // SAFETY: the reference keeps it, and the lock what is looked at.
        let fields = unsafe { &*device };
        // SAFETY: as above.
        unsafe { device::extension(device) }.ExtensionFlags |= DOE_UNLOAD_PENDING;
        in_use |= fields.ReferenceCount > 0 || !fields.AttachedDevice.is_null();
        drop(guard);
    }
    for device in devices {
        object::dereference(device.cast());
    }
    in_use
}

/// A device of a driver that is to be unloaded is no longer open, or no longer attached to.
pub(super) fn resume(driver: *mut DRIVER_OBJECT) {
    let service = driver::service_of(driver);
    // Nobody is told: whoever asked for it was answered.
    worker::queue(Queue::Pnp, move || {
        let _status = crate::pnp::manager::unload(&service);
    });
}
