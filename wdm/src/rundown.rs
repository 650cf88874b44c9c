//! Run-down protection: something is used by many, until it is taken away.
//!
//! The rule of the kernel this stands for: an owner that takes something away first admits no more
//! users, and then waits for those that are inside; the last that leaves reports it. ("Run-Down
//! Protection".)
//! The kernel's own routines for it cannot let anybody in again without a wait in between, and wait
//! for themselves. Here, the last user that leaves reports it to the owner, at any IRQL.

use core::sync::atomic::{AtomicU32, Ordering};

/// Nobody is let in.
const CLOSED: u32 = 1 << 31;

/// How many are inside, and whether others are let in.
pub struct Rundown(AtomicU32);

impl Rundown {
    /// One that lets everybody in.
    pub const fn open() -> Self {
        Self(AtomicU32::new(0))
    }

    /// One that lets nobody in.
    pub const fn closed() -> Self {
        Self(AtomicU32::new(CLOSED))
    }

    /// Goes inside, if that is allowed. [`Self::leave`] must follow.
    #[must_use]
    pub fn enter(&self) -> bool {
        let enter = |state| (state & CLOSED == 0).then_some(state + 1);
        // SeqCst, also if it fails: who is not let in may have said before that it wants to be told
        // when it is opened, and who opens it looks for that afterwards.
        let entered = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, enter);
        entered.is_ok()
    }

    /// Leaves. Whether this was the last one, and nobody is let in any more.
    #[must_use]
    pub fn leave(&self) -> bool {
        // Release: what was done inside happens before what follows the last to leave. Acquire: for
        // that one.
        self.0.fetch_sub(1, Ordering::AcqRel) == CLOSED | 1
    }

    /// Lets nobody in any more. Whether nobody is inside: if somebody is, the last one to leave is
    /// told.
    #[must_use]
    pub fn close(&self) -> bool {
        self.0.fetch_or(CLOSED, Ordering::AcqRel) & !CLOSED == 0
    }

    /// Lets everybody in again.
    pub fn reopen(&self) {
        // SeqCst: see `enter`.
        self.0.fetch_and(!CLOSED, Ordering::SeqCst);
    }

    /// Whether nobody is let in.
    pub fn is_closed(&self) -> bool {
        // SeqCst: as for `enter`.
        self.0.load(Ordering::SeqCst) & CLOSED != 0
    }
}
