//! Timers: a routine that is called after a while, at DISPATCH_LEVEL.
//!
//! The rule of the kernel this stands for: a timer that has expired has a DPC, which may be queued
//! or running when the timer is canceled; the timer's memory, the DPC's and the context's must stay
//! until it has run. ("Timer Objects and DPCs", nf-wdm-kesettimer, nf-wdm-kecanceltimer.)
//!
//! # Example
//!
//! ```
//! use core::{
//!     num::NonZeroU32,
//!     sync::atomic::{AtomicU32, Ordering},
//! };
//! use wdm::{
//!     Result,
//!     irql::{Dispatch, Passive},
//!     pool::{Shared, Tag},
//!     timer::{Timer, TimerRoutine},
//! };
//!
//! struct Ticks(AtomicU32);
//!
//! impl TimerRoutine for Ticks {
//!     fn expired(&self, _irql: &mut Dispatch) {
//!         self.0.fetch_add(1, Ordering::Relaxed);
//!     }
//! }
//!
//! /// Ticks until it is dropped.
//! fn tick(ticks: Shared<Ticks>, irql: &Passive) -> Result<Timer<Ticks>> {
//!     let timer = Timer::new(Tag::new(*b"Exam"), ticks, irql)?;
//!     timer.set_periodic(NonZeroU32::new(100).unwrap(), irql);
//!     Ok(timer)
//! }
//! ```

use core::num::NonZeroU32;

use wdk_sys::{
    KDPC, KTIMER, PKDPC, PVOID,
    ntddk::{
        KeCancelTimer, KeFlushQueuedDpcs, KeInitializeDpc, KeInitializeTimer, KeSetTimer,
        KeSetTimerEx,
    },
};

use crate::{
    Result,
    irql::{self, AtOrBelowDispatch, Dispatch, Limit, Passive},
    object::KernelObject,
    pool::{Shared, Tag},
    time,
};

/// What a timer is set for.
pub trait TimerRoutine: Send + Sync {
    /// The time has passed.
    fn expired(&self, irql: &mut Dispatch);
}

/// A timer. Dropped at PASSIVE_LEVEL, it is neither set nor is its routine running any more.
///
/// Its routine must not be able to set it once it is being dropped: the code that drops it has
/// taken it from where the routine finds it.
pub struct Timer<C: TimerRoutine> {
    object: KernelObject<KTIMER>,
    dpc: KernelObject<KDPC>,
    /// Kept alive for the routine.
    _context: Shared<C>,
}

impl<C: TimerRoutine> Timer<C> {
    /// A timer that is not set.
    ///
    /// Source: nf-wdm-keinitializetimer.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new<I: AtOrBelowDispatch>(tag: Tag, context: Shared<C>, irql: &I) -> Result<Self> {
        let object = KernelObject::<KTIMER>::new(tag, irql)?;
        let dpc = KernelObject::<KDPC>::new(tag, irql)?;
        // SAFETY: in pool, where it stays until it is dropped.
        unsafe { KeInitializeTimer(object.get()) };
        let raw_context = context.clone().into_raw();
        // SAFETY: just taken; counted as an owner once more by `_context`, which outlives every
        // call of the routine.
        drop(unsafe { Shared::<C>::from_raw(raw_context) });
        // SAFETY: in pool likewise.
        unsafe { KeInitializeDpc(dpc.get(), Some(expired::<C>), raw_context) };
        Ok(Self {
            object,
            dpc,
            _context: context,
        })
    }

    /// Waits until its routine is neither called nor about to be, and gives it back.
    pub fn close(self, _irql: &mut Passive) {}

    /// Has the routine called once, so many milliseconds from now on; instead of when it was set
    /// for, if it was.
    ///
    /// Source: nf-wdm-kesettimer.
    pub fn set<I: AtOrBelowDispatch>(&self, after_ms: u32, _irql: &I) {
        // SAFETY: initialised; at IRQL <= DISPATCH_LEVEL. Whether it was set does not matter.
        let _ = unsafe { KeSetTimer(self.object.get(), time::from_now(after_ms), self.dpc.get()) };
    }

    /// Has the routine called every so many milliseconds from now on, until [`Self::cancel`]; instead
    /// of when it was set for, if it was. A call that is late is not made up for.
    ///
    /// Source: nf-wdm-kesettimerex.
    pub fn set_periodic<I: AtOrBelowDispatch>(&self, period_ms: NonZeroU32, _irql: &I) {
        let period = period_ms.get();
        let after = time::from_now(period);
        // The period is a signed number of milliseconds: a longer one is the longest there is.
        let period = i32::try_from(period).unwrap_or(i32::MAX);
        // SAFETY: as for `set`.
        let _ = unsafe { KeSetTimerEx(self.object.get(), after, period, self.dpc.get()) };
    }

    /// Has the routine not called any more. A call may be under way when this returns, or about to
    /// begin: [`Self::close`] waits for it.
    ///
    /// Source: nf-wdm-kecanceltimer.
    pub fn cancel<I: AtOrBelowDispatch>(&self, _irql: &I) {
        // SAFETY: initialised; at IRQL <= DISPATCH_LEVEL. Whether it was set does not matter.
        unsafe { KeCancelTimer(self.object.get()) };
    }

    /// The timer, for a kernel routine that takes one.
    #[must_use]
    pub fn as_ptr(&self) -> *mut KTIMER {
        self.object.get()
    }
}

impl<C: TimerRoutine> Drop for Timer<C> {
    fn drop(&mut self) {
        irql::expect_at_most(Limit::Passive, self.object.get());
        // SAFETY: initialised.
        unsafe { KeCancelTimer(self.object.get()) };
        // It may have expired just before: its DPC may be queued or running.
        // SAFETY: at PASSIVE_LEVEL, as checked.
        unsafe { KeFlushQueuedDpcs() };
    }
}

unsafe extern "C" fn expired<C: TimerRoutine>(
    _dpc: PKDPC,
    context: PVOID,
    _argument1: PVOID,
    _argument2: PVOID,
) {
    // SAFETY: what `new` passed; the `Timer` keeps it alive until no call is left.
    let context = unsafe { Shared::<C>::borrow_raw(context) };
    // SAFETY: the DPCs of timers are called at DISPATCH_LEVEL.
    let irql = &mut unsafe { Dispatch::assume() };
    context.expired(irql);
}
