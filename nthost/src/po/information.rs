//! What drivers may ask of the system's power.
//!
//! Source: ZwPowerInformation.

use core::ffi::c_void;

use nthost_nt::status::{
    NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_SUCCESS,
};

/// `PlatformInformation`, the one level that the page has.
const PLATFORM_INFORMATION: i32 = 66;

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells what the platform can do: it is never off and connected at the same time
    /// (POWER_PLATFORM_INFORMATION has that one member).
    ///
    /// Source: ZwPowerInformation.
    ///
    /// # Safety
    ///
    /// `output` has as many bytes as `output_length` says.
    pub unsafe fn ZwPowerInformation(
        level: i32,
        input: *mut c_void,
        input_length: u32,
        output: *mut c_void,
        output_length: u32,
    ) -> NTSTATUS {
        if level != PLATFORM_INFORMATION
            || !input.is_null()
            || input_length != 0
            || output.is_null()
        {
            return STATUS_INVALID_PARAMETER;
        }
        if output_length == 0 {
            return STATUS_BUFFER_TOO_SMALL;
        }
        // SAFETY: the caller's promise.
        unsafe { output.cast::<u8>().write(0) };
        STATUS_SUCCESS
    }
}
