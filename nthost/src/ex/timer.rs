//! Timers that the system allocates.
//!
//! Each time that a timer is set leads either to its being taken back or to exactly one call of
//! [`expire`]: what is outstanding is counted, and a timer that is deleted stays until nothing
//! is. The callback runs at DISPATCH_LEVEL as a DPC does. A high-resolution timer, and the
//! tolerance of a no-wake timer, are permissions that nthost, whose timers are all as precise,
//! does not need.
//!
//! Sources: ExAllocateTimer, ExSetTimer, ExCancelTimer, ExDeleteTimer, nc-wdm-ext_callback,
//! "Deleting a System-Allocated Timer Object". The pages say that wrong parameters end in a bug
//! check, but not in which: here it is 0x139, 5 (an invalid argument).

use alloc::collections::BTreeMap;
use core::{ffi::c_void, sync::atomic::Ordering};

use nthost_nt::{
    ex::{EXT_DELETE_PARAMETERS, EXT_SET_PARAMETERS},
    ke::{KEVENT, KTIMER},
};

use super::event;
use crate::{
    driver_routine::{self, Kind},
    export, hook,
    ke::{
        bugcheck::{self, code},
        dispatcher,
        ktimer::KeInitializeTimerEx,
        lock::SpinLock,
        pcr, time, wait, wait_for, watchdog,
    },
    mm::pool::{self, flags},
};

/// `EX_TIMER_HIGH_RESOLUTION`, `EX_TIMER_NO_WAKE`, `EX_TIMER_NOTIFICATION`.
const HIGH_RESOLUTION: u32 = 4;
const NO_WAKE: u32 = 8;
const NOTIFICATION: u32 = 0x8000_0000;
/// The tag of timers.
const TAG: u32 = u32::from_le_bytes(*b"ExTm");

/// A timer's routine (nc-wdm-ext_callback).
#[expect(non_camel_case_types, reason = "the reference's own name")]
pub type EXT_CALLBACK = unsafe extern "win64" fn(timer: *mut KTIMER, context: *mut c_void);

/// What is to be done with a timer that is deleted, once nothing is outstanding.
#[derive(Clone, Copy)]
struct Deletion {
    parameters: Option<EXT_DELETE_PARAMETERS>,
    /// Whoever waits for it, and does it then.
    waiter: *mut KEVENT,
}

struct Timer {
    callback: Option<EXT_CALLBACK>,
    context: *mut c_void,
    high_resolution: bool,
    /// What it was last set to, unless it is taken back: its key among what is due.
    key: Option<(u64, u64)>,
    /// When it is due, and the time between that and the next.
    due: u64,
    period: u64,
    /// How often [`expire`] will still be called, or runs.
    outstanding: u32,
    deletion: Option<Deletion>,
}

// SAFETY: the pointers are the driver's, and the waiter's, to whom they are given back.
unsafe impl Send for Timer {}

/// The timers, by address. The dispatcher lock is taken while it is held.
static TIMERS: SpinLock<BTreeMap<usize, Timer>> = SpinLock::new(BTreeMap::new());

fn invalid(why: &str, timer: u64) -> ! {
    log!("verifier", "timer {timer:#x}: {why}");
    bugcheck::bugcheck(code::KERNEL_SECURITY_CHECK_FAILURE, [5, timer, 0, 0])
}

/// The timers whose callback lies in this range.
#[must_use]
pub fn calling_into(image: &core::ops::Range<u64>) -> Option<u64> {
    let timers = TIMERS.lock();
    let mut found = timers.iter().filter(|(_, timer)| {
        timer
            .callback
            .is_some_and(|callback| image.contains(&(callback as usize as u64)))
    });
    found.next().map(|(&address, _)| address as u64)
}

impl Timer {
    fn arm(&mut self, address: usize) {
        let due = self.due.saturating_add(hook::timer_delay());
        let mut guard = dispatcher::lock();
        self.key = Some(guard.dispatcher().timers.set_call(due, expire, address));
        self.outstanding += 1;
    }

    /// Takes back what the timer is set to; whether it was set.
    fn cancel(&mut self) -> bool {
        let Some(key) = self.key.take() else {
            return false;
        };
        let in_time = dispatcher::lock().dispatcher().timers.cancel(key);
        if in_time {
            self.outstanding -= 1;
        }
        // One that is expiring just now was set only if it would be due again.
        in_time || self.period != 0
    }
}

/// A timer is due. DISPATCH_LEVEL.
fn expire(address: usize) {
    let pointer = core::ptr::with_exposed_provenance_mut::<KTIMER>(address);
    let mut timers = TIMERS.lock();
    let Some(timer) = timers.get_mut(&address) else {
        return;
    };
    let mut guard = dispatcher::lock();
    // It may have been set again since: then this is not the last that was set.
    let last = timer
        .key
        .is_some_and(|key| !guard.dispatcher().timers.is_set(key));
    wait::signal(&mut guard, pointer.cast(), 1);
    drop(guard);
    if last {
        timer.key = None;
        if timer.period != 0 && timer.deletion.is_none() {
            timer.due = (timer.due + timer.period).max(time::interrupt_time());
            timer.arm(address);
        }
    }
    let (callback, context) = (timer.callback, timer.context);
    drop(timers);
    if let Some(callback) = callback {
        let pcr = pcr::current();
        // Relaxed: only this processor looks, and at this IRQL it does nothing else.
        pcr.in_dpc.store(true, Ordering::Relaxed);
        let running = watchdog::Routine::begin();
        driver_routine::call(Kind::Timer, callback as usize, address, || {
            // SAFETY: the driver's own routine, with what it gave for it.
            unsafe { callback(pointer, context) };
        });
        drop(running);
        pcr.in_dpc.store(false, Ordering::Relaxed);
    }
    let mut timers = TIMERS.lock();
    let Some(timer) = timers.get_mut(&address) else {
        return;
    };
    timer.outstanding -= 1;
    let Some(deletion) = timer.deletion.filter(|_| timer.outstanding == 0) else {
        return;
    };
    if deletion.waiter.is_null() {
        timers.remove(&address);
        drop(timers);
        finish(address, deletion.parameters);
    } else {
        // SAFETY: the waiter's event stays until it is set.
        unsafe { event::set(deletion.waiter) };
    }
}

/// Frees a timer that is deleted, and tells the driver.
fn finish(address: usize, parameters: Option<EXT_DELETE_PARAMETERS>) {
    pool::free(address as u64, None);
    let Some(EXT_DELETE_PARAMETERS {
        DeleteCallback: Some(callback),
        DeleteContext: context,
        ..
    }) = parameters
    else {
        return;
    };
    // SAFETY: the driver's own routine, with what it gave for it.
    unsafe { callback(context) };
}

fn delete(address: usize, cancel: bool, wait: bool, given: Option<EXT_DELETE_PARAMETERS>) -> bool {
    let mut event = event::new();
    // SAFETY: it stays where it is until this routine returns.
    unsafe { event::initialize(&raw mut event) };
    let mut timers = TIMERS.lock();
    let Some(timer) = timers.get_mut(&address) else {
        drop(timers);
        invalid("it is none", address as u64)
    };
    if timer.deletion.is_some() {
        return false;
    }
    let canceled = cancel && timer.cancel();
    timer.deletion = Some(Deletion {
        parameters: given,
        waiter: if wait {
            &raw mut event
        } else {
            core::ptr::null_mut()
        },
    });
    let outstanding = timer.outstanding != 0;
    if outstanding && !wait {
        return canceled;
    }
    if outstanding {
        drop(timers);
        // SAFETY: it is initialized, and is set when nothing is outstanding any more.
        unsafe { event::wait(&raw mut event) };
        timers = TIMERS.lock();
    }
    timers.remove(&address);
    drop(timers);
    finish(address, given);
    canceled
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: core::ptr::null_mut();
    /// Allocates a timer; NULL if there is no memory. To be given back by ExDeleteTimer.
    ///
    /// Source: ExAllocateTimer.
    ///
    /// # Safety
    ///
    /// The callback, if given, may be called so until the timer is deleted.
    pub unsafe fn ExAllocateTimer(
        callback: Option<EXT_CALLBACK>,
        context: *mut c_void,
        attributes: u32,
    ) -> *mut KTIMER {
        let caller = export::caller();
        if attributes & HIGH_RESOLUTION != 0 && attributes & NO_WAKE != 0 {
            invalid("high resolution and no wake exclude each other", 0);
        }
        let size = size_of::<KTIMER>() as u64;
        let Some(address) = pool::allocate(flags::NON_PAGED, size, TAG, caller) else {
            return core::ptr::null_mut();
        };
        let pointer = core::ptr::with_exposed_provenance_mut::<KTIMER>(address as usize);
        let kind = i32::from(attributes & NOTIFICATION == 0);
        // SAFETY: it was just allocated.
        unsafe { KeInitializeTimerEx(pointer, kind) };
        let timer = Timer {
            callback,
            context,
            high_resolution: attributes & HIGH_RESOLUTION != 0,
            key: None,
            due: 0,
            period: 0,
            outstanding: 0,
            deletion: None,
        };
        TIMERS.lock().insert(address as usize, timer);
        pointer
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Sets a timer; TRUE if it was set already. Times are in steps of 100 nanoseconds.
    ///
    /// Source: ExSetTimer.
    ///
    /// # Safety
    ///
    /// The timer is not deleted; the parameters are null or initialized.
    pub unsafe fn ExSetTimer(
        pointer: *mut KTIMER,
        due: i64,
        period: i64,
        _parameters: *const EXT_SET_PARAMETERS,
    ) -> u8 {
        let address = pointer.expose_provenance();
        let mut timers = TIMERS.lock();
        let Some(timer) = timers.get_mut(&address) else {
            drop(timers);
            invalid("it is none", address as u64)
        };
        if timer.deletion.is_some() {
            return 0;
        }
        if timer.high_resolution && due >= 0 {
            drop(timers);
            invalid("its due time is to be relative", address as u64)
        }
        if !(0..=i64::from(i32::MAX)).contains(&period) {
            drop(timers);
            invalid("its period is negative, or more than MAXLONG", address as u64)
        }
        let was_set = timer.cancel();
        timer.due = wait_for::due_at(due).max(1);
        timer.period = period.unsigned_abs();
        // SAFETY: the timer exists as long as it is in the table; the state is a word of its own,
        // which only wakes anybody once the dispatcher lock is held.
        let state = unsafe { &raw mut (*pointer).Header.SignalState };
        let guard = dispatcher::lock();
        // SAFETY: as above, under the dispatcher lock.
        unsafe { state.write(0) };
        drop(guard);
        timer.arm(address);
        u8::from(was_set)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes back what a timer is set to; TRUE if it was set.
    ///
    /// Source: ExCancelTimer.
    ///
    /// # Safety
    ///
    /// The timer is not deleted.
    pub unsafe fn ExCancelTimer(pointer: *mut KTIMER, _parameters: *mut c_void) -> u8 {
        let address = pointer.expose_provenance();
        let mut timers = TIMERS.lock();
        let Some(timer) = timers.get_mut(&address) else {
            drop(timers);
            invalid("it is none", address as u64)
        };
        u8::from(timer.deletion.is_none() && timer.cancel())
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Deletes a timer, once its callback has run for the last time; TRUE if it was set and is
    /// taken back. A caller who waits for that is at APC_LEVEL at the most.
    ///
    /// Source: ExDeleteTimer.
    ///
    /// # Safety
    ///
    /// Nobody uses the timer any more; the parameters are null or initialized.
    pub unsafe fn ExDeleteTimer(
        pointer: *mut KTIMER,
        cancel: u8,
        wait: u8,
        parameters: *const EXT_DELETE_PARAMETERS,
    ) -> u8 {
        let address = pointer.expose_provenance();
        if wait != 0 && cancel == 0 {
            invalid("it is waited for, but not taken back", address as u64);
        }
        let level = crate::ke::irql::current();
        if wait != 0 && level > crate::export::APC_LEVEL {
            bugcheck::wait_at_raised_irql(level);
        }
        let given = if parameters.is_null() {
            None
        } else {
            // SAFETY: the caller's promise.
            Some(unsafe { parameters.read() })
        };
        u8::from(delete(address, cancel != 0, wait != 0, given))
    }
}
