//! What a cancel-safe queue gives the I/O manager: how its list and its lock are used.
//!
//! The rule of the kernel this stands for: the routines are called with the lock held that the driver
//! has acquired for them, but for the one that completes a canceled IRP. (nf-wdm-iocsqinitializeex.)

use core::ptr::NonNull;

use wdk_sys::{
    KIRQL, NTSTATUS, PIO_CSQ, PIRP, PKIRQL, PVOID,
    ntddk::{KeAcquireSpinLockRaiseToDpc, KeReleaseSpinLock},
};

use super::{Inner, Matches, Request, take};
use crate::{Status, device, irp::FileObject, irql::UpToDispatch, list, pool::Shared, raw};

/// # Safety
///
/// `csq` is from [`csq()`], and the queue outlives the reference.
const unsafe fn inner<'a, R: Request>(csq: PIO_CSQ) -> &'a Inner<R> {
    // SAFETY: `csq` is the first field (`repr(C)`); the rest by contract.
    unsafe { &*csq.cast() }
}

/// `CsqInsertIrpEx`, called with the lock held.
pub(super) unsafe extern "C" fn insert_irp<R: Request>(
    csq: PIO_CSQ,
    irp: PIRP,
    context: PVOID,
) -> NTSTATUS {
    // SAFETY: the queue that this routine was given for.
    let inner = unsafe { inner::<R>(csq) };
    if let Some(status) = inner.closed.get() {
        return status.to_raw();
    }
    // SAFETY: the I/O manager passes the IRP that is inserted.
    let irp = unsafe { NonNull::new_unchecked(irp) };
    // SAFETY: valid.
    let entry = unsafe { raw::list_entry(irp) };
    // SAFETY: the address of a field.
    let head = unsafe { NonNull::new_unchecked(inner.head.get()) };
    if context == super::AT_THE_HEAD {
        // SAFETY: the lock is held, and the IRP was in no list.
        unsafe { list::insert_head(head, entry) };
    } else {
        // SAFETY: likewise.
        unsafe { list::insert_tail(head, entry) };
    }
    Status::SUCCESS.to_raw()
}

/// `CsqRemoveIrp`, called with the lock held.
pub(super) unsafe extern "C" fn remove_irp(_csq: PIO_CSQ, irp: PIRP) {
    // SAFETY: the I/O manager passes an IRP of the queue.
    let irp = unsafe { NonNull::new_unchecked(irp) };
    // SAFETY: valid.
    let entry = unsafe { raw::list_entry(irp) };
    // SAFETY: the lock is held.
    unsafe { list::remove(entry) };
}

/// `CsqPeekNextIrp`, called with the lock held.
pub(super) unsafe extern "C" fn peek_next_irp<R: Request>(
    csq: PIO_CSQ,
    irp: PIRP,
    context: PVOID,
) -> PIRP {
    // SAFETY: the queue that this routine was given for.
    let inner = unsafe { inner::<R>(csq) };
    // SAFETY: the address of a field.
    let head = unsafe { NonNull::new_unchecked(inner.head.get()) };
    // SAFETY: the I/O manager passes an IRP of the queue, or none for its beginning.
    let mut entry = NonNull::new(irp).map_or(head, |irp| unsafe { raw::list_entry(irp) });
    if context.is_null() {
        // `remove_next`: the first will do.
        // SAFETY: the lock is held.
        let Some(next) = (unsafe { list::next(head, entry) }) else {
            return core::ptr::null_mut();
        };
        // SAFETY: every entry of this list is an IRP's.
        return unsafe { raw::irp_of_list_entry(next) }.as_ptr();
    }
    // SAFETY: what `remove_next_if` passed, which is the only other caller.
    let matches = unsafe { &mut **context.cast::<&mut Matches<'_, R>>() };
    // SAFETY: the lock is held.
    while let Some(next) = unsafe { list::next(head, entry) } {
        // SAFETY: every entry of this list is an IRP's.
        let irp = unsafe { raw::irp_of_list_entry(next) };
        // SAFETY: valid while it is queued.
        let request = unsafe { raw::driver_context(irp) }.cast::<R>();
        // SAFETY: written by `insert`.
        let request = unsafe { &*request };
        // SAFETY: valid while it is queued.
        let file_object = unsafe { FileObject::of(irp) };
        if matches(request, file_object) {
            return irp.as_ptr();
        }
        entry = next;
    }
    core::ptr::null_mut()
}

/// `CsqAcquireLock`.
pub(super) unsafe extern "C" fn acquire_lock<R: Request>(csq: PIO_CSQ, irql: PKIRQL) {
    // SAFETY: the queue that this routine was given for.
    let inner = unsafe { inner::<R>(csq) };
    // SAFETY: called at IRQL <= DISPATCH_LEVEL, as the `IoCsqXxx` routines and cancellation are.
    let old = unsafe { KeAcquireSpinLockRaiseToDpc(inner.lock.get()) };
    // SAFETY: the I/O manager's place for it.
    unsafe { irql.write(old) };
}

/// `CsqReleaseLock`.
pub(super) unsafe extern "C" fn release_lock<R: Request>(csq: PIO_CSQ, irql: KIRQL) {
    // SAFETY: the queue that this routine was given for.
    let inner = unsafe { inner::<R>(csq) };
    // SAFETY: acquired by `acquire_lock`, which gave this level.
    unsafe { KeReleaseSpinLock(inner.lock.get(), irql) };
}

/// `CsqCompleteCanceledIrp`, called without the lock, after the IRP was removed.
pub(super) unsafe extern "C" fn complete_canceled_irp<R: Request>(csq: PIO_CSQ, irp: PIRP) {
    // The IRP's share: the queue itself may have been dropped by now.
    // SAFETY: the queue that this routine was given for; the share was given up when the IRP was
    // inserted.
    let queue = unsafe { Shared::from_value(csq.cast::<Inner<R>>()) };
    // SAFETY: the I/O manager passes the IRP that it removed.
    let irp = unsafe { NonNull::new_unchecked(irp) };
    // SAFETY: this driver's until it is completed below.
    let _callback = unsafe { device::callback_for(irp) };
    // SAFETY: removed, so it is this driver's again.
    let (irp, request) = unsafe { take::<R>(irp) };
    // SAFETY: called by the code that cancels, at IRQL <= DISPATCH_LEVEL.
    let irql = &mut unsafe { UpToDispatch::assume() };
    request.canceled(irp, &queue.context, irql);
    // Before the device may go.
    drop(queue);
}
