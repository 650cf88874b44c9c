//! Measuring time, and letting it pass.
//!
//! Source: nf-wdm-kequeryperformancecounter, nf-wdm-kedelayexecutionthread.
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     irql::Passive,
//!     time::{self, Instant},
//! };
//!
//! /// How long a pause of 10 ms is, in units of 100 ns.
//! fn pause(irql: &mut Passive) -> u64 {
//!     let begun = Instant::now();
//!     time::delay(10, irql);
//!     begun.elapsed_100ns()
//! }
//! ```

use wdk_sys::{
    LARGE_INTEGER,
    ntddk::{KeDelayExecutionThread, KeQueryPerformanceCounter},
};

use crate::{constants::KERNEL_MODE, irql::AtOrBelowApc};

/// A moment, by the performance counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        Self(query().0)
    }

    /// The counter itself.
    pub(crate) const fn ticks(self) -> u64 {
        self.0
    }

    /// The time since then, in units of 100 ns.
    #[must_use]
    pub fn elapsed_100ns(self) -> u64 {
        const UNITS_PER_SECOND: u64 = 10_000_000;
        let (now, frequency) = query();
        let ticks = now.saturating_sub(self.0);
        // A frequency is never zero: the least is a tick a second.
        let frequency = frequency.max(1);
        if let Some(units) = ticks.checked_mul(UNITS_PER_SECOND) {
            return units / frequency;
        }
        // By parts, so that neither product overflows however long it has been.
        let seconds = ticks / frequency;
        let rest = ticks % frequency;
        seconds
            .saturating_mul(UNITS_PER_SECOND)
            .saturating_add(rest.saturating_mul(UNITS_PER_SECOND) / frequency)
    }
}

/// The counter and its frequency.
fn query() -> (u64, u64) {
    let mut frequency = LARGE_INTEGER::default();
    // SAFETY: callable at any IRQL; fills in what it is given.
    let counter = unsafe { KeQueryPerformanceCounter(&raw mut frequency) };
    // SAFETY: every bit pattern of the union is a number.
    let counter = unsafe { counter.QuadPart };
    // SAFETY: likewise.
    let frequency = unsafe { frequency.QuadPart };
    (counter.cast_unsigned(), frequency.cast_unsigned())
}

/// How many units of 100 ns a millisecond has.
const UNITS_PER_MS: i64 = 10_000;

/// So many milliseconds from now on, whatever happens to the system's time: as a due time or an
/// interval, which are negative for that.
pub(crate) fn from_now(milliseconds: u32) -> LARGE_INTEGER {
    LARGE_INTEGER {
        QuadPart: -i64::from(milliseconds) * UNITS_PER_MS,
    }
}

/// Lets so many milliseconds pass.
///
/// Source: nf-wdm-kedelayexecutionthread.
pub fn delay<I: AtOrBelowApc>(milliseconds: u32, _irql: &mut I) {
    let mut interval = from_now(milliseconds);
    // SAFETY: at IRQL <= APC_LEVEL; the interval outlives the wait, which nothing but the time
    // ends: in kernel mode and not alertable.
    let _ = unsafe { KeDelayExecutionThread(KERNEL_MODE, 0, &raw mut interval) };
}
