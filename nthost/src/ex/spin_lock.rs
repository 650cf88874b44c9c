//! Reader/writer spin locks.
//!
//! The word is zero when the lock is free. Its highest bit says that a writer has it: then the
//! rest names the writer's processor. The next says that a writer waits, whom new readers let go
//! first. Otherwise the word counts readers.
//!
//! Sources: ExAcquireSpinLockExclusive, ExAcquireSpinLockShared,
//! ExTryConvertSharedSpinLockExclusive and their counterparts, "Reader/Writer Spin Locks". Bug
//! checks 0x0F and 0x10 for a writer that takes its own lock, and for a release by somebody else;
//! 0xC4, subcodes 0x1001 and 0x1003, for the order of locks.

use core::sync::atomic::{AtomicU32, Ordering};

use nthost_nt::ke::KIRQL;

use crate::{
    export::DISPATCH_LEVEL,
    hook,
    ke::{bugcheck, irql, pcr, spinlock},
};

/// A writer has it.
const WRITER: u32 = 1 << 31;
/// A writer waits for it.
const WAITED_FOR: u32 = 1 << 30;

fn word<'a>(lock: *mut u32) -> &'a AtomicU32 {
    // SAFETY: the caller's lock, which is only used through these routines.
    unsafe { AtomicU32::from_ptr(lock) }
}

/// What the word holds while this processor writes.
fn own() -> u32 {
    WRITER | pcr::current().number
}

fn check_recursion(lock: *mut u32, value: u32) {
    if value & !WAITED_FOR == own() {
        bugcheck::spin_lock_already_owned(lock as u64);
    }
}

/// Takes a lock for a writer, with the IRQL raised already.
fn acquire_exclusive(lock: *mut u32) {
    hook::spin_lock_taking(lock as u64);
    let word = word(lock);
    loop {
        let value = word.load(Ordering::Relaxed);
        check_recursion(lock, value);
        // Nobody has it; other writers that wait say so again. Acquire: what those before did is
        // seen.
        if value & !WAITED_FOR == 0
            && word
                .compare_exchange_weak(value, own(), Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        {
            break;
        }
        if value & !WAITED_FOR != 0 && value & WAITED_FOR == 0 {
            // Relaxed: it only holds new readers back.
            let _ = word.compare_exchange(
                value,
                value | WAITED_FOR,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        core::hint::spin_loop();
    }
    spinlock::count_acquired();
    hook::spin_lock_taken(lock as u64);
}

fn release_exclusive(lock: *mut u32) {
    let word = word(lock);
    let value = word.load(Ordering::Relaxed);
    if value & !WAITED_FOR != own() {
        bugcheck::spin_lock_not_owned(lock as u64);
        if value & WRITER == 0 {
            return;
        }
    }
    spinlock::count_released();
    hook::spin_lock_releasing(lock as u64);
    // Release: whoever is next sees what was written. Who waits is not forgotten.
    word.fetch_and(WAITED_FOR, Ordering::Release);
}

/// Takes a lock for a reader, with the IRQL raised already.
fn acquire_shared(lock: *mut u32) {
    hook::spin_lock_taking(lock as u64);
    let word = word(lock);
    loop {
        let value = word.load(Ordering::Relaxed);
        check_recursion(lock, value);
        // Acquire: what the last writer wrote is seen.
        if value & (WRITER | WAITED_FOR) == 0
            && word
                .compare_exchange_weak(value, value + 1, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        {
            break;
        }
        core::hint::spin_loop();
    }
    spinlock::count_acquired();
    hook::spin_lock_taken(lock as u64);
}

fn release_shared(lock: *mut u32) {
    let word = word(lock);
    let value = word.load(Ordering::Relaxed);
    if value & WRITER != 0 || value & !WAITED_FOR == 0 {
        return bugcheck::spin_lock_not_owned(lock as u64);
    }
    spinlock::count_released();
    hook::spin_lock_releasing(lock as u64);
    // Release: the next writer comes after what was read.
    word.fetch_sub(1, Ordering::Release);
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Raises to DISPATCH_LEVEL and takes a lock for a writer; gives the IRQL before.
    ///
    /// Source: ExAcquireSpinLockExclusive.
    ///
    /// # Safety
    ///
    /// It is a lock, in nonpaged memory that was zero.
    pub unsafe fn ExAcquireSpinLockExclusive(lock: *mut u32) -> KIRQL {
        let before = irql::raise(DISPATCH_LEVEL);
        acquire_exclusive(lock);
        before
    }

    irql: DISPATCH_LEVEL..=HIGH_LEVEL;
    /// Takes a lock for a writer, without a change of IRQL.
    ///
    /// Source: ExAcquireSpinLockExclusiveAtDpcLevel.
    ///
    /// # Safety
    ///
    /// As ExAcquireSpinLockExclusive.
    pub unsafe fn ExAcquireSpinLockExclusiveAtDpcLevel(lock: *mut u32) {
        acquire_exclusive(lock);
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Releases a writer's lock, and goes back to the IRQL before.
    ///
    /// Source: ExReleaseSpinLockExclusive.
    ///
    /// # Safety
    ///
    /// The caller took it by ExAcquireSpinLockExclusive, which gave this IRQL.
    pub unsafe fn ExReleaseSpinLockExclusive(lock: *mut u32, before: KIRQL) {
        release_exclusive(lock);
        irql::set(before);
    }

    irql: DISPATCH_LEVEL..=HIGH_LEVEL;
    /// Releases a writer's lock, without a change of IRQL.
    ///
    /// Source: ExReleaseSpinLockExclusiveFromDpcLevel.
    ///
    /// # Safety
    ///
    /// The caller has it so.
    pub unsafe fn ExReleaseSpinLockExclusiveFromDpcLevel(lock: *mut u32) {
        release_exclusive(lock);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Raises to DISPATCH_LEVEL and takes a lock for a reader; gives the IRQL before.
    ///
    /// Source: ExAcquireSpinLockShared.
    ///
    /// # Safety
    ///
    /// As ExAcquireSpinLockExclusive.
    pub unsafe fn ExAcquireSpinLockShared(lock: *mut u32) -> KIRQL {
        let before = irql::raise(DISPATCH_LEVEL);
        acquire_shared(lock);
        before
    }

    irql: DISPATCH_LEVEL..=HIGH_LEVEL;
    /// Takes a lock for a reader, without a change of IRQL.
    ///
    /// Source: ExAcquireSpinLockSharedAtDpcLevel.
    ///
    /// # Safety
    ///
    /// As ExAcquireSpinLockExclusive.
    pub unsafe fn ExAcquireSpinLockSharedAtDpcLevel(lock: *mut u32) {
        acquire_shared(lock);
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Releases a reader's lock, and goes back to the IRQL before.
    ///
    /// Source: ExReleaseSpinLockShared.
    ///
    /// # Safety
    ///
    /// The caller took it by ExAcquireSpinLockShared, which gave this IRQL.
    pub unsafe fn ExReleaseSpinLockShared(lock: *mut u32, before: KIRQL) {
        release_shared(lock);
        irql::set(before);
    }

    irql: DISPATCH_LEVEL..=HIGH_LEVEL;
    /// Releases a reader's lock, without a change of IRQL.
    ///
    /// Source: ExReleaseSpinLockSharedFromDpcLevel.
    ///
    /// # Safety
    ///
    /// The caller has it so.
    pub unsafe fn ExReleaseSpinLockSharedFromDpcLevel(lock: *mut u32) {
        release_shared(lock);
    }

    irql: DISPATCH_LEVEL..=HIGH_LEVEL;
    /// Makes a reader a writer if it is the only reader and no writer waits; TRUE if it is one.
    ///
    /// Source: ExTryConvertSharedSpinLockExclusive.
    ///
    /// # Safety
    ///
    /// The caller has it as a reader.
    pub unsafe fn ExTryConvertSharedSpinLockExclusive(lock: *mut u32) -> u32 {
        let word = word(lock);
        if word.load(Ordering::Relaxed) & !WAITED_FOR == 0 {
            bugcheck::spin_lock_not_owned(lock as u64);
            return 0;
        }
        // Relaxed: the reader has seen everything already.
        let converted = word.compare_exchange(1, own(), Ordering::Relaxed, Ordering::Relaxed);
        u32::from(converted.is_ok())
    }
}
