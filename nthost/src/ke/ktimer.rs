//! Drivers' timers.
//!
//! Sources: KeInitializeTimerEx, KeSetTimerEx, KeSetCoalescableTimer, KeCancelTimer,
//! KeReadStateTimer.

use alloc::collections::BTreeMap;

use nthost_nt::ke::{KDPC, KTIMER};

use super::{
    dispatcher::{self, Guard},
    dpc,
    event::initialize_header,
    lock::HighLock,
    time,
    wait::{self, object},
    wait_for::due_at,
};
use crate::hook;

/// Timers that are set, by their address: their keys among what is due. Changed with the
/// dispatcher lock held; the lock of its own lets it be read at any IRQL.
static SET: HighLock<BTreeMap<u64, (u64, u64)>> = HighLock::new(BTreeMap::new());

/// A timer that is set and lies in these bytes.
#[must_use]
pub fn set_in(address: u64, size: u64) -> Option<u64> {
    SET.lock()
        .range(address..address + size)
        .next()
        .map(|(&timer, _)| timer)
}

/// A timer in memory that is freed is set no more. IRQL up to DISPATCH_LEVEL.
pub fn forget(timer: u64) {
    let mut guard = dispatcher::lock();
    cancel(
        &mut guard,
        core::ptr::with_exposed_provenance_mut(timer as usize),
    );
}

fn cancel(guard: &mut Guard, timer: *mut KTIMER) -> bool {
    let key = SET.lock().remove(&(timer as u64));
    key.is_some_and(|key| guard.dispatcher().timers.cancel(key))
}

fn set(guard: &mut Guard, timer: *mut KTIMER, due: u64) {
    // SAFETY: a timer that is being set exists; the dispatcher lock is held.
    let dpc = unsafe { (*timer).Dpc };
    // SAFETY: the DPC of a timer that is set stays.
    let routine = unsafe { dpc.as_ref() }.and_then(|dpc| dpc.DeferredRoutine);
    let routine = routine.map_or(0, |routine| routine as usize as u64);
    let due = due.saturating_add(hook::kernel_timer_delay(routine));
    let key = guard.dispatcher().timers.set_timer(due, timer);
    SET.lock().insert(timer as u64, key);
}

/// A timer is due, and no longer among what will be. The dispatcher lock stays held, so that
/// nobody finds the timer neither set nor signalled.
pub(super) fn expire(guard: &mut Guard, timer: *mut KTIMER) {
    SET.lock().remove(&(timer as u64));
    // SAFETY: a timer that is set exists; the dispatcher lock is held.
    let fields = unsafe { &mut *timer };
    if fields.Period != 0 {
        let period = u64::from(fields.Period) * 10_000;
        fields.DueTime = (fields.DueTime + period).max(time::interrupt_time());
        set(guard, timer, fields.DueTime);
    }
    let dpc = fields.Dpc;
    wait::signal(guard, timer.cast(), 1);
    if !dpc.is_null() {
        // SAFETY: the DPC of a timer that is set stays.
        unsafe { dpc::insert(dpc, core::ptr::null_mut(), core::ptr::null_mut()) };
    }
}

/// # Safety
///
/// It is an initialized timer, and `dpc` is null or an initialized DPC.
unsafe fn set_timer(timer: *mut KTIMER, due: i64, period: u32, dpc: *mut KDPC) -> bool {
    let mut guard = dispatcher::lock();
    let was_set = cancel(&mut guard, timer);
    // SAFETY: the caller's promise; the dispatcher lock is held.
    let fields = unsafe { &mut *timer };
    fields.Header.SignalState = 0;
    fields.Dpc = dpc;
    fields.Period = period;
    fields.DueTime = due_at(due).max(1);
    let due = fields.DueTime;
    set(&mut guard, timer, due);
    drop(guard);
    was_set
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a notification timer that is not set.
    ///
    /// Source: KeInitializeTimer.
    ///
    /// # Safety
    ///
    /// `timer` is nonpaged memory for a timer.
    pub unsafe fn KeInitializeTimer(timer: *mut KTIMER) {
        // SAFETY: the caller's promise.
        unsafe { KeInitializeTimerEx(timer, 0) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Makes a notification (0) or synchronization (1) timer that is not set.
    ///
    /// Source: KeInitializeTimerEx.
    ///
    /// # Safety
    ///
    /// `timer` is nonpaged memory for a timer.
    pub unsafe fn KeInitializeTimerEx(timer: *mut KTIMER, kind: i32) {
        // SAFETY: the caller's promise.
        unsafe { timer.write_bytes(0, 1) };
        let kind =
            if kind == 0 { object::NOTIFICATION_TIMER } else { object::SYNCHRONIZATION_TIMER };
        // SAFETY: the caller's promise.
        unsafe { initialize_header(timer.cast(), kind, size_of::<KTIMER>(), 0) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Sets a timer that is due once; TRUE if it was set already.
    ///
    /// Source: KeSetTimer.
    ///
    /// # Safety
    ///
    /// It is an initialized timer, and `dpc` is null or an initialized DPC.
    pub unsafe fn KeSetTimer(timer: *mut KTIMER, due: i64, dpc: *mut KDPC) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { set_timer(timer, due, 0, dpc) })
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Sets a timer that is due again every so many milliseconds; TRUE if it was set already.
    ///
    /// Source: KeSetTimerEx.
    ///
    /// # Safety
    ///
    /// As KeSetTimer.
    pub unsafe fn KeSetTimerEx(timer: *mut KTIMER, due: i64, period: i32, dpc: *mut KDPC) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { set_timer(timer, due, period.cast_unsigned(), dpc) })
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Sets a timer that may be late by so many milliseconds. Here it never is: the tolerance
    /// is a permission, not a demand.
    ///
    /// Source: KeSetCoalescableTimer.
    ///
    /// # Safety
    ///
    /// As KeSetTimer.
    pub unsafe fn KeSetCoalescableTimer(
        timer: *mut KTIMER,
        due: i64,
        period: u32,
        _tolerance: u32,
        dpc: *mut KDPC,
    ) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(unsafe { set_timer(timer, due, period, dpc) })
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes a timer back; TRUE if it was set. Its DPC, if queued already, stays queued.
    ///
    /// Source: KeCancelTimer.
    ///
    /// # Safety
    ///
    /// It is an initialized timer.
    pub unsafe fn KeCancelTimer(timer: *mut KTIMER) -> u8 {
        u8::from(cancel(&mut dispatcher::lock(), timer))
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether a timer is signalled.
    ///
    /// Source: KeReadStateTimer.
    ///
    /// # Safety
    ///
    /// It is an initialized timer.
    pub unsafe fn KeReadStateTimer(timer: *const KTIMER) -> u8 {
        // SAFETY: the caller's promise.
        let state = unsafe { &raw const (*timer).Header.SignalState };
        // SAFETY: likewise; one word is read whole.
        u8::from(unsafe { state.read_volatile() } > 0)
    }
}
