//! Drivers' spin locks.
//!
//! The lock is a word: zero when free. While it is held, it names its holder (and its lowest bit
//! is set), so that the verifier can tell who has it, and who takes it twice.
//!
//! Sources: KeInitializeSpinLock, KeAcquireSpinLock, KeAcquireSpinLockAtDpcLevel,
//! KeTryToAcquireSpinLockAtDpcLevel, KeTestSpinLock and their counterparts.

use core::sync::atomic::{AtomicUsize, Ordering};

use nthost_nt::ke::{KIRQL, KSPIN_LOCK};

use super::{irql, pcr};
use crate::{export::DISPATCH_LEVEL, hook, mm::pageable};

/// How many locks are held. Only a report reads it, when nothing else runs: relaxed will do.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// How many drivers' locks are held at this moment, on all processors.
#[must_use]
pub fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

/// A driver's lock was taken on this processor.
pub fn count_acquired() {
    HELD.fetch_add(1, Ordering::Relaxed);
}

/// A driver's lock is released on this processor.
pub fn count_released() {
    HELD.fetch_sub(1, Ordering::Relaxed);
}

/// # Safety
///
/// It is an initialized lock.
pub(super) unsafe fn word<'a>(lock: *mut KSPIN_LOCK) -> &'a AtomicUsize {
    // SAFETY: the caller's promise; a lock is only used through these routines.
    unsafe { AtomicUsize::from_ptr(lock) }
}

/// What a held lock holds: the processor that has it, and never zero.
fn holder() -> usize {
    pcr::current().number as usize * 2 + 1
}

/// Takes a lock, with the IRQL raised already.
///
/// # Safety
///
/// It is an initialized lock.
pub unsafe fn acquire(lock: *mut KSPIN_LOCK) {
    // SAFETY: the caller's promise.
    let word = unsafe { word(lock) };
    let holder = holder();
    hook::spin_lock_taking(lock as u64);
    hook::spin_lock_waiting();
    // Acquire: what the last holder wrote is seen.
    while word
        .compare_exchange_weak(0, holder, Ordering::Acquire, Ordering::Relaxed)
        .is_err()
    {
        let now = word.load(Ordering::Relaxed);
        if now == holder {
            super::bugcheck::spin_lock_already_owned(lock as u64);
        }
        if now != 0 && now & 1 == 0 {
            super::bugcheck::lock_mismatch(true, lock as u64);
            // Windows looks at the lowest bit alone: it is clear in a lock that is queued for.
            word.store(holder, Ordering::Relaxed);
            break;
        }
        core::hint::spin_loop();
    }
    hook::spin_lock_taken(lock as u64);
    count_acquired();
}

/// Releases a lock.
///
/// # Safety
///
/// It is an initialized lock.
pub unsafe fn release(lock: *mut KSPIN_LOCK) {
    // SAFETY: the caller's promise.
    let word = unsafe { word(lock) };
    let now = word.load(Ordering::Relaxed);
    if now != 0 && now & 1 == 0 {
        super::bugcheck::lock_mismatch(false, lock as u64);
    } else if now != holder() {
        super::bugcheck::spin_lock_not_owned(lock as u64);
    }
    if now != 0 {
        hook::spin_lock_releasing(lock as u64);
        count_released();
    }
    // Release: the next holder sees what was written.
    word.store(0, Ordering::Release);
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Makes a free lock.
    ///
    /// Source: KeInitializeSpinLock.
    ///
    /// # Safety
    ///
    /// `lock` is resident memory for a lock.
    pub unsafe fn KeInitializeSpinLock(lock: *mut KSPIN_LOCK) {
        // SAFETY: the caller's promise.
        unsafe { lock.write(0) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Raises to DISPATCH_LEVEL, takes the lock, and gives the IRQL before.
    ///
    /// Source: KeAcquireSpinLock, KeAcquireSpinLockRaiseToDpc.
    ///
    /// # Safety
    ///
    /// It is an initialized lock.
    pub unsafe fn KeAcquireSpinLockRaiseToDpc(lock: *mut KSPIN_LOCK) -> KIRQL {
        let before = irql::raise(DISPATCH_LEVEL);
        pageable::trim();
        // SAFETY: the caller's promise.
        unsafe { acquire(lock) };
        before
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Releases the lock and lowers the IRQL.
    ///
    /// Source: KeReleaseSpinLock.
    ///
    /// # Safety
    ///
    /// The caller holds the lock.
    pub unsafe fn KeReleaseSpinLock(lock: *mut KSPIN_LOCK, new: KIRQL) {
        // SAFETY: the caller's promise.
        unsafe { release(lock) };
        irql::set(new);
    }

    irql: DISPATCH_LEVEL..=HIGH_LEVEL;
    /// Takes the lock without a change of IRQL.
    ///
    /// Source: KeAcquireSpinLockAtDpcLevel.
    ///
    /// # Safety
    ///
    /// It is an initialized lock.
    pub unsafe fn KeAcquireSpinLockAtDpcLevel(lock: *mut KSPIN_LOCK) {
        // SAFETY: the caller's promise.
        unsafe { acquire(lock) };
    }

    irql: DISPATCH_LEVEL..=HIGH_LEVEL;
    /// Releases the lock without a change of IRQL.
    ///
    /// Source: KeReleaseSpinLockFromDpcLevel.
    ///
    /// # Safety
    ///
    /// The caller holds the lock.
    pub unsafe fn KeReleaseSpinLockFromDpcLevel(lock: *mut KSPIN_LOCK) {
        // SAFETY: the caller's promise.
        unsafe { release(lock) };
    }

    irql: DISPATCH_LEVEL..=HIGH_LEVEL;
    /// Takes the lock if it is free; FALSE at once if it is not.
    ///
    /// Source: KeTryToAcquireSpinLockAtDpcLevel.
    ///
    /// # Safety
    ///
    /// It is an initialized lock.
    pub unsafe fn KeTryToAcquireSpinLockAtDpcLevel(lock: *mut KSPIN_LOCK) -> u8 {
        // SAFETY: the caller's promise.
        let word = unsafe { word(lock) };
        // Acquire: what the last holder wrote is seen.
        let taken = word.compare_exchange(0, holder(), Ordering::Acquire, Ordering::Relaxed);
        if taken.is_ok() {
            hook::spin_lock_taken(lock as u64);
            count_acquired();
        }
        u8::from(taken.is_ok())
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Whether the lock is free at this moment.
    ///
    /// Source: KeTestSpinLock.
    ///
    /// # Safety
    ///
    /// It is an initialized lock.
    pub unsafe fn KeTestSpinLock(lock: *mut KSPIN_LOCK) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { word(lock) }.load(Ordering::Relaxed) == 0)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The processor's IRQL.
    ///
    /// Source: KeGetCurrentIrql.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeGetCurrentIrql() -> KIRQL {
        irql::current()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Raises the IRQL, and gives the one before.
    ///
    /// Source: KeRaiseIrql (a macro for this routine on amd64).
    ///
    /// # Safety
    ///
    /// The caller lowers it again.
    pub unsafe fn KfRaiseIrql(new: KIRQL) -> KIRQL {
        let before = irql::current();
        if new < before {
            // Subcode 0x30: the IRQL is raised to a lower one.
            hook::misuse([0x30, before.into(), new.into(), 0]);
        }
        irql::set(new);
        if new >= DISPATCH_LEVEL {
            pageable::trim();
        }
        before
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Raises the IRQL to DISPATCH_LEVEL, and gives the one before.
    ///
    /// Source: KeRaiseIrqlToDpcLevel.
    ///
    /// # Safety
    ///
    /// The caller lowers it again.
    pub unsafe fn KeRaiseIrqlToDpcLevel() -> KIRQL {
        let before = irql::raise(DISPATCH_LEVEL);
        pageable::trim();
        before
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Lowers the IRQL to what it was before it was raised.
    ///
    /// Source: KeLowerIrql.
    ///
    /// # Safety
    ///
    /// The caller raised it from this level.
    pub unsafe fn KeLowerIrql(new: KIRQL) {
        let before = irql::current();
        if new > before {
            // Subcode 0x31: the IRQL is lowered to a higher one.
            hook::misuse([0x31, before.into(), new.into(), 0]);
        }
        irql::set(new);
    }
}
