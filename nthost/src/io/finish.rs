//! What happens to an IRP that has come back to the top of its stack.
//!
//! Sources: IoBuildSynchronousFsdRequest, IoBuildDeviceIoControlRequest,
//! IoBuildAsynchronousFsdRequest, IoMakeAssociatedIrp. The IRPs of nthost's own threads have a
//! completion routine that keeps them, and do not come here.
//!
//! A synchronous IRP is finished in the thread that made it, by a special kernel APC: a thread
//! that waits for it at APC_LEVEL or in a guarded region waits for ever. An asynchronous one that
//! comes here is finished where it was completed.

use core::{ffi::c_void, sync::atomic::Ordering};

use nthost_nt::{
    io::irp::{
        IO_STATUS_BLOCK, IRP, IRP_ASSOCIATED_IRP, IRP_BUFFERED_IO, IRP_DEALLOCATE_BUFFER,
        IRP_INPUT_OPERATION, IRP_SYNCHRONOUS_API,
    },
    mm::MDL,
    status::nt_error,
};

use super::{
    complete,
    irp::{Origin, free},
    verify,
};
use crate::{
    ke::{apc, event::KeSetEvent, thread::Thread},
    mm::{guarded, mdl, pool},
    ob::object,
};

/// Takes an IRP off whoever made it.
///
/// # Safety
///
/// The IRP has left its topmost stack location.
pub unsafe fn finish(irp: *mut IRP) {
    // SAFETY: the caller's promise.
    let packet = unsafe { &*irp };
    if packet.Flags & IRP_ASSOCIATED_IRP != 0 {
        // SAFETY: the caller's promise.
        return unsafe { finish_associated(irp) };
    }
    match Origin::of(packet) {
        Origin::Synchronous => {
            let thread: *mut Thread = packet.overlay().Thread.cast();
            let (process, irp) = (packet.issuing_process(), irp.expose_provenance());
            // SAFETY: a thread does not end before its requests are finished, and the IRP is this
            // call's alone.
            unsafe { apc::queue(thread, process, finish_in_its_thread, irp) };
        }
        // SAFETY: the caller's promise.
        Origin::Asynchronous => unsafe { finish_built(irp) },
        Origin::Allocated | Origin::DriverMemory | Origin::Associated | Origin::System => {
            // Nobody waits for it: the driver that made it had to keep it.
            verify::io_violation(verify::UNKNOWN, irp.addr(), 0, 0);
        }
    }
}

/// The APC that does so.
///
/// # Safety
///
/// The argument is the address of an IRP, as [`finish_built`] wants it.
unsafe fn finish_in_its_thread(irp: usize) {
    // SAFETY: the caller's promise.
    unsafe { finish_built(core::ptr::with_exposed_provenance_mut(irp)) };
}

/// Finishes an IRP of [`super::build`], here and now.
///
/// # Safety
///
/// As [`finish`].
unsafe fn finish_built(irp: *mut IRP) {
    // SAFETY: the caller's promise.
    let packet = unsafe { &mut *irp };
    let status = packet.IoStatus.status();
    let (block, event) = (packet.UserIosb, packet.UserEvent);
    // What a Zw routine has taken references for, unless it waits and gives them back itself.
    let file = packet.overlay().OriginalFileObject;
    let kept = !file.is_null() && packet.Flags & IRP_SYNCHRONOUS_API == 0;
    let result = IO_STATUS_BLOCK::new(status, packet.IoStatus.Information);
    // An error that the call itself returned is all that its caller gets.
    let told_already = nt_error(status) && packet.PendingReturned == 0;
    if !nt_error(status) {
        // SAFETY: the caller's promise.
        unsafe { copy_back(packet) };
    }
    // SAFETY: as above.
    unsafe { release_buffers(irp) };
    // SAFETY: as above.
    unsafe { free(irp) };
    if !told_already {
        if !block.is_null() {
            // SAFETY: the driver's status block, which it keeps until the IRP is complete.
            unsafe { block.write(result) };
        }
        if kept {
            // SAFETY: the file was referenced for the request.
            unsafe { (*file).FinalStatus = status };
        }
        if !event.is_null() {
            // SAFETY: the driver's event, which it waits for.
            unsafe { KeSetEvent(event, 0, 0) };
        } else if kept {
            // SAFETY: the file was referenced for the request.
            let event = unsafe { &raw mut (*file).Event };
            // SAFETY: its event.
            unsafe { KeSetEvent(event, 0, 0) };
        }
    }
    if kept {
        if !event.is_null() {
            object::dereference(event.cast());
        }
        object::dereference(file.cast());
    }
}

/// Copies what a buffered request read from the system buffer to the requester's: as many bytes as
/// `Information` says. How long the requester's buffer is, nobody looks.
///
/// # Safety
///
/// The IRP's buffers are those that its flags say.
unsafe fn copy_back(packet: &IRP) {
    let wanted = IRP_BUFFERED_IO | IRP_INPUT_OPERATION;
    let from = packet.AssociatedIrp.system_buffer();
    if packet.Flags & wanted != wanted || packet.UserBuffer.is_null() {
        return;
    }
    let count = packet.IoStatus.Information;
    let to = packet.UserBuffer.cast::<u8>();
    // SAFETY: the drivers' promise, which the I/O manager relies on: `Information` exceeds neither.
    // The verifier has looked at it.
    unsafe { to.copy_from(from.cast::<u8>(), count) };
}

/// Frees an IRP's system buffer, and unlocks and frees its MDLs.
///
/// # Safety
///
/// Nobody uses them any more.
pub unsafe fn release_buffers(irp: *mut IRP) {
    // SAFETY: the caller's promise.
    let packet = unsafe { &mut *irp };
    if packet.Flags & IRP_DEALLOCATE_BUFFER != 0 {
        let buffer: *mut c_void = core::mem::replace(
            packet.AssociatedIrp.system_buffer_mut(),
            core::ptr::null_mut(),
        );
        // The builders of drivers' IRPs take it from pool.
        if !guarded::free(buffer.cast()) {
            pool::free(buffer as u64, None);
        }
        packet.Flags &= !IRP_DEALLOCATE_BUFFER;
    }
    let mut next: *mut MDL = core::mem::replace(&mut packet.MdlAddress, core::ptr::null_mut());
    while !next.is_null() {
        let this = next;
        // SAFETY: a chain of MDLs that are the IRP's.
        let fields = unsafe { &*this };
        next = fields.Next;
        if fields.MdlFlags & mdl::PAGES_LOCKED != 0 {
            // SAFETY: they were locked for the request.
            unsafe { mdl::MmUnlockPages(this) };
        }
        // SAFETY: nobody uses the MDL any more.
        unsafe { mdl::free(this) };
    }
}

/// A part of a master IRP is done; with the last part, the master is completed.
///
/// # Safety
///
/// As [`finish`].
unsafe fn finish_associated(irp: *mut IRP) {
    // SAFETY: the caller's promise.
    let master = *unsafe { &*irp }.AssociatedIrp.master();
    // SAFETY: as above.
    unsafe { release_buffers(irp) };
    // SAFETY: as above.
    unsafe { free(irp) };
    // SAFETY: a master IRP waits for its parts.
    let count = unsafe { &raw mut (*master).AssociatedIrp.IrpCount };
    // SAFETY: the count is only changed so while the parts are on their way.
    let count = unsafe { core::sync::atomic::AtomicI32::from_ptr(count) };
    // AcqRel: what the other parts did comes before the master's completion.
    if count.fetch_sub(1, Ordering::AcqRel) == 1 {
        // SAFETY: the master is complete with its last part.
        unsafe { complete::complete(master, 0) };
    }
}
