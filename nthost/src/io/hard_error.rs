//! Errors that a person would be told of: here the log is told, for there is nobody to answer.
//!
//! Sources: IoRaiseInformationalHardError, IoSetThreadHardErrorMode,
//! IoSetHardErrorOrVerifyDevice, IoGetDeviceToVerify, IoSetDeviceToVerify.

use alloc::string::String;
use nthost_nt::{
    io::{device::DEVICE_OBJECT, irp::IRP},
    rtl::UNICODE_STRING,
    status::NTSTATUS,
};

use crate::{
    ke::thread::{self, Thread},
    ob,
};

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Tells of an error; FALSE if the thread that it is about has that switched off. As for any
    /// system thread since Windows Vista, no dialog box appears.
    ///
    /// Source: IoRaiseInformationalHardError.
    ///
    /// # Safety
    ///
    /// `text` is null or a string; `thread` is null or exists.
    pub unsafe fn IoRaiseInformationalHardError(
        status: NTSTATUS,
        text: *const UNICODE_STRING,
        thread: *mut Thread,
    ) -> u8 {
        // SAFETY: the caller's promise.
        let about = unsafe { thread.as_ref() };
        // SAFETY: the thread that runs exists.
        let about = about.unwrap_or_else(|| unsafe { &*thread::current() });
        if about.hard_errors_disabled {
            return 0;
        }
        // SAFETY: the caller's promise.
        let units = if text.is_null() { None } else { unsafe { ob::units(text) } };
        let text = String::from_utf16_lossy(&units.unwrap_or_default());
        log!("io", "hard error {status:#010x} {text}");
        1
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether hard errors of the thread that runs are told; gives whether they were before.
    ///
    /// Source: IoSetThreadHardErrorMode.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoSetThreadHardErrorMode(enable: u8) -> u8 {
        // SAFETY: the thread that runs; only it changes this field.
        let disabled = unsafe { &mut (*thread::current()).hard_errors_disabled };
        u8::from(!core::mem::replace(disabled, enable == 0))
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Says which device's medium the thread that an IRP belongs to should verify.
    ///
    /// Source: IoSetHardErrorOrVerifyDevice.
    ///
    /// # Safety
    ///
    /// The IRP exists, and belongs to a thread that exists.
    pub unsafe fn IoSetHardErrorOrVerifyDevice(irp: *mut IRP, device: *mut DEVICE_OBJECT) {
        // SAFETY: the caller's promise.
        let thread = unsafe { &*irp }.overlay().Thread.cast::<Thread>();
        // SAFETY: the caller's promise.
        unsafe { IoSetDeviceToVerify(thread, device) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Which device's medium a thread should verify; NULL if none.
    ///
    /// Source: IoGetDeviceToVerify.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn IoGetDeviceToVerify(thread: *mut Thread) -> *mut DEVICE_OBJECT {
        // SAFETY: the caller's promise.
        let device = unsafe { &raw const (*thread).device_to_verify };
        // SAFETY: as above; a word is read whole.
        unsafe { device.read_volatile() }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Says so of a thread.
    ///
    /// Source: IoSetDeviceToVerify.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn IoSetDeviceToVerify(thread: *mut Thread, device: *mut DEVICE_OBJECT) {
        // SAFETY: the caller's promise.
        let place = unsafe { &raw mut (*thread).device_to_verify };
        // SAFETY: as above; a word is written whole.
        unsafe { place.write_volatile(device) };
    }
}
