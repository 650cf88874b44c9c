//! Time: the processor's time-stamp counter, calibrated against the power-management timer.

use core::sync::atomic::{AtomicU64, Ordering};

use super::{acpi, apic, port};

/// The frequency of the power-management timer (ACPI specification, 4.8.3.3).
const TIMER_HZ: u64 = 3_579_545;
/// How long the calibration takes, in counts of that timer: about 5 ms.
const WINDOW: u32 = 17_898;

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

fn scaled(counts: u64, unit: u64) -> u64 {
    (u128::from(counts) * u128::from(unit) / u128::from(frequency())) as u64
}

/// Microseconds since the machine's reset.
#[must_use]
pub fn microseconds_since_reset() -> u64 {
    scaled(counter(), 1_000_000)
}

/// Counts of [`counter`] in units of 100 ns.
#[must_use]
pub fn units_of(counts: u64) -> u64 {
    scaled(counts, 10_000_000)
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
    // The timer has 24 bits that count everywhere; some have 32.
    // SAFETY: reading the timer has no effect.
    let read = || unsafe { port::read_u32(timer) } & 0x00ff_ffff;
    apic::start_calibration();
    let (start, start_counter) = (read(), counter());
    let start_apic = apic::calibration_count();
    let elapsed = loop {
        let elapsed = read().wrapping_sub(start) & 0x00ff_ffff;
        if elapsed >= WINDOW {
            break elapsed;
        }
    };
    let counts = u128::from(counter() - start_counter);
    let apic = u64::from(apic::calibration_count() - start_apic);
    apic::set_clock_once(0);
    let hz = counts * u128::from(TIMER_HZ) / u128::from(elapsed);
    TSC_HZ.store(hz as u64, Ordering::Relaxed);
    APIC_PER_MS.store(
        apic * TIMER_HZ / u64::from(elapsed) / 1000,
        Ordering::Relaxed,
    );
}

/// Keeps the processor for so many microseconds (KeStallExecutionProcessor).
pub fn stall(microseconds: u64) {
    let end = counter() + (u128::from(microseconds) * u128::from(frequency()) / 1_000_000) as u64;
    while counter() < end {
        core::hint::spin_loop();
    }
}
