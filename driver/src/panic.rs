//! A panic is a bugcheck: a driver that found itself wrong must not run on.

use core::panic::PanicInfo;

use wdk_sys::ntddk::KeBugCheckEx;

/// `MANUALLY_INITIATED_CRASH1`: a crash that software asked for.
const BUGCHECK: u32 = 0x0000_00e2;

/// The parameters are the address of the file's name, and the line.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    // The message is left out: it would bring all of the language's formatting into the image.
    let (file, line) = info
        .location()
        .map_or((core::ptr::null(), 0), |at| (at.file().as_ptr(), at.line()));
    // SAFETY: callable at any IRQL; it does not return.
    unsafe { KeBugCheckEx(BUGCHECK, file as u64, u64::from(line), 0, 0) }
}
