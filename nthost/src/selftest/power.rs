//! Idle devices and power settings.

use alloc::vec::Vec;
use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicU32, Ordering},
};

use nthost_nt::{
    guid::GUID,
    io::major::{IRP_MJ_POWER, IRP_MJ_SHUTDOWN},
    po::PowerDeviceD3,
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::{
    Outcome, Test, ensure, ensure_eq,
    object::Event,
    target::{self, Target},
};
use crate::{
    io::device,
    ke::lock::SpinLock,
    po::{
        IoRegisterLastChanceShutdownNotification, IoRegisterShutdownNotification,
        IoUnregisterShutdownNotification,
        idle::{
            PoEndDeviceBusy, PoRegisterDeviceForIdleDetection, PoSetDeviceBusyEx, PoStartDeviceBusy,
        },
        notify_shutdown,
        setting::{PoRegisterPowerSettingCallback, PoUnregisterPowerSettingCallback},
    },
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "power: of two devices, the one that is not busy is powered down, once",
        idle,
    ),
    (
        "power: a device is watched once, and not at all when both times are zero",
        watched,
    ),
    (
        "power: who registers for shutdown is told once, and last who wants to be",
        shutdown,
    ),
    (
        "power: who registers for a setting that is known hears of its value at once",
        setting,
    ),
];

fn register(target: &Target, conservation: u32, performance: u32) -> *mut u32 {
    // SAFETY: the test's own device.
    unsafe {
        PoRegisterDeviceForIdleDetection(target.get(), conservation, performance, PowerDeviceD3)
    }
}

/// The counter, as the macro PoSetDeviceBusy sees it.
fn count_of(counter: *mut u32) -> &'static AtomicU32 {
    // SAFETY: the device is watched as long as the test looks.
    unsafe { AtomicU32::from_ptr(counter) }
}

/// Waits for something that comes with a second's passing.
fn until(done: impl Fn() -> bool) {
    let never = Event::notification();
    while !done() {
        never.wait(Some(10));
    }
}

fn idle() -> Outcome {
    let ((busy, _), (idle, _)) = (Target::new(0), Target::new(0));
    let counter = register(&busy, 0, 1);
    // SAFETY: the device's own counter.
    unsafe { PoStartDeviceBusy(counter) };
    let other = register(&idle, 0, 1);
    ensure!(!counter.is_null() && !other.is_null(), "no counters");
    until(|| idle.count(IRP_MJ_POWER) != 0);
    ensure_eq!(busy.count(IRP_MJ_POWER), 0);
    ensure_eq!(count_of(counter).load(Ordering::Relaxed), 0);
    // It goes on counting, and is not powered down again.
    until(|| count_of(other).load(Ordering::Relaxed) > 2);
    ensure_eq!(idle.count(IRP_MJ_POWER), 1);
    // SAFETY: as above.
    unsafe { PoSetDeviceBusyEx(other) };
    // SAFETY: as above.
    unsafe { PoEndDeviceBusy(counter) };
    until(|| busy.count(IRP_MJ_POWER) != 0 && idle.count(IRP_MJ_POWER) == 2);
    Ok(())
}

fn watched() -> Outcome {
    let (target, _) = Target::new(0);
    let counter = register(&target, 0, 1000);
    ensure_eq!(register(&target, 5, 2000), counter);
    ensure!(register(&target, 0, 0).is_null(), "it is still watched");
    // A device that is no disk has no times of its class.
    ensure!(register(&target, 0, u32::MAX).is_null(), "a class's time");
    // SAFETY: the driver object exists.
    let disk = unsafe { device::create(target::driver(), 0, None, 0x07, 0, false) };
    let disk = disk.map_err(|_| "no disk")?;
    // SAFETY: the test's own device.
    let counter = unsafe { PoRegisterDeviceForIdleDetection(disk, 0, u32::MAX, PowerDeviceD3) };
    ensure!(!counter.is_null(), "a disk has times");
    // SAFETY: the test's own device.
    unsafe { device::IoDeleteDevice(disk) };
    Ok(())
}

fn shutdown() -> Outcome {
    let ((first, _), (last, _), (none, _)) = (Target::new(0), Target::new(0), Target::new(0));
    // SAFETY: the test's own devices.
    unsafe { IoRegisterLastChanceShutdownNotification(last.get()) };
    for target in [&first, &none] {
        // SAFETY: as above.
        unsafe { IoRegisterShutdownNotification(target.get()) };
    }
    let references = last.references();
    // SAFETY: as above.
    unsafe { IoUnregisterShutdownNotification(none.get()) };
    notify_shutdown();
    let told = [&first, &last, &none].map(|target| target.count(IRP_MJ_SHUTDOWN));
    ensure_eq!(told, [1, 1, 0]);
    ensure!(first.order() < last.order(), "the last was not told last");
    ensure_eq!(last.references(), references - 1);
    notify_shutdown();
    ensure_eq!(last.count(IRP_MJ_SHUTDOWN), 1);
    Ok(())
}

static HEARD: SpinLock<Vec<u8>> = SpinLock::new(Vec::new());

unsafe extern "win64" fn hear(
    _setting: *const GUID,
    value: *mut c_void,
    length: u32,
    _context: *mut c_void,
) -> NTSTATUS {
    // SAFETY: the setting's value.
    let value = unsafe { core::slice::from_raw_parts(value.cast::<u8>(), length as usize) };
    HEARD.lock().extend_from_slice(value);
    STATUS_SUCCESS
}

fn setting() -> Outcome {
    // GUID_MONITOR_POWER_ON.
    let monitor = GUID {
        Data1: 0x0273_1015,
        Data2: 0x4510,
        Data3: 0x4526,
        Data4: [0x99, 0xe6, 0xe5, 0xa1, 0x7e, 0xbd, 0x1a, 0xea],
    };
    let unknown = GUID {
        Data1: 1,
        ..monitor
    };
    for (setting, expected) in [(monitor, &[1, 0, 0, 0][..]), (unknown, &[])] {
        let mut handle = null_mut();
        // SAFETY: a setting to be read, and a handle to be written.
        let status = unsafe {
            let handle = &raw mut handle;
            PoRegisterPowerSettingCallback(null_mut(), &raw const setting, hear, null_mut(), handle)
        };
        ensure_eq!(status, STATUS_SUCCESS);
        ensure_eq!(core::mem::take(&mut *HEARD.lock()), expected);
        for expected in [STATUS_SUCCESS, STATUS_INVALID_PARAMETER] {
            // SAFETY: none is needed.
            let status = unsafe { PoUnregisterPowerSettingCallback(handle) };
            ensure_eq!(status, expected);
        }
    }
    Ok(())
}
