//! How fast counters count: measured against the power-management timer, and applied.
//!
//! Source: ACPI specification, 4.8.3.3 "Power Management Timer".

/// The frequency of the power-management timer.
pub const TIMER_HZ: u64 = 3_579_545;
/// How long a measurement takes, in counts of that timer: about 5 ms.
pub const WINDOW: u32 = 17_898;
/// The timer has 24 bits that count everywhere; some have 32.
const TIMER_BITS: u32 = 0x00ff_ffff;

/// Counts of the timer between two values that were read from it, less than a turn apart.
#[must_use]
pub const fn elapsed(from: u32, to: u32) -> u32 {
    to.wrapping_sub(from) & TIMER_BITS
}

/// The frequency of what counted so far while the timer counted `elapsed`, which is not zero.
#[must_use]
pub fn hertz(counts: u64, elapsed: u32) -> u64 {
    (u128::from(counts) * u128::from(TIMER_HZ) / u128::from(elapsed)) as u64
}

/// Counts at one frequency, in the units of another; cut, and right for centuries.
#[must_use]
pub fn scaled(counts: u64, from: u64, to: u64) -> u64 {
    (u128::from(counts) * u128::from(to) / u128::from(from)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timer_may_turn_over_while_it_is_measured_against() {
        assert_eq!(elapsed(0x00ff_fff0, 0x10), 0x20);
        assert_eq!(elapsed(5, 9), 4);
        // Of a timer with 32 bits only 24 count.
        assert_eq!(elapsed(0x01ff_fff0, 0x0200_0010), 0x20);
    }

    #[test]
    fn a_frequency_is_that_of_the_timer_times_the_ratio() {
        assert_eq!(hertz(u64::from(WINDOW), WINDOW), TIMER_HZ);
        // 15 ms and 15,000,000 counts.
        let counts_of_15_ms = (TIMER_HZ * 15 / 1000) as u32;
        let hz = hertz(15_000_000, counts_of_15_ms);
        assert!(hz.abs_diff(1_000_000_000) < 20_000, "{hz}");
    }

    #[test]
    fn counts_of_a_century_do_not_overflow() {
        let century = 100 * 366 * 86_400_u64;
        let hz = 5_000_000_000;
        assert_eq!(scaled(century * hz, hz, 10_000_000), century * 10_000_000);
        assert_eq!(scaled(9, 10, 1), 0);
    }
}
