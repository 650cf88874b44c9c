//! Cancel-safe queues of pending IRPs (`IO_CSQ`).
//!
//! The rule of the kernel this stands for: an IRP that may wait long must be cancelable while it
//! does, and exactly one of cancellation and removal may get it. The `IoCsqXxx` routines decide
//! that race; a driver gives them its list and its lock. ("Cancel-Safe IRP Queues".)
//!
//! A queued IRP is owned by the queue, along with what the driver has to remember for it: a
//! [`Request`], kept in the IRP itself, so that queuing allocates nothing. What removes an IRP
//! gets both back. What cancels it gives both to [`Request::canceled`].
//!
//! A cancellation finds its way to the queue by the IRP: it may be under way, with the IRP in its
//! hands, while the owner of the queue removes what is left and drops it. So each queued IRP owns a
//! share of the queue, and the code that removes the IRP from the queue gives the share back.
//!
//! The queue's own spin lock protects its list and nothing else; it is held for a few
//! instructions, and no driver code runs under it but the test that `remove_next` is given.
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Status,
//!     csq::{Csq, Refused, Request},
//!     irp::{Dispatched, Fresh, Irp, Pending},
//!     irql::{Passive, UpToDispatch},
//! };
//!
//! struct Waiting;
//!
//! impl Request for Waiting {
//!     type Context = ();
//!
//!     fn canceled(self, irp: Irp<Pending>, (): &(), irql: &mut UpToDispatch) {
//!         irp.complete(Status::CANCELLED, irql);
//!     }
//! }
//!
//! fn wait(queue: &Csq<Waiting>, irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
//!     match queue.insert(irp, Waiting, irql) {
//!         Ok(dispatched) => dispatched,
//!         Err(Refused { irp, status, dispatched, .. }) => {
//!             irp.complete(status, irql);
//!             dispatched
//!         }
//!     }
//! }
//! ```

mod callbacks;

use core::{cell::Cell, ffi::c_void, marker::PhantomData, ptr::NonNull};

use wdk_sys::{
    IO_CSQ, IO_CSQ_IRP_CONTEXT, IRP, KSPIN_LOCK, LIST_ENTRY, PIO_CSQ, PVOID,
    ntddk::{
        IoCsqInitializeEx, IoCsqInsertIrpEx, IoCsqRemoveNextIrp, KeAcquireSpinLockRaiseToDpc,
        KeReleaseSpinLock,
    },
};

use crate::{
    Result, Status,
    irp::{Dispatched, FileObject, Fresh, Irp, Pending},
    irql::{AtOrBelowDispatch, UpToDispatch},
    list,
    object::KernelCell,
    pool::{Shared, Tag},
    raw,
};

/// What a driver remembers for an IRP in a queue: at most three words.
///
/// It borrows nothing: an IRP may be in its queue, or its cancellation under way, for longer than
/// the code that inserted it knows.
pub trait Request: Send + Sized + 'static {
    /// What all requests of a queue share.
    type Context: Send + Sync + 'static;

    /// The request was canceled while it was queued. The I/O manager calls this on the thread
    /// that cancels, without any lock held. It completes the IRP, with STATUS_CANCELLED.
    fn canceled(self, irp: Irp<Pending>, context: &Self::Context, irql: &mut UpToDispatch);
}

/// A cancel-safe queue, first in, first out.
pub struct Csq<R: Request> {
    /// Shared with each queued IRP, and with the timers of its requests.
    pub(crate) inner: Shared<Inner<R>>,
}

/// The queue's own state, in pool.
#[repr(C)]
pub struct Inner<R: Request> {
    /// First, so that its address is that of the whole; see [`csq`].
    csq: KernelCell<IO_CSQ>,
    /// Protects `head`, the list behind it, and `closed`.
    lock: KernelCell<KSPIN_LOCK>,
    head: KernelCell<LIST_ENTRY>,
    /// Why nothing is let in any more.
    closed: Cell<Option<Status>>,
    pub(crate) context: R::Context,
    _requests: PhantomData<R>,
}

// SAFETY: the lock lets one processor at a time reach the list and `closed`; the requests behind
// the list may move between processors. `IO_CSQ` is not changed after it was initialised.
unsafe impl<R: Request> Sync for Inner<R> {}
// SAFETY: as for `Sync`.
unsafe impl<R: Request> Send for Inner<R> {}

/// An IRP that a closed queue did not take. It has been marked pending, and must be completed
/// with [`Self::status`]. `D` is what the dispatch routine returns, if it was one that inserted.
#[must_use = "the IRP must be completed"]
pub struct Refused<R, D = Dispatched> {
    /// The IRP.
    pub irp: Irp<Pending>,
    /// What was to be remembered for it.
    pub request: R,
    /// Why the queue is closed.
    pub status: Status,
    /// What the dispatch routine returns.
    pub dispatched: D,
}

impl<R: Request> Drop for Csq<R> {
    /// Ends what is left in the queue as if it had been canceled: a queued IRP has a cancel
    /// routine that needs the queue.
    fn drop(&mut self) {
        // SAFETY: pool is given back at IRQL <= DISPATCH_LEVEL.
        let mut irql = unsafe { UpToDispatch::assume() };
        self.close(Status::CANCELLED, &irql);
        while let Some((irp, request)) = self.remove_next(&irql) {
            request.canceled(irp, self.context(), &mut irql);
        }
    }
}

impl<R: Request> Csq<R> {
    /// An empty queue that takes requests.
    ///
    /// Source: nf-wdm-iocsqinitializeex.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new<I: AtOrBelowDispatch>(tag: Tag, context: R::Context, irql: &I) -> Result<Self> {
        const {
            assert!(
                size_of::<R>() <= size_of::<[PVOID; 3]>() && align_of::<R>() <= align_of::<PVOID>(),
                "a queued request has three words of its IRP"
            );
        }
        let inner = Shared::new(
            tag,
            Inner {
                csq: KernelCell::new(IO_CSQ::default()),
                lock: KernelCell::new(0),
                head: KernelCell::new(LIST_ENTRY::default()),
                closed: Cell::new(None),
                context,
                _requests: PhantomData::<R>,
            },
            irql,
        )?;
        // SAFETY: the address of a field is not null.
        let head = unsafe { NonNull::new_unchecked(inner.head.get()) };
        // SAFETY: in pool, where it stays until the queue is dropped.
        unsafe { list::initialize_head(head) };
        // SAFETY: in pool likewise; the callbacks find the rest by the address of `csq`.
        let status = unsafe {
            IoCsqInitializeEx(
                csq(&inner),
                Some(callbacks::insert_irp::<R>),
                Some(callbacks::remove_irp),
                Some(callbacks::peek_next_irp::<R>),
                Some(callbacks::acquire_lock::<R>),
                Some(callbacks::release_lock::<R>),
                Some(callbacks::complete_canceled_irp::<R>),
            )
        };
        Status::check(status)?;
        Ok(Self { inner })
    }

    /// Marks the IRP pending and queues it. From here on it can be canceled at any moment, and
    /// may be completed before this returns.
    ///
    /// Source: nf-wdm-iocsqinsertirpex.
    ///
    /// # Errors
    ///
    /// [`Refused`] if the queue is closed.
    // ANCHOR: insert
    pub fn insert<I: AtOrBelowDispatch>(
        &self,
        irp: Irp<Fresh>,
        request: R,
        irql: &I,
    ) -> core::result::Result<Dispatched, Refused<R>> {
        // SAFETY: without a context there is none to keep.
        unsafe { self.insert_with_context(irp, request, core::ptr::null_mut(), irql) }
    }
    // ANCHOR_END: insert

    /// As [`Self::insert`], with a context by which the IRP can be removed.
    ///
    /// # Safety
    ///
    /// The context, if there is one, stays in place until the IRP has left the queue.
    pub(crate) unsafe fn insert_with_context<I: AtOrBelowDispatch>(
        &self,
        irp: Irp<Fresh>,
        request: R,
        irp_context: *mut IO_CSQ_IRP_CONTEXT,
        _irql: &I,
    ) -> core::result::Result<Dispatched, Refused<R>> {
        // Marked by us as well, so that it is whatever becomes of the insertion.
        let (irp, dispatched) = irp.pend();
        // SAFETY: by contract.
        match unsafe { self.insert_raw(irp, request, irp_context, AT_THE_TAIL) } {
            Ok(()) => Ok(dispatched),
            Err((irp, request, status)) => Err(Refused {
                irp,
                request,
                status,
                dispatched,
            }),
        }
    }

    /// Queues an IRP that was marked pending before.
    ///
    /// Source: nf-wdm-iocsqinsertirpex.
    ///
    /// # Errors
    ///
    /// [`Refused`] if the queue is closed.
    pub fn insert_pending<I: AtOrBelowDispatch>(
        &self,
        irp: Irp<Pending>,
        request: R,
        _irql: &I,
    ) -> core::result::Result<(), Refused<R, ()>> {
        // SAFETY: without a context there is none to keep.
        let inserted = unsafe { self.insert_raw(irp, request, core::ptr::null_mut(), AT_THE_TAIL) };
        inserted.map_err(not_inserted)
    }

    /// As [`Self::insert_pending`], but before those that wait already: puts back a request that was
    /// removed and could not be begun.
    ///
    /// Source: nf-wdm-iocsqinsertirpex.
    ///
    /// # Errors
    ///
    /// [`Refused`] if the queue is closed.
    pub fn insert_pending_first<I: AtOrBelowDispatch>(
        &self,
        irp: Irp<Pending>,
        request: R,
        _irql: &I,
    ) -> core::result::Result<(), Refused<R, ()>> {
        // SAFETY: without a context there is none to keep.
        let inserted = unsafe { self.insert_raw(irp, request, core::ptr::null_mut(), AT_THE_HEAD) };
        inserted.map_err(not_inserted)
    }

    /// # Safety
    ///
    /// As [`Self::insert_with_context`]; IRQL <= DISPATCH_LEVEL.
    unsafe fn insert_raw(
        &self,
        irp: Irp<Pending>,
        request: R,
        irp_context: *mut IO_CSQ_IRP_CONTEXT,
        place: PVOID,
    ) -> core::result::Result<(), NotInserted<R>> {
        let raw_irp = irp.into_raw();
        // SAFETY: owned.
        let context = unsafe { raw::driver_context(raw_irp) }.cast::<R>();
        // SAFETY: the driver's words of an IRP that it owns, checked by `new` to hold an `R`.
        unsafe { context.write(request) };
        // The IRP's share of the queue.
        let _ = self.inner.clone().into_raw();
        // SAFETY: initialised by `new`; the IRP is owned and given up if this succeeds.
        let status =
            unsafe { IoCsqInsertIrpEx(csq(&self.inner), raw_irp.as_ptr(), irp_context, place) };
        Status::check(status).map_err(|status| {
            // SAFETY: not inserted: the IRP is still this driver's, with what was written.
            let (irp, request) = unsafe { take_from(&self.inner, raw_irp) };
            (irp, request, status)
        })
    }

    /// Removes the oldest request, if there is one.
    ///
    /// Source: nf-wdm-iocsqremovenextirp.
    pub fn remove_next<I: AtOrBelowDispatch>(&self, _irql: &I) -> Option<(Irp<Pending>, R)> {
        self.remove(core::ptr::null_mut())
    }

    /// Removes the oldest request that `matches` says yes to. It runs under the queue's lock, at
    /// DISPATCH_LEVEL, and may only look: so `irql` cannot be borrowed by it.
    ///
    /// Source: nf-wdm-iocsqremovenextirp.
    pub fn remove_next_if<I: AtOrBelowDispatch>(
        &self,
        mut matches: impl FnMut(&R, FileObject) -> bool,
        _irql: &mut I,
    ) -> Option<(Irp<Pending>, R)> {
        let mut matches: &mut Matches<'_, R> = &mut matches;
        let context: *mut &mut Matches<'_, R> = &raw mut matches;
        self.remove(context.cast())
    }

    /// The callers' tokens prove IRQL <= DISPATCH_LEVEL. The context is a `&mut Matches`, or null for
    /// the oldest.
    fn remove(&self, context: *mut c_void) -> Option<(Irp<Pending>, R)> {
        // SAFETY: initialised by `new`; the context is what `peek_next_irp` takes, and lives
        // until the call is over.
        let irp = unsafe { IoCsqRemoveNextIrp(csq(&self.inner), context) };
        let irp = NonNull::new(irp)?;
        // SAFETY: removed, so it is this driver's again.
        Some(unsafe { take_from(&self.inner, irp) })
    }

    /// What all requests of the queue share.
    #[must_use]
    pub fn context(&self) -> &R::Context {
        &self.inner.context
    }

    /// Lets nothing in any more: insertions are refused with `status`.
    pub fn close<I: AtOrBelowDispatch>(&self, status: Status, _irql: &I) {
        self.set_closed(Some(status));
    }

    /// Lets requests in again.
    pub fn open<I: AtOrBelowDispatch>(&self, _irql: &I) {
        self.set_closed(None);
    }

    fn set_closed(&self, closed: Option<Status>) {
        // SAFETY: initialised, in pool; the callers' tokens prove IRQL <= DISPATCH_LEVEL.
        let old = unsafe { KeAcquireSpinLockRaiseToDpc(self.inner.lock.get()) };
        self.inner.closed.set(closed);
        // SAFETY: acquired just above.
        unsafe { KeReleaseSpinLock(self.inner.lock.get(), old) };
    }
}

/// What `CsqInsertIrpEx` is told, which the I/O manager does not look into: the request comes last.
const AT_THE_TAIL: PVOID = core::ptr::null_mut();
/// Or first.
const AT_THE_HEAD: PVOID = core::ptr::without_provenance_mut(1);

/// An IRP that a closed queue did not take.
type NotInserted<R> = (Irp<Pending>, R, Status);

fn not_inserted<R>((irp, request, status): NotInserted<R>) -> Refused<R, ()> {
    Refused {
        irp,
        request,
        status,
        dispatched: (),
    }
}

type Matches<'a, R> = dyn FnMut(&R, FileObject) -> bool + 'a;

/// The `IO_CSQ` of a queue, by an address that is good for all of [`Inner`].
pub(crate) const fn csq<R: Request>(inner: &Shared<Inner<R>>) -> PIO_CSQ {
    inner.as_ptr().cast_mut().cast()
}

/// As [`take`], and gives back the IRP's share of the queue.
///
/// # Safety
///
/// The IRP has left this queue, and is this driver's.
pub(crate) unsafe fn take_from<R: Request>(
    inner: &Shared<Inner<R>>,
    irp: NonNull<IRP>,
) -> (Irp<Pending>, R) {
    // SAFETY: given up when the IRP was inserted, and taken back once.
    drop(unsafe { Shared::<Inner<R>>::from_raw(inner.as_raw()) });
    // SAFETY: by contract.
    unsafe { take(irp) }
}

/// Makes an IRP that has left the queue an owned one, and takes out what was remembered for it.
///
/// # Safety
///
/// The IRP has left a queue of `R`s, and is this driver's.
unsafe fn take<R>(irp: NonNull<IRP>) -> (Irp<Pending>, R) {
    // SAFETY: valid by contract.
    let context = unsafe { raw::driver_context(irp) }.cast::<R>();
    // SAFETY: written by `insert`, and not read again.
    let request = unsafe { context.read() };
    // SAFETY: owned by contract; marked pending and given its remove lock before it was queued.
    let irp = unsafe { Irp::from_raw(irp) };
    (irp, request)
}
