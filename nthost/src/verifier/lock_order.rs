//! In which order locks were ever taken: a graph whose loops are violations of the hierarchy,
//! whether anybody has met in one or not.
//!
//! Source: "Deadlock Detection" of Driver Verifier.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::ops::Range;

/// The locks that were taken while each lock was held, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order(BTreeMap<u64, BTreeSet<u64>>);

impl Order {
    /// No lock was ever taken.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// A lock is about to be taken by who holds others.
    ///
    /// # Errors
    ///
    /// The locks of a loop: from the one that is about to be taken to one that is held.
    pub fn take(&mut self, lock: u64, held: &[u64]) -> Result<(), Vec<u64>> {
        for &outer in held.iter().filter(|&&outer| outer != lock) {
            if self
                .0
                .get(&outer)
                .is_some_and(|inner| inner.contains(&lock))
            {
                continue;
            }
            if let Some(path) = self.path(lock, outer) {
                return Err(path);
            }
            self.0.entry(outer).or_default().insert(lock);
        }
        Ok(())
    }

    /// How one comes from a lock to another, each taken while the one before was held.
    fn path(&self, from: u64, to: u64) -> Option<Vec<u64>> {
        let mut before = BTreeMap::new();
        let mut next = Vec::from([from]);
        while let Some(lock) = next.pop() {
            for &inner in self.0.get(&lock).into_iter().flatten() {
                if inner != from && !before.contains_key(&inner) {
                    before.insert(inner, lock);
                    next.push(inner);
                }
            }
            if before.contains_key(&to) {
                let mut path = Vec::from([to]);
                while let Some(&lock) = path.last().and_then(|last| before.get(last)) {
                    path.push(lock);
                }
                path.reverse();
                return Some(path);
            }
        }
        None
    }

    /// The memory of locks is freed: another lock may be there next.
    pub fn forget(&mut self, range: &Range<u64>) {
        if self.0.is_empty() {
            return;
        }
        self.0.retain(|lock, inner| {
            inner.retain(|lock| !range.contains(lock));
            !range.contains(lock) && !inner.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: u64 = 0xa0;
    const B: u64 = 0xb0;
    const C: u64 = 0xc0;

    #[test]
    fn the_same_order_may_be_kept_forever() {
        let mut order = Order::new();
        for _ in 0..3 {
            assert_eq!(order.take(A, &[]), Ok(()));
            assert_eq!(order.take(B, &[A]), Ok(()));
            assert_eq!(order.take(C, &[A, B]), Ok(()));
            assert_eq!(order.take(C, &[A]), Ok(()));
        }
    }

    #[test]
    fn two_locks_in_both_orders_are_a_loop() {
        let mut order = Order::new();
        assert_eq!(order.take(B, &[A]), Ok(()));
        assert_eq!(order.take(A, &[B]), Err(Vec::from([A, B])));
    }

    #[test]
    fn a_loop_of_three_is_one_too() {
        let mut order = Order::new();
        assert_eq!(order.take(B, &[A]), Ok(()));
        assert_eq!(order.take(C, &[B]), Ok(()));
        assert_eq!(order.take(A, &[C]), Err(Vec::from([A, B, C])));
    }

    #[test]
    fn a_lock_that_is_gone_is_in_no_loop() {
        let mut order = Order::new();
        assert_eq!(order.take(B, &[A]), Ok(()));
        order.forget(&(B..B + 8));
        assert_eq!(order, Order::new());
        assert_eq!(order.take(A, &[B]), Ok(()));
    }
}
