//! How long the device may work on one operation, counted in ticks of one timer.
//!
//! A timer of each operation's own would have to be set and canceled with each. Instead, one timer
//! ticks while anything runs, and each operation knows how many ticks are left to it: starting one
//! stores a number, ending one costs nothing.

/// What a tick has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seen {
    /// Nothing runs.
    Idle,
    /// Something runs, and may go on.
    Running,
    /// It has run for longer than it may.
    Overdue,
}

/// How many ticks the time of an operation is cut into.
const TICKS: u32 = 4;

/// The least time that an operation can be given, in milliseconds: a tick is one at least.
pub const LEAST_MS: u32 = TICKS;

/// For how long an operation may run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    milliseconds: u32,
}

impl Limit {
    /// So many milliseconds, but no less than [`LEAST_MS`].
    #[must_use]
    pub const fn new(milliseconds: u32) -> Self {
        Self {
            milliseconds: if milliseconds < LEAST_MS {
                LEAST_MS
            } else {
                milliseconds
            },
        }
    }

    /// So many milliseconds.
    #[must_use]
    pub const fn milliseconds(self) -> u32 {
        self.milliseconds
    }

    /// The time between two ticks, in milliseconds.
    #[must_use]
    pub const fn period_ms(self) -> u32 {
        self.milliseconds / TICKS
    }

    /// The time of an operation that starts now and may take so much longer than others.
    #[must_use]
    pub const fn start(self, more_ms: u32) -> Left {
        // The first tick may come at once.
        let more = match more_ms.checked_div(self.period_ms()) {
            Some(ticks) => ticks,
            // Never: a period has a millisecond at least.
            None => 0,
        };
        Left((TICKS + 1).saturating_add(more))
    }
}

/// The ticks that are left to a running operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left(u32);

impl Left {
    /// One less.
    pub const fn tick(&mut self) -> Seen {
        self.0 = self.0.saturating_sub(1);
        self.seen()
    }

    /// What the last tick has found.
    #[must_use]
    pub const fn seen(self) -> Seen {
        if self.0 == 0 {
            Seen::Overdue
        } else {
            Seen::Running
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn no_operation_is_overdue_before_its_time_whenever_the_ticks_come() {
        for milliseconds in [0, 1, 4, 7, 20, 1000, 30_000, u32::MAX] {
            for more in [0, 1, 1000, 100_000] {
                let limit = Limit::new(milliseconds);
                let mut left = limit.start(more);
                let mut ticks = 0_u64;
                while left.tick() != Seen::Overdue {
                    ticks += 1;
                }
                // The first tick came at once, so this many whole periods have passed.
                let passed = ticks * u64::from(limit.period_ms());
                let due = u64::from(milliseconds.max(LEAST_MS)) + u64::from(more);
                // A period is rounded down.
                let rounding = u64::from(TICKS) + u64::from(limit.period_ms());
                assert!(
                    passed + rounding >= due,
                    "{milliseconds} + {more}: {passed} of {due}"
                );
                assert_eq!(left.seen(), Seen::Overdue);
                assert_eq!(left.tick(), Seen::Overdue, "it stays so");
            }
        }
    }

    #[test]
    fn the_longest_time_is_not_over_at_once() {
        let mut left = Limit::new(0).start(u32::MAX);
        assert_eq!(left.tick(), Seen::Running);
    }

    #[test]
    fn what_is_found_last_is_the_worst() {
        assert!(Seen::Idle < Seen::Running && Seen::Running < Seen::Overdue);
    }
}
