//! How fast counters count: measured against the power-management timer, and applied.
//!
//! Source: ACPI specification, 4.8.3.3 "Power Management Timer".

/// The frequency of the power-management timer.
pub const TIMER_HZ: u64 = 3_579_545;
/// How long a measurement takes, in counts of that timer: about 5 ms.
pub const WINDOW: u32 = 17_898;
/// How far off a measurement may be, in parts per million, to be taken at once.
pub const TOLERANCE: u64 = 5_000;
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

/// What the counters said at one moment: between two readings of the time-stamp counter. A host
/// that takes the processor away meanwhile makes the moment long.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The time-stamp counter before the others were read.
    pub before: u64,
    /// The power-management timer.
    pub timer: u32,
    /// The local APIC's timer.
    pub apic: u32,
    /// The time-stamp counter after the others were read.
    pub after: u64,
}

impl Sample {
    const fn length(&self) -> u64 {
        self.after.saturating_sub(self.before)
    }

    const fn middle(&self) -> u64 {
        self.before + self.length() / 2
    }
}

/// How fast the counters count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Counts of the time-stamp counter in a second.
    pub counter: u64,
    /// Counts of the local APIC's timer in a second.
    pub apic: u64,
    /// By how much they may be off, in parts per million.
    pub error: u64,
}

impl Rates {
    /// The rates between two samples; `None` if the timers have not moved, or the local APIC's has
    /// reached its end, so that the other may have turned over.
    #[must_use]
    pub fn between(from: &Sample, to: &Sample) -> Option<Self> {
        let elapsed = elapsed(from.timer, to.timer);
        let counts = to.middle().checked_sub(from.middle())?;
        if elapsed == 0 || counts == 0 || to.apic == u32::MAX {
            return None;
        }
        Some(Self {
            counter: hertz(counts, elapsed),
            apic: hertz(to.apic.checked_sub(from.apic)?.into(), elapsed),
            // Each timer was read somewhere within its sample.
            error: scaled(from.length() + to.length(), counts, 1_000_000),
        })
    }
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

    fn sample(before: u64, length: u64, timer: u32, apic: u32) -> Sample {
        Sample {
            before,
            timer,
            apic,
            after: before + length,
        }
    }

    #[test]
    fn a_sample_that_took_long_says_how_far_off_its_rates_may_be() {
        // 1 GHz each, over 5 ms.
        let begin = sample(1_000_000, 4_000, 100, 0);
        let end = sample(6_000_000, 4_000, 100 + WINDOW, 5_000_000);
        let rates = Rates::between(&begin, &end).unwrap();
        assert!(rates.counter.abs_diff(1_000_000_000) < 100_000, "{rates:?}");
        assert!(rates.apic.abs_diff(1_000_000_000) < 100_000, "{rates:?}");
        assert!(rates.error <= TOLERANCE, "{rates:?}");
        // The host took the processor away for 300 ms between two of the readings.
        let torn = sample(1_000_000, 300_000_000, 100, 0);
        let end = sample(306_000_000, 4_000, 100 + WINDOW, 5_000_000);
        let rates = Rates::between(&torn, &end).unwrap();
        assert!(rates.error > TOLERANCE, "{rates:?}");
    }

    #[test]
    fn a_timer_that_may_have_turned_over_measures_nothing() {
        let begin = sample(1_000_000, 4_000, 100, 0);
        let end = sample(9_000_000_000, 4_000, 100 + WINDOW, u32::MAX);
        assert_eq!(Rates::between(&begin, &end), None);
        assert_eq!(Rates::between(&begin, &begin), None);
    }

    #[test]
    fn counts_of_a_century_do_not_overflow() {
        let century = 100 * 366 * 86_400_u64;
        let hz = 5_000_000_000;
        assert_eq!(scaled(century * hz, hz, 10_000_000), century * 10_000_000);
        assert_eq!(scaled(9, 10, 1), 0);
    }
}
