//! nthost's own spin locks, for its own data. Drivers' spin locks are in [`super::spinlock`].
//!
//! [`SpinLock`] raises to DISPATCH_LEVEL or, where processors may be stopped at breakpoints, above
//! all devices: an ISR that stops must not have interrupted a holder. [`HighLock`] holds all interrupts back and may be
//! taken anywhere. Neither is recursive.

use core::{
    cell::UnsafeCell,
    fmt,
    ops::{Deref, DerefMut},
    sync::atomic::{AtomicBool, AtomicU8, Ordering},
};

use x86_64::instructions::interrupts;

use super::irql::Raised;
use crate::export::{CLOCK_LEVEL, DISPATCH_LEVEL};

static LEVEL: AtomicU8 = AtomicU8::new(DISPATCH_LEVEL);

/// The IRQL at which nthost's own spin locks are held.
#[inline]
#[must_use]
pub fn level() -> u8 {
    // Relaxed: it is raised once, while one processor runs what takes locks.
    LEVEL.load(Ordering::Relaxed)
}

/// Has nthost's own spin locks held above all devices. To be called before the first driver is
/// loaded.
pub fn hold_above_devices() {
    LEVEL.store(CLOCK_LEVEL - 1, Ordering::Relaxed);
}

#[derive(Debug)]
struct Flag(AtomicBool);

impl Flag {
    #[inline]
    fn acquire(&self) {
        // Acquire: what the last holder wrote is seen. Relaxed on failure: nothing is read.
        while self
            .0
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            while self.0.load(Ordering::Relaxed) {
                core::hint::spin_loop();
            }
        }
    }

    #[inline]
    fn release(&self) {
        // Release: the next holder sees what was written.
        self.0.store(false, Ordering::Release);
    }
}

/// Data that is used at DISPATCH_LEVEL by one processor at a time.
pub struct SpinLock<T> {
    flag: Flag,
    data: UnsafeCell<T>,
}

// SAFETY: the flag lets one processor at a time to the data.
unsafe impl<T: Send> Sync for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// A free lock.
    pub const fn new(data: T) -> Self {
        Self {
            flag: Flag(AtomicBool::new(false)),
            data: UnsafeCell::new(data),
        }
    }

    /// Takes the lock. IRQL up to DISPATCH_LEVEL.
    pub fn lock(&self) -> SpinGuard<'_, T> {
        let raised = Raised::to(level());
        self.flag.acquire();
        SpinGuard {
            lock: self,
            _raised: raised,
        }
    }
}

impl<T> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpinLock").finish_non_exhaustive()
    }
}

/// The data of a [`SpinLock`], until dropped.
pub struct SpinGuard<'a, T> {
    lock: &'a SpinLock<T>,
    // Lowers the IRQL after the lock is free: fields are dropped after `drop`.
    _raised: Raised,
}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard stands for the lock.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard stands for the lock.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.flag.release();
    }
}

impl<T> fmt::Debug for SpinGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpinGuard").finish_non_exhaustive()
    }
}

/// Data that is used with interrupts off by one processor at a time, at any IRQL. Held for a
/// few dozen instructions, and nothing else is locked meanwhile but the heap.
pub struct HighLock<T> {
    flag: Flag,
    data: UnsafeCell<T>,
}

// SAFETY: the flag lets one processor at a time to the data.
unsafe impl<T: Send> Sync for HighLock<T> {}

impl<T> HighLock<T> {
    /// A free lock.
    pub const fn new(data: T) -> Self {
        Self {
            flag: Flag(AtomicBool::new(false)),
            data: UnsafeCell::new(data),
        }
    }

    /// Takes the lock. Any IRQL.
    pub fn lock(&self) -> HighGuard<'_, T> {
        let enabled = interrupts::are_enabled();
        interrupts::disable();
        self.flag.acquire();
        HighGuard {
            lock: self,
            enabled,
        }
    }
}

impl<T> fmt::Debug for HighLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HighLock").finish_non_exhaustive()
    }
}

/// The data of a [`HighLock`], until dropped.
pub struct HighGuard<'a, T> {
    lock: &'a HighLock<T>,
    enabled: bool,
}

impl<T> Deref for HighGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the guard stands for the lock.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for HighGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard stands for the lock.
        unsafe { &mut *self.lock.data.get() }
    }
}

impl<T> Drop for HighGuard<'_, T> {
    fn drop(&mut self) {
        self.lock.flag.release();
        if self.enabled {
            interrupts::enable();
        }
    }
}

impl<T> fmt::Debug for HighGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HighGuard").finish_non_exhaustive()
    }
}
