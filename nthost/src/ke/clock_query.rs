//! Time as drivers ask for it, and stalling.
//!
//! Sources: the pages of the routines. Interrupt time is read from the time-stamp counter, so
//! that every query is as precise as the precise ones. The system never sleeps without its
//! clock: unbiased interrupt time is interrupt time.

use super::time;
use crate::hal::time as counter;

/// Counts of the performance counter in a second: 10 MHz, as on Windows 10, whatever the
/// processor's own counter does.
const FREQUENCY: u64 = 10_000_000;

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The performance counter, and, if wanted, its counts in a second.
    ///
    /// Source: KeQueryPerformanceCounter.
    ///
    /// # Safety
    ///
    /// `frequency` is null or where it goes.
    pub unsafe fn KeQueryPerformanceCounter(frequency: *mut u64) -> u64 {
        if !frequency.is_null() {
            // SAFETY: the caller's promise.
            unsafe { frequency.write(FREQUENCY) };
        }
        counter::interrupt_time()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Interrupt time at the last tick.
    ///
    /// Source: KeQueryInterruptTime.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryInterruptTime() -> u64 {
        time::interrupt_time()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Interrupt time now, and the performance counter at the same moment.
    ///
    /// Source: KeQueryInterruptTimePrecise.
    ///
    /// # Safety
    ///
    /// `counter_value` is where the counter goes.
    pub unsafe fn KeQueryInterruptTimePrecise(counter_value: *mut u64) -> u64 {
        let now = time::interrupt_time();
        // SAFETY: the caller's promise.
        unsafe { counter_value.write(now) };
        now
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Units of 100 ns in a clock tick.
    ///
    /// Source: KeQueryTimeIncrement.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryTimeIncrement() -> u32 {
        time::TICK as u32
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// System time now.
    ///
    /// Source: KeQuerySystemTimePrecise.
    ///
    /// # Safety
    ///
    /// `time` is where it goes.
    pub unsafe fn KeQuerySystemTimePrecise(time: *mut u64) {
        // SAFETY: the caller's promise.
        unsafe { time.write(super::time::system_time()) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Keeps the processor for so many microseconds.
    ///
    /// Source: KeStallExecutionProcessor.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeStallExecutionProcessor(microseconds: u32) {
        counter::stall(u64::from(microseconds));
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Interrupt time without the time that the system slept.
    ///
    /// Source: KeQueryUnbiasedInterruptTime.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryUnbiasedInterruptTime() -> u64 {
        time::interrupt_time()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// As KeQueryUnbiasedInterruptTime, and the performance counter at the same moment.
    ///
    /// Source: KeQueryUnbiasedInterruptTimePrecise.
    ///
    /// # Safety
    ///
    /// `counter_value` is where the counter goes.
    pub unsafe fn KeQueryUnbiasedInterruptTimePrecise(counter_value: *mut u64) -> u64 {
        let now = time::interrupt_time();
        // SAFETY: the caller's promise.
        unsafe { counter_value.write(now) };
        now
    }
}
