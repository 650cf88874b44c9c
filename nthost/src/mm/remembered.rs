//! Ranges of addresses that were freed, as long as they are remembered: what a fault there is about.

use alloc::collections::{BTreeMap, VecDeque};

/// How many there are at the most.
const LIMIT: usize = 1 << 16;

/// The ranges that were freed last.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Where each ends, by where it begins.
    ends: BTreeMap<u64, u64>,
    /// Where they begin, the oldest first; those that are forgotten may still be among them.
    order: VecDeque<u64>,
}

impl Remembered {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ends: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    /// A range is freed.
    pub fn add(&mut self, base: u64, end: u64) {
        if self.order.len() == LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ends.remove(&oldest);
        }
        self.ends.insert(base, end);
        self.order.push_back(base);
    }

    /// A range is in use again.
    pub fn forget(&mut self, base: u64, end: u64) {
        while let Some((&start, &behind)) = self.ends.range(..end).next_back()
            && behind > base
        {
            self.ends.remove(&start);
        }
    }

    /// Whether an address was freed.
    #[must_use]
    pub fn contains(&self, address: u64) -> bool {
        let found = self.ends.range(..=address).next_back();
        found.is_some_and(|(_, &end)| address < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_remembered_until_it_is_used_again_or_too_many_came_after() {
        let mut freed = Remembered::new();
        freed.add(0x1000, 0x3000);
        freed.add(0x5000, 0x6000);
        assert!(freed.contains(0x1000) && freed.contains(0x2fff));
        assert!(!freed.contains(0xfff) && !freed.contains(0x3000));
        freed.forget(0x2000, 0x5000);
        assert!(!freed.contains(0x1000), "a part of it is in use");
        assert!(freed.contains(0x5000));
        // The forgotten range counts until its turn comes.
        for index in 1..=LIMIT as u64 {
            assert!(freed.contains(0x5000), "{index}");
            freed.add(0x10_0000 + index * 0x1000, 0x10_0000 + index * 0x1000 + 1);
        }
        assert!(!freed.contains(0x5000), "the oldest goes first");
    }
}
