//! Time-outs of queued requests: a timer that removes one IRP from its queue.
//!
//! The rule of the kernel this stands for: a time-out, a cancellation and whatever the request
//! waits for can come at the same moment on three processors, and exactly one of them may get the
//! IRP. `IoCsqRemoveIrp`, with the context that the IRP was inserted with, gives it to one of
//! them and nothing to the others. (nf-wdm-iocsqremoveirp, nf-wdm-kesettimer,
//! nf-wdm-kecanceltimer: false means that the DPC is queued or running, and will run.)
//!
//! The timer's memory has up to two owners: the request, which disarms the timer when it is
//! dropped, and the armed timer itself, whose share is dropped by the code that takes it out of the
//! timer queue: `KeCancelTimer` when it returns true, or the timer's DPC.
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Result, Status,
//!     csq::{Csq, Refused, Request},
//!     irp::{Dispatched, Fresh, Irp, Pending},
//!     irql::{Dispatch, Passive, UpToDispatch},
//!     pool::Tag,
//!     timeout::{TimedRequest, Timeout},
//! };
//!
//! /// A request that waits for a second at most.
//! struct Waiting {
//!     _timeout: Timeout<Self>,
//! }
//!
//! impl Request for Waiting {
//!     type Context = ();
//!
//!     fn canceled(self, irp: Irp<Pending>, (): &(), irql: &mut UpToDispatch) {
//!         irp.complete(Status::CANCELLED, irql);
//!     }
//! }
//!
//! impl TimedRequest for Waiting {
//!     fn timed_out(self, irp: Irp<Pending>, (): &(), irql: &mut Dispatch) {
//!         irp.complete(Status::IO_TIMEOUT, irql);
//!     }
//! }
//!
//! fn wait(queue: &Csq<Waiting>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
//!     let (timeout, arm) = match Timeout::new(Tag::new(*b"Exam"), queue, irql) {
//!         Ok(made) => made,
//!         Err(status) => return irp.complete(status, irql),
//!     };
//!     let request = Waiting { _timeout: timeout };
//!     match queue.insert_with_timeout(irp, request, arm, 1000, irql) {
//!         Ok(dispatched) => dispatched,
//!         Err(Refused { irp, status, dispatched, .. }) => {
//!             irp.complete(status, irql);
//!             dispatched
//!         }
//!     }
//! }
//! ```

use core::sync::atomic::{AtomicBool, Ordering, fence};

use wdk_sys::{
    IO_CSQ_IRP_CONTEXT, KDPC, KTIMER, PKDPC, PVOID,
    ntddk::{IoCsqRemoveIrp, KeCancelTimer, KeInitializeDpc, KeInitializeTimer, KeSetTimer},
};

use crate::{
    Result,
    csq::{self, Csq, Refused, Request},
    device,
    irp::{Dispatched, Fresh, Irp, Pending},
    irql::{AtOrBelowDispatch, Dispatch},
    object::KernelCell,
    pool::{Shared, Tag},
    time,
};

/// A request that may time out.
pub trait TimedRequest: Request + Sync {
    /// The time is over, and nobody else has got the request. It completes the IRP.
    fn timed_out(self, irp: Irp<Pending>, context: &Self::Context, irql: &mut Dispatch);
}

/// A request's share of its timer. It is part of the request; dropped, it disarms the timer.
pub struct Timeout<R: TimedRequest>(Shared<State<R>>);

struct State<R: TimedRequest> {
    timer: KernelCell<KTIMER>,
    dpc: KernelCell<KDPC>,
    context: KernelCell<IO_CSQ_IRP_CONTEXT>,
    /// Kept alive for the DPC.
    queue: Shared<csq::Inner<R>>,
    /// The request is over.
    disarmed: AtomicBool,
}

/// What arms a time-out, once its request is queued.
pub struct Arm<R: TimedRequest>(Shared<State<R>>);

impl<R: TimedRequest> Timeout<R> {
    /// A timer for a request of this queue, not armed yet: the one half for the request, the
    /// other for [`Csq::insert_with_timeout`].
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new<I: AtOrBelowDispatch>(tag: Tag, queue: &Csq<R>, irql: &I) -> Result<(Self, Arm<R>)> {
        let state = Shared::new(
            tag,
            State {
                timer: KernelCell::new(KTIMER::default()),
                dpc: KernelCell::new(KDPC::default()),
                context: KernelCell::new(IO_CSQ_IRP_CONTEXT::default()),
                queue: queue.inner.clone(),
                disarmed: AtomicBool::new(false),
            },
            irql,
        )?;
        // SAFETY: in pool, where it stays until its last owner is gone.
        unsafe { KeInitializeTimer(state.timer.get()) };
        let context = state.clone().into_raw();
        // SAFETY: just taken. The armed timer counts as an owner, as `arm` ensures.
        drop(unsafe { Shared::<State<R>>::from_raw(context) });
        // SAFETY: in pool likewise.
        unsafe { KeInitializeDpc(state.dpc.get(), Some(expired::<R>), context) };
        Ok((Self(state.clone()), Arm(state)))
    }
}

impl<R: TimedRequest> State<R> {
    /// Drops the armed timer's share, if the timer has not expired yet.
    fn cancel(this: &Shared<Self>) {
        // SAFETY: initialised; callable at IRQL <= DISPATCH_LEVEL.
        if unsafe { KeCancelTimer(this.timer.get()) } != 0 {
            // SAFETY: given up by `arm`; the timer was in its queue, so its DPC will not run and
            // drop it.
            drop(unsafe { Shared::<Self>::from_raw(this.as_raw()) });
        }
    }
}

impl<R: TimedRequest> Drop for Timeout<R> {
    fn drop(&mut self) {
        self.0.disarmed.store(true, Ordering::Relaxed);
        // Pairs with the fence of `arm`: either this finds the timer armed, or `arm` sees that
        // it must disarm it.
        fence(Ordering::SeqCst);
        State::cancel(&self.0);
    }
}

impl<R: TimedRequest> Arm<R> {
    fn arm(self, after_ms: u32) {
        let due = time::from_now(after_ms);
        // The armed timer's share.
        let _ = self.0.clone().into_raw();
        // SAFETY: initialised, and set once.
        unsafe { KeSetTimer(self.0.timer.get(), due, self.0.dpc.get()) };
        // Pairs with the fence of `drop`.
        fence(Ordering::SeqCst);
        if self.0.disarmed.load(Ordering::Relaxed) {
            State::cancel(&self.0);
        }
    }
}

/// The timer's DPC.
unsafe extern "C" fn expired<R: TimedRequest>(
    _dpc: PKDPC,
    context: PVOID,
    _argument1: PVOID,
    _argument2: PVOID,
) {
    // SAFETY: the armed timer's share, which nobody else drops once the DPC is queued.
    let state = unsafe { Shared::<State<R>>::from_raw(context) };
    // SAFETY: the IRP was inserted with this context. If it has left the queue since, this
    // returns nothing.
    let irp = unsafe { IoCsqRemoveIrp(csq::csq(&state.queue), state.context.get()) };
    let Some(irp) = core::ptr::NonNull::new(irp) else {
        return;
    };
    // SAFETY: this driver's until it is completed below.
    let _callback = unsafe { device::callback_for(irp) };
    // SAFETY: removed from this queue, so it is this driver's.
    let (irp, request) = unsafe { csq::take_from(&state.queue, irp) };
    // SAFETY: DPCs run at DISPATCH_LEVEL.
    let irql = &mut unsafe { Dispatch::assume() };
    request.timed_out(irp, &state.queue.context, irql);
    // Before the device may go.
    drop(state);
}

impl<R: TimedRequest> Csq<R> {
    /// As [`Csq::insert`], and has [`TimedRequest::timed_out`] called if the request is still
    /// queued after so many milliseconds. The request holds the [`Timeout`] that came with `arm`.
    ///
    /// # Errors
    ///
    /// [`Refused`] if the queue is closed.
    pub fn insert_with_timeout<I: AtOrBelowDispatch>(
        &self,
        irp: Irp<Fresh>,
        request: R,
        arm: Arm<R>,
        after_ms: u32,
        irql: &I,
    ) -> core::result::Result<Dispatched, Refused<R>> {
        // SAFETY: the context is in the timer's memory, which the request keeps alive.
        let dispatched =
            unsafe { self.insert_with_context(irp, request, arm.0.context.get(), irql) }?;
        // The request may be over already; then it has disarmed the timer.
        arm.arm(after_ms);
        Ok(dispatched)
    }
}
