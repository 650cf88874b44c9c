//! Mutexes: objects that a thread owns, as often as it has waited for them.
//!
//! Sources: KeInitializeMutex, KeReleaseMutex, KeReadStateMutex, "Introduction to Mutex Objects".
//! An owner gets no normal kernel APCs; a thread that ends as an owner ends the system.

use core::ptr::null_mut;

use nthost_nt::{
    ke::{DISPATCHER_HEADER, KMUTANT},
    status::{STATUS_MUTANT_LIMIT_EXCEEDED, STATUS_MUTANT_NOT_OWNED},
};

use super::{
    event::initialize_header,
    exception, irql,
    thread::{self, Thread},
    wait::{self, object},
    wait_for,
};
use crate::{export::DISPATCH_LEVEL, hook};

/// Signal state of a mutex that is free.
const FREE: i32 = 1;

/// Whether this thread could have the mutex: it is free, or the thread's already.
pub(super) fn is_available(object: *mut DISPATCHER_HEADER, thread: *mut Thread) -> bool {
    // SAFETY: the header is a mutex's, which begins with it; the dispatcher lock is held.
    let mutant = unsafe { &*object.cast::<KMUTANT>() };
    mutant.Header.SignalState == FREE || mutant.OwnerThread == thread.cast()
}

/// The thread, which waits or runs, gets the mutex.
pub(super) fn acquire(object: *mut DISPATCHER_HEADER, thread: *mut Thread, at_dispatch: bool) {
    // SAFETY: as above.
    let mutant = unsafe { &mut *object.cast::<KMUTANT>() };
    let first = mutant.Header.SignalState == FREE;
    mutant.Header.SignalState -= 1;
    if !first {
        return;
    }
    mutant.OwnerThread = thread.cast();
    mutant.Header.Reserved1 = u8::from(at_dispatch);
    // SAFETY: the thread exists; the dispatcher lock is held.
    let owner = unsafe { &mut *thread };
    owner.kernel_apc_disable -= i32::from(mutant.ApcDisable);
    // SAFETY: the list of the thread's mutexes, which the dispatcher lock protects.
    unsafe { wait::insert_tail(&raw mut owner.mutants, &raw mut mutant.MutantListEntry) };
}

/// Gives a mutex back once, by the thread that owns it, at an IRQL that suits the one at which it
/// got it; `None` if it may not. Gives the state before.
fn release(mutex: *mut KMUTANT, wait_next: bool) -> Option<i32> {
    let level = irql::current();
    let mut guard = wait_for::lock(wait_next, DISPATCH_LEVEL);
    // SAFETY: the caller's mutex; the lock is held.
    let fields = unsafe { &mut *mutex };
    let at_dispatch = fields.Header.Reserved1 != 0;
    let thread = thread::current();
    if fields.OwnerThread != thread.cast() || at_dispatch != (level >= DISPATCH_LEVEL) {
        return None;
    }
    let before = fields.Header.SignalState;
    fields.Header.SignalState += 1;
    if fields.Header.SignalState == FREE {
        fields.OwnerThread = null_mut();
        // SAFETY: it is in the list of its owner's.
        unsafe { wait::remove(&raw mut fields.MutantListEntry) };
        // SAFETY: the thread that runs; the lock is held.
        unsafe { (*thread).kernel_apc_disable += i32::from(fields.ApcDisable) };
        hook::recursive_mutex_free(mutex as u64);
        wait::wake(&mut guard, mutex.cast(), 1);
    }
    Some(before)
}

/// The mutex that an object is, unless it is something else.
pub(super) fn of(object: *mut DISPATCHER_HEADER) -> Option<*mut KMUTANT> {
    // SAFETY: the caller's object; its type never changes.
    let kind = unsafe { (*object).Type };
    (kind == object::MUTANT).then_some(object.cast())
}

/// Whether the thread that runs owns a mutex.
fn is_mine(mutex: *mut KMUTANT) -> bool {
    // SAFETY: the caller's mutex.
    let owner = unsafe { &raw const (*mutex).OwnerThread };
    // SAFETY: as above. Only the thread itself could have written its own address.
    let owner = unsafe { owner.read_volatile() };
    owner == thread::current().cast()
}

/// The thread is about to wait for a mutex. One that it owns as often as can be counted has
/// STATUS_MUTANT_LIMIT_EXCEEDED raised.
///
/// Source: KeWaitForSingleObject.
pub(super) fn check_limit(mutex: *mut KMUTANT) {
    // SAFETY: the caller's mutex.
    let state = unsafe { &raw const (*mutex).Header.SignalState };
    // SAFETY: as above. As long as the thread owns it, nobody else writes it.
    if is_mine(mutex) && unsafe { state.read_volatile() } == i32::MIN {
        wait_for::withdraw();
        exception::raise(STATUS_MUTANT_LIMIT_EXCEEDED);
    }
}

/// The thread is about to wait for a mutex for as long as it takes: the order in which it takes
/// them is watched.
pub(super) fn wanted(mutex: *mut KMUTANT) {
    if !is_mine(mutex) {
        hook::mutex_taking(mutex as u64);
    }
}

/// A wait for a mutex is over, and may have given it to the thread.
pub(super) fn got(mutex: *mut KMUTANT) {
    if is_mine(mutex) {
        hook::recursive_mutex_taken(mutex as u64);
    }
}

nt_export! {
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
        unsafe { initialize_header(mutex.cast(), object::MUTANT, size, FREE) };
        // SAFETY: as above.
        unsafe { (*mutex).OwnerThread = null_mut() };
        // SAFETY: as above.
        unsafe { (*mutex).Abandoned = 0 };
        // SAFETY: as above.
        unsafe { (*mutex).ApcDisable = 1 };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// A mutex's state: 1 if it is free.
    ///
    /// Source: KeReadStateMutex.
    ///
    /// # Safety
    ///
    /// It is an initialized mutex.
    pub unsafe fn KeReadStateMutex(mutex: *const KMUTANT) -> i32 {
        // SAFETY: the caller's promise.
        let state = unsafe { &raw const (*mutex).Header.SignalState };
        // SAFETY: likewise; one word is read whole.
        unsafe { state.read_volatile() }
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Releases a mutex once; gives its state before: zero, if it is free now. One that is not
    /// the caller's, or was taken at another IRQL, has STATUS_MUTANT_NOT_OWNED raised. With
    /// `wait`, the IRQL stays raised up to the wait that must be the next call.
    ///
    /// Source: KeReleaseMutex.
    ///
    /// # Safety
    ///
    /// It is an initialized mutex.
    pub unsafe fn KeReleaseMutex(mutex: *mut KMUTANT, wait: u8) -> i32 {
        release(mutex, wait != 0)
            .unwrap_or_else(|| {
            wait_for::withdraw();
            exception::raise(STATUS_MUTANT_NOT_OWNED)
        })
    }
}
