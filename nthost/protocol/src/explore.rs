//! Schedules that are explored: which thread or processor goes first, and where that changes.
//!
//! The method is probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte:
//! "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", 2010). Each runner (a
//! thread, or a processor while it serves an interrupt or a DPC) has a priority from the seed; of
//! those that can go on, the one of the highest priority does. At `depth - 1` steps of a schedule,
//! chosen from the seed, the runner that makes the step gets a priority below all others. A bug that
//! takes `depth` ordered events of `n` runners in a schedule of `k` steps is found with a probability
//! of at least `1 / (n * k^(depth - 1))`.
//!
//! A step is a call of the kernel, a lock that is taken, an interrupt, or a DPC. A change comes at the
//! step itself, or after some instructions of the driver behind it, so that two accesses with no call
//! between them can be parted as well.

use serde::{Deserialize, Serialize};

use crate::random::mix;

/// The greatest depth.
pub const MAXIMUM_DEPTH: u32 = 8;

/// The priority of a runner that has not given way is at least this.
pub const FIRST_PRIORITY: u64 = 1 << 63;

/// At most so many instructions of the driver lie between a step and its change.
pub const MAXIMUM_INSTRUCTIONS: u32 = 256;

/// Which schedules a run explores, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explore {
    /// What all is chosen from.
    pub seed: u64,
    /// Of how many ordered events the bugs are that are looked for: 1 to [`MAXIMUM_DEPTH`].
    pub depth: u32,
    /// How many steps a schedule has; the next one begins behind them. With zero, steps are counted
    /// and nothing else is done.
    pub length: u64,
}

/// Where a runner gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its new priority.
    pub priority: u64,
    /// After how many instructions of the driver behind the step.
    pub instructions: u32,
}

impl Explore {
    /// The number of the schedule that a step is of. Steps count from zero.
    #[must_use]
    pub const fn schedule(&self, step: u64) -> u64 {
        match step.checked_div(self.length) {
            Some(number) => number,
            None => 0,
        }
    }

    const fn draw(&self, schedule: u64, what: u64) -> u64 {
        mix(self.seed ^ mix(schedule) ^ mix(mix(what)))
    }

    /// The priority of a runner, by a number of its own, until it gives way.
    #[must_use]
    pub const fn priority(&self, schedule: u64, runner: u64) -> u64 {
        self.draw(schedule, runner) | FIRST_PRIORITY
    }

    /// The step at which the change of this index comes, from the first step of its schedule.
    const fn position(&self, schedule: u64, index: u32) -> Option<u64> {
        self.draw(schedule, !(index as u64))
            .checked_rem(self.length)
    }

    /// The change that comes with a step.
    #[must_use]
    pub fn change(&self, step: u64) -> Option<Change> {
        let schedule = self.schedule(step);
        let position = step.checked_rem(self.length)?;
        let mut changes = 0..self.depth.saturating_sub(1);
        let index = changes.find(|&index| self.position(schedule, index) == Some(position))?;
        let number = self.draw(schedule, !(u64::from(index) << 32));
        // Every second change comes at the step; the others, more often soon than late.
        let instructions = if number.is_multiple_of(2) {
            0
        } else {
            let bound = 2_u32 << (number >> 1 & 7);
            let further = number >> 8 & u64::from(bound - 1);
            1 + u32::try_from(further).unwrap_or_default()
        };
        Some(Change {
            priority: index.into(),
            instructions,
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::BTreeSet, vec::Vec};

    use super::*;

    const EXPLORE: Explore = Explore {
        seed: 7,
        depth: 3,
        length: 100,
    };

    fn changes(explore: &Explore, schedule: u64) -> Vec<(u64, Change)> {
        let first = schedule * explore.length;
        let steps = first..first + explore.length;
        steps
            .filter_map(|step| Some((step - first, explore.change(step)?)))
            .collect()
    }

    #[test]
    fn a_schedule_has_one_change_less_than_its_depth_unless_two_fall_together() {
        let counts: Vec<_> = (0..1000).map(|n| changes(&EXPLORE, n).len()).collect();
        assert!(counts.iter().all(|&count| count == 1 || count == 2));
        assert!(counts.iter().filter(|&&count| count == 2).count() > 950);
        let deepest = Explore {
            depth: 1,
            ..EXPLORE
        };
        assert_eq!(changes(&deepest, 0), []);
    }

    #[test]
    fn changes_come_at_every_step_and_after_every_number_of_instructions() {
        let all: Vec<_> = (0..100_000).flat_map(|n| changes(&EXPLORE, n)).collect();
        let steps: BTreeSet<_> = all.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps.len(), 100);
        let counts: BTreeSet<_> = all.iter().map(|(_, change)| change.instructions).collect();
        assert_eq!(counts, (0..=MAXIMUM_INSTRUCTIONS).collect());
    }

    #[test]
    fn who_gives_way_is_behind_all_others_and_each_schedule_has_an_order_of_its_own() {
        assert!((0..100).all(|runner| EXPLORE.priority(0, runner) >= FIRST_PRIORITY));
        let lowest = changes(&EXPLORE, 0)
            .iter()
            .map(|(_, change)| change.priority)
            .max();
        assert!(lowest < Some(FIRST_PRIORITY));
        let first = |n| EXPLORE.priority(n, 1) > EXPLORE.priority(n, 2);
        let times = (0..1000).filter(|&n| first(n)).count();
        assert!((400..600).contains(&times), "{times}");
    }

    #[test]
    fn without_a_length_steps_are_only_counted() {
        let counted = Explore {
            length: 0,
            ..EXPLORE
        };
        assert!((0..1000).all(|step| counted.change(step).is_none()));
        assert_eq!(counted.schedule(1000), 0);
    }
}
