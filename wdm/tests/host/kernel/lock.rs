//! Spin locks, raised levels and remove locks.

use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU64, Ordering};

use wdk_sys::{
    BOOLEAN, IO_REMOVE_LOCK, KIRQL, KSPIN_LOCK, NTSTATUS, PCSTR, PVOID, STATUS_DELETE_PENDING,
    STATUS_SUCCESS, ULONG,
};

use super::{DISPATCH_LEVEL, assert_at_most_dispatch, irql, set_irql};

fn try_take(lock: *mut KSPIN_LOCK) -> bool {
    // SAFETY: a spin lock of the caller's, which everybody reaches so.
    let lock = unsafe { AtomicU64::from_ptr(lock) };
    lock.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
        .is_ok()
}

fn give_back(lock: *mut KSPIN_LOCK) {
    // SAFETY: as above.
    let lock = unsafe { AtomicU64::from_ptr(lock) };
    assert_eq!(lock.swap(0, Ordering::Release), 1, "released once");
}

#[unsafe(no_mangle)]
extern "C" fn KeGetCurrentIrql() -> KIRQL {
    irql()
}

#[unsafe(no_mangle)]
extern "C" fn KfRaiseIrql(new: KIRQL) -> KIRQL {
    assert!(irql() <= new);
    set_irql(new)
}

#[unsafe(no_mangle)]
extern "C" fn KeLowerIrql(level: KIRQL) {
    assert!(level <= irql());
    set_irql(level);
}

#[unsafe(no_mangle)]
extern "C" fn KeAcquireSpinLockRaiseToDpc(lock: *mut KSPIN_LOCK) -> KIRQL {
    assert_at_most_dispatch();
    let old = set_irql(DISPATCH_LEVEL);
    while !try_take(lock) {
        std::thread::yield_now();
    }
    old
}

#[unsafe(no_mangle)]
extern "C" fn KeReleaseSpinLock(lock: *mut KSPIN_LOCK, old: KIRQL) {
    assert_eq!(irql(), DISPATCH_LEVEL);
    give_back(lock);
    set_irql(old);
}

#[unsafe(no_mangle)]
extern "C" fn KeAcquireSpinLockAtDpcLevel(lock: *mut KSPIN_LOCK) {
    assert_eq!(irql(), DISPATCH_LEVEL);
    while !try_take(lock) {
        std::thread::yield_now();
    }
}

#[unsafe(no_mangle)]
extern "C" fn KeReleaseSpinLockFromDpcLevel(lock: *mut KSPIN_LOCK) {
    assert_eq!(irql(), DISPATCH_LEVEL);
    give_back(lock);
}

#[unsafe(no_mangle)]
extern "C" fn KeTryToAcquireSpinLockAtDpcLevel(lock: *mut KSPIN_LOCK) -> BOOLEAN {
    assert_eq!(irql(), DISPATCH_LEVEL);
    try_take(lock).into()
}

/// The count of a remove lock, and whether a removal has begun.
fn parts<'a>(lock: *mut IO_REMOVE_LOCK) -> (&'a AtomicI32, &'a AtomicU8) {
    // SAFETY: a remove lock of the caller's; only addresses are formed.
    let (count, removed) = unsafe {
        (
            &raw mut (*lock).Common.IoCount,
            &raw mut (*lock).Common.Removed,
        )
    };
    // SAFETY: everybody reaches them so.
    unsafe { (AtomicI32::from_ptr(count), AtomicU8::from_ptr(removed)) }
}

#[unsafe(no_mangle)]
extern "C" fn IoInitializeRemoveLockEx(
    lock: *mut IO_REMOVE_LOCK,
    _tag: ULONG,
    _minutes: ULONG,
    _high: ULONG,
    _size: ULONG,
) {
    let (count, removed) = parts(lock);
    count.store(1, Ordering::Relaxed);
    removed.store(0, Ordering::Relaxed);
}

#[unsafe(no_mangle)]
extern "C" fn IoAcquireRemoveLockEx(
    lock: *mut IO_REMOVE_LOCK,
    _tag: PVOID,
    _file: PCSTR,
    _line: ULONG,
    _size: ULONG,
) -> NTSTATUS {
    let (count, removed) = parts(lock);
    count.fetch_add(1, Ordering::SeqCst);
    if removed.load(Ordering::SeqCst) == 0 {
        return STATUS_SUCCESS;
    }
    count.fetch_sub(1, Ordering::SeqCst);
    STATUS_DELETE_PENDING
}

#[unsafe(no_mangle)]
extern "C" fn IoReleaseRemoveLockEx(lock: *mut IO_REMOVE_LOCK, _tag: PVOID, _size: ULONG) {
    let (count, _) = parts(lock);
    assert!(count.fetch_sub(1, Ordering::SeqCst) > 0, "released once");
}

#[unsafe(no_mangle)]
extern "C" fn IoReleaseRemoveLockAndWaitEx(lock: *mut IO_REMOVE_LOCK, _tag: PVOID, _size: ULONG) {
    assert_eq!(irql(), 0);
    let (count, removed) = parts(lock);
    removed.store(1, Ordering::SeqCst);
    // The caller's own, and that of the lock itself.
    count.fetch_sub(2, Ordering::SeqCst);
    while count.load(Ordering::SeqCst) > 0 {
        std::thread::yield_now();
    }
}
