//! Time: the processor's time-stamp counter, calibrated against the power-management timer.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{
    acpi, apic, port,
    rate::{self, Rates, Sample},
};

/// Counts of the time-stamp counter in a second. Written once, before other processors run.
static TSC_HZ: AtomicU64 = AtomicU64::new(1_000_000_000);
/// Counts of the local APIC's timer in a millisecond, likewise.
static APIC_PER_MS: AtomicU64 = AtomicU64::new(1_000_000);

/// The time-stamp counter. It is zero at the machine's reset.
#[must_use]
pub fn counter() -> u64 {
    // SAFETY: reading the counter has no effect.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Counts of [`counter`] in a second.
#[must_use]
pub fn frequency() -> u64 {
    TSC_HZ.load(Ordering::Relaxed)
}

/// Counts of the local APIC's timer in a millisecond.
#[must_use]
pub fn apic_counts_per_ms() -> u32 {
    APIC_PER_MS.load(Ordering::Relaxed) as u32
}

/// Microseconds since the machine's reset.
#[must_use]
pub fn microseconds_since_reset() -> u64 {
    rate::scaled(counter(), frequency(), 1_000_000)
}

/// Counts of [`counter`] in units of 100 ns.
#[must_use]
pub fn units_of(counts: u64) -> u64 {
    rate::scaled(counts, frequency(), 10_000_000)
}

/// Units of 100 ns since the machine's reset.
#[must_use]
pub fn interrupt_time() -> u64 {
    units_of(counter())
}

/// Measures the counters against the power-management timer, again and again until the host has
/// not taken the processor away while they were read. Of measurements that all were disturbed, the
/// one that was least.
///
/// # Panics
///
/// If the firmware names no such timer, or it does not count.
pub fn calibrate() {
    /// A measurement takes 5 ms.
    const ATTEMPTS: usize = 100;
    let timer = acpi::tables().timer_port.expect("a power-management timer");
    let mut best: Option<Rates> = None;
    for _ in 0..ATTEMPTS {
        if let Some(rates) = measure(timer)
            && best.is_none_or(|best| rates.error < best.error)
        {
            best = Some(rates);
        }
        if best.is_some_and(|best| best.error <= rate::TOLERANCE) {
            break;
        }
    }
    apic::set_clock_once(0);
    let rates = best.expect("a power-management timer that counts");
    TSC_HZ.store(rates.counter, Ordering::Relaxed);
    APIC_PER_MS.store(rates.apic / 1000, Ordering::Relaxed);
}

/// One measurement.
fn measure(timer: u16) -> Option<Rates> {
    let sample = || {
        let before = counter();
        // SAFETY: reading the timer has no effect.
        let timer = unsafe { port::read_u32(timer) };
        Sample {
            before,
            timer,
            apic: apic::calibration_count(),
            after: counter(),
        }
    };
    apic::start_calibration();
    let from = sample();
    loop {
        let to = sample();
        if rate::elapsed(from.timer, to.timer) >= rate::WINDOW {
            return Rates::between(&from, &to);
        }
    }
}

/// Keeps the processor for so many microseconds (KeStallExecutionProcessor).
pub fn stall(microseconds: u64) {
    let end = counter() + rate::scaled(microseconds, 1_000_000, frequency());
    while counter() < end {
        core::hint::spin_loop();
    }
}
