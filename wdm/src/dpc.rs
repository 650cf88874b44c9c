//! Deferred procedure calls.
//!
//! The rule of the kernel this stands for: an ISR leaves its work to a DPC, which runs at
//! DISPATCH_LEVEL, soon; queuing one that is queued already does nothing; it may run on several
//! processors at once. A DPC is gone for good only after `KeFlushQueuedDpcs`. ("Introduction to
//! DPC Objects", nf-wdm-keinsertqueuedpc.)
//!
//! A DPC here has no target processor: it runs on the one that queues it. Queued by an ISR, that is
//! the processor that the interrupt was steered to, where what the ISR has written is in the cache.
//! A fixed target would have every interrupt that comes elsewhere interrupt that processor as well
//! (an interprocessor interrupt each), and would undo the steering. ("Organization of DPC Queues",
//! nf-wdm-kesettargetprocessordpcex.)
//!
//! # Example
//!
//! ```
//! use core::sync::atomic::{AtomicU32, Ordering};
//! use wdm::{
//!     Result,
//!     dpc::{DeferredRoutine, Dpc},
//!     irql::{Dispatch, Passive},
//!     pool::{Shared, Tag},
//! };
//!
//! struct Counter(AtomicU32);
//!
//! impl DeferredRoutine for Counter {
//!     fn run(&self, _irql: &mut Dispatch) {
//!         self.0.fetch_add(1, Ordering::Relaxed);
//!     }
//! }
//!
//! fn make(irql: &Passive) -> Result<Dpc<Counter>> {
//!     let tag = Tag::new(*b"Exam");
//!     let counter = Shared::new(tag, Counter(AtomicU32::new(0)), irql)?;
//!     let dpc = Dpc::new(tag, counter, irql)?;
//!     // False would mean that it had been queued before and has not run yet.
//!     let queued = dpc.queue(irql);
//!     debug_assert!(queued);
//!     Ok(dpc)
//! }
//! ```

use wdk_sys::{
    KDPC, PKDPC, PVOID,
    ntddk::{KeFlushQueuedDpcs, KeInitializeDpc, KeInsertQueueDpc, KeRemoveQueueDpc},
};

use crate::{
    Result,
    irql::{self, AtOrBelowDispatch, Dispatch, Irql, Limit, Passive},
    object::KernelObject,
    pool::{Shared, Tag},
};

/// What a DPC runs on, and what it does. It borrows nothing: a DPC that is forgotten may run still.
pub trait DeferredRoutine: Send + Sync + 'static {
    /// The deferred routine.
    fn run(&self, irql: &mut Dispatch);
}

/// A DPC. It ends at PASSIVE_LEVEL ([`Self::close`], or dropped): then it is neither queued nor
/// running any more. Dropped above, it stops the system.
pub struct Dpc<C: DeferredRoutine> {
    dpc: KernelObject<KDPC>,
    /// Kept alive for the deferred routine.
    _context: Shared<C>,
}

impl<C: DeferredRoutine> Dpc<C> {
    /// A DPC that runs on `context`.
    ///
    /// Source: nf-wdm-keinitializedpc.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new<I: AtOrBelowDispatch>(tag: Tag, context: Shared<C>, irql: &I) -> Result<Self> {
        let dpc = KernelObject::<KDPC>::new(tag, irql)?;
        let raw_context = context.clone().into_raw();
        // SAFETY: just taken; counted as an owner once more by `_context`, which outlives every
        // call of the deferred routine.
        drop(unsafe { Shared::<C>::from_raw(raw_context) });
        // SAFETY: in pool, where it stays until it is dropped.
        unsafe { KeInitializeDpc(dpc.get(), Some(deferred_routine::<C>), raw_context) };
        Ok(Self {
            dpc,
            _context: context,
        })
    }

    /// The DPC, for a kernel routine that takes one.
    #[must_use]
    pub fn as_ptr(&self) -> PKDPC {
        self.dpc.get()
    }

    /// Waits until it is neither queued nor running, and gives it back.
    pub fn close(self, _irql: &mut Passive) {}

    /// Queues the DPC to the processor that this runs on, unless it is queued already: then this
    /// returns false, and the call that is coming does for both.
    ///
    /// Source: nf-wdm-keinsertqueuedpc.
    pub fn queue<I: Irql>(&self, _irql: &I) -> bool {
        // SAFETY: initialised; callable at any IRQL.
        let queued = unsafe {
            KeInsertQueueDpc(self.dpc.get(), core::ptr::null_mut(), core::ptr::null_mut())
        };
        queued != 0
    }
}

impl<C: DeferredRoutine> Drop for Dpc<C> {
    fn drop(&mut self) {
        irql::expect_at_most(Limit::Passive, self.dpc.get());
        // SAFETY: initialised.
        unsafe { KeRemoveQueueDpc(self.dpc.get()) };
        // It may be running still, on any processor.
        // SAFETY: at PASSIVE_LEVEL, as checked.
        unsafe { KeFlushQueuedDpcs() };
    }
}

unsafe extern "C" fn deferred_routine<C: DeferredRoutine>(
    _dpc: PKDPC,
    context: PVOID,
    _argument1: PVOID,
    _argument2: PVOID,
) {
    // SAFETY: what `new` passed; the `Dpc` keeps it alive until no call is left.
    let context = unsafe { Shared::<C>::borrow_raw(context) };
    // SAFETY: deferred routines are called at DISPATCH_LEVEL.
    let irql = &mut unsafe { Dispatch::assume() };
    context.run(irql);
}

/// Waits until every DPC that is queued now has run, on all processors.
///
/// Source: nf-wdm-keflushqueueddpcs.
pub fn flush(_irql: &mut Passive) {
    // SAFETY: at PASSIVE_LEVEL.
    unsafe { KeFlushQueuedDpcs() };
}
