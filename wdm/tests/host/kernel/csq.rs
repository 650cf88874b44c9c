//! Cancel-safe queues. A cancellation can be held up between its two steps: it has taken the IRP's
//! cancel routine, and then asks the queue for the IRP.

use std::{mem::transmute, ptr::null_mut, sync::atomic::Ordering};

use wdk_sys::{
    DEVICE_OBJECT, IO_CSQ_IRP_CONTEXT, IO_TYPE_CSQ_EX, IO_TYPE_CSQ_IRP_CONTEXT, NTSTATUS,
    PDRIVER_CANCEL, PIO_CSQ, PIO_CSQ_ACQUIRE_LOCK, PIO_CSQ_COMPLETE_CANCELED_IRP,
    PIO_CSQ_INSERT_IRP_EX, PIO_CSQ_IRP_CONTEXT, PIO_CSQ_PEEK_NEXT_IRP, PIO_CSQ_RELEASE_LOCK,
    PIO_CSQ_REMOVE_IRP, PIRP, PVOID, STATUS_SUCCESS,
};

use super::irp::{TestIrp, cancel_routine};

/// `IoSetCancelRoutine`: whether there was one.
unsafe fn set_cancel_routine(irp: PIRP, routine: PDRIVER_CANCEL) -> bool {
    let routine = routine.map_or(null_mut(), |routine| routine as *mut ());
    // SAFETY: the callers' IRP is valid.
    let old = unsafe { cancel_routine(irp) }.swap(routine, Ordering::AcqRel);
    !old.is_null()
}

/// Where the queue leaves its own word in an IRP.
unsafe fn reserved(irp: PIRP) -> *mut PVOID {
    // SAFETY: the callers' IRP is valid; only an address is formed.
    unsafe {
        &raw mut (*irp)
            .Tail
            .Overlay
            .__bindgen_anon_1
            .__bindgen_anon_1
            .DriverContext[3]
    }
}

/// A cancellation that has taken the cancel routine.
pub struct Cancellation(PIRP);

impl Cancellation {
    /// Begins to cancel, unless the IRP is in no queue any more.
    pub fn begin(irp: &TestIrp) -> Option<Self> {
        let irp = irp.as_ptr();
        // SAFETY: the test's IRP, not completed.
        unsafe { set_cancel_routine(irp, None) }.then_some(Self(irp))
    }

    /// Goes on: what the cancel routine does.
    pub fn finish(self) {
        let irp = self.0;
        // SAFETY: the IRP is the canceller's by now, and its queue has not gone.
        unsafe {
            let word = reserved(irp).read();
            let context = word.cast::<IO_CSQ_IRP_CONTEXT>();
            let with_context = (*context).Type == IO_TYPE_CSQ_IRP_CONTEXT;
            let csq: PIO_CSQ = if with_context {
                (*context).Csq
            } else {
                word.cast()
            };
            let mut old = 0;
            (*csq).CsqAcquireLock.unwrap()(csq, &raw mut old);
            (*csq).CsqRemoveIrp.unwrap()(csq, irp);
            if with_context {
                (*context).Irp = null_mut();
            }
            (*csq).CsqReleaseLock.unwrap()(csq, old);
            (*csq).CsqCompleteCanceledIrp.unwrap()(csq, irp);
        }
    }
}

/// What is set as the cancel routine. Nobody calls it: [`Cancellation`] is what it does.
unsafe extern "C" fn canceled(_device: *mut DEVICE_OBJECT, _irp: PIRP) {}

#[unsafe(no_mangle)]
extern "C" fn IoCsqInitializeEx(
    csq: PIO_CSQ,
    insert: PIO_CSQ_INSERT_IRP_EX,
    remove: PIO_CSQ_REMOVE_IRP,
    peek: PIO_CSQ_PEEK_NEXT_IRP,
    acquire: PIO_CSQ_ACQUIRE_LOCK,
    release: PIO_CSQ_RELEASE_LOCK,
    complete: PIO_CSQ_COMPLETE_CANCELED_IRP,
) -> NTSTATUS {
    // SAFETY: the caller's structure; a routine with another type is kept in a field of one.
    unsafe {
        (*csq).Type = IO_TYPE_CSQ_EX;
        (*csq).CsqInsertIrp = transmute(insert);
        (*csq).CsqRemoveIrp = remove;
        (*csq).CsqPeekNextIrp = peek;
        (*csq).CsqAcquireLock = acquire;
        (*csq).CsqReleaseLock = release;
        (*csq).CsqCompleteCanceledIrp = complete;
    }
    STATUS_SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn IoCsqInsertIrpEx(
    csq: PIO_CSQ,
    irp: PIRP,
    context: PIO_CSQ_IRP_CONTEXT,
    insert_context: PVOID,
) -> NTSTATUS {
    // SAFETY: the caller's queue, IRP and context.
    unsafe {
        let mut old = 0;
        (*csq).CsqAcquireLock.unwrap()(csq, &raw mut old);
        let insert: PIO_CSQ_INSERT_IRP_EX = transmute((*csq).CsqInsertIrp);
        let status = insert.unwrap()(csq, irp, insert_context);
        if status >= 0 {
            if context.is_null() {
                reserved(irp).write(csq.cast());
            } else {
                (*context).Type = IO_TYPE_CSQ_IRP_CONTEXT;
                (*context).Irp = irp;
                (*context).Csq = csq;
                reserved(irp).write(context.cast());
            }
            set_cancel_routine(irp, Some(canceled));
        }
        (*csq).CsqReleaseLock.unwrap()(csq, old);
        status
    }
}

/// Takes an IRP out of the queue, with its lock held, unless it is being canceled.
unsafe fn take_out(csq: PIO_CSQ, irp: PIRP) -> bool {
    // SAFETY: the callers' queue and an IRP in it.
    unsafe {
        if !set_cancel_routine(irp, None) {
            return false;
        }
        (*csq).CsqRemoveIrp.unwrap()(csq, irp);
        let word = reserved(irp).read();
        let context = word.cast::<IO_CSQ_IRP_CONTEXT>();
        if (*context).Type == IO_TYPE_CSQ_IRP_CONTEXT {
            (*context).Irp = null_mut();
        }
        true
    }
}

#[unsafe(no_mangle)]
extern "C" fn IoCsqRemoveNextIrp(csq: PIO_CSQ, peek_context: PVOID) -> PIRP {
    // SAFETY: the caller's queue.
    unsafe {
        let mut old = 0;
        (*csq).CsqAcquireLock.unwrap()(csq, &raw mut old);
        let mut irp = null_mut();
        loop {
            irp = (*csq).CsqPeekNextIrp.unwrap()(csq, irp, peek_context);
            if irp.is_null() || take_out(csq, irp) {
                break;
            }
        }
        (*csq).CsqReleaseLock.unwrap()(csq, old);
        irp
    }
}

#[unsafe(no_mangle)]
extern "C" fn IoCsqRemoveIrp(csq: PIO_CSQ, context: PIO_CSQ_IRP_CONTEXT) -> PIRP {
    // SAFETY: the caller's queue and context.
    unsafe {
        let mut old = 0;
        (*csq).CsqAcquireLock.unwrap()(csq, &raw mut old);
        let irp = (*context).Irp;
        let removed = !irp.is_null() && take_out(csq, irp);
        (*csq).CsqReleaseLock.unwrap()(csq, old);
        if removed { irp } else { null_mut() }
    }
}
