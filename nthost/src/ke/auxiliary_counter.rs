//! The counter that some machines share with their devices: this one has none, which is how
//! drivers are told.
//!
//! Sources: KeQueryAuxiliaryCounterFrequency, KeConvertAuxiliaryCounterToPerformanceCounter,
//! KeConvertPerformanceCounterToAuxiliaryCounter.

use nthost_nt::status::{NTSTATUS, STATUS_NOT_SUPPORTED};

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How fast it counts: `STATUS_NOT_SUPPORTED`.
    ///
    /// Source: KeQueryAuxiliaryCounterFrequency.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryAuxiliaryCounterFrequency(_frequency: *mut u64) -> NTSTATUS {
        STATUS_NOT_SUPPORTED
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Turns its count into the performance counter's: `STATUS_NOT_SUPPORTED`.
    ///
    /// Source: KeConvertAuxiliaryCounterToPerformanceCounter.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeConvertAuxiliaryCounterToPerformanceCounter(
        _count: u64,
        _converted: *mut u64,
        _error: *mut u64,
    ) -> NTSTATUS {
        STATUS_NOT_SUPPORTED
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Turns the performance counter's count into its own: `STATUS_NOT_SUPPORTED`.
    ///
    /// Source: KeConvertPerformanceCounterToAuxiliaryCounter.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeConvertPerformanceCounterToAuxiliaryCounter(
        _count: u64,
        _converted: *mut u64,
        _error: *mut u64,
    ) -> NTSTATUS {
        STATUS_NOT_SUPPORTED
    }
}
