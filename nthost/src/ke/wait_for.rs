//! The routines that drivers wait by, and what a signal has to do with the wait that it announces.
//!
//! Sources: KeWaitForSingleObject, KeWaitForMultipleObjects, KeWaitForMutexObject,
//! KeDelayExecutionThread; KeSetEvent on its `Wait` parameter.

use alloc::vec::Vec;
use core::ffi::c_void;

use nthost_nt::status::{NTSTATUS, STATUS_INVALID_PARAMETER_3, STATUS_SUCCESS, STATUS_TIMEOUT};

use super::{
    bugcheck,
    dispatcher::{self, Guard},
    irql, mutex, stack, thread, time,
    wait::{self, WaitMode, WaitType},
};
use crate::{export::DISPATCH_LEVEL, hook};

/// `UserMode`.
const USER_MODE: i8 = 1;
/// Objects that a thread can wait for without wait blocks of its caller's
/// (`THREAD_WAIT_OBJECTS`).
const THREAD_WAIT_OBJECTS: usize = 3;

/// When a time-out is due, in interrupt time: negative is relative, else absolute system time.
///
/// # Safety
///
/// Null, or a time.
pub(super) unsafe fn due(timeout: *const i64) -> Option<u64> {
    if timeout.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(due_at(unsafe { timeout.read_unaligned() }))
}

/// See [`due`].
#[must_use]
pub fn due_at(timeout: i64) -> u64 {
    match timeout {
        0 => 0,
        relative if relative < 0 => time::interrupt_time() + relative.unsigned_abs(),
        absolute => absolute
            .unsigned_abs()
            .saturating_sub(time::system_time() - time::interrupt_time()),
    }
}

/// Takes the dispatcher lock for a signal. If the caller says that a wait comes next, the IRQL,
/// which may be up to `highest` then, stays raised until that wait is over.
pub(super) fn lock(wait_next: bool, highest: u8) -> Guard {
    if wait_next {
        let before = irql::current();
        if before > highest {
            bugcheck::wait_at_raised_irql(before);
        }
        irql::set(DISPATCH_LEVEL);
        // SAFETY: the thread that runs, whose own field this is.
        unsafe { (*thread::current()).wait_next = Some(before) };
    }
    dispatcher::lock()
}

/// The signal that [`lock`] was taken for is not given after all: the IRQL is lowered.
pub(super) fn withdraw() {
    // SAFETY: the thread that runs, whose own field this is.
    if let Some(before) = unsafe { (*thread::current()).wait_next.take() } {
        irql::set(before);
    }
}

/// At DISPATCH_LEVEL only a wait that does not wait is allowed. The IRQL that counts is the one
/// before the signal that announced the wait.
pub(super) fn check_irql(due: Option<u64>, name: &'static str, arguments: &[u64]) {
    // SAFETY: the thread that runs, whose own field this is.
    let announced = unsafe { (*thread::current()).wait_next };
    let level = announced.unwrap_or_else(irql::current);
    if level >= DISPATCH_LEVEL && due != Some(0) {
        hook::wrong_irql(name, arguments);
        bugcheck::wait_at_raised_irql(level);
    }
}

/// A wait in the name of user mode lets the stack be paged out: nothing that is waited for may be
/// on it, unless the thread has it stay. Bug check 0xC4, subcode 0x123.
pub(super) fn check_place(wait_mode: i8, object: u64) {
    // SAFETY: the thread that runs exists.
    let resident = unsafe { (*thread::current()).stack_resident };
    if wait_mode == USER_MODE && !resident && stack::contains(object) {
        hook::misuse([0x123, object, 0, 0]);
    }
}

/// How a wait with these arguments of a routine's waits.
pub(super) const fn mode(mode: i8, alertable: u8) -> WaitMode {
    WaitMode {
        user: mode == USER_MODE,
        alertable: alertable != 0,
    }
}

nt_export! {
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
        wait_mode: i8,
        alertable: u8,
        timeout: *const i64,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let due = unsafe { due(timeout) };
        let words = [object as u64, 0, 0, 0, timeout as u64];
        check_irql(due, "KeWaitForSingleObject", &words);
        check_place(wait_mode, object as u64);
        // Found now: other objects may be gone when the wait is over.
        let mutex = mutex::of(object.cast());
        mutex.into_iter().for_each(mutex::check_limit);
        if due.is_none() {
            mutex.into_iter().for_each(mutex::wanted);
        }
        let mode = mode(wait_mode, alertable);
        // SAFETY: the caller's promise.
        let status = unsafe { wait::wait_in(&[object.cast()], WaitType::Any, due, mode) };
        mutex.into_iter().for_each(mutex::got);
        status
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As KeWaitForSingleObject.
    ///
    /// Source: KeWaitForMutexObject ("Waits and APCs").
    ///
    /// # Safety
    ///
    /// As KeWaitForSingleObject.
    pub unsafe fn KeWaitForMutexObject(
        object: *mut c_void,
        reason: i32,
        wait_mode: i8,
        alertable: u8,
        timeout: *const i64,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { KeWaitForSingleObject(object, reason, wait_mode, alertable, timeout) }
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
        wait_mode: i8,
        alertable: u8,
        timeout: *const i64,
        blocks: *mut c_void,
    ) -> NTSTATUS {
        let count = count as usize;
        let most = if blocks.is_null() { THREAD_WAIT_OBJECTS } else { wait::MAXIMUM_WAIT_OBJECTS };
        if count == 0 || count > most {
            bugcheck::maximum_wait_objects_exceeded();
        }
        let kind = match kind {
            0 => WaitType::All,
            1 => WaitType::Any,
            _ => return STATUS_INVALID_PARAMETER_3,
        };
        // SAFETY: the caller's promise.
        let objects = unsafe { core::slice::from_raw_parts(objects.cast(), count) };
        // SAFETY: the caller's promise.
        let due = unsafe { due(timeout) };
        let words = [0, objects.as_ptr() as u64, 0, 0, 0, 0, timeout as u64];
        check_irql(due, "KeWaitForMultipleObjects", &words);
        for &object in objects {
            check_place(wait_mode, object as u64);
            mutex::of(object).into_iter().for_each(mutex::check_limit);
        }
        // As above.
        #[expect(clippy::needless_collect, reason = "objects may be gone after the wait")]
        let mutexes: Vec<_> = objects.iter().filter_map(|&object| mutex::of(object)).collect();
        // SAFETY: the caller's promise.
        let status = unsafe { wait::wait_in(objects, kind, due, mode(wait_mode, alertable)) };
        mutexes.into_iter().for_each(mutex::got);
        status
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
        wait_mode: i8,
        alertable: u8,
        interval: *const i64,
    ) -> NTSTATUS {
        // Unlike a time-out, it has to be there.
        // SAFETY: the caller's promise.
        let due = Some(due_at(unsafe { interval.read_unaligned() }));
        if due == Some(0) {
            // A delay of no time lets others run.
            dispatcher::yield_now();
            return STATUS_SUCCESS;
        }
        let level = irql::current();
        if level >= DISPATCH_LEVEL {
            bugcheck::wait_at_raised_irql(level);
        }
        // SAFETY: there are no objects.
        let status = unsafe { wait::wait_in(&[], WaitType::Any, due, mode(wait_mode, alertable)) };
        if status == STATUS_TIMEOUT { STATUS_SUCCESS } else { status }
    }
}
