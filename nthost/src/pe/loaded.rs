//! Where a debugger on the host learns which image is where: it has a breakpoint in
//! [`image_loaded`], which the host's script for gdb knows by its name and its arguments.

use alloc::ffi::CString;
use core::{ffi::c_char, hint::black_box};

/// An image lies at this base, and nothing of it has run.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn image_loaded(name: *const c_char, base: u64) {
    // Or else the arguments would not be in their registers.
    black_box((name, base));
}

/// Says that an image has been loaded. PASSIVE_LEVEL.
pub fn announce(name: &str, base: u64) {
    if let Ok(name) = CString::new(name) {
        image_loaded(name.as_ptr(), base);
    }
}
