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

use crate::ke::lock::SpinLock;

/// A driver's callback, described on the page of PoRegisterPowerSettingCallback.
type Callback = unsafe extern "win64" fn(
    setting: *const GUID,
    value: *mut c_void,
    length: u32,
    context: *mut c_void,
) -> NTSTATUS;

const fn guid(first: u32, second: u16, third: u16, last: [u8; 8]) -> GUID {
    GUID {
        Data1: first,
        Data2: second,
        Data3: third,
        Data4: last,
    }
}

/// `GUID_ACDC_POWER_SOURCE`.
const POWER_SOURCE: GUID = guid(
    0x5d3e_9a59,
    0xe9d5,
    0x4b00,
    [0xa6, 0xbd, 0xff, 0x34, 0xff, 0x51, 0x65, 0x48],
);
/// `GUID_MONITOR_POWER_ON`.
const MONITOR_ON: GUID = guid(
    0x0273_1015,
    0x4510,
    0x4526,
    [0x99, 0xe6, 0xe5, 0xa1, 0x7e, 0xbd, 0x1a, 0xea],
);
/// `GUID_CONSOLE_DISPLAY_STATE`.
const DISPLAY_STATE: GUID = guid(
    0x6fe6_9556,
    0x704a,
    0x47a0,
    [0x8f, 0x24, 0xc2, 0x8d, 0x93, 0x6f, 0xda, 0x47],
);
/// `GUID_SYSTEM_AWAYMODE`.
const AWAY_MODE: GUID = guid(
    0x98a7_f580,
    0x01f7,
    0x48aa,
    [0x9c, 0x0f, 0x44, 0x35, 0x2c, 0x29, 0xe5, 0xc0],
);
/// `GUID_POWERSCHEME_PERSONALITY`.
const PERSONALITY: GUID = guid(
    0x245d_8541,
    0x3943,
    0x4422,
    [0xb0, 0x25, 0x13, 0xa7, 0x84, 0xf6, 0x79, 0xb7],
);
/// `GUID_TYPICAL_POWER_SAVINGS`: the balanced scheme.
const BALANCED: GUID = guid(
    0x381b_4222,
    0xf694,
    0x41f0,
    [0x96, 0x85, 0xff, 0x5b, 0xb2, 0x60, 0xdf, 0x2e],
);

/// The value of a setting; none of one that is not known.
fn value(setting: GUID) -> Option<Vec<u8>> {
    let number = |value: u32| value.to_le_bytes().to_vec();
    match setting {
        // PoAc; off.
        POWER_SOURCE | AWAY_MODE => Some(number(0)),
        // On.
        MONITOR_ON | DISPLAY_STATE => Some(number(1)),
        PERSONALITY => Some(BALANCED.to_bytes().to_vec()),
        _ => None,
    }
}

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
