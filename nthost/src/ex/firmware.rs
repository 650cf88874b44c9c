//! The firmware that the machine was booted by: none that has environment variables, as on
//! machines with a BIOS.
//!
//! Sources: ExGetFirmwareType, ExGetFirmwareEnvironmentVariable, ExSetFirmwareEnvironmentVariable,
//! ExIsSoftBoot.

use core::ffi::c_void;

use nthost_nt::{
    guid::GUID,
    rtl::UNICODE_STRING,
    status::{NTSTATUS, STATUS_NOT_IMPLEMENTED},
};

/// `FirmwareTypeBios` of FIRMWARE_TYPE.
const BIOS: i32 = 1;

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The kind of the firmware: a BIOS.
    ///
    /// Source: ExGetFirmwareType.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExGetFirmwareType() -> i32 {
        BIOS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// A BIOS has no variables: `STATUS_NOT_IMPLEMENTED`, by which drivers are to know it.
    ///
    /// Source: ExGetFirmwareEnvironmentVariable.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExGetFirmwareEnvironmentVariable(
        _name: *const UNICODE_STRING,
        _vendor: *const GUID,
        _value: *mut c_void,
        _length: *mut u32,
        _attributes: *mut u32,
    ) -> NTSTATUS {
        STATUS_NOT_IMPLEMENTED
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As ExGetFirmwareEnvironmentVariable.
    ///
    /// Source: ExSetFirmwareEnvironmentVariable.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExSetFirmwareEnvironmentVariable(
        _name: *const UNICODE_STRING,
        _vendor: *const GUID,
        _value: *const c_void,
        _length: u32,
        _attributes: u32,
    ) -> NTSTATUS {
        STATUS_NOT_IMPLEMENTED
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Whether the kernel was started by the one before: never.
    ///
    /// Source: ExIsSoftBoot.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExIsSoftBoot() -> u8 {
        0
    }
}
