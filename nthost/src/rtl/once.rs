//! What is initialized once.
//!
//! The word is zero before, and holds the result, with a bit set that says so, afterwards. In
//! between it says whether one initializes, and the others wait, or whether each tries for itself.
//!
//! Sources: RtlRunOnceInitialize, RtlRunOnceBeginInitialize, RtlRunOnceComplete,
//! RtlRunOnceExecuteOnce.

use alloc::vec::Vec;
use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicUsize, Ordering},
};

use nthost_nt::{
    ke::KEVENT,
    status::{
        NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_PENDING, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
    },
};

use crate::{
    ex::event,
    ke::{lock::SpinLock, thread},
};

/// The word's lowest bits: what it stands for.
const STATE: usize = 3;
const NOT_BEGUN: usize = 0;
const ONE_INITIALIZES: usize = 1;
const DONE: usize = 2;
const EACH_TRIES: usize = 3;

/// `RTL_RUN_ONCE_CHECK_ONLY`, `RTL_RUN_ONCE_ASYNC`, `RTL_RUN_ONCE_INIT_FAILED`.
const CHECK_ONLY: u32 = 1;
const ASYNC: u32 = 2;
const FAILED: u32 = 4;

/// Initializes; gives whether that went well.
type Initialize = unsafe extern "win64" fn(
    once: *mut usize,
    parameter: *mut c_void,
    context: *mut *mut c_void,
) -> u32;

/// Who waits for which word. Their events stay until they are set.
struct Waiting(Vec<(usize, *mut KEVENT)>);

// SAFETY: the events are set by others, and touched by nobody else.
unsafe impl Send for Waiting {}

/// Those who wait. All changes of a word are made with it held, so that none is missed; the
/// dispatcher lock is taken while it is held.
static WAITING: SpinLock<Waiting> = SpinLock::new(Waiting(Vec::new()));

fn word<'a>(once: *mut usize) -> &'a AtomicUsize {
    // SAFETY: the caller's, which is only used through these routines.
    unsafe { AtomicUsize::from_ptr(once) }
}

/// Begins, or waits for whoever has begun. If all is done, what came of it.
fn begin(once: *mut usize, flags: u32) -> Result<*mut c_void, NTSTATUS> {
    let (check, each) = (flags & CHECK_ONLY != 0, flags & ASYNC != 0);
    if flags & !(CHECK_ONLY | ASYNC) != 0 || (check && each) {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let word = word(once);
    loop {
        // A page that is not there must be met here, and not with the lock held.
        // Acquire: what was initialized is seen.
        if word.load(Ordering::Acquire) & STATE == DONE {
            let context = word.load(Ordering::Relaxed) & !STATE;
            return Ok(core::ptr::with_exposed_provenance_mut(context));
        }
        if check {
            return Err(STATUS_UNSUCCESSFUL);
        }
        let begun = if each { EACH_TRIES } else { ONE_INITIALIZES };
        let mut event = event::new();
        // SAFETY: it stays where it is until this turn of the loop is over.
        unsafe { event::initialize(&raw mut event) };
        let mut waiting = WAITING.lock();
        // Relaxed: the lock orders the changes.
        match word.load(Ordering::Relaxed) & STATE {
            NOT_BEGUN => {
                word.store(begun, Ordering::Relaxed);
                return Err(STATUS_PENDING);
            }
            EACH_TRIES if each => return Err(STATUS_PENDING),
            ONE_INITIALIZES if !each => waiting.0.push((once.addr(), &raw mut event)),
            DONE => continue,
            _ => return Err(STATUS_INVALID_PARAMETER),
        }
        drop(waiting);
        // SAFETY: it is initialized, and is set when the word changes.
        unsafe { event::wait(&raw mut event) };
    }
}

fn complete(once: *mut usize, flags: u32, context: usize) -> NTSTATUS {
    let (each, failed) = (flags & ASYNC != 0, flags & FAILED != 0);
    let wrong = flags & !(ASYNC | FAILED) != 0
        || (each && failed)
        || context & STATE != 0
        || (failed && context != 0);
    if wrong {
        return STATUS_INVALID_PARAMETER;
    }
    let word = word(once);
    // As above: the page is met here.
    let _ = word.load(Ordering::Relaxed);
    let mut waiting = WAITING.lock();
    let expected = if each { EACH_TRIES } else { ONE_INITIALIZES };
    if word.load(Ordering::Relaxed) & STATE != expected {
        return STATUS_UNSUCCESSFUL;
    }
    // Release: whoever sees the word sees what was initialized.
    word.store(
        if failed { NOT_BEGUN } else { context | DONE },
        Ordering::Release,
    );
    waiting.0.retain(|&(address, event)| {
        if address == once.addr() {
            // SAFETY: the waiter's event stays until it is set.
            unsafe { event::set(event) };
        }
        address != once.addr()
    });
    STATUS_SUCCESS
}

/// Hands the result out, if it is asked for.
///
/// # Safety
///
/// The place is null, or can be written.
unsafe fn give(place: *mut *mut c_void, context: *mut c_void) {
    if !place.is_null() {
        // SAFETY: the caller's promise.
        unsafe { place.write(context) };
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Nothing is initialized yet.
    ///
    /// Source: RtlRunOnceInitialize.
    ///
    /// # Safety
    ///
    /// It is memory for the word.
    pub unsafe fn RtlRunOnceInitialize(once: *mut usize) {
        // SAFETY: the caller's promise.
        unsafe { once.write(NOT_BEGUN) };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// STATUS_SUCCESS and the result, if all is done; STATUS_PENDING, if the caller is to
    /// initialize now.
    ///
    /// Source: RtlRunOnceBeginInitialize.
    ///
    /// # Safety
    ///
    /// The word is initialized; the context is null, or can be written.
    pub unsafe fn RtlRunOnceBeginInitialize(
        once: *mut usize,
        flags: u32,
        context: *mut *mut c_void,
    ) -> NTSTATUS {
        match begin(once, flags) {
            Ok(result) => {
                // SAFETY: the caller's promise.
                unsafe { give(context, result) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Ends what RtlRunOnceBeginInitialize began; STATUS_UNSUCCESSFUL if another was first.
    ///
    /// Source: RtlRunOnceComplete.
    ///
    /// # Safety
    ///
    /// The word is initialized.
    pub unsafe fn RtlRunOnceComplete(once: *mut usize, flags: u32, context: *mut c_void) -> NTSTATUS {
        complete(once, flags, context.expose_provenance())
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Calls a routine that initializes, unless one has done so; gives the result. Normal kernel
    /// APCs are held back meanwhile.
    ///
    /// Source: RtlRunOnceExecuteOnce.
    ///
    /// # Safety
    ///
    /// The word is initialized; the routine may be called so; the context is null, or can be
    /// written.
    pub unsafe fn RtlRunOnceExecuteOnce(
        once: *mut usize,
        initialize: Initialize,
        parameter: *mut c_void,
        context: *mut *mut c_void,
    ) -> NTSTATUS {
        let thread = thread::current();
        // SAFETY: the thread that runs; only it uses the field.
        unsafe { (*thread).kernel_apc_disable -= 1 };
        let mut result = null_mut();
        let status = match begin(once, 0) {
            Ok(done) => {
                result = done;
                STATUS_SUCCESS
            }
            Err(STATUS_PENDING) => {
                // SAFETY: the driver's own routine, with what it gave for it.
                let well = unsafe { initialize(once, parameter, &raw mut result) } != 0;
                if well {
                    complete(once, 0, result.expose_provenance())
                } else {
                    complete(once, FAILED, 0);
                    STATUS_UNSUCCESSFUL
                }
            }
            Err(status) => status,
        };
        // SAFETY: as above.
        unsafe { (*thread).kernel_apc_disable += 1 };
        if status == STATUS_SUCCESS {
            // SAFETY: the caller's promise.
            unsafe { give(context, result) };
        }
        status
    }
}
