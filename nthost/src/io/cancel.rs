//! Canceling IRPs.
//!
//! Sources: IoCancelIrp, IoAcquireCancelSpinLock, IoReleaseCancelSpinLock, IoSetCancelRoutine,
//! "Synchronizing IRP Cancellation".

use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use nthost_nt::{
    io::{
        driver::DRIVER_CANCEL,
        irp::{IO_TYPE_IRP, IRP},
    },
    ke::{KIRQL, KSPIN_LOCK},
};

use super::irp;
use crate::{
    driver_routine::{self, Kind},
    export::DISPATCH_LEVEL,
    hook,
    ke::{bugcheck, irql, spinlock},
};

/// The one lock that all cancel routines are called with. It is a driver's kind of lock, for
/// drivers release it. Nothing of nthost's is locked while it is held.
static CANCEL_LOCK: AtomicUsize = AtomicUsize::new(0);

/// CANCEL_STATE_IN_COMPLETED_IRP.
const CANCEL_STATE_IN_COMPLETED_IRP: u32 = 0x48;

fn lock() -> *mut KSPIN_LOCK {
    CANCEL_LOCK.as_ptr()
}

/// Takes an IRP's cancel routine away from it, as `IoSetCancelRoutine(Irp, NULL)`.
///
/// # Safety
///
/// The IRP exists.
pub unsafe fn take_routine(irp: *mut IRP) -> Option<DRIVER_CANCEL> {
    // SAFETY: the caller's promise.
    unsafe { exchange_routine(irp, None) }
}

/// `IoSetCancelRoutine`: sets an IRP's cancel routine and gives the one before, in one step.
///
/// # Safety
///
/// The IRP exists.
pub unsafe fn exchange_routine(
    irp: *mut IRP,
    routine: Option<DRIVER_CANCEL>,
) -> Option<DRIVER_CANCEL> {
    // SAFETY: the caller's promise.
    let field = unsafe { &raw mut (*irp).CancelRoutine };
    // SAFETY: a nullable routine's address is a word, which drivers exchange atomically too.
    let word = unsafe { AtomicUsize::from_ptr(field.cast()) };
    let new = routine.map_or(0, |routine| routine as usize);
    // SeqCst: with the store of the cancel flag, either side sees the other's write; and what
    // was written to the IRP before is seen by who takes the routine.
    let old = word.swap(new, Ordering::SeqCst);
    // SAFETY: null or a cancel routine, which has been stored there.
    unsafe { core::mem::transmute::<usize, Option<DRIVER_CANCEL>>(old) }
}

/// Whether an IRP is canceled.
///
/// # Safety
///
/// The IRP exists.
pub unsafe fn is_canceled(irp: *mut IRP) -> bool {
    // SAFETY: the caller's promise.
    let field = unsafe { &raw mut (*irp).Cancel };
    // SAFETY: a byte that is only written so once the IRP is on its way.
    let cancel = unsafe { AtomicU8::from_ptr(field) };
    // SeqCst: with the exchange of the cancel routine, either side sees the other's write.
    cancel.load(Ordering::SeqCst) != 0
}

/// Cancels an IRP; see [`IoCancelIrp`].
///
/// # Safety
///
/// The IRP exists until this returns, or its cancel routine completes it.
pub unsafe fn cancel(irp: *mut IRP) -> bool {
    let before = irql::raise(DISPATCH_LEVEL);
    // SAFETY: the cancel spin lock.
    unsafe { spinlock::acquire(lock()) };
    hook::irp_canceling(irp);
    // SAFETY: the caller's promise. What was freed is no IRP any more, or faults.
    if unsafe { (*irp).Type } != IO_TYPE_IRP {
        bugcheck::bugcheck(CANCEL_STATE_IN_COMPLETED_IRP, [irp.addr() as u64, 0, 0, 0]);
    }
    // SAFETY: the caller's promise.
    let packet = unsafe { &mut *irp };
    // SAFETY: a byte of the IRP's; see `is_canceled`.
    let cancel = unsafe { AtomicU8::from_ptr(&raw mut packet.Cancel) };
    // SeqCst: a driver that sets a cancel routine after this sees it.
    cancel.store(1, Ordering::SeqCst);
    // SAFETY: the caller's promise.
    let Some(routine) = (unsafe { take_routine(irp) }) else {
        // SAFETY: it was taken above.
        unsafe { spinlock::release(lock()) };
        irql::set(before);
        return false;
    };
    if irp::is_complete(packet) {
        let parameters = [irp.addr() as u64, routine as usize as u64, 0, 0];
        bugcheck::bugcheck(CANCEL_STATE_IN_COMPLETED_IRP, parameters);
    }
    packet.CancelIrql = before;
    // One that has not been sent may have a cancel routine, too.
    // SAFETY: the caller's promise.
    let device = unsafe { irp::current_device(irp) };
    driver_routine::call(Kind::Cancel, routine as usize, irp.addr(), || {
        // SAFETY: the driver's own routine; it releases the cancel spin lock.
        unsafe { routine(device, irp) };
    });
    true
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Marks an IRP canceled, and calls its cancel routine if it has one; whether it had.
    ///
    /// Source: IoCancelIrp.
    ///
    /// # Safety
    ///
    /// The IRP is on its way and was made by the caller, which keeps it from being freed.
    pub unsafe fn IoCancelIrp(irp: *mut IRP) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { cancel(irp) })
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes the cancel spin lock.
    ///
    /// Source: IoAcquireCancelSpinLock.
    ///
    /// # Safety
    ///
    /// `irql` can be written.
    pub unsafe fn IoAcquireCancelSpinLock(irql: *mut KIRQL) {
        let before = crate::ke::irql::raise(DISPATCH_LEVEL);
        // SAFETY: the cancel spin lock.
        unsafe { spinlock::acquire(lock()) };
        // SAFETY: the caller's promise.
        unsafe { irql.write(before) };
    }

    irql: DISPATCH_LEVEL..=DISPATCH_LEVEL;
    /// Releases the cancel spin lock.
    ///
    /// Source: IoReleaseCancelSpinLock.
    ///
    /// # Safety
    ///
    /// The caller holds it, and `irql` is the level before, or an IRP's `CancelIrql`.
    pub unsafe fn IoReleaseCancelSpinLock(irql: KIRQL) {
        // SAFETY: the caller's promise.
        unsafe { spinlock::release(lock()) };
        crate::ke::irql::set(irql);
    }
}
