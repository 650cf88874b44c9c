//! What is due when: timers and the ends of waits. Protected by the dispatcher lock.

use alloc::collections::BTreeMap;
use core::sync::atomic::{AtomicU64, Ordering};

use nthost_nt::ke::KTIMER;

use super::{dispatcher, ktimer, thread::Thread, time, wait};

/// Something that happens at a time.
#[derive(Clone, Copy, Debug)]
enum Expiry {
    /// A thread's wait ends.
    Wait(*mut Thread),
    /// A driver's timer is due.
    Timer(*mut KTIMER),
    /// A routine of nthost's is called, with the dispatcher lock free, at DISPATCH_LEVEL.
    Call(fn(usize), usize),
}

/// What is due when: by interrupt time, and a number that tells those of one time apart.
#[derive(Debug)]
pub struct Timers {
    due: BTreeMap<(u64, u64), Expiry>,
    next: u64,
}

#[expect(
    clippy::non_send_fields_in_send_ty,
    reason = "threads and timers are known by their addresses"
)]
// SAFETY: threads and timers are reached through the dispatcher lock alone.
unsafe impl Send for Timers {}

/// When the first is due, for the clock to look at without the lock.
static FIRST: AtomicU64 = AtomicU64::new(u64::MAX);

impl Timers {
    /// None.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            due: BTreeMap::new(),
            next: 1,
        }
    }

    fn set(&mut self, due: u64, expiry: Expiry) -> (u64, u64) {
        let key = (due, self.next);
        self.next += 1;
        self.due.insert(key, expiry);
        self.publish();
        key
    }

    /// Ends a thread's wait at this time.
    pub fn set_wait(&mut self, due: u64, thread: *mut Thread) -> (u64, u64) {
        self.set(due, Expiry::Wait(thread))
    }

    /// A driver's timer is due at this time.
    pub fn set_timer(&mut self, due: u64, timer: *mut KTIMER) -> (u64, u64) {
        self.set(due, Expiry::Timer(timer))
    }

    /// Calls a routine at this time.
    pub fn set_call(&mut self, due: u64, routine: fn(usize), argument: usize) -> (u64, u64) {
        self.set(due, Expiry::Call(routine, argument))
    }

    /// Takes something back; says whether it had not happened yet.
    pub fn cancel(&mut self, key: (u64, u64)) -> bool {
        let found = self.due.remove(&key).is_some();
        self.publish();
        found
    }

    /// Whether something has not happened yet, and was not taken back.
    #[must_use]
    pub fn is_set(&self, key: (u64, u64)) -> bool {
        self.due.contains_key(&key)
    }

    fn publish(&self) {
        let first = self
            .due
            .first_key_value()
            .map_or(u64::MAX, |(&(due, _), _)| due);
        // Relaxed: the clock only takes it for a hint, and looks again at its next tick.
        FIRST.store(first, Ordering::Relaxed);
    }

    fn take(&mut self, now: u64) -> Option<Expiry> {
        let (&(due, number), _) = self.due.first_key_value()?;
        if due > now {
            return None;
        }
        let expiry = self.due.remove(&(due, number));
        self.publish();
        expiry
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether something is due. Any IRQL.
#[must_use]
pub fn is_due() -> bool {
    FIRST.load(Ordering::Relaxed) <= time::interrupt_time()
}

/// Does what is due. DISPATCH_LEVEL.
pub fn expire() {
    if !is_due() {
        return;
    }
    let now = time::interrupt_time();
    let mut guard = dispatcher::lock();
    while let Some(expiry) = guard.dispatcher().timers.take(now) {
        match expiry {
            Expiry::Wait(thread) => wait::time_out(&mut guard, thread),
            Expiry::Timer(timer) => ktimer::expire(&mut guard, timer),
            Expiry::Call(routine, argument) => {
                drop(guard);
                routine(argument);
                guard = dispatcher::lock();
            }
        }
    }
}
