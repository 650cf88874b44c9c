//! The hand-off of a queue's work: nobody waits for its lock, and nothing is left lying.
//!
//! Code that has work for a queue posts it and *tries* the queue's lock. If the lock is held, the
//! work is left to its holder, who looks again after releasing it. For that to be safe, one of
//! the two must see the other:
//!
//! ```text
//!     the one with work            the holder
//!     post: work |= bits           release the lock
//!     try the lock: held           look: work != 0?
//! ```
//!
//! Each writes one location and then reads the other, so both sides need a full barrier between
//! the two, or both could read the old value and the work would lie there for good. Releasing a
//! spin lock is a plain store on amd64 and no such barrier; nor is the look at the lock with
//! which trying may begin.

use crate::atomic::{AtomicU32, Ordering, fence};

/// What is left to do for a queue.
#[derive(Debug)]
pub struct Work(AtomicU32);

/// What became of a try at a queue's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The lock was free: the work was taken and done, and the lock released.
    Served,
    /// The lock was held: its holder will see the work.
    Missed,
}

impl Default for Work {
    fn default() -> Self {
        Self::new()
    }
}

impl Work {
    /// Nothing to do.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Adds to what is left to do. The bits are the queue's own; adding one twice is adding it
    /// once.
    pub fn post(&self, bits: u32) {
        // Release, for those who take it to see what was written before. Relaxed would do for
        // the barrier, which is `visit`'s.
        self.0.fetch_or(bits, Ordering::Release);
    }

    /// Takes all that is left to do. To be called with the queue's lock held.
    pub fn take(&self) -> u32 {
        // Acquire: pairs with `post`.
        self.0.swap(0, Ordering::Acquire)
    }

    /// Tries to do what is left, again and again until nothing is or the lock is held.
    ///
    /// `attempt` tries the lock; if it gets it, it calls [`Self::take`], does the work and
    /// releases the lock. Everyone who held the lock for another purpose calls this afterwards.
    /// It returns whether the last attempt missed.
    // ANCHOR: visit
    pub fn visit(&self, mut attempt: impl FnMut() -> Attempt) -> Attempt {
        loop {
            // The barrier of both sides: between the post and the try, and between the release
            // and the look. A fence, because the lock's own instructions are not ours to order.
            fence(Ordering::SeqCst);
            // Relaxed: only whether there is work matters here; `take` acquires it.
            if self.0.load(Ordering::Relaxed) == 0 {
                return Attempt::Served;
            }
            if attempt() == Attempt::Missed {
                return Attempt::Missed;
            }
        }
    }
    // ANCHOR_END: visit
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn work_is_taken_once_and_together() {
        let work = Work::new();
        work.post(1);
        work.post(4);
        work.post(1);
        assert_eq!(work.take(), 5);
        assert_eq!(work.take(), 0);
    }

    #[test]
    fn a_visit_without_work_does_not_try_the_lock() {
        let work = Work::new();
        let visit = work.visit(|| panic!("there is no work"));
        assert_eq!(visit, Attempt::Served);
    }

    #[test]
    fn a_visit_goes_on_until_nothing_is_left() {
        let work = Work::new();
        work.post(1);
        let mut attempts = 0;
        let visit = work.visit(|| {
            attempts += 1;
            assert_eq!(work.take(), 1);
            if attempts < 3 {
                // As if somebody else had missed the lock meanwhile.
                work.post(1);
            }
            Attempt::Served
        });
        assert_eq!(visit, Attempt::Served);
        assert_eq!(attempts, 3);
    }

    #[test]
    fn a_miss_ends_the_visit_and_keeps_the_work() {
        let work = Work::new();
        work.post(2);
        assert_eq!(work.visit(|| Attempt::Missed), Attempt::Missed);
        assert_eq!(work.take(), 2);
    }
}
