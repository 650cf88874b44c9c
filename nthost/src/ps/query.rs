//! What drivers ask of processes and threads.
//!
//! Sources: IoGetCurrentProcess (PsGetCurrentProcess is its name in C), PsGetCurrentThread and
//! the pages of the other routines, PsLookupProcessByProcessId, PsLookupThreadByThreadId.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::status::{NTSTATUS, STATUS_INVALID_CID, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

use super::identity::{self, Identity};
use crate::{
    ke::{
        dispatcher,
        thread::{self, State, Thread},
    },
    ob::{client_id, object::Kind},
};

/// Gives a driver the object that has an id, with a reference.
///
/// # Safety
///
/// `found` can be written.
unsafe fn look_up(id: u64, kind: Kind, found: *mut *mut c_void, missing: NTSTATUS) -> NTSTATUS {
    let object = client_id::find(id, kind);
    // SAFETY: the caller's promise.
    unsafe { found.write(object.unwrap_or(null_mut())) };
    if object.is_some() {
        STATUS_SUCCESS
    } else {
        missing
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The process of the thread that runs, or the one that it is attached to.
    ///
    /// Source: IoGetCurrentProcess.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoGetCurrentProcess() -> *mut c_void {
        identity::current()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The thread that runs.
    ///
    /// Source: PsGetCurrentThread.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PsGetCurrentThread() -> *mut thread::Thread {
        thread::current()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The id of the process of the thread that runs.
    ///
    /// Source: PsGetCurrentProcessId.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PsGetCurrentProcessId() -> u64 {
        // SAFETY: the thread that runs exists.
        let process = unsafe { identity::of_thread(thread::current()) };
        // SAFETY: as long as its thread runs, the process exists.
        unsafe { (*process.cast::<Identity>()).id }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The id of the thread that runs.
    ///
    /// Source: PsGetCurrentThreadId.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PsGetCurrentThreadId() -> u64 {
        // SAFETY: the thread that runs exists.
        unsafe { (*thread::current()).id }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// A process's id.
    ///
    /// Source: PsGetProcessId.
    ///
    /// # Safety
    ///
    /// The process exists.
    pub unsafe fn PsGetProcessId(process: *mut c_void) -> u64 {
        // SAFETY: the caller's promise.
        unsafe { (*process.cast::<Identity>()).id }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// When a process was made, in system time.
    ///
    /// Source: PsGetProcessCreateTimeQuadPart.
    ///
    /// # Safety
    ///
    /// The process exists.
    pub unsafe fn PsGetProcessCreateTimeQuadPart(process: *mut c_void) -> i64 {
        // SAFETY: the caller's promise.
        unsafe { (*process.cast::<Identity>()).created.cast_signed() }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// How a process ended; STATUS_PENDING as long as it has not.
    ///
    /// Source: PsGetProcessExitStatus.
    ///
    /// # Safety
    ///
    /// The process exists.
    pub unsafe fn PsGetProcessExitStatus(process: *mut c_void) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { &*process.cast::<Identity>() }.exit_status()
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// When the process of the thread that runs ended, in system time; zero if it has not.
    ///
    /// Source: PsGetProcessExitTime.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn PsGetProcessExitTime() -> i64 {
        // SAFETY: the thread that runs exists.
        let process = unsafe { identity::of_thread(thread::current()) };
        // SAFETY: as long as its thread runs, the process exists.
        unsafe { &*process.cast::<Identity>() }.exit_time().cast_signed()
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// A thread's id.
    ///
    /// Source: PsGetThreadId.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn PsGetThreadId(thread: *mut Thread) -> u64 {
        // SAFETY: the caller's promise.
        unsafe { (*thread).id }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The id of a thread's process.
    ///
    /// Source: PsGetThreadProcessId.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn PsGetThreadProcessId(thread: *mut Thread) -> u64 {
        // SAFETY: the caller's promise.
        let process = unsafe { identity::of_thread(thread) };
        // SAFETY: a process outlives its threads.
        unsafe { (*process.cast::<Identity>()).id }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// How a thread ended; STATUS_PENDING as long as it has not.
    ///
    /// Source: PsGetThreadExitStatus.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn PsGetThreadExitStatus(thread: *mut Thread) -> NTSTATUS {
        let _guard = dispatcher::lock();
        // SAFETY: the caller's promise; the lock is held.
        unsafe { (*thread).exit_status }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// When a thread was made, in system time.
    ///
    /// Source: PsGetThreadCreateTime.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn PsGetThreadCreateTime(thread: *mut Thread) -> i64 {
        // SAFETY: the caller's promise.
        unsafe { (*thread).created.cast_signed() }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether a thread is one that only runs in kernel mode: the system's, or a driver's.
    ///
    /// Source: PsIsSystemThread.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn PsIsSystemThread(thread: *mut Thread) -> u8 {
        // SAFETY: the caller's promise; what is read never changes.
        let thread = unsafe { &*thread };
        u8::from(thread.process.is_null() || thread.driver_routine != 0)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether a thread is about to end, or has ended.
    ///
    /// Source: PsIsThreadTerminating.
    ///
    /// # Safety
    ///
    /// The thread exists.
    pub unsafe fn PsIsThreadTerminating(thread: *mut Thread) -> u8 {
        let _guard = dispatcher::lock();
        // SAFETY: the caller's promise; the lock is held.
        let thread = unsafe { &*thread };
        u8::from(thread.terminating || thread.state == State::Terminated)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The process that has an id, with a reference for the caller; STATUS_INVALID_CID if there
    /// is none.
    ///
    /// Source: PsLookupProcessByProcessId.
    ///
    /// # Safety
    ///
    /// `process` can be written.
    pub unsafe fn PsLookupProcessByProcessId(id: u64, process: *mut *mut c_void) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { look_up(id, Kind::Process, process, STATUS_INVALID_CID) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The thread that has an id, with a reference for the caller; STATUS_INVALID_PARAMETER if
    /// there is none.
    ///
    /// Source: PsLookupThreadByThreadId.
    ///
    /// # Safety
    ///
    /// `thread` can be written.
    pub unsafe fn PsLookupThreadByThreadId(id: u64, thread: *mut *mut Thread) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { look_up(id, Kind::Thread, thread.cast(), STATUS_INVALID_PARAMETER) }
    }
}
