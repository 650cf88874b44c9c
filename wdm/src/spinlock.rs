//! Spin locks: data that is shared at IRQL <= DISPATCH_LEVEL.
//!
//! The rule of the kernel this stands for: holding a spin lock is running at DISPATCH_LEVEL, and
//! locks are released in the reverse order of their acquisition. ("Introduction to Spin Locks".)
//!
//! The guard is the proof of DISPATCH_LEVEL. It borrows the token that was given for it, and a
//! second lock taken inside borrows the first guard's token: so guards can only be dropped
//! innermost first, and nothing that needs a lower level can be called meanwhile.
//!
//! # Example
//!
//! ```
//! use wdm::{irql::Passive, spinlock::SpinLock};
//!
//! /// The locks are released in the reverse order; another does not compile.
//! fn sum(first: &SpinLock<u32>, second: &SpinLock<u32>, irql: &mut Passive) -> u32 {
//!     let mut outer = first.acquire(irql);
//!     let (value, irql) = outer.parts();
//!     let inner = second.acquire_at_dpc_level(irql);
//!     *value + *inner
//! }
//! ```

use core::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
};

use wdk_sys::{
    BOOLEAN, KIRQL, KSPIN_LOCK,
    ntddk::{
        KeAcquireSpinLockAtDpcLevel, KeAcquireSpinLockRaiseToDpc, KeReleaseSpinLock,
        KeReleaseSpinLockFromDpcLevel, KeTryToAcquireSpinLockAtDpcLevel,
    },
};

use crate::irql::{AtOrBelowDispatch, Dispatch};

/// Data that only the holder of its spin lock can reach.
pub struct SpinLock<T> {
    lock: UnsafeCell<KSPIN_LOCK>,
    data: UnsafeCell<T>,
}

// SAFETY: the lock lets one processor at a time reach the data, which may move between them.
unsafe impl<T: Send> Sync for SpinLock<T> {}

/// What releasing must restore.
enum Release {
    /// The level before `KeAcquireSpinLock`.
    LowerTo(KIRQL),
    /// Nothing: the lock was taken at DISPATCH_LEVEL and is released there.
    StayAtDpcLevel,
}

/// A held spin lock: access to its data, and the proof of DISPATCH_LEVEL.
#[must_use = "the lock is released when the guard is dropped"]
pub struct SpinLockGuard<'a, T> {
    lock: &'a SpinLock<T>,
    dispatch: Dispatch,
    release: Release,
}

impl<T> SpinLock<T> {
    /// A free lock around `data`.
    pub const fn new(data: T) -> Self {
        Self {
            // What `KeInitializeSpinLock` stores, which is inline in the headers for amd64.
            lock: UnsafeCell::new(0),
            data: UnsafeCell::new(data),
        }
    }

    /// Raises IRQL to DISPATCH_LEVEL and waits, spinning, for the lock.
    ///
    /// Source: nf-wdm-keacquirespinlock.
    pub fn acquire<'a, I: AtOrBelowDispatch>(&'a self, _irql: &'a mut I) -> SpinLockGuard<'a, T> {
        // SAFETY: the token proves IRQL <= DISPATCH_LEVEL; the lock is initialised, resident for
        // as long as `self` is borrowed, and not held by this processor unless another guard,
        // which only another lock's token could have allowed, is: then the verifier reports it.
        let old = unsafe { KeAcquireSpinLockRaiseToDpc(self.lock.get()) };
        self.guard(Release::LowerTo(old))
    }

    /// Waits, spinning, for the lock, at DISPATCH_LEVEL already.
    ///
    /// Source: nf-wdm-keacquirespinlockatdpclevel.
    pub fn acquire_at_dpc_level<'a>(&'a self, _irql: &'a mut Dispatch) -> SpinLockGuard<'a, T> {
        // SAFETY: the token proves DISPATCH_LEVEL; as for `acquire` otherwise.
        unsafe { KeAcquireSpinLockAtDpcLevel(self.lock.get()) };
        self.guard(Release::StayAtDpcLevel)
    }

    // ANCHOR: try_acquire
    /// Takes the lock if it is free, at DISPATCH_LEVEL already; never waits.
    ///
    /// Source: nf-wdm-ketrytoacquirespinlockatdpclevel.
    pub fn try_acquire_at_dpc_level<'a>(
        &'a self,
        _irql: &'a mut Dispatch,
    ) -> Option<SpinLockGuard<'a, T>> {
        // SAFETY: the token proves DISPATCH_LEVEL; the lock is initialised and resident.
        let acquired: BOOLEAN = unsafe { KeTryToAcquireSpinLockAtDpcLevel(self.lock.get()) };
        (acquired != 0).then(|| self.guard(Release::StayAtDpcLevel))
    }
    // ANCHOR_END: try_acquire

    /// The data of a lock that nobody else can hold.
    pub fn get_mut(&mut self) -> &mut T {
        self.data.get_mut()
    }

    fn guard(&self, release: Release) -> SpinLockGuard<'_, T> {
        SpinLockGuard {
            lock: self,
            // SAFETY: the lock is held, so IRQL is DISPATCH_LEVEL until the guard is dropped.
            dispatch: unsafe { Dispatch::assume() },
            release,
        }
    }
}

impl<T> SpinLockGuard<'_, T> {
    /// The data, and the proof of DISPATCH_LEVEL to use while working on it.
    pub fn parts(&mut self) -> (&mut T, &mut Dispatch) {
        // SAFETY: the lock is held for as long as the guard lives, and `&mut self` makes this
        // the only reference.
        let data = unsafe { &mut *self.lock.data.get() };
        (data, &mut self.dispatch)
    }
}

impl<T> Deref for SpinLockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held for as long as the guard lives.
        unsafe { &*self.lock.data.get() }
    }
}

impl<T> DerefMut for SpinLockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.parts().0
    }
}

impl<T> Drop for SpinLockGuard<'_, T> {
    fn drop(&mut self) {
        let lock = self.lock.lock.get();
        match self.release {
            // SAFETY: held by this guard, which raised IRQL from this level.
            Release::LowerTo(old) => unsafe { KeReleaseSpinLock(lock, old) },
            // SAFETY: held by this guard, and taken at DISPATCH_LEVEL.
            Release::StayAtDpcLevel => unsafe { KeReleaseSpinLockFromDpcLevel(lock) },
        }
    }
}
