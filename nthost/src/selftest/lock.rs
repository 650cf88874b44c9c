//! Drivers' spin locks.

use alloc::{sync::Arc, vec::Vec};
use core::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    sync::atomic::{AtomicBool, Ordering},
};

use nthost_nt::ke::{KLOCK_QUEUE_HANDLE, KSPIN_LOCK};

use super::{Outcome, Test, ensure, ensure_eq, object::Worker};
use crate::{
    export::{DISPATCH_LEVEL, PASSIVE_LEVEL},
    ke::{
        dispatcher, irql, pcr,
        queued_lock::{KeAcquireInStackQueuedSpinLock, KeReleaseInStackQueuedSpinLock},
        spinlock::{
            self, KeAcquireSpinLockRaiseToDpc, KeInitializeSpinLock, KeReleaseSpinLock,
            KeReleaseSpinLockFromDpcLevel, KeTestSpinLock, KeTryToAcquireSpinLockAtDpcLevel,
        },
    },
};

/// The tests.
pub const TESTS: &[Test] = &[
    ("lock: a spin lock keeps processors apart", plain),
    ("lock: a queued spin lock keeps processors apart", queued),
    (
        "lock: a lock that is held cannot be had by trying",
        try_held,
    ),
    (
        "lock: acquiring raises the IRQL, and releasing restores it",
        levels,
    ),
];

/// A lock, and a number that only its holder changes.
struct Counter {
    lock: UnsafeCell<KSPIN_LOCK>,
    value: UnsafeCell<u64>,
    go: AtomicBool,
}

// SAFETY: the number is the lock's holder's; the lock is used through its routines.
unsafe impl Sync for Counter {}

impl Counter {
    fn new() -> Self {
        let counter = Self {
            lock: UnsafeCell::new(1),
            value: UnsafeCell::new(0),
            go: AtomicBool::new(false),
        };
        // SAFETY: memory for a lock.
        unsafe { KeInitializeSpinLock(counter.lock.get()) };
        counter
    }

    /// Adds one, slowly: two who do it at once lose one.
    fn add(&self) {
        // SAFETY: the lock is held.
        let before = unsafe { self.value.get().read_volatile() };
        for _ in 0..20 {
            core::hint::spin_loop();
        }
        // SAFETY: the lock is held.
        unsafe { self.value.get().write_volatile(before + 1) };
    }

    fn add_plain(&self) {
        // SAFETY: an initialized lock.
        let before = unsafe { KeAcquireSpinLockRaiseToDpc(self.lock.get()) };
        self.add();
        // SAFETY: it was taken above.
        unsafe { KeReleaseSpinLock(self.lock.get(), before) };
    }

    fn add_queued(&self) {
        let mut handle = MaybeUninit::<KLOCK_QUEUE_HANDLE>::uninit();
        // SAFETY: an initialized lock; the handle stays.
        unsafe { KeAcquireInStackQueuedSpinLock(self.lock.get(), handle.as_mut_ptr()) };
        self.add();
        // SAFETY: it was taken above.
        unsafe { KeReleaseInStackQueuedSpinLock(handle.as_mut_ptr()) };
    }
}

/// Has as many threads as there are processors, up to eight, add to one number.
fn contend(rounds: u64, add: fn(&Counter)) -> Outcome {
    let threads = u64::from(pcr::count().clamp(2, 8));
    let counter = Arc::new(Counter::new());
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let counter = counter.clone();
            Worker::new(move || {
                while !counter.go.load(Ordering::Acquire) {
                    dispatcher::yield_now();
                }
                for _ in 0..rounds {
                    add(&counter);
                }
            })
        })
        .collect();
    counter.go.store(true, Ordering::Release);
    drop(workers);
    // SAFETY: nobody else uses it any more.
    let value = unsafe { counter.value.get().read() };
    ensure_eq!(value, threads * rounds);
    ensure_eq!(spinlock::held(), 0);
    Ok(())
}

fn plain() -> Outcome {
    contend(500, Counter::add_plain)
}

fn queued() -> Outcome {
    // Fewer: each turn waits for one processor, which the emulator may not be running.
    contend(100, Counter::add_queued)
}

fn try_held() -> Outcome {
    let counter = Counter::new();
    let lock = counter.lock.get();
    // SAFETY: an initialized lock.
    let free = unsafe { KeTestSpinLock(lock) };
    // SAFETY: an initialized lock.
    let before = unsafe { KeAcquireSpinLockRaiseToDpc(lock) };
    // SAFETY: an initialized lock.
    let held = unsafe { KeTestSpinLock(lock) };
    // SAFETY: an initialized lock.
    let tried = unsafe { KeTryToAcquireSpinLockAtDpcLevel(lock) };
    // SAFETY: it was taken above; the IRQL stays raised.
    unsafe { KeReleaseSpinLockFromDpcLevel(lock) };
    // SAFETY: an initialized lock.
    let again = unsafe { KeTryToAcquireSpinLockAtDpcLevel(lock) };
    if again != 0 {
        // SAFETY: it was taken just now.
        unsafe { KeReleaseSpinLock(lock, before) };
    }
    ensure_eq!((free, held, tried, again), (1, 0, 0, 1));
    Ok(())
}

fn levels() -> Outcome {
    let counter = Counter::new();
    // SAFETY: an initialized lock.
    let before = unsafe { KeAcquireSpinLockRaiseToDpc(counter.lock.get()) };
    let within = irql::current();
    // SAFETY: it was taken above.
    unsafe { KeReleaseSpinLock(counter.lock.get(), before) };
    ensure_eq!((before, within), (PASSIVE_LEVEL, DISPATCH_LEVEL));
    ensure_eq!(irql::current(), PASSIVE_LEVEL);
    let mut handle = MaybeUninit::<KLOCK_QUEUE_HANDLE>::uninit();
    // SAFETY: an initialized lock; the handle stays.
    unsafe { KeAcquireInStackQueuedSpinLock(counter.lock.get(), handle.as_mut_ptr()) };
    let within = irql::current();
    // SAFETY: it was taken above.
    unsafe { KeReleaseInStackQueuedSpinLock(handle.as_mut_ptr()) };
    ensure_eq!(within, DISPATCH_LEVEL);
    ensure!(
        irql::current() == PASSIVE_LEVEL,
        "the IRQL was not restored"
    );
    Ok(())
}
