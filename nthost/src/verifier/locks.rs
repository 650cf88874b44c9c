//! Which spin locks each processor and which mutexes, fast or not, each thread holds, and whether these
//! are taken and released in an order that cannot end in a deadlock.
//!
//! Locks on a thread's stack are not watched: what is there next is another lock.
//!
//! Sources: "Deadlock Detection" of Driver Verifier; bug check 0xC4, subcodes 0x1001, 0x1003 and
//! 0x100B.

use alloc::{collections::BTreeMap, vec::Vec};

use nthost_protocol::manifest::VerifierOption;

use super::{found, is_on, lock_order::Order};
use crate::ke::{
    bugcheck::code,
    lock::HighLock,
    pcr::{self, MAXIMUM_PROCESSORS},
    stack, thread,
};

/// The spin locks that each processor holds, outermost first.
static SPIN_LOCKS: [HighLock<Vec<u64>>; MAXIMUM_PROCESSORS] =
    [const { HighLock::new(Vec::new()) }; MAXIMUM_PROCESSORS];
/// The fast mutexes that each thread holds, outermost first.
static MUTEXES: HighLock<BTreeMap<u64, Vec<u64>>> = HighLock::new(BTreeMap::new());
/// In which order locks were taken. A leaf.
static ORDER: HighLock<Order> = HighLock::new(Order::new());

fn violation(parameters: [u64; 4]) {
    found::report(code::DRIVER_VERIFIER_DETECTED_VIOLATION, parameters);
}

fn is_watched(lock: u64) -> bool {
    if !is_on(VerifierOption::DeadlockDetection) {
        return false;
    }
    !thread::current().is_null() && !stack::contains(lock)
}

fn mine() -> &'static HighLock<Vec<u64>> {
    &SPIN_LOCKS[pcr::current().number as usize]
}

fn check_order(lock: u64, held: &[u64]) {
    if held.is_empty() {
        return;
    }
    let taken = ORDER.lock().take(lock, held);
    if let Err(path) = taken {
        for pair in path.windows(2) {
            log!(
                "verifier",
                "lock {:#x} was taken while {:#x} was held",
                pair[1],
                pair[0]
            );
        }
        if let Some(outer) = path.last() {
            log!(
                "verifier",
                "lock {lock:#x} is taken while {outer:#x} is held"
            );
        }
        // Bug check 0xC4, 0x1001: the lock that closes the loop.
        violation([0x1001, lock, 0, 0]);
    }
}

fn remove(held: &mut Vec<u64>, lock: u64) -> Option<u64> {
    let index = held.iter().rposition(|&other| other == lock)?;
    let inner = held.get(index + 1).copied();
    held.remove(index);
    inner
}

fn check_released(lock: u64, inner: Option<u64>) {
    if let Some(inner) = inner {
        // Bug check 0xC4, 0x1003: the lock, and that which is to be released first.
        violation([0x1003, lock, inner, 0]);
    }
}

/// A spin lock is about to be taken, at DISPATCH_LEVEL or above.
pub fn taking(lock: u64) {
    if is_watched(lock) {
        let held = mine().lock().clone();
        check_order(lock, &held);
    }
}

/// A spin lock was taken by this processor.
pub fn taken(lock: u64) {
    if is_watched(lock) {
        mine().lock().push(lock);
    }
}

/// A spin lock is about to be released by this processor.
pub fn releasing(lock: u64) {
    if is_watched(lock) {
        let inner = remove(&mut mine().lock(), lock);
        check_released(lock, inner);
    }
}

/// A driver is about to complete an IRP. Completion routines of other drivers run then, and the driver
/// that is told may send the next IRP at once: into the same lock.
///
/// Source: IoCompleteRequest ("Remarks").
pub fn completing() {
    if !is_on(VerifierOption::DeadlockDetection) {
        return;
    }
    let lock = mine().lock().last().copied();
    if let Some(lock) = lock {
        found::warn(
            "completes an IRP with a spin lock held",
            format_args!("lock {lock:#x}"),
        );
    }
}

fn me() -> u64 {
    thread::current() as u64
}

/// A fast mutex is about to be taken by this thread, which may wait for it.
pub fn taking_mutex(mutex: u64) {
    if is_watched(mutex) {
        let held = MUTEXES.lock().get(&me()).cloned();
        check_order(mutex, &held.unwrap_or_default());
    }
}

/// A fast mutex was taken by this thread.
pub fn taken_mutex(mutex: u64) {
    if is_watched(mutex) {
        MUTEXES.lock().entry(me()).or_default().push(mutex);
    }
}

/// A fast mutex is about to be released by this thread.
pub fn releasing_mutex(mutex: u64) {
    if !is_watched(mutex) {
        return;
    }
    let mut all = MUTEXES.lock();
    let Some(held) = all.get_mut(&me()) else {
        return;
    };
    let inner = remove(held, mutex);
    if held.is_empty() {
        all.remove(&me());
    }
    drop(all);
    check_released(mutex, inner);
}

/// A mutex that its owner may take again was taken by this thread.
pub fn taken_recursive_mutex(mutex: u64) {
    if is_watched(mutex) {
        let mut all = MUTEXES.lock();
        let held = all.entry(me()).or_default();
        if !held.contains(&mutex) {
            held.push(mutex);
        }
    }
}

/// A mutex that its owner may take again is free now. Waits may have given several at once: they
/// have no order in which they are to be released.
pub fn released_recursive_mutex(mutex: u64) {
    if !is_watched(mutex) {
        return;
    }
    let mut all = MUTEXES.lock();
    if let Some(held) = all.get_mut(&me()) {
        remove(held, mutex);
        if held.is_empty() {
            all.remove(&me());
        }
    }
}

/// Memory is freed: nobody may hold a lock in it. One that is found there is held no more.
pub fn freed(address: u64, size: u64) {
    if !is_on(VerifierOption::DeadlockDetection) {
        return;
    }
    let range = address..address + size;
    let find = |held: &mut Vec<u64>| {
        let index = held.iter().position(|lock| range.contains(lock))?;
        Some(held.remove(index))
    };
    let processors = pcr::all().map(|pcr| pcr.number as usize);
    for held in processors.filter_map(|number| SPIN_LOCKS.get(number)) {
        // The processor's list is not locked while it is told.
        let lock = find(&mut held.lock());
        if let Some(lock) = lock {
            violation([0x100b, lock, 0, 0]);
        }
    }
    let mut mutexes = MUTEXES.lock();
    let mut owned = mutexes.iter_mut();
    let owned = owned.find_map(|(&owner, held)| Some((owner, find(held)?)));
    drop(mutexes);
    if let Some((owner, lock)) = owned {
        violation([0x100b, lock, owner, 0]);
    }
    ORDER.lock().forget(&range);
}
