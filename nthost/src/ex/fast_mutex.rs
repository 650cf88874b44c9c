//! Fast mutexes, and guarded mutexes, which have the same form.
//!
//! The count is 1 for a free mutex; each thread that wants it takes 1 off, and waits for the
//! event unless it was free. Whoever releases a mutex that others wait for hands it on by
//! setting the event. A driver's own `ExInitializeFastMutex` is inlined, so the form is fixed.
//!
//! Sources: ExAcquireFastMutex, ExTryToAcquireFastMutex, ExReleaseFastMutex and their unsafe
//! counterparts, KeInitializeGuardedMutex, KeAcquireGuardedMutex, "Fast Mutexes and Guarded
//! Mutexes"; bug check 0xC4, subcodes 0x39, 0x3A, 0x1000, 0x1004 and 0x1007.

use core::{
    ptr::null_mut,
    sync::atomic::{AtomicI32, AtomicU32, Ordering},
};

use nthost_nt::ex::FAST_MUTEX;

use super::event;
use crate::{
    export::APC_LEVEL,
    hook,
    ke::{
        apc, irql,
        thread::{self, Thread},
    },
};

/// The count of a free mutex.
const FREE: i32 = 1;

fn count<'a>(mutex: *mut FAST_MUTEX) -> &'a AtomicI32 {
    // SAFETY: the caller's mutex; its count is only used through this.
    let place = unsafe { &raw mut (*mutex).Count };
    // SAFETY: as above.
    unsafe { AtomicI32::from_ptr(place) }
}

/// The mutex is the thread's now.
fn own(mutex: *mut FAST_MUTEX, before: u8) {
    // SAFETY: the caller's mutex, which it owns.
    unsafe { (*mutex).Owner = thread::current().cast() };
    // SAFETY: as above.
    unsafe { (*mutex).OldIrql = u32::from(before) };
    hook::mutex_taken(mutex as u64);
}

/// Takes a mutex, waiting for it. The caller has APCs held back.
fn acquire(mutex: *mut FAST_MUTEX, before: u8) {
    // SAFETY: the caller's mutex. Only the thread itself could have written its own address.
    let owner = unsafe { &raw const (*mutex).Owner };
    // SAFETY: as above.
    let owner = unsafe { owner.read_volatile() };
    if owner == thread::current().cast() {
        hook::fatal_misuse([0x1000, mutex as u64, 0, 0]);
    }
    hook::mutex_taking(mutex as u64);
    // Acquire: what the last owner wrote is seen. After a wait, the dispatcher lock sees to it.
    if count(mutex).fetch_sub(1, Ordering::Acquire) != FREE {
        // SAFETY: the caller's mutex.
        let contention = unsafe { &raw mut (*mutex).Contention };
        // SAFETY: as above.
        let contention = unsafe { AtomicU32::from_ptr(contention) };
        // Relaxed: it is a count for people alone.
        contention.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        let event = unsafe { &raw mut (*mutex).Event };
        // SAFETY: an initialized mutex has an initialized event.
        unsafe { event::wait(event) };
    }
    own(mutex, before);
}

fn try_acquire(mutex: *mut FAST_MUTEX, before: u8) -> bool {
    // Acquire as above; relaxed on failure: nothing is read.
    let taken = count(mutex)
        .compare_exchange(FREE, FREE - 1, Ordering::Acquire, Ordering::Relaxed)
        .is_ok();
    if taken {
        own(mutex, before);
    }
    taken
}

/// Releases a mutex; gives the IRQL that its owner had before.
fn release(mutex: *mut FAST_MUTEX) -> u8 {
    // SAFETY: the caller's mutex.
    let owner = unsafe { (*mutex).Owner };
    let current = thread::current();
    if count(mutex).load(Ordering::Relaxed) == FREE {
        // It stays free, and the IRQL is that of its last owner.
        hook::misuse([0x1007, mutex as u64, 0, 0]);
        // SAFETY: the caller's mutex.
        return unsafe { (*mutex).OldIrql } as u8;
    }
    if owner != current.cast() {
        hook::misuse([0x1004, mutex as u64, owner as u64, current as u64]);
    }
    hook::mutex_releasing(mutex as u64);
    // SAFETY: the thread owns the mutex.
    let before = unsafe { (*mutex).OldIrql } as u8;
    // SAFETY: as above.
    unsafe { (*mutex).Owner = null_mut() };
    // Release: the next owner sees what was written.
    if count(mutex).fetch_add(1, Ordering::Release) < FREE - 1 {
        // SAFETY: as above.
        let event = unsafe { &raw mut (*mutex).Event };
        // SAFETY: an initialized mutex has an initialized event.
        unsafe { event::set(event) };
    }
    before
}

/// Adds to what holds normal and special kernel APCs back.
fn guard_region(change: i32) {
    let thread: *mut Thread = thread::current();
    // SAFETY: the thread that runs; only it changes the field.
    unsafe { (*thread).special_apc_disable += change };
    if change > 0 {
        apc::may_come();
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a mutex, waiting for it, and raises to APC_LEVEL.
    ///
    /// Source: ExAcquireFastMutex.
    ///
    /// # Safety
    ///
    /// It is an initialized mutex.
    pub unsafe fn ExAcquireFastMutex(mutex: *mut FAST_MUTEX) {
        let before = irql::raise(APC_LEVEL);
        acquire(mutex, before);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a mutex if it is free, and raises to APC_LEVEL then.
    ///
    /// Source: ExTryToAcquireFastMutex.
    ///
    /// # Safety
    ///
    /// It is an initialized mutex.
    pub unsafe fn ExTryToAcquireFastMutex(mutex: *mut FAST_MUTEX) -> u8 {
        let before = irql::raise(APC_LEVEL);
        let taken = try_acquire(mutex, before);
        if !taken {
            irql::set(before);
        }
        u8::from(taken)
    }

    irql: APC_LEVEL..=APC_LEVEL;
    /// Releases a mutex, and lowers to the IRQL before it was taken.
    ///
    /// Source: ExReleaseFastMutex.
    ///
    /// # Safety
    ///
    /// The thread took it by ExAcquireFastMutex or ExTryToAcquireFastMutex.
    pub unsafe fn ExReleaseFastMutex(mutex: *mut FAST_MUTEX) {
        irql::set(release(mutex));
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a mutex, waiting for it. The caller has held APCs back: by APC_LEVEL, or by a
    /// critical region.
    ///
    /// Source: ExAcquireFastMutexUnsafe.
    ///
    /// # Safety
    ///
    /// It is an initialized mutex.
    pub unsafe fn ExAcquireFastMutexUnsafe(mutex: *mut FAST_MUTEX) {
        acquire(mutex, irql::current());
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Releases a mutex that ExAcquireFastMutexUnsafe took.
    ///
    /// Source: ExReleaseFastMutexUnsafe.
    ///
    /// # Safety
    ///
    /// The thread took it so.
    pub unsafe fn ExReleaseFastMutexUnsafe(mutex: *mut FAST_MUTEX) {
        release(mutex);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Makes a free guarded mutex.
    ///
    /// Source: KeInitializeGuardedMutex.
    ///
    /// # Safety
    ///
    /// It is resident memory for a mutex.
    pub unsafe fn KeInitializeGuardedMutex(mutex: *mut FAST_MUTEX) {
        let value = FAST_MUTEX {
            Count: FREE,
            Owner: null_mut(),
            Contention: 0,
            Event: event::new(),
            OldIrql: 0,
        };
        // SAFETY: the caller's promise.
        unsafe { mutex.write(value) };
        // SAFETY: as above.
        let event = unsafe { &raw mut (*mutex).Event };
        // SAFETY: as above.
        unsafe { event::initialize(event) };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Enters a guarded region and takes a mutex, waiting for it.
    ///
    /// Source: KeAcquireGuardedMutex.
    ///
    /// # Safety
    ///
    /// It is an initialized mutex.
    pub unsafe fn KeAcquireGuardedMutex(mutex: *mut FAST_MUTEX) {
        guard_region(-1);
        acquire(mutex, irql::current());
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a mutex if it is free, and enters a guarded region then.
    ///
    /// Source: KeTryToAcquireGuardedMutex.
    ///
    /// # Safety
    ///
    /// It is an initialized mutex.
    pub unsafe fn KeTryToAcquireGuardedMutex(mutex: *mut FAST_MUTEX) -> u8 {
        guard_region(-1);
        let taken = try_acquire(mutex, irql::current());
        if !taken {
            guard_region(1);
        }
        u8::from(taken)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Releases a mutex, and leaves the guarded region.
    ///
    /// Source: KeReleaseGuardedMutex.
    ///
    /// # Safety
    ///
    /// The thread took it by KeAcquireGuardedMutex or KeTryToAcquireGuardedMutex.
    pub unsafe fn KeReleaseGuardedMutex(mutex: *mut FAST_MUTEX) {
        release(mutex);
        guard_region(1);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a mutex within a guarded region of the caller's.
    ///
    /// Source: KeAcquireGuardedMutexUnsafe.
    ///
    /// # Safety
    ///
    /// It is an initialized mutex.
    pub unsafe fn KeAcquireGuardedMutexUnsafe(mutex: *mut FAST_MUTEX) {
        acquire(mutex, irql::current());
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Releases a mutex that KeAcquireGuardedMutexUnsafe took.
    ///
    /// Source: KeReleaseGuardedMutexUnsafe.
    ///
    /// # Safety
    ///
    /// The thread took it so.
    pub unsafe fn KeReleaseGuardedMutexUnsafe(mutex: *mut FAST_MUTEX) {
        release(mutex);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Holds all kernel APCs back.
    ///
    /// Source: KeEnterGuardedRegion.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeEnterGuardedRegion() {
        guard_region(-1);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Undoes KeEnterGuardedRegion.
    ///
    /// Source: KeLeaveGuardedRegion.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeLeaveGuardedRegion() {
        guard_region(1);
    }
}
