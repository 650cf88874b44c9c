//! Time: the processor's time-stamp counter, calibrated against the power-management timer.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{acpi, apic, port, rate};

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

/// Measures the counters against the power-management timer.
///
/// # Panics
///
/// If the firmware names no such timer.
pub fn calibrate() {
    let timer = acpi::tables().timer_port.expect("a power-management timer");
    // SAFETY: reading the timer has no effect.
    let read = || unsafe { port::read_u32(timer) };
    apic::start_calibration();
    let (start, start_counter) = (read(), counter());
    let start_apic = apic::calibration_count();
    let elapsed = loop {
        let elapsed = rate::elapsed(start, read());
        if elapsed >= rate::WINDOW {
            break elapsed;
        }
    };
    let counts = counter() - start_counter;
    let apic = u64::from(apic::calibration_count() - start_apic);
    apic::set_clock_once(0);
    TSC_HZ.store(rate::hertz(counts, elapsed), Ordering::Relaxed);
    APIC_PER_MS.store(rate::hertz(apic, elapsed) / 1000, Ordering::Relaxed);
}

/// Keeps the processor for so many microseconds (KeStallExecutionProcessor).
pub fn stall(microseconds: u64) {
    let end = counter() + rate::scaled(microseconds, 1_000_000, frequency());
    while counter() < end {
        core::hint::spin_loop();
    }
}
