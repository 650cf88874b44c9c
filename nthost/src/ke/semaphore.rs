//! Semaphores: objects that end as many waits as their count says.
//!
//! Sources: KeInitializeSemaphore, KeReleaseSemaphore, KeReadStateSemaphore.

use nthost_nt::{ke::KSEMAPHORE, status::STATUS_SEMAPHORE_LIMIT_EXCEEDED};

use super::{
    event::initialize_header,
    exception,
    wait::{self, object},
    wait_for,
};
use crate::export::PASSIVE_LEVEL;

/// Raises the count; `None` if it would exceed the limit. Gives the count before.
fn release(
    semaphore: *mut KSEMAPHORE,
    increment: i32,
    adjustment: i32,
    wait_next: bool,
) -> Option<i32> {
    let mut guard = wait_for::lock(wait_next, PASSIVE_LEVEL);
    // SAFETY: the caller's semaphore; the lock is held.
    let fields = unsafe { &*semaphore };
    let (before, limit) = (fields.Header.SignalState, fields.Limit);
    let after = before.checked_add(adjustment)?;
    if adjustment <= 0 || after > limit {
        return None;
    }
    Some(wait::signal_with(
        &mut guard,
        semaphore.cast(),
        after,
        increment,
    ))
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a semaphore.
    ///
    /// Source: KeInitializeSemaphore.
    ///
    /// # Safety
    ///
    /// `semaphore` is resident memory for a semaphore.
    pub unsafe fn KeInitializeSemaphore(semaphore: *mut KSEMAPHORE, count: i32, limit: i32) {
        let size = size_of::<KSEMAPHORE>();
        // SAFETY: the caller's promise.
        unsafe { initialize_header(semaphore.cast(), object::SEMAPHORE, size, count) };
        // SAFETY: as above.
        unsafe { (*semaphore).Limit = limit };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// A semaphore's count.
    ///
    /// Source: KeReadStateSemaphore.
    ///
    /// # Safety
    ///
    /// It is an initialized semaphore.
    pub unsafe fn KeReadStateSemaphore(semaphore: *const KSEMAPHORE) -> i32 {
        // SAFETY: the caller's promise.
        let state = unsafe { &raw const (*semaphore).Header.SignalState };
        // SAFETY: likewise; one word is read whole.
        unsafe { state.read_volatile() }
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Raises a semaphore's count; gives the count before. Beyond the limit the status
    /// STATUS_SEMAPHORE_LIMIT_EXCEEDED is raised. With `wait`, the IRQL stays raised up to the
    /// wait that must be the next call.
    ///
    /// Source: KeReleaseSemaphore.
    ///
    /// # Safety
    ///
    /// It is an initialized semaphore.
    pub unsafe fn KeReleaseSemaphore(
        semaphore: *mut KSEMAPHORE, increment: i32, adjustment: i32, wait: u8
    ) -> i32 {
        release(semaphore, increment, adjustment, wait != 0)
            .unwrap_or_else(|| {
            wait_for::withdraw();
            exception::raise(STATUS_SEMAPHORE_LIMIT_EXCEEDED)
        })
    }
}
