//! An export driver: a kernel-mode DLL that other drivers import from. It numbers what its callers do
//! in one sequence for all of them, which a library that is linked into each of them could not.
//!
//! Source: "Creating Export Drivers", nf-wdm-dllinitialize, nf-wdm-dllunload.
#![no_std]

use core::{
    panic::PanicInfo,
    sync::atomic::{AtomicU32, Ordering},
};

use wdk_sys::{
    DRIVER_OBJECT, NTSTATUS, PCUNICODE_STRING, PUNICODE_STRING, STATUS_SUCCESS,
    STATUS_UNSUCCESSFUL,
    ntddk::{DbgPrint, KeBugCheckEx},
};

/// How many numbers have been given.
static GIVEN: AtomicU32 = AtomicU32::new(0);

// ANCHOR: exports
/// Called by the system after the image was loaded, and before any driver that imports from it.
/// PASSIVE_LEVEL.
#[unsafe(export_name = "DllInitialize")]
pub extern "system" fn initialize(_registry_path: PUNICODE_STRING) -> NTSTATUS {
    // The first number is 1.
    GIVEN.store(0, Ordering::Relaxed);
    STATUS_SUCCESS
}

/// Called by the system after the last driver that imports from the image was unloaded. PASSIVE_LEVEL.
#[unsafe(export_name = "DllUnload")]
pub extern "system" fn unload() -> NTSTATUS {
    let given = GIVEN.load(Ordering::Relaxed);
    // SAFETY: the format takes one number.
    unsafe { DbgPrint(c"sequence: unloaded after number %u\n".as_ptr(), given) };
    STATUS_SUCCESS
}

/// The next number, which no other caller gets. Any IRQL.
#[unsafe(export_name = "SequenceNext")]
pub extern "system" fn next() -> u32 {
    // Relaxed: the number orders nothing else.
    GIVEN.fetch_add(1, Ordering::Relaxed) + 1
}
// ANCHOR_END: exports

/// Every image of a driver has an entry. An export driver's is never called.
///
/// # Safety
///
/// Called by nobody.
#[unsafe(export_name = "DriverEntry")]
pub unsafe extern "system" fn driver_entry(
    _driver: &mut DRIVER_OBJECT,
    _registry_path: PCUNICODE_STRING,
) -> NTSTATUS {
    STATUS_UNSUCCESSFUL
}

#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    // SAFETY: callable at any IRQL; it does not return. The code is MANUALLY_INITIATED_CRASH1.
    unsafe { KeBugCheckEx(0x0000_00e2, 0, 0, 0, 0) }
}
