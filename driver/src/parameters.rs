//! The driver's parameters in the registry: values of the service's `Parameters` key, which the INF
//! describes.

use core::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use eduwdm_abi::edu::{DEVICE_BUFFER_LENGTH, DEVICE_BUFFER_LENGTH_FULL};
use wdm::{irql::Passive, registry::Key, unicode::UnicodeString, utf16};

/// What a device uses of them.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// `UseLastByte`: how many bytes of the `edu` device's buffer requests may use. All of them if
    /// the emulator's range check is known to let transfers touch the last one; without the value,
    /// it is not.
    pub buffer_length: u32,
    /// `OperationTimeout`: for how many milliseconds the device may be at one operation.
    pub operation_ms: u32,
    /// `IdleTimeout`: for how many milliseconds a device is idle before it goes to D3. Zero for never.
    idle_ms: u32,
}

impl Parameters {
    /// For how many milliseconds a device is idle before it goes to D3, if ever.
    pub const fn idle(self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.idle_ms)
    }
}

/// Without the value: the slowest operation takes the device a tenth of a second.
const OPERATION_MS: u32 = 30_000;

/// Without the value: long enough that a client that uses the device now and then does not wait.
const IDLE_MS: u32 = 10_000;

/// Written once by DriverEntry, before there is a device.
static BUFFER_LENGTH: AtomicU32 = AtomicU32::new(DEVICE_BUFFER_LENGTH);
/// Likewise.
static OPERATION: AtomicU32 = AtomicU32::new(OPERATION_MS);
/// Likewise.
static IDLE: AtomicU32 = AtomicU32::new(IDLE_MS);

/// Reads them, for DriverEntry. What is missing or of another type is as without it.
pub fn read(registry_path: UnicodeString<'_>, irql: &Passive) {
    let Ok(key) = Key::open(registry_path, irql) else {
        return;
    };
    let Ok(key) = key.open_subkey(UnicodeString::new(utf16!("Parameters")), irql) else {
        return;
    };
    let value = |name| key.query_dword(UnicodeString::new(name), irql).ok();
    // Relaxed, all: AddDevice is called after DriverEntry, by the PnP manager.
    if value(utf16!("UseLastByte")).is_some_and(|value| value != 0) {
        BUFFER_LENGTH.store(DEVICE_BUFFER_LENGTH_FULL, Ordering::Relaxed);
    }
    if let Some(milliseconds) = value(utf16!("OperationTimeout")).filter(|&value| value != 0) {
        OPERATION.store(milliseconds, Ordering::Relaxed);
    }
    if let Some(milliseconds) = value(utf16!("IdleTimeout")) {
        IDLE.store(milliseconds, Ordering::Relaxed);
    }
}

/// What they are.
pub fn get() -> Parameters {
    Parameters {
        buffer_length: BUFFER_LENGTH.load(Ordering::Relaxed),
        operation_ms: OPERATION.load(Ordering::Relaxed),
        idle_ms: IDLE.load(Ordering::Relaxed),
    }
}
