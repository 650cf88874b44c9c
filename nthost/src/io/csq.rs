//! Cancel-safe queues: the driver's callbacks keep the queue, these routines the order of
//! inserting, removing and canceling.
//!
//! Sources: "Cancel-Safe IRP Queues", IoCsqInitialize, IoCsqInitializeEx, IoCsqInsertIrp,
//! IoCsqInsertIrpEx, IoCsqRemoveIrp, IoCsqRemoveNextIrp. `DriverContext[3]` of a queued IRP
//! points to its context, or to the queue if it has none.
//!
//! Who takes the cancel routine away owns the IRP: the canceller or the remover, never both.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    io::{
        csq::{
            IO_CSQ, IO_CSQ_ACQUIRE_LOCK, IO_CSQ_COMPLETE_CANCELED_IRP, IO_CSQ_INSERT_IRP,
            IO_CSQ_INSERT_IRP_EX, IO_CSQ_IRP_CONTEXT, IO_CSQ_PEEK_NEXT_IRP, IO_CSQ_RELEASE_LOCK,
            IO_CSQ_REMOVE_IRP, IO_TYPE_CSQ, IO_TYPE_CSQ_EX, IO_TYPE_CSQ_IRP_CONTEXT,
        },
        device::DEVICE_OBJECT,
        irp::IRP,
        stack::SL_PENDING_RETURNED,
    },
    ke::KIRQL,
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, nt_success},
};

use super::{cancel, irp};

/// The callbacks of an initialized queue.
struct Queue {
    csq: *mut IO_CSQ,
    remove: IO_CSQ_REMOVE_IRP,
    peek: IO_CSQ_PEEK_NEXT_IRP,
    acquire: IO_CSQ_ACQUIRE_LOCK,
    release: IO_CSQ_RELEASE_LOCK,
    complete_canceled: IO_CSQ_COMPLETE_CANCELED_IRP,
}

impl Queue {
    /// # Safety
    ///
    /// It is an initialized queue.
    unsafe fn of(csq: *mut IO_CSQ) -> Option<Self> {
        // SAFETY: the caller's promise.
        let fields = unsafe { &*csq };
        Some(Self {
            csq,
            remove: fields.CsqRemoveIrp?,
            peek: fields.CsqPeekNextIrp?,
            acquire: fields.CsqAcquireLock?,
            release: fields.CsqReleaseLock?,
            complete_canceled: fields.CsqCompleteCanceledIrp?,
        })
    }

    fn acquire(&self) -> KIRQL {
        let mut irql = 0;
        // SAFETY: the driver's callback, on its own queue.
        unsafe { (self.acquire)(self.csq, &raw mut irql) };
        irql
    }

    fn release(&self, irql: KIRQL) {
        // SAFETY: as above; the lock is held.
        unsafe { (self.release)(self.csq, irql) };
    }

    fn remove(&self, irp: *mut IRP) {
        // SAFETY: as above; the IRP is in the queue.
        unsafe { (self.remove)(self.csq, irp) };
    }

    fn peek(&self, irp: *mut IRP, context: *mut c_void) -> *mut IRP {
        // SAFETY: as above; the IRP is in the queue, or null.
        unsafe { (self.peek)(self.csq, irp, context) }
    }

    fn complete_canceled(&self, irp: *mut IRP) {
        // SAFETY: as above; the IRP was removed and is nobody else's.
        unsafe { (self.complete_canceled)(self.csq, irp) };
    }

    /// Calls the insert callback of either kind.
    ///
    /// # Safety
    ///
    /// The queue was initialized with the callback that its type says.
    unsafe fn insert(&self, irp: *mut IRP, insert_context: *mut c_void) -> NTSTATUS {
        // SAFETY: the queue exists.
        let fields = unsafe { &*self.csq };
        let routine = fields.CsqInsertIrp;
        if fields.Type == IO_TYPE_CSQ_EX {
            // SAFETY: the type says which kind it is.
            let routine =
                unsafe { core::mem::transmute::<*mut c_void, IO_CSQ_INSERT_IRP_EX>(routine) };
            // SAFETY: the driver's callback, on its own queue.
            unsafe { routine(self.csq, irp, insert_context) }
        } else {
            // SAFETY: the type says which kind it is.
            let routine =
                unsafe { core::mem::transmute::<*mut c_void, IO_CSQ_INSERT_IRP>(routine) };
            // SAFETY: the driver's callback, on its own queue.
            unsafe { routine(self.csq, irp) };
            STATUS_SUCCESS
        }
    }
}

/// The word in which a queued IRP points to its context or queue.
///
/// # Safety
///
/// The IRP exists.
unsafe fn association<'a>(irp: *mut IRP) -> &'a mut *mut c_void {
    // SAFETY: the caller's promise.
    let overlay = unsafe { &mut *irp }.overlay_mut();
    &mut overlay.u.driver_context_mut()[3]
}

/// Takes an IRP's association apart; gives its queue.
///
/// # Safety
///
/// The IRP was associated by [`insert`], and the queue's lock is held or the IRP cannot leave.
unsafe fn dissociate(irp: *mut IRP) -> *mut IO_CSQ {
    // SAFETY: the caller's promise.
    let association = unsafe { association(irp) };
    let pointer = core::mem::replace(association, null_mut());
    // SAFETY: both structures begin with their type.
    let kind = unsafe { pointer.cast::<u32>().read() };
    if kind != IO_TYPE_CSQ_IRP_CONTEXT {
        return pointer.cast();
    }
    // SAFETY: it says that it is a context.
    let context = unsafe { &mut *pointer.cast::<IO_CSQ_IRP_CONTEXT>() };
    context.Irp = null_mut();
    context.Csq
}

/// The queue of an IRP that has one.
///
/// # Safety
///
/// As [`dissociate`].
unsafe fn queue_of(irp: *mut IRP) -> *mut IO_CSQ {
    // SAFETY: the caller's promise.
    let pointer = unsafe { *association(irp) };
    // SAFETY: both structures begin with their type.
    let kind = unsafe { pointer.cast::<u32>().read() };
    if kind != IO_TYPE_CSQ_IRP_CONTEXT {
        return pointer.cast();
    }
    // SAFETY: it says that it is a context.
    unsafe { (*pointer.cast::<IO_CSQ_IRP_CONTEXT>()).Csq }
}

/// The cancel routine of every queued IRP. Called with the cancel spin lock held.
unsafe extern "win64" fn cancel_queued(_device: *mut DEVICE_OBJECT, irp: *mut IRP) {
    // The IRP is this routine's: it alone was given the cancel routine. So the cancel spin lock
    // is not needed.
    // SAFETY: the IRP is being canceled, and not gone.
    let level = unsafe { (*irp).CancelIrql };
    // SAFETY: the lock is held, and goes back to that level.
    unsafe { cancel::IoReleaseCancelSpinLock(level) };
    // SAFETY: it is associated: it was queued with this routine.
    let csq = unsafe { queue_of(irp) };
    // SAFETY: a queue that was initialized.
    let Some(queue) = (unsafe { Queue::of(csq) }) else {
        return;
    };
    let irql = queue.acquire();
    queue.remove(irp);
    // SAFETY: the lock is held.
    unsafe { dissociate(irp) };
    queue.release(irql);
    queue.complete_canceled(irp);
}

/// # Safety
///
/// As IoCsqInsertIrpEx.
unsafe fn insert(
    csq: *mut IO_CSQ,
    irp: *mut IRP,
    context: *mut IO_CSQ_IRP_CONTEXT,
    insert_context: *mut c_void,
) -> NTSTATUS {
    // SAFETY: the caller's promise.
    let Some(queue) = (unsafe { Queue::of(csq) }) else {
        return STATUS_INVALID_PARAMETER;
    };
    // SAFETY: the caller's promise.
    let association = unsafe { association(irp) };
    if context.is_null() {
        *association = csq.cast();
    } else {
        let fields = IO_CSQ_IRP_CONTEXT {
            Type: IO_TYPE_CSQ_IRP_CONTEXT,
            Irp: irp,
            Csq: csq,
        };
        // SAFETY: the caller's promise.
        unsafe { context.write(fields) };
        *association = context.cast();
    }
    let irql = queue.acquire();
    // SAFETY: the caller's promise.
    let status = unsafe { queue.insert(irp, insert_context) };
    if !nt_success(status) {
        // SAFETY: it was associated above.
        unsafe { dissociate(irp) };
        queue.release(irql);
        return status;
    }
    // Marked under the lock: whoever removes it from now on may complete it.
    // SAFETY: the IRP was sent to the caller.
    unsafe { irp::current(irp) }.Control |= SL_PENDING_RETURNED;
    // SAFETY: the IRP exists.
    unsafe { cancel::exchange_routine(irp, Some(cancel_queued)) };
    // Canceled before the routine was there, and nobody has taken the routine since: so it is
    // for this caller to complete.
    // SAFETY: the IRP exists: it is queued, and the lock is held.
    let canceled = unsafe { cancel::is_canceled(irp) };
    // SAFETY: as above.
    if canceled && unsafe { cancel::take_routine(irp) }.is_some() {
        queue.remove(irp);
        // SAFETY: it was associated above.
        unsafe { dissociate(irp) };
        queue.release(irql);
        queue.complete_canceled(irp);
    } else {
        queue.release(irql);
    }
    status
}

/// # Safety
///
/// `csq` can be written; the callbacks are the driver's.
unsafe fn initialize(csq: *mut IO_CSQ, fields: IO_CSQ) -> NTSTATUS {
    // SAFETY: the caller's promise.
    unsafe { csq.write(fields) };
    STATUS_SUCCESS
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Makes a queue of the driver's callbacks.
    ///
    /// Source: IoCsqInitialize.
    ///
    /// # Safety
    ///
    /// `csq` is resident memory for a queue; the callbacks do what the reference says.
    pub unsafe fn IoCsqInitialize(
        csq: *mut IO_CSQ,
        insert: IO_CSQ_INSERT_IRP,
        remove: IO_CSQ_REMOVE_IRP,
        peek: IO_CSQ_PEEK_NEXT_IRP,
        acquire: IO_CSQ_ACQUIRE_LOCK,
        release: IO_CSQ_RELEASE_LOCK,
        complete_canceled: IO_CSQ_COMPLETE_CANCELED_IRP,
    ) -> NTSTATUS {
        let fields = IO_CSQ {
            Type: IO_TYPE_CSQ,
            CsqInsertIrp: insert as *mut c_void,
            CsqRemoveIrp: Some(remove),
            CsqPeekNextIrp: Some(peek),
            CsqAcquireLock: Some(acquire),
            CsqReleaseLock: Some(release),
            CsqCompleteCanceledIrp: Some(complete_canceled),
            ReservePointer: null_mut(),
        };
        // SAFETY: the caller's promise.
        unsafe { initialize(csq, fields) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// As IoCsqInitialize, with an insert callback that may refuse.
    ///
    /// Source: IoCsqInitializeEx.
    ///
    /// # Safety
    ///
    /// As IoCsqInitialize.
    pub unsafe fn IoCsqInitializeEx(
        csq: *mut IO_CSQ,
        insert: IO_CSQ_INSERT_IRP_EX,
        remove: IO_CSQ_REMOVE_IRP,
        peek: IO_CSQ_PEEK_NEXT_IRP,
        acquire: IO_CSQ_ACQUIRE_LOCK,
        release: IO_CSQ_RELEASE_LOCK,
        complete_canceled: IO_CSQ_COMPLETE_CANCELED_IRP,
    ) -> NTSTATUS {
        let fields = IO_CSQ {
            Type: IO_TYPE_CSQ_EX,
            CsqInsertIrp: insert as *mut c_void,
            CsqRemoveIrp: Some(remove),
            CsqPeekNextIrp: Some(peek),
            CsqAcquireLock: Some(acquire),
            CsqReleaseLock: Some(release),
            CsqCompleteCanceledIrp: Some(complete_canceled),
            ReservePointer: null_mut(),
        };
        // SAFETY: the caller's promise.
        unsafe { initialize(csq, fields) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Marks an IRP pending and queues it.
    ///
    /// Source: IoCsqInsertIrp.
    ///
    /// # Safety
    ///
    /// The queue is initialized; the IRP is the caller's; the context, if any, stays as long as
    /// the IRP is queued.
    pub unsafe fn IoCsqInsertIrp(csq: *mut IO_CSQ, irp: *mut IRP, context: *mut IO_CSQ_IRP_CONTEXT) {
        // SAFETY: the caller's promise.
        unsafe { insert(csq, irp, context, null_mut()) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Marks an IRP pending and queues it, unless the insert callback refuses; gives the
    /// callback's status.
    ///
    /// Source: IoCsqInsertIrpEx.
    ///
    /// # Safety
    ///
    /// As IoCsqInsertIrp.
    pub unsafe fn IoCsqInsertIrpEx(
        csq: *mut IO_CSQ,
        irp: *mut IRP,
        context: *mut IO_CSQ_IRP_CONTEXT,
        insert_context: *mut c_void,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { insert(csq, irp, context, insert_context) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes the next matching IRP out of the queue; null if there is none. The IRP cannot be
    /// canceled any more.
    ///
    /// Source: IoCsqRemoveNextIrp.
    ///
    /// # Safety
    ///
    /// The queue is initialized.
    pub unsafe fn IoCsqRemoveNextIrp(csq: *mut IO_CSQ, peek_context: *mut c_void) -> *mut IRP {
        // SAFETY: the caller's promise.
        let Some(queue) = (unsafe { Queue::of(csq) }) else {
            return null_mut();
        };
        let irql = queue.acquire();
        let mut irp = queue.peek(null_mut(), peek_context);
        while !irp.is_null() {
            // SAFETY: it is queued, and the lock is held.
            if unsafe { cancel::take_routine(irp) }.is_some() {
                queue.remove(irp);
                // SAFETY: the lock is held.
                unsafe { dissociate(irp) };
                break;
            }
            // Its canceller waits for the lock, and will remove it.
            irp = queue.peek(irp, peek_context);
        }
        queue.release(irql);
        irp
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes the IRP of a context out of the queue; null if it was canceled or removed.
    ///
    /// Source: IoCsqRemoveIrp.
    ///
    /// # Safety
    ///
    /// The queue is initialized, and the context was given to IoCsqInsertIrp.
    pub unsafe fn IoCsqRemoveIrp(csq: *mut IO_CSQ, context: *mut IO_CSQ_IRP_CONTEXT) -> *mut IRP {
        // SAFETY: the caller's promise.
        let Some(queue) = (unsafe { Queue::of(csq) }) else {
            return null_mut();
        };
        let irql = queue.acquire();
        // SAFETY: the caller's promise; the lock is held.
        let irp = unsafe { (*context).Irp };
        // SAFETY: an IRP that is in its context is queued.
        let mine = !irp.is_null() && unsafe { cancel::take_routine(irp) }.is_some();
        if mine {
            queue.remove(irp);
            // SAFETY: the lock is held.
            unsafe { dissociate(irp) };
        }
        queue.release(irql);
        if mine { irp } else { null_mut() }
    }
}
