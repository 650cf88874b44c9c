//! The threads that are ready to run, by priority.

use alloc::collections::VecDeque;

/// How many priorities there are; the highest runs first (`MAXIMUM_PRIORITY`).
pub const PRIORITIES: usize = 32;

/// Threads that are ready, first come first served within a priority.
#[derive(Debug)]
pub struct ReadyQueues<T> {
    queues: [VecDeque<T>; PRIORITIES],
    /// A set bit is a queue that is not empty.
    occupied: u32,
}

impl<T> ReadyQueues<T> {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            queues: [const { VecDeque::new() }; PRIORITIES],
            occupied: 0,
        }
    }

    /// Puts a thread behind (or, if it was preempted, before) the others of its priority.
    pub fn insert(&mut self, thread: T, priority: usize, preempted: bool) {
        let queue = &mut self.queues[priority];
        if preempted {
            queue.push_front(thread);
        } else {
            queue.push_back(thread);
        }
        self.occupied |= 1 << priority;
    }

    /// Takes the first thread of the highest priority, from `lowest` up, that suits.
    pub fn take(&mut self, lowest: usize, suits: impl Fn(&T) -> bool) -> Option<T> {
        let mut candidates = self.occupied & (u32::MAX << lowest);
        while candidates != 0 {
            let priority = candidates.ilog2() as usize;
            let queue = &mut self.queues[priority];
            if let Some(index) = queue.iter().position(&suits) {
                let thread = if index == 0 {
                    queue.pop_front()
                } else {
                    queue.remove(index)
                };
                if queue.is_empty() {
                    self.occupied &= !(1 << priority);
                }
                return thread;
            }
            candidates &= !(1 << priority);
        }
        None
    }
}

impl<T: PartialEq> ReadyQueues<T> {
    /// Takes a thread out; says whether it was there, at this priority.
    pub fn remove(&mut self, thread: &T, priority: usize) -> bool {
        let queue = &mut self.queues[priority];
        let Some(index) = queue.iter().position(|other| other == thread) else {
            return false;
        };
        queue.remove(index);
        if queue.is_empty() {
            self.occupied &= !(1 << priority);
        }
        true
    }
}

impl<T> Default for ReadyQueues<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_priority_runs_first_and_the_longest_ready_within_it() {
        let mut ready = ReadyQueues::new();
        for (thread, priority) in [("low", 4), ("first", 8), ("second", 8), ("high", 16)] {
            ready.insert(thread, priority, false);
        }
        ready.insert("preempted", 8, true);
        let order: [_; 5] = core::array::from_fn(|_| ready.take(0, |_| true).unwrap());
        assert_eq!(order, ["high", "preempted", "first", "second", "low"]);
        assert_eq!(ready.take(0, |_| true), None);
    }

    #[test]
    fn a_thread_whose_priority_changes_is_found_at_its_old_one_alone() {
        let mut ready = ReadyQueues::new();
        ready.insert("moved", 8, false);
        ready.insert("stays", 8, false);
        assert!(!ready.remove(&"moved", 9));
        assert!(ready.remove(&"moved", 8));
        assert!(!ready.remove(&"moved", 8));
        assert_eq!(ready.take(0, |_| true), Some("stays"));
        assert_eq!(ready.take(0, |_| true), None);
    }

    #[test]
    fn a_thread_that_does_not_suit_the_processor_is_passed_over() {
        let mut ready = ReadyQueues::new();
        ready.insert(1, 8, false);
        ready.insert(2, 8, false);
        assert_eq!(ready.take(0, |&thread| thread == 2), Some(2));
        assert_eq!(
            ready.take(9, |_| true),
            None,
            "below the lowest priority asked for"
        );
        assert_eq!(ready.take(8, |_| true), Some(1));
    }
}
