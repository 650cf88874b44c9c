//! What drivers are told of the verifier and of the system.
//!
//! Sources: MmIsDriverVerifying, MmIsDriverSuspectForVerifier, MmIsDriverVerifyingByAddress,
//! MmQuerySystemSize. The manifest says which drivers are verified, and with which options.

use core::ffi::c_void;

use nthost_nt::io::driver::DRIVER_OBJECT;

use super::options;
use crate::pe::module;

/// `MmLargeSystem`.
const LARGE: i32 = 2;

/// Whether the driver at an address is verified.
fn is_verified(address: u64) -> bool {
    module::find(address).is_some_and(|module| options::is_any_on_for(&module.name))
}

/// # Safety
///
/// A driver object.
unsafe fn start(driver: *const DRIVER_OBJECT) -> u64 {
    // SAFETY: the caller's promise.
    unsafe { (*driver).DriverStart as u64 }
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Whether a driver is verified.
    ///
    /// Source: MmIsDriverVerifying.
    ///
    /// # Safety
    ///
    /// It is a driver object.
    pub unsafe fn MmIsDriverVerifying(driver: *const DRIVER_OBJECT) -> u32 {
        // SAFETY: the caller's promise.
        is_verified(unsafe { start(driver) }).into()
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Whether a driver was chosen to be verified: here the same as that it is.
    ///
    /// Source: MmIsDriverSuspectForVerifier.
    ///
    /// # Safety
    ///
    /// It is a driver object.
    pub unsafe fn MmIsDriverSuspectForVerifier(driver: *const DRIVER_OBJECT) -> u32 {
        // SAFETY: the caller's promise.
        is_verified(unsafe { start(driver) }).into()
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Whether the driver whose image an address is in is verified.
    ///
    /// Source: MmIsDriverVerifyingByAddress.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmIsDriverVerifyingByAddress(address: *const c_void) -> u32 {
        is_verified(address as u64).into()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How much memory the system has, roughly: MmLargeSystem, for the estimate is from times
    /// when no system had as much as nthost needs itself.
    ///
    /// Source: MmQuerySystemSize.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmQuerySystemSize() -> i32 {
        LARGE
    }
}
