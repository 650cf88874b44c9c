//! In-stack queued spin locks: whoever asks first gets the lock first, and each waits for a word
//! of its own.
//!
//! The lock's word points to the last in the queue; the lowest bit is never set, as it is in a
//! lock that was taken as an ordinary one ([`super::spinlock`]). The two ways may not be mixed:
//! the verifier's bug checks 0xC4, subcodes 0x1008 and 0x1009.
//!
//! Sources: KeAcquireInStackQueuedSpinLock and its counterparts, "Queued Spin Locks".

use core::{
    ptr::null_mut,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering},
};

use nthost_nt::ke::{KLOCK_QUEUE_HANDLE, KSPIN_LOCK, KSPIN_LOCK_QUEUE};

use super::{bugcheck, irql, spinlock};
use crate::{
    export::{self, DISPATCH_LEVEL, PASSIVE_LEVEL},
    hook,
    mm::pageable,
};

/// The bit of a place in the queue that is set as long as its owner waits.
const WAITING: usize = 1;

/// # Safety
///
/// It is a place in a queue, which others use through these words alone.
unsafe fn next<'a>(place: *mut KSPIN_LOCK_QUEUE) -> &'a AtomicPtr<KSPIN_LOCK_QUEUE> {
    // SAFETY: the caller's promise.
    let field = unsafe { &raw mut (*place).Next };
    // SAFETY: likewise.
    unsafe { AtomicPtr::from_ptr(field) }
}

/// # Safety
///
/// As [`next`].
unsafe fn state<'a>(place: *mut KSPIN_LOCK_QUEUE) -> &'a AtomicUsize {
    // SAFETY: the caller's promise.
    let field = unsafe { &raw mut (*place).Lock };
    // SAFETY: likewise.
    unsafe { AtomicUsize::from_ptr(field) }
}

/// Takes a lock, with the IRQL raised already.
///
/// # Safety
///
/// It is an initialized lock; the handle stays until the lock is released.
unsafe fn acquire(lock: *mut KSPIN_LOCK, handle: *mut KLOCK_QUEUE_HANDLE, before: u8) {
    let new = KLOCK_QUEUE_HANDLE {
        LockQueue: KSPIN_LOCK_QUEUE {
            Next: null_mut(),
            Lock: lock as usize | WAITING,
        },
        OldIrql: before,
    };
    // SAFETY: the caller's promise.
    unsafe { handle.write(new) };
    let place = handle.cast::<KSPIN_LOCK_QUEUE>();
    // SAFETY: the caller's promise.
    let tail = unsafe { spinlock::word(lock) };
    let mut last = tail.load(Ordering::Relaxed);
    hook::spin_lock_taking(lock as u64);
    loop {
        if last & 1 != 0 {
            bugcheck::lock_mismatch(true, lock as u64);
            // Windows takes what the word holds for the place of the one before, and writes there.
            let parameters = [last as u64, irql::current().into(), 1, export::caller()];
            bugcheck::bugcheck(bugcheck::code::IRQL_NOT_LESS_OR_EQUAL, parameters);
        }
        // Release: whoever comes next finds the place initialized. Acquire: what the last holder
        // wrote is seen, and the place of the one before.
        match tail.compare_exchange_weak(
            last,
            place.expose_provenance(),
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            Ok(_) => break,
            Err(now) => last = now,
        }
    }
    if last != 0 {
        let last = core::ptr::with_exposed_provenance_mut::<KSPIN_LOCK_QUEUE>(last);
        // Release: as above. SAFETY: the one before stays until it has seen its successor.
        unsafe { next(last) }.store(place, Ordering::Release);
        // Acquire: what the last holder wrote is seen. SAFETY: the place is the caller's.
        while unsafe { state(place) }.load(Ordering::Acquire) & WAITING != 0 {
            core::hint::spin_loop();
        }
    }
    hook::spin_lock_taken(lock as u64);
    spinlock::count_acquired();
}

/// Releases a lock.
///
/// # Safety
///
/// The caller holds it by this handle.
unsafe fn release(handle: *mut KLOCK_QUEUE_HANDLE) {
    let place = handle.cast::<KSPIN_LOCK_QUEUE>();
    // SAFETY: the caller's promise.
    let lock = unsafe { state(place) }.load(Ordering::Relaxed) & !WAITING;
    let lock = core::ptr::with_exposed_provenance_mut::<KSPIN_LOCK>(lock);
    // SAFETY: the lock that was taken.
    let tail = unsafe { spinlock::word(lock) };
    let now = tail.load(Ordering::Relaxed);
    if now == 0 {
        // It stays free.
        return bugcheck::spin_lock_not_owned(lock as u64);
    }
    if now & 1 != 0 {
        bugcheck::lock_mismatch(false, lock as u64);
        hook::spin_lock_releasing(lock as u64);
        spinlock::count_released();
        // Nobody is in a queue. Release: the next holder sees what was written.
        return tail.store(0, Ordering::Release);
    }
    hook::spin_lock_releasing(lock as u64);
    spinlock::count_released();
    // SAFETY: the caller's promise.
    let successor = unsafe { next(place) };
    if successor.load(Ordering::Relaxed).is_null() {
        // Release: the next holder sees what was written.
        let alone = tail.compare_exchange(
            place.expose_provenance(),
            0,
            Ordering::Release,
            Ordering::Relaxed,
        );
        if alone.is_ok() {
            return;
        }
        // Somebody is in the queue, and about to say so.
        while successor.load(Ordering::Relaxed).is_null() {
            core::hint::spin_loop();
        }
    }
    // Acquire: the successor's place is initialized.
    let waiting = successor.load(Ordering::Acquire);
    // Release: it sees what was written. SAFETY: it waits, and so its place stays.
    unsafe { state(waiting) }.fetch_and(!WAITING, Ordering::Release);
}

/// # Safety
///
/// A handle that a lock was taken with.
unsafe fn release_and_lower(handle: *mut KLOCK_QUEUE_HANDLE) {
    // SAFETY: the caller's promise.
    let before = unsafe { (*handle).OldIrql };
    // SAFETY: the caller's promise.
    unsafe { release(handle) };
    irql::set(before);
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Raises to DISPATCH_LEVEL and takes a lock in turn.
    ///
    /// Source: KeAcquireInStackQueuedSpinLock.
    ///
    /// # Safety
    ///
    /// It is an initialized lock; the handle stays until the lock is released.
    pub unsafe fn KeAcquireInStackQueuedSpinLock(
        lock: *mut KSPIN_LOCK,
        handle: *mut KLOCK_QUEUE_HANDLE,
    ) {
        let before = irql::raise(DISPATCH_LEVEL);
        pageable::trim();
        // SAFETY: the caller's promise.
        unsafe { acquire(lock, handle, before) };
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Releases a lock and lowers the IRQL to what it was before.
    ///
    /// Source: KeReleaseInStackQueuedSpinLock.
    ///
    /// # Safety
    ///
    /// The caller holds the lock by this handle.
    pub unsafe fn KeReleaseInStackQueuedSpinLock(handle: *mut KLOCK_QUEUE_HANDLE) {
        // SAFETY: the caller's promise.
        unsafe { release_and_lower(handle) };
    }

    irql: DISPATCH_LEVEL..=HIGH_LEVEL;
    /// Takes a lock in turn, without a change of IRQL.
    ///
    /// Source: KeAcquireInStackQueuedSpinLockAtDpcLevel.
    ///
    /// # Safety
    ///
    /// As KeAcquireInStackQueuedSpinLock.
    pub unsafe fn KeAcquireInStackQueuedSpinLockAtDpcLevel(
        lock: *mut KSPIN_LOCK,
        handle: *mut KLOCK_QUEUE_HANDLE,
    ) {
        // SAFETY: the caller's promise.
        unsafe { acquire(lock, handle, irql::current()) };
    }

    irql: DISPATCH_LEVEL..=HIGH_LEVEL;
    /// Releases a lock without a change of IRQL.
    ///
    /// Source: KeReleaseInStackQueuedSpinLockFromDpcLevel.
    ///
    /// # Safety
    ///
    /// The caller holds the lock by this handle.
    pub unsafe fn KeReleaseInStackQueuedSpinLockFromDpcLevel(handle: *mut KLOCK_QUEUE_HANDLE) {
        // SAFETY: the caller's promise.
        unsafe { release(handle) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes a lock in turn, for a threaded DPC: raises to DISPATCH_LEVEL if it is not there.
    ///
    /// Source: KeAcquireInStackQueuedSpinLockForDpc.
    ///
    /// # Safety
    ///
    /// As KeAcquireInStackQueuedSpinLock.
    pub unsafe fn KeAcquireInStackQueuedSpinLockForDpc(
        lock: *mut KSPIN_LOCK,
        handle: *mut KLOCK_QUEUE_HANDLE,
    ) {
        let before = irql::raise(DISPATCH_LEVEL);
        pageable::trim();
        // SAFETY: the caller's promise.
        unsafe { acquire(lock, handle, before) };
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Releases a lock that KeAcquireInStackQueuedSpinLockForDpc took.
    ///
    /// Source: KeReleaseInStackQueuedSpinLockForDpc.
    ///
    /// # Safety
    ///
    /// The caller holds the lock by this handle.
    pub unsafe fn KeReleaseInStackQueuedSpinLockForDpc(handle: *mut KLOCK_QUEUE_HANDLE) {
        // SAFETY: the caller's promise.
        unsafe { release_and_lower(handle) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes an ordinary lock for a threaded DPC: raises to DISPATCH_LEVEL if it is not there.
    /// Gives the IRQL before.
    ///
    /// Source: KeAcquireSpinLockForDpc.
    ///
    /// # Safety
    ///
    /// It is an initialized lock.
    pub unsafe fn KeAcquireSpinLockForDpc(lock: *mut KSPIN_LOCK) -> u8 {
        let before = irql::raise(DISPATCH_LEVEL);
        pageable::trim();
        // SAFETY: the caller's promise.
        unsafe { spinlock::acquire(lock) };
        before
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Releases a lock that KeAcquireSpinLockForDpc took.
    ///
    /// Source: KeReleaseSpinLockForDpc.
    ///
    /// # Safety
    ///
    /// The caller holds the lock.
    pub unsafe fn KeReleaseSpinLockForDpc(lock: *mut KSPIN_LOCK, before: u8) {
        // SAFETY: the caller's promise.
        unsafe { spinlock::release(lock) };
        if before == PASSIVE_LEVEL {
            irql::set(before);
        }
    }
}
