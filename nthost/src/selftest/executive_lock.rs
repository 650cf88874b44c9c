//! Push locks, reader/writer spin locks, and run-down protection.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::{
    Outcome, Test, ensure, ensure_eq,
    object::{Event, Worker},
};
use crate::{
    ex::{
        cache_aware::{
            ExAcquireRundownProtectionCacheAware, ExAllocateCacheAwareRundownProtection,
            ExFreeCacheAwareRundownProtection, ExReInitializeRundownProtectionCacheAware,
            ExReleaseRundownProtectionCacheAware, ExWaitForRundownProtectionReleaseCacheAware,
        },
        push_lock::{
            ExAcquirePushLockExclusiveEx, ExAcquirePushLockSharedEx, ExInitializePushLock,
            ExReleasePushLockExclusiveEx, ExReleasePushLockSharedEx, waiters,
        },
        spin_lock::{
            ExAcquireSpinLockExclusive, ExAcquireSpinLockShared, ExReleaseSpinLockExclusive,
            ExReleaseSpinLockShared, ExTryConvertSharedSpinLockExclusive,
        },
    },
    export::{DISPATCH_LEVEL, PASSIVE_LEVEL},
    ke::{
        critical_region::{KeEnterCriticalRegion, KeLeaveCriticalRegion},
        dispatcher, irql,
    },
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "push lock: one thread alone, or several that share",
        push_lock,
    ),
    (
        "push lock: who shares waits behind who wants it alone",
        push_lock_order,
    ),
    (
        "push lock: nothing is lost between threads",
        push_lock_count,
    ),
    (
        "reader/writer spin lock: nothing is lost between processors",
        spin_lock_count,
    ),
    (
        "reader/writer spin lock: the only reader becomes a writer",
        spin_lock_convert,
    ),
    (
        "cache-aware run-down: the wait is over when the last is done",
        run_down,
    ),
];

/// A lock's word, and what it protects.
#[derive(Default)]
struct Shared {
    push: core::cell::UnsafeCell<usize>,
    spin: core::cell::UnsafeCell<u32>,
    value: core::cell::UnsafeCell<u64>,
}

// SAFETY: the locks' words are used by the routines alone, and the value under the locks.
unsafe impl Sync for Shared {}
// SAFETY: likewise.
unsafe impl Send for Shared {}

impl Shared {
    fn new() -> Arc<Self> {
        let shared = Arc::new(Self::default());
        // SAFETY: memory for a lock.
        unsafe { ExInitializePushLock(shared.push.get()) };
        shared
    }

    fn add(&self) {
        let value = self.value.get();
        // SAFETY: a lock is held that keeps others away.
        let before = unsafe { value.read_volatile() };
        // SAFETY: as above.
        unsafe { value.write_volatile(before + 1) };
    }
}

fn exclusive(lock: &Shared, operation: impl FnOnce()) {
    // SAFETY: the region is left below.
    unsafe { KeEnterCriticalRegion() };
    // SAFETY: an initialized lock.
    unsafe { ExAcquirePushLockExclusiveEx(lock.push.get(), 0) };
    operation();
    // SAFETY: it was just taken.
    unsafe { ExReleasePushLockExclusiveEx(lock.push.get(), 0) };
    // SAFETY: it was entered above.
    unsafe { KeLeaveCriticalRegion() };
}

fn shared(lock: &Shared, operation: impl FnOnce()) {
    // SAFETY: the region is left below.
    unsafe { KeEnterCriticalRegion() };
    // SAFETY: an initialized lock.
    unsafe { ExAcquirePushLockSharedEx(lock.push.get(), 0) };
    operation();
    // SAFETY: it was just taken.
    unsafe { ExReleasePushLockSharedEx(lock.push.get(), 0) };
    // SAFETY: it was entered above.
    unsafe { KeLeaveCriticalRegion() };
}

fn wait_for_waiters(lock: &Shared, count: usize) {
    while waiters(lock.push.get()) != count {
        dispatcher::yield_now();
    }
}

fn push_lock() -> Outcome {
    let lock = Shared::new();
    let inside = Arc::new(AtomicU32::new(0));
    let go = Arc::new(Event::notification());
    let workers = [0, 1].map(|_| {
        let (lock, inside, go) = (lock.clone(), inside.clone(), go.clone());
        Worker::new(move || {
            shared(&lock, || {
                inside.fetch_add(1, Ordering::AcqRel);
                go.wait(None);
            });
        })
    });
    // Both are in, or this would not end.
    while inside.load(Ordering::Acquire) != 2 {
        dispatcher::yield_now();
    }
    let alone = Arc::new(AtomicBool::new(false));
    let writer = {
        let (lock, alone) = (lock.clone(), alone.clone());
        Worker::new(move || exclusive(&lock, || alone.store(true, Ordering::Release)))
    };
    wait_for_waiters(&lock, 1);
    let early = alone.load(Ordering::Acquire);
    go.set();
    writer.join();
    ensure!(!early, "one has it alone while two share it");
    ensure!(alone.load(Ordering::Acquire), "nobody ever had it alone");
    drop(workers);
    Ok(())
}

fn push_lock_order() -> Outcome {
    let lock = Shared::new();
    let order = Arc::new(AtomicU32::new(0));
    let note = |order: &AtomicU32, digit: u32| {
        let before = order.load(Ordering::Acquire);
        order.store(before * 10 + digit, Ordering::Release);
    };
    let mut workers = alloc::vec::Vec::new();
    shared(&lock, || {
        for (digit, alone) in [(1, true), (2, false)] {
            let (own, order) = (lock.clone(), order.clone());
            workers.push(Worker::new(move || {
                if alone {
                    exclusive(&own, || note(&order, digit));
                } else {
                    shared(&own, || note(&order, digit));
                }
            }));
            wait_for_waiters(&lock, digit as usize);
        }
        note(&order, 3);
    });
    for worker in workers {
        worker.join();
    }
    ensure_eq!(order.load(Ordering::Acquire), 312);
    Ok(())
}

fn push_lock_count() -> Outcome {
    const ROUNDS: u64 = 300;
    let lock = Shared::new();
    let workers = [0, 1, 2].map(|_| {
        let lock = lock.clone();
        Worker::new(move || {
            for _ in 0..ROUNDS {
                exclusive(&lock, || lock.add());
            }
        })
    });
    drop(workers);
    // SAFETY: nobody else uses it any more.
    ensure_eq!(unsafe { lock.value.get().read() }, 3 * ROUNDS);
    Ok(())
}

fn spin_lock_count() -> Outcome {
    const ROUNDS: u64 = 2000;
    let lock = Shared::new();
    let torn = Arc::new(AtomicU32::new(0));
    let workers = [0, 1, 2].map(|number| {
        let (lock, torn) = (lock.clone(), torn.clone());
        Worker::new(move || {
            let spin = lock.spin.get();
            for _ in 0..ROUNDS {
                if number == 2 {
                    // SAFETY: a lock that was zero.
                    let before = unsafe { ExAcquireSpinLockShared(spin) };
                    // SAFETY: no writer is in.
                    let first = unsafe { lock.value.get().read_volatile() };
                    // SAFETY: as above.
                    let second = unsafe { lock.value.get().read_volatile() };
                    torn.fetch_add(u32::from(first != second), Ordering::Relaxed);
                    // SAFETY: it was just taken.
                    unsafe { ExReleaseSpinLockShared(spin, before) };
                } else {
                    // SAFETY: a lock that was zero.
                    let before = unsafe { ExAcquireSpinLockExclusive(spin) };
                    lock.add();
                    // SAFETY: it was just taken.
                    unsafe { ExReleaseSpinLockExclusive(spin, before) };
                }
            }
        })
    });
    drop(workers);
    // SAFETY: nobody else uses it any more.
    ensure_eq!(unsafe { lock.value.get().read() }, 2 * ROUNDS);
    ensure_eq!(torn.load(Ordering::Relaxed), 0);
    // SAFETY: as above.
    ensure_eq!(unsafe { lock.spin.get().read() }, 0);
    Ok(())
}

fn spin_lock_convert() -> Outcome {
    let mut lock = 0_u32;
    let lock = &raw mut lock;
    // SAFETY: a lock that was zero.
    let before = unsafe { ExAcquireSpinLockShared(lock) };
    ensure_eq!((before, irql::current()), (PASSIVE_LEVEL, DISPATCH_LEVEL));
    // SAFETY: a second reader, at the same time.
    let again = unsafe { ExAcquireSpinLockShared(lock) };
    // SAFETY: it is taken as a reader.
    let two = unsafe { ExTryConvertSharedSpinLockExclusive(lock) };
    // SAFETY: the second reader's.
    unsafe { ExReleaseSpinLockShared(lock, again) };
    // SAFETY: it is taken as a reader.
    let one = unsafe { ExTryConvertSharedSpinLockExclusive(lock) };
    if one == 0 {
        // SAFETY: still a reader's.
        unsafe { ExReleaseSpinLockShared(lock, before) };
    } else {
        // SAFETY: it was converted.
        unsafe { ExReleaseSpinLockExclusive(lock, before) };
    }
    ensure_eq!((two, one), (0, 1));
    ensure_eq!(irql::current(), PASSIVE_LEVEL);
    Ok(())
}

fn run_down() -> Outcome {
    // SAFETY: no preconditions.
    let reference = unsafe { ExAllocateCacheAwareRundownProtection(512, 0x7472_7563) };
    ensure!(!reference.is_null(), "there is no memory");
    let address = reference.expose_provenance();
    // SAFETY: an initialized reference.
    let granted = unsafe { ExAcquireRundownProtectionCacheAware(reference) };
    ensure_eq!(granted, 1);
    let done = Arc::new(AtomicBool::new(false));
    let waiter = {
        let done = done.clone();
        Worker::new(move || {
            let reference = core::ptr::with_exposed_provenance_mut(address);
            // SAFETY: as above.
            unsafe { ExWaitForRundownProtectionReleaseCacheAware(reference) };
            done.store(true, Ordering::Release);
        })
    };
    // SAFETY: as above; protection is granted until the run-down begins.
    while unsafe { ExAcquireRundownProtectionCacheAware(reference) } != 0 {
        // SAFETY: it was just granted.
        unsafe { ExReleaseRundownProtectionCacheAware(reference) };
        dispatcher::yield_now();
    }
    let early = done.load(Ordering::Acquire);
    // SAFETY: granted above.
    unsafe { ExReleaseRundownProtectionCacheAware(reference) };
    waiter.join();
    ensure!(!early, "the wait was over before the last was done");
    // SAFETY: it is run down.
    unsafe { ExReInitializeRundownProtectionCacheAware(reference) };
    // SAFETY: as above.
    let granted = unsafe { ExAcquireRundownProtectionCacheAware(reference) };
    ensure_eq!(granted, 1);
    // SAFETY: granted just now.
    unsafe { ExReleaseRundownProtectionCacheAware(reference) };
    // SAFETY: nobody uses it any more.
    unsafe { ExFreeCacheAwareRundownProtection(reference) };
    Ok(())
}
