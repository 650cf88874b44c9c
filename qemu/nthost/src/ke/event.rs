//! Events, mutexes and semaphores, and the routines that wait for them.
//!
//! Sources: KeInitializeEvent, KeSetEvent, KeResetEvent, KeClearEvent, KeReadStateEvent,
//! KeInitializeMutex, KeReleaseMutex, KeInitializeSemaphore, KeReleaseSemaphore,
//! KeWaitForSingleObject, KeWaitForMultipleObjects, KeDelayExecutionThread.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    ke::{DISPATCHER_HEADER, KEVENT, KMUTANT, KSEMAPHORE, LIST_ENTRY},
    status::{NTSTATUS, STATUS_INVALID_PARAMETER_1},
};

use super::{
    bugcheck, dispatcher, irql,
    thread::{self, Thread},
    time,
    wait::{self, WaitType, object},
};
use crate::export::DISPATCH_LEVEL;

/// Signal state of a mutex that is free.
const MUTANT_FREE: i32 = 1;

fn header(kind: u8, size: usize, state: i32) -> DISPATCHER_HEADER {
    DISPATCHER_HEADER {
        Type: kind,
        Signalling: 0,
        Size: (size / 4) as u8,
        Reserved1: 0,
        SignalState: state,
        WaitListHead: LIST_ENTRY {
            Flink: null_mut(),
            Blink: null_mut(),
        },
    }
}

/// Makes the header of an object that nobody waits for.
///
/// # Safety
///
/// It is memory for a header.
pub(super) unsafe fn initialize_header(
    at: *mut DISPATCHER_HEADER,
    kind: u8,
    size: usize,
    state: i32,
) {
    // SAFETY: the caller's promise.
    unsafe { at.write(header(kind, size, state)) };
    // SAFETY: as above.
    wait::initialize_list(unsafe { &raw mut (*at).WaitListHead });
}

/// Whether this thread could have the mutex: it is free, or the thread's already.
pub(super) fn mutant_available(object: *mut DISPATCHER_HEADER, thread: *mut Thread) -> bool {
    // SAFETY: the header is a mutex's, which begins with it; the dispatcher lock is held.
    let mutant = unsafe { &*object.cast::<KMUTANT>() };
    mutant.Header.SignalState == MUTANT_FREE || mutant.OwnerThread == thread.cast()
}

/// The thread gets the mutex.
pub(super) fn mutant_acquire(object: *mut DISPATCHER_HEADER, thread: *mut Thread) {
    // SAFETY: as above.
    let mutant = unsafe { &mut *object.cast::<KMUTANT>() };
    mutant.Header.SignalState -= 1;
    mutant.OwnerThread = thread.cast();
}

/// When a time-out is due, in interrupt time: negative is relative, else absolute system time.
///
/// # Safety
///
/// Null, or a time.
unsafe fn due(timeout: *const i64) -> Option<u64> {
    if timeout.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(due_at(unsafe { timeout.read() }))
}

/// See [`due`].
pub(super) fn due_at(timeout: i64) -> u64 {
    match timeout {
        0 => 0,
        relative if relative < 0 => time::interrupt_time() + relative.unsigned_abs(),
        absolute => absolute
            .unsigned_abs()
            .saturating_sub(time::system_time() - time::interrupt_time()),
    }
}

fn check_wait(due: Option<u64>) {
    // At DISPATCH_LEVEL only a wait that does not wait is allowed.
    if irql::current() >= DISPATCH_LEVEL && due != Some(0) {
        bugcheck::wait_at_raised_irql(irql::current());
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Makes a notification (0) or synchronization (1) event.
    ///
    /// Source: KeInitializeEvent.
    ///
    /// # Safety
    ///
    /// `event` is resident memory for an event.
    pub unsafe fn KeInitializeEvent(event: *mut KEVENT, kind: i32, state: u8) {
        let kind = if kind == 0 { object::NOTIFICATION_EVENT } else { object::SYNCHRONIZATION_EVENT };
        // SAFETY: the caller's promise.
        unsafe { initialize_header(event.cast(), kind, size_of::<KEVENT>(), i32::from(state != 0)) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Signals an event; gives its state before. With `wait`, the caller's next call is a wait,
    /// and the IRQL must be below DISPATCH_LEVEL; here the two are not one step.
    ///
    /// Source: KeSetEvent.
    ///
    /// # Safety
    ///
    /// It is an initialized event.
    pub unsafe fn KeSetEvent(event: *mut KEVENT, _increment: i32, _wait: u8) -> i32 {
        let mut guard = dispatcher::lock();
        wait::signal(&mut guard, event.cast(), 1)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes an event's signal back; gives its state before.
    ///
    /// Source: KeResetEvent.
    ///
    /// # Safety
    ///
    /// It is an initialized event.
    pub unsafe fn KeResetEvent(event: *mut KEVENT) -> i32 {
        let _guard = dispatcher::lock();
        // SAFETY: the caller's promise; the lock is held.
        let header = unsafe { &mut (*event).Header };
        core::mem::take(&mut header.SignalState)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes an event's signal back.
    ///
    /// Source: KeClearEvent.
    ///
    /// # Safety
    ///
    /// It is an initialized event.
    pub unsafe fn KeClearEvent(event: *mut KEVENT) {
        let _guard = dispatcher::lock();
        // SAFETY: the caller's promise; the lock is held.
        unsafe { (*event).Header.SignalState = 0 };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// An event's state.
    ///
    /// Source: KeReadStateEvent.
    ///
    /// # Safety
    ///
    /// It is an initialized event.
    pub unsafe fn KeReadStateEvent(event: *const KEVENT) -> i32 {
        // SAFETY: the caller's promise.
        let state = unsafe { &raw const (*event).Header.SignalState };
        // SAFETY: likewise; one word is read whole.
        unsafe { state.read_volatile() }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Makes a free mutex.
    ///
    /// Source: KeInitializeMutex.
    ///
    /// # Safety
    ///
    /// `mutex` is resident memory for a mutex.
    pub unsafe fn KeInitializeMutex(mutex: *mut KMUTANT, _level: u32) {
        let size = size_of::<KMUTANT>();
        // SAFETY: the caller's promise.
        unsafe { initialize_header(mutex.cast(), object::MUTANT, size, MUTANT_FREE) };
        // SAFETY: as above.
        unsafe { (*mutex).OwnerThread = null_mut() };
        // SAFETY: as above.
        unsafe { (*mutex).Abandoned = 0 };
        // SAFETY: as above.
        unsafe { (*mutex).ApcDisable = 1 };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Releases a mutex once; gives its state before. One that is not the caller's ends in the
    /// status STATUS_MUTANT_NOT_OWNED being raised.
    ///
    /// Source: KeReleaseMutex.
    ///
    /// # Safety
    ///
    /// It is an initialized mutex.
    pub unsafe fn KeReleaseMutex(mutex: *mut KMUTANT, _wait: u8) -> i32 {
        let mut guard = dispatcher::lock();
        // SAFETY: the caller's promise; the lock is held.
        let fields = unsafe { &mut *mutex };
        if fields.OwnerThread != thread::current().cast() {
            drop(guard);
            bugcheck::mutant_not_owned(mutex as u64);
        }
        let before = fields.Header.SignalState;
        fields.Header.SignalState += 1;
        if fields.Header.SignalState == MUTANT_FREE {
            fields.OwnerThread = null_mut();
            wait::wake(&mut guard, mutex.cast());
        }
        before
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Makes a semaphore.
    ///
    /// Source: KeInitializeSemaphore.
    ///
    /// # Safety
    ///
    /// `semaphore` is resident memory for a semaphore.
    pub unsafe fn KeInitializeSemaphore(semaphore: *mut KSEMAPHORE, count: i32, limit: i32) {
        let size = size_of::<KSEMAPHORE>();
        // SAFETY: the caller's promise.
        unsafe { initialize_header(semaphore.cast(), object::SEMAPHORE, size, count) };
        // SAFETY: as above.
        unsafe { (*semaphore).Limit = limit };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Raises a semaphore's count; gives the count before. Beyond the limit the status
    /// STATUS_SEMAPHORE_LIMIT_EXCEEDED is raised.
    ///
    /// Source: KeReleaseSemaphore.
    ///
    /// # Safety
    ///
    /// It is an initialized semaphore.
    pub unsafe fn KeReleaseSemaphore(
        semaphore: *mut KSEMAPHORE,
        _increment: i32,
        adjustment: i32,
        _wait: u8,
    ) -> i32 {
        let mut guard = dispatcher::lock();
        // SAFETY: the caller's promise; the lock is held.
        let fields = unsafe { &mut *semaphore };
        let before = fields.Header.SignalState;
        match before.checked_add(adjustment) {
            Some(after) if adjustment > 0 && after <= fields.Limit => {
                wait::signal(&mut guard, semaphore.cast(), after)
            }
            _ => {
                drop(guard);
                bugcheck::semaphore_limit(semaphore as u64)
            }
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Waits for an object, for a time. At DISPATCH_LEVEL only with a time of zero.
    ///
    /// Source: KeWaitForSingleObject.
    ///
    /// # Safety
    ///
    /// It is an initialized object that can be waited for.
    pub unsafe fn KeWaitForSingleObject(
        object: *mut c_void,
        _reason: i32,
        _mode: i8,
        _alertable: u8,
        timeout: *const i64,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let due = unsafe { due(timeout) };
        check_wait(due);
        // SAFETY: the caller's promise.
        unsafe { wait::wait(&[object.cast()], WaitType::Any, due) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Waits for all (0) or any (1) of several objects, for a time.
    ///
    /// Source: KeWaitForMultipleObjects.
    ///
    /// # Safety
    ///
    /// They are initialized objects that can be waited for.
    pub unsafe fn KeWaitForMultipleObjects(
        count: u32,
        objects: *const *mut c_void,
        kind: i32,
        _reason: i32,
        _mode: i8,
        _alertable: u8,
        timeout: *const i64,
        blocks: *mut c_void,
    ) -> NTSTATUS {
        let count = count as usize;
        // Without wait blocks of the caller's, a thread has THREAD_WAIT_OBJECTS (3) of its own.
        if count == 0 || count > wait::MAXIMUM_WAIT_OBJECTS || (blocks.is_null() && count > 3) {
            bugcheck::maximum_wait_objects_exceeded();
        }
        let kind = match kind {
            0 => WaitType::All,
            1 => WaitType::Any,
            _ => return STATUS_INVALID_PARAMETER_1,
        };
        // SAFETY: the caller's promise.
        let objects = unsafe { core::slice::from_raw_parts(objects.cast(), count) };
        // SAFETY: the caller's promise.
        let due = unsafe { due(timeout) };
        check_wait(due);
        // SAFETY: the caller's promise.
        unsafe { wait::wait(objects, kind, due) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Waits for a time.
    ///
    /// Source: KeDelayExecutionThread.
    ///
    /// # Safety
    ///
    /// `interval` is a time.
    pub unsafe fn KeDelayExecutionThread(
        _mode: i8,
        _alertable: u8,
        interval: *const i64,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let due = unsafe { due(interval) };
        // SAFETY: there are no objects.
        unsafe { wait::wait(&[], WaitType::Any, due) };
        nthost_nt::status::STATUS_SUCCESS
    }
}
