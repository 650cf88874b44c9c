//! A driver that does wrong: it waits at DISPATCH_LEVEL, where nobody may.
//!
//! Its end is a bugcheck whose stack leads to the line of the wait. It stands on `wdk-sys`
//! alone: `wdm`'s types do not let a driver do this.
#![no_std]

use core::{panic::PanicInfo, ptr};

use wdk_sys::{
    _EVENT_TYPE::NotificationEvent,
    _KWAIT_REASON::Executive,
    DRIVER_OBJECT, KEVENT, NTSTATUS, PCUNICODE_STRING, STATUS_SUCCESS,
    ntddk::{
        KeAcquireSpinLockRaiseToDpc, KeBugCheckEx, KeInitializeEvent, KeReleaseSpinLock,
        KeWaitForSingleObject,
    },
};

/// `KernelMode`, as `KPROCESSOR_MODE` holds it.
const KERNEL_MODE: i8 = 0;

/// The driver's entry. It does its wrong and, if it is let, succeeds.
///
/// # Safety
///
/// Called by the system alone.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(
    _driver: &mut DRIVER_OBJECT,
    _registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    wait_at_dispatch_level();
    STATUS_SUCCESS
}

#[inline(never)]
fn wait_at_dispatch_level() {
    let mut event = KEVENT::default();
    // SAFETY: the event is this function's own, and stays where it is.
    unsafe { KeInitializeEvent(&raw mut event, NotificationEvent, 0) };
    let mut lock = 0;
    // SAFETY: a spin lock is initialized when it is zero.
    let irql = unsafe { KeAcquireSpinLockRaiseToDpc(&raw mut lock) };
    let object = (&raw mut event).cast();
    // SAFETY: none; nobody may wait without a limit here. That is what this driver is for.
    let _ = unsafe {
        KeWaitForSingleObject(object, Executive, KERNEL_MODE, 0, ptr::null_mut()) // the wrong
    };
    // SAFETY: this function acquired it.
    unsafe { KeReleaseSpinLock(&raw mut lock, irql) };
}

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    // SAFETY: callable at any IRQL; it does not return. The code is MANUALLY_INITIATED_CRASH1.
    unsafe { KeBugCheckEx(0x0000_00e2, 0, 0, 0, 0) }
}
