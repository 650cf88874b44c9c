//! Run-down protection: an object goes away only when nobody uses it any more.
//!
//! The word counts those who are protected, by two each. Its lowest bit is set once the
//! run-down has begun; if somebody was still protected then, the rest of the word is the
//! address of the record on the stack of whoever waits for them.
//!
//! Sources: ExInitializeRundownProtection, ExAcquireRundownProtection,
//! ExReleaseRundownProtection, ExWaitForRundownProtectionRelease, ExRundownCompleted,
//! ExReInitializeRundownProtection, "Run-Down Protection". The cache-aware form is
//! [`super::cache_aware`].

use core::sync::atomic::{AtomicUsize, Ordering};

use nthost_nt::{ex::EX_RUNDOWN_REF, ke::KEVENT};

use super::event;
use crate::ke::bugcheck::{self, code};

/// The run-down has begun.
const ACTIVE: usize = 1;
/// One who is protected.
const ONE: usize = 2;

/// Who waits for the last to be done. Aligned, so that the lowest bit of its address is free.
#[repr(align(16))]
struct Waiter {
    left: AtomicUsize,
    event: KEVENT,
}

fn word<'a>(reference: *mut EX_RUNDOWN_REF) -> &'a AtomicUsize {
    // SAFETY: the caller's reference.
    let place = unsafe { &raw mut (*reference).Count };
    // SAFETY: as above; it is only used through these routines.
    unsafe { AtomicUsize::from_ptr(place) }
}

/// Bug check 0x139, 14: the count of references is not what it must be.
fn bad_count(reference: *mut EX_RUNDOWN_REF) -> ! {
    bugcheck::bugcheck(
        code::KERNEL_SECURITY_CHECK_FAILURE,
        [14, reference as u64, 0, 0],
    )
}

/// Changes the count to what `new` makes of it, unless that is nothing; gives what it was, as an
/// error if it was left as it is.
fn update(
    reference: *mut EX_RUNDOWN_REF,
    changed: Ordering,
    mut new: impl FnMut(usize) -> Option<usize>,
) -> Result<usize, usize> {
    let word = word(reference);
    // Acquire: a value that is not to be changed may be the address of a waiter's record.
    let mut value = word.load(Ordering::Acquire);
    while let Some(next) = new(value) {
        match word.compare_exchange_weak(value, next, changed, Ordering::Acquire) {
            Ok(before) => return Ok(before),
            Err(other) => value = other,
        }
    }
    Err(value)
}

pub(super) fn acquire(reference: *mut EX_RUNDOWN_REF, count: usize) -> bool {
    // Acquire: the object is seen as its owner made it.
    update(reference, Ordering::Acquire, |value| {
        (value & ACTIVE == 0).then(|| value.wrapping_add(count.wrapping_mul(ONE)))
    })
    .is_ok()
}

pub(super) fn release(reference: *mut EX_RUNDOWN_REF, count: usize) {
    // Release: what was done to the object comes before its owner goes on.
    let released = update(reference, Ordering::Release, |value| {
        (value & ACTIVE == 0).then(|| {
            value
                .checked_sub(count.wrapping_mul(ONE))
                .unwrap_or_else(|| bad_count(reference))
        })
    });
    let Err(value) = released else { return };
    if value == ACTIVE {
        bad_count(reference);
    }
    let waiter = core::ptr::with_exposed_provenance_mut::<Waiter>(value & !ACTIVE);
    // SAFETY: whoever waits stays until the last who is protected has set the event.
    let left = unsafe { &(*waiter).left };
    // Release as above; acquire, so that the last sees what all others did.
    if left.fetch_sub(count, Ordering::AcqRel) == count {
        // SAFETY: as above.
        let event = unsafe { &raw mut (*waiter).event };
        // SAFETY: as above.
        unsafe { event::set(event) };
    }
}

pub(super) fn wait(reference: *mut EX_RUNDOWN_REF) {
    let mut waiter = Waiter {
        left: AtomicUsize::new(0),
        event: event::new(),
    };
    // SAFETY: it stays where it is until this routine returns.
    unsafe { event::initialize(&raw mut waiter.event) };
    let address = (&raw mut waiter).expose_provenance();
    // Release: whoever sees the record sees its event. Acquire: if nobody is left, what they did
    // to the object is seen.
    let begun = update(reference, Ordering::AcqRel, |value| {
        if value & ACTIVE != 0 {
            return None;
        }
        waiter.left.store(value / ONE, Ordering::Relaxed);
        Some(if value == 0 { ACTIVE } else { address | ACTIVE })
    });
    if begun.is_ok_and(|before| before != 0) {
        // SAFETY: as above.
        unsafe { event::wait(&raw mut waiter.event) };
        word(reference).store(ACTIVE, Ordering::Relaxed);
    }
}

/// Protects the next object.
pub(super) fn reinitialize(reference: *mut EX_RUNDOWN_REF) {
    // Release: whoever is protected from now on sees the new object.
    if word(reference).swap(0, Ordering::Release) != ACTIVE {
        bad_count(reference);
    }
}

/// The run-down is over.
pub(super) fn run_down(reference: *mut EX_RUNDOWN_REF) {
    // Relaxed: whoever waited has seen everything already.
    if word(reference).swap(ACTIVE, Ordering::Relaxed) & ACTIVE == 0 {
        bad_count(reference);
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Protects nobody yet.
    ///
    /// Source: ExInitializeRundownProtection.
    ///
    /// # Safety
    ///
    /// It is resident memory for a reference.
    pub unsafe fn ExInitializeRundownProtection(reference: *mut EX_RUNDOWN_REF) {
        // SAFETY: the caller's promise.
        unsafe { reference.write(EX_RUNDOWN_REF { Count: 0 }) };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Protects the next object, once the one before is run down.
    ///
    /// Source: ExReInitializeRundownProtection.
    ///
    /// # Safety
    ///
    /// It is an initialized reference.
    pub unsafe fn ExReInitializeRundownProtection(reference: *mut EX_RUNDOWN_REF) {
        reinitialize(reference);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Asks for protection; FALSE once the run-down has begun.
    ///
    /// Source: ExAcquireRundownProtection.
    ///
    /// # Safety
    ///
    /// It is an initialized reference.
    pub unsafe fn ExAcquireRundownProtection(reference: *mut EX_RUNDOWN_REF) -> u8 {
        u8::from(acquire(reference, 1))
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Asks for protection several times at once.
    ///
    /// Source: ExAcquireRundownProtectionEx.
    ///
    /// # Safety
    ///
    /// It is an initialized reference.
    pub unsafe fn ExAcquireRundownProtectionEx(
        reference: *mut EX_RUNDOWN_REF,
        count: u32,
    ) -> u8 {
        u8::from(acquire(reference, count as usize))
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Gives protection back.
    ///
    /// Source: ExReleaseRundownProtection.
    ///
    /// # Safety
    ///
    /// The caller has it.
    pub unsafe fn ExReleaseRundownProtection(reference: *mut EX_RUNDOWN_REF) {
        release(reference, 1);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Gives protection back several times at once.
    ///
    /// Source: ExReleaseRundownProtectionEx.
    ///
    /// # Safety
    ///
    /// The caller has it so often.
    pub unsafe fn ExReleaseRundownProtectionEx(reference: *mut EX_RUNDOWN_REF, count: u32) {
        release(reference, count as usize);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Grants no protection any more, and waits for those who have it.
    ///
    /// Source: ExWaitForRundownProtectionRelease.
    ///
    /// # Safety
    ///
    /// It is an initialized reference of the caller's.
    pub unsafe fn ExWaitForRundownProtectionRelease(reference: *mut EX_RUNDOWN_REF) {
        wait(reference);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The run-down is over: further waits return at once.
    ///
    /// Source: ExRundownCompleted.
    ///
    /// # Safety
    ///
    /// ExWaitForRundownProtectionRelease has returned.
    pub unsafe fn ExRundownCompleted(reference: *mut EX_RUNDOWN_REF) {
        run_down(reference);
    }
}
