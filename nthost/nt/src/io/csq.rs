//! Cancel-safe IRP queues.

use core::ffi::c_void;

use super::irp::IRP;
use crate::{ke::KIRQL, status::NTSTATUS};

/// Inserts an IRP (nc-wdm-io_csq_insert_irp).
pub type IO_CSQ_INSERT_IRP = unsafe extern "win64" fn(csq: *mut IO_CSQ, irp: *mut IRP);
/// Inserts an IRP and may refuse it (nc-wdm-io_csq_insert_irp_ex).
pub type IO_CSQ_INSERT_IRP_EX =
    unsafe extern "win64" fn(csq: *mut IO_CSQ, irp: *mut IRP, context: *mut c_void) -> NTSTATUS;
/// Removes an IRP (nc-wdm-io_csq_remove_irp).
pub type IO_CSQ_REMOVE_IRP = unsafe extern "win64" fn(csq: *mut IO_CSQ, irp: *mut IRP);
/// The next matching IRP behind one (nc-wdm-io_csq_peek_next_irp).
pub type IO_CSQ_PEEK_NEXT_IRP = unsafe extern "win64" fn(
    csq: *mut IO_CSQ,
    irp: *mut IRP,
    peek_context: *mut c_void,
) -> *mut IRP;
/// Acquires the queue's lock (nc-wdm-io_csq_acquire_lock).
pub type IO_CSQ_ACQUIRE_LOCK = unsafe extern "win64" fn(csq: *mut IO_CSQ, irql: *mut KIRQL);
/// Releases the queue's lock (nc-wdm-io_csq_release_lock).
pub type IO_CSQ_RELEASE_LOCK = unsafe extern "win64" fn(csq: *mut IO_CSQ, irql: KIRQL);
/// Completes a canceled IRP (nc-wdm-io_csq_complete_canceled_irp).
pub type IO_CSQ_COMPLETE_CANCELED_IRP = unsafe extern "win64" fn(csq: *mut IO_CSQ, irp: *mut IRP);

/// A cancel-safe queue (ns-wdm-_io_csq).
#[repr(C)]
pub struct IO_CSQ {
    /// [`IO_TYPE_CSQ`] or [`IO_TYPE_CSQ_EX`].
    pub Type: u32,
    /// `CsqInsertIrp` or `CsqInsertIrpEx`, by the type.
    pub CsqInsertIrp: *mut c_void,
    /// See [`IO_CSQ_REMOVE_IRP`].
    pub CsqRemoveIrp: Option<IO_CSQ_REMOVE_IRP>,
    /// See [`IO_CSQ_PEEK_NEXT_IRP`].
    pub CsqPeekNextIrp: Option<IO_CSQ_PEEK_NEXT_IRP>,
    /// See [`IO_CSQ_ACQUIRE_LOCK`].
    pub CsqAcquireLock: Option<IO_CSQ_ACQUIRE_LOCK>,
    /// See [`IO_CSQ_RELEASE_LOCK`].
    pub CsqReleaseLock: Option<IO_CSQ_RELEASE_LOCK>,
    /// See [`IO_CSQ_COMPLETE_CANCELED_IRP`].
    pub CsqCompleteCanceledIrp: Option<IO_CSQ_COMPLETE_CANCELED_IRP>,
    /// Reserved.
    pub ReservePointer: *mut c_void,
}

/// Names one IRP in a queue (ns-wdm-_io_csq_irp_context).
#[repr(C)]
pub struct IO_CSQ_IRP_CONTEXT {
    /// [`IO_TYPE_CSQ_IRP_CONTEXT`].
    pub Type: u32,
    /// The IRP; null once it has left the queue.
    pub Irp: *mut IRP,
    /// The queue.
    pub Csq: *mut IO_CSQ,
}

/// `IO_CSQ_IRP_CONTEXT::Type`.
pub const IO_TYPE_CSQ_IRP_CONTEXT: u32 = 1;
/// `IO_CSQ::Type` after `IoCsqInitialize`.
pub const IO_TYPE_CSQ: u32 = 2;
/// `IO_CSQ::Type` after `IoCsqInitializeEx`.
pub const IO_TYPE_CSQ_EX: u32 = 3;
