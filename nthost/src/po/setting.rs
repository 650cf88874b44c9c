//! Power settings: what the system is plugged into and the like, for drivers that want to know.
//!
//! Sources: PoRegisterPowerSettingCallback, PoUnregisterPowerSettingCallback, and the comments
//! on the settings in wdm.h. The system is plugged in, its display on, its scheme balanced;
//! none of that ever changes, so that drivers hear the values once. A setting that is not
//! among these has no value here, and who registers for it hears of none.

use alloc::{sync::Arc, vec::Vec};
use core::{ffi::c_void, ops::Range};

use nthost_nt::{
    guid::GUID,
    io::device::DEVICE_OBJECT,
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::setting_value::value;
use crate::ke::lock::SpinLock;

/// A driver's callback, described on the page of PoRegisterPowerSettingCallback.
type Callback = unsafe extern "win64" fn(
    setting: *const GUID,
    value: *mut c_void,
    length: u32,
    context: *mut c_void,
) -> NTSTATUS;

/// A registration: what its handle points to.
struct Registration {
    callback: Callback,
}

/// The registrations. A leaf.
static REGISTRATIONS: SpinLock<Vec<Arc<Registration>>> = SpinLock::new(Vec::new());

/// The first callback that is registered and lies in an image.
#[must_use]
pub fn calling_into(image: &Range<u64>) -> Option<u64> {
    let registrations = REGISTRATIONS.lock();
    let mut callbacks = registrations
        .iter()
        .map(|registration| registration.callback as usize as u64);
    callbacks.find(|callback| image.contains(callback))
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Has a callback called with a setting's value, at once and whenever it changes.
    ///
    /// Source: PoRegisterPowerSettingCallback.
    ///
    /// # Safety
    ///
    /// `setting` can be read; `handle` can be written.
    pub unsafe fn PoRegisterPowerSettingCallback(
        _device: *mut DEVICE_OBJECT,
        setting: *const GUID,
        callback: Callback,
        context: *mut c_void,
        handle: *mut *mut c_void,
    ) -> NTSTATUS {
        let registration = Arc::new(Registration { callback });
        let entry = Arc::as_ptr(&registration).cast_mut().cast();
        REGISTRATIONS.lock().push(registration);
        // SAFETY: the caller's promise.
        unsafe { handle.write(entry) };
        // SAFETY: the caller's promise.
        let setting = unsafe { *setting };
        if let Some(mut value) = value(setting) {
            let (address, length) = (value.as_mut_ptr().cast(), value.len() as u32);
            // What it answers is of no consequence.
            // SAFETY: the driver's own callback, with its context.
            let _ = unsafe { callback(&raw const setting, address, length, context) };
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Takes a registration back. STATUS_INVALID_PARAMETER if it is none.
    ///
    /// Source: PoUnregisterPowerSettingCallback.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PoUnregisterPowerSettingCallback(handle: *mut c_void) -> NTSTATUS {
        let mut registrations = REGISTRATIONS.lock();
        let index = registrations
            .iter()
            .position(|known| Arc::as_ptr(known).addr() == handle.addr());
        let Some(index) = index else { return STATUS_INVALID_PARAMETER };
        let removed = registrations.remove(index);
        drop(registrations);
        drop(removed);
        STATUS_SUCCESS
    }
}
