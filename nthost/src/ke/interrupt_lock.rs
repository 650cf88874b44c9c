//! An interrupt's spin lock, taken by code that shares data or registers with its routine.
//!
//! Sources: KeAcquireInterruptSpinLock, KeReleaseInterruptSpinLock, KeSynchronizeExecution.

use core::ffi::c_void;

use nthost_nt::ke::KIRQL;

use super::{interrupt::Interrupt, irql, spinlock};
use crate::{
    driver_routine::{self, Kind},
    hook,
};

/// # Safety
///
/// The interrupt is connected.
unsafe fn acquire(interrupt: *mut Interrupt) -> KIRQL {
    // SAFETY: the caller's promise.
    let object = unsafe { &*interrupt };
    let before = irql::current();
    if before > object.synchronize_irql {
        // Bug check 0xC4, subcode 0x30: the IRQL is raised to a lower one.
        hook::misuse([0x30, before.into(), object.synchronize_irql.into(), 0]);
    }
    irql::set(object.synchronize_irql);
    // SAFETY: the lock that the interrupt was connected with.
    unsafe { spinlock::acquire(object.lock) };
    before
}

/// # Safety
///
/// [`acquire`] gave this IRQL.
unsafe fn release(interrupt: *mut Interrupt, before: KIRQL) {
    // SAFETY: the caller's promise.
    let lock = unsafe { (*interrupt).lock };
    // SAFETY: as above.
    unsafe { spinlock::release(lock) };
    irql::set(before);
}

nt_export! {
    irql: PASSIVE_LEVEL..=DIRQL_MAX;
    /// Raises to the IRQL at which the interrupt's routine runs, takes its spin lock, and gives
    /// the IRQL before.
    ///
    /// Source: KeAcquireInterruptSpinLock.
    ///
    /// # Safety
    ///
    /// The interrupt is connected.
    pub unsafe fn KeAcquireInterruptSpinLock(interrupt: *mut Interrupt) -> KIRQL {
        // SAFETY: the caller's promise.
        unsafe { acquire(interrupt) }
    }

    irql: DIRQL_MIN..=DIRQL_MAX;
    /// Releases the interrupt's spin lock, and lowers the IRQL to what it was.
    ///
    /// Source: KeReleaseInterruptSpinLock.
    ///
    /// # Safety
    ///
    /// The caller holds the lock, and gives the IRQL that it got for it.
    pub unsafe fn KeReleaseInterruptSpinLock(interrupt: *mut Interrupt, before: KIRQL) {
        // SAFETY: the caller's promise.
        unsafe { release(interrupt, before) };
    }

    irql: PASSIVE_LEVEL..=DIRQL_MAX;
    /// Calls a routine with the interrupt's spin lock held, at its IRQL.
    ///
    /// Source: KeSynchronizeExecution.
    ///
    /// # Safety
    ///
    /// The interrupt is connected, and the routine is one for this.
    pub unsafe fn KeSynchronizeExecution(
        interrupt: *mut Interrupt,
        routine: unsafe extern "win64" fn(context: *mut c_void) -> u8,
        context: *mut c_void,
    ) -> u8 {
        // SAFETY: the caller's promise.
        let before = unsafe { acquire(interrupt) };
        let result = driver_routine::call(Kind::Callback, routine as usize, interrupt.addr(), || {
            // SAFETY: the caller's promise.
            unsafe { routine(context) }
        });
        // SAFETY: taken above.
        unsafe { release(interrupt, before) };
        result
    }
}
