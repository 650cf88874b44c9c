//! Who asks for what an IRP carries: the process, the thread, and whether it waits.
//!
//! Sources: IoGetRequestorProcess, IoGetRequestorProcessId, IoThreadToProcess, IoIsSystemThread,
//! IoIsOperationSynchronous, IoGetInitiatorProcess, IoGetTopLevelIrp, IoSetTopLevelIrp,
//! WdmlibIoValidateDeviceIoControlAccess, which wdmsec.lib takes from the kernel.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    io::{
        create::{FILE_READ_DATA, FILE_WRITE_DATA},
        file::{FILE_OBJECT, FO_SYNCHRONOUS_IO},
        irp::{IRP, IRP_SYNCHRONOUS_API},
        major::{IRP_MJ_DEVICE_CONTROL, IRP_MJ_FILE_SYSTEM_CONTROL},
    },
    status::{NTSTATUS, STATUS_ACCESS_DENIED, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::irp;
use crate::{
    hook,
    ke::{
        process,
        thread::{self, Thread},
    },
};

/// `KernelMode`, of the modes that requests come from.
const KERNEL_MODE: i8 = 0;
/// `METHOD_BUFFERED`, of the transfer methods in a control code.
const METHOD_BUFFERED: u32 = 0;

/// The process of the thread that an IRP belongs to: the one that it is attached to, if it is.
///
/// # Safety
///
/// The IRP exists, and so does its thread, if it has one.
unsafe fn requestor(irp: *const IRP) -> *mut c_void {
    // SAFETY: the caller's promise.
    let thread = unsafe { &*irp }.overlay().Thread.cast::<Thread>();
    // SAFETY: as above.
    unsafe { thread.as_ref() }.map_or(null_mut(), Thread::place)
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The process of the thread that an IRP belongs to; NULL if it belongs to none.
    ///
    /// Source: IoGetRequestorProcess.
    ///
    /// # Safety
    ///
    /// The IRP exists, and so does its thread.
    pub unsafe fn IoGetRequestorProcess(irp: *const IRP) -> *mut c_void {
        // SAFETY: the caller's promise.
        unsafe { requestor(irp) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The id of that process; zero if there is none.
    ///
    /// Source: IoGetRequestorProcessId.
    ///
    /// # Safety
    ///
    /// As IoGetRequestorProcess.
    pub unsafe fn IoGetRequestorProcessId(irp: *const IRP) -> u32 {
        // SAFETY: the caller's promise.
        let process = unsafe { requestor(irp) };
        if process.is_null() {
            return 0;
        }
        hook::process_id(process) as u32
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The process of a thread.
    ///
    /// Source: IoThreadToProcess.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn IoThreadToProcess(thread: *mut Thread) -> *mut c_void {
        // SAFETY: the caller's promise.
        unsafe { process::of_thread(thread) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether a thread is the system's.
    ///
    /// Source: IoIsSystemThread.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn IoIsSystemThread(thread: *mut Thread) -> u8 {
        // SAFETY: the caller's promise.
        let process = unsafe { process::of_thread(thread) };
        u8::from(process == process::system())
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Whether who asked waits: the file is synchronous, or the call is, or it is a control
    /// request with buffers of the system's. Nothing is ever paged by IRPs here.
    ///
    /// Source: IoIsOperationSynchronous.
    ///
    /// # Safety
    ///
    /// The IRP is the caller's at its present location.
    pub unsafe fn IoIsOperationSynchronous(irp: *mut IRP) -> u8 {
        // SAFETY: the caller's promise.
        let location = unsafe { irp::current(irp) };
        // SAFETY: the file of a request on its way is open.
        let file = unsafe { location.FileObject.as_ref() };
        let of_file = file.is_some_and(|file| file.Flags & FO_SYNCHRONOUS_IO != 0);
        // SAFETY: the caller's promise.
        let of_call = unsafe { (*irp).Flags } & IRP_SYNCHRONOUS_API != 0;
        let is_control =
            matches!(location.MajorFunction, IRP_MJ_DEVICE_CONTROL | IRP_MJ_FILE_SYSTEM_CONTROL);
        let buffered = is_control
            && location.Parameters.device_io_control().IoControlCode & 3 == METHOD_BUFFERED;
        u8::from(of_file || of_call || buffered)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Whether who sent a control request opened the device with this access, which is
    /// `FILE_READ_ACCESS`, `FILE_WRITE_ACCESS` or both; the kernel has it always.
    ///
    /// Source: WdmlibIoValidateDeviceIoControlAccess.
    ///
    /// # Safety
    ///
    /// The IRP is the caller's at its present location.
    pub unsafe fn IoValidateDeviceIoControlAccess(irp: *mut IRP, required: u32) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let location = unsafe { irp::current(irp) };
        let is_control =
            matches!(location.MajorFunction, IRP_MJ_DEVICE_CONTROL | IRP_MJ_FILE_SYSTEM_CONTROL);
        if !is_control || required & !(FILE_READ_DATA | FILE_WRITE_DATA) != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        if unsafe { (*irp).RequestorMode } == KERNEL_MODE {
            return STATUS_SUCCESS;
        }
        // SAFETY: the file of a request on its way is open.
        let Some(file) = (unsafe { location.FileObject.as_ref() }) else {
            return STATUS_INVALID_PARAMETER;
        };
        let denied = required & FILE_READ_DATA != 0 && file.ReadAccess == 0
            || required & FILE_WRITE_DATA != 0 && file.WriteAccess == 0;
        if denied { STATUS_ACCESS_DENIED } else { STATUS_SUCCESS }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// The process on whose behalf another opened a file: NULL, for every process opens its own.
    ///
    /// Source: IoGetInitiatorProcess.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoGetInitiatorProcess(_file: *mut FILE_OBJECT) -> *mut c_void {
        null_mut()
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// What the thread has as its top-level IRP.
    ///
    /// Source: IoGetTopLevelIrp.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoGetTopLevelIrp() -> *mut IRP {
        // SAFETY: the thread that runs; only it uses this field.
        unsafe { (*thread::current()).top_level_irp }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Gives the thread its top-level IRP: any value that who sets it understands.
    ///
    /// Source: IoSetTopLevelIrp.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoSetTopLevelIrp(irp: *mut IRP) {
        // SAFETY: the thread that runs; only it uses this field.
        unsafe { (*thread::current()).top_level_irp = irp };
    }
}
