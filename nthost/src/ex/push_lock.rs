//! Push locks: shared or exclusive, for threads.
//!
//! The lock is a word of the driver's, which may be pageable: what is known of a lock lies apart
//! from it, by its address, while somebody has it. It is given in the order in which it was asked
//! for, so that who asks for shared access waits behind who waits for exclusive.
//!
//! Sources: ExInitializePushLock, ExAcquirePushLockExclusive, ExAcquirePushLockShared,
//! ExReleasePushLockExclusive, ExReleasePushLockShared, which are macros for the routines with
//! flags; bug check 0xC4, subcodes 0xEA, 0xEB (APCs are enabled), 0x1000 (the thread has it
//! already) and 0x1004 (another one has it).

use alloc::collections::{BTreeMap, VecDeque};

use nthost_nt::ke::KEVENT;

use super::event;
use crate::{
    hook,
    ke::{lock::SpinLock, thread},
};

/// Who waits for a lock.
struct Waiter {
    thread: usize,
    exclusive: bool,
    event: *mut KEVENT,
}

// SAFETY: the waiter's event stays until it is set.
unsafe impl Send for Waiter {}

/// A lock that somebody has.
#[derive(Default)]
struct Held {
    /// The thread that has it for itself.
    owner: Option<usize>,
    /// How many share it otherwise.
    sharers: usize,
    waiters: VecDeque<Waiter>,
}

/// The locks that somebody has, by address. The dispatcher lock is taken while it is held.
static HELD: SpinLock<BTreeMap<usize, Held>> = SpinLock::new(BTreeMap::new());

/// How many threads wait for a lock.
#[must_use]
pub fn waiters(lock: *mut usize) -> usize {
    let locks = HELD.lock();
    locks.get(&lock.addr()).map_or(0, |held| held.waiters.len())
}

impl Held {
    /// Gives the lock to whoever can have it now.
    fn hand_on(&mut self) {
        while let Some(first) = self.waiters.front() {
            let free = self.owner.is_none() && (self.sharers == 0 || !first.exclusive);
            if !free {
                return;
            }
            if first.exclusive {
                self.owner = Some(first.thread);
            } else {
                self.sharers += 1;
            }
            // SAFETY: the waiter's event stays until it is set.
            unsafe { event::set(first.event) };
            self.waiters.pop_front();
        }
    }
}

fn acquire(lock: *mut usize, exclusive: bool) {
    let address = lock.addr();
    // SAFETY: the caller's lock: its page must be there, though nothing is kept in it.
    unsafe { lock.read_volatile() };
    let thread = thread::current().addr();
    let mut event = event::new();
    // SAFETY: it stays where it is until this routine returns.
    unsafe { event::initialize(&raw mut event) };
    let mut locks = HELD.lock();
    if locks
        .get(&address)
        .is_some_and(|held| held.owner == Some(thread))
    {
        drop(locks);
        // It waits for itself.
        hook::fatal_misuse([0x1000, address as u64, 0, 0]);
        locks = HELD.lock();
    }
    let held = locks.entry(address).or_default();
    held.waiters.push_back(Waiter {
        thread,
        exclusive,
        event: &raw mut event,
    });
    held.hand_on();
    drop(locks);
    // If it was free, the event is set already.
    // SAFETY: it is initialized.
    unsafe { event::wait(&raw mut event) };
}

fn release(lock: *mut usize, exclusive: Option<bool>) {
    let address = lock.addr();
    let thread = thread::current().addr();
    let mut locks = HELD.lock();
    let Some(held) = locks.get_mut(&address) else {
        drop(locks);
        // It stays free.
        return hook::misuse([0x1007, address as u64, 0, 0]);
    };
    match held.owner {
        Some(owner) if owner == thread && exclusive != Some(false) => held.owner = None,
        None if exclusive != Some(true) => held.sharers -= 1,
        owner => {
            drop(locks);
            let owner = owner.unwrap_or(0) as u64;
            hook::misuse([0x1004, address as u64, owner, thread as u64]);
            // A push lock does not know whose it is: it is released.
            locks = HELD.lock();
            let Some(held) = locks.get_mut(&address) else {
                return;
            };
            if held.owner.take().is_none() {
                held.sharers = held.sharers.saturating_sub(1);
            }
        }
    }
    let Some(held) = locks.get_mut(&address) else {
        return;
    };
    held.hand_on();
    if held.owner.is_none() && held.sharers == 0 {
        locks.remove(&address);
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Makes a lock that nobody has.
    ///
    /// Source: ExInitializePushLock.
    ///
    /// # Safety
    ///
    /// It is memory for a lock.
    pub unsafe fn ExInitializePushLock(lock: *mut usize) {
        HELD.lock().remove(&lock.addr());
        // SAFETY: the caller's promise.
        unsafe { lock.write(0) };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a lock for the thread alone, waiting for it. Normal kernel APCs are held back.
    ///
    /// Source: ExAcquirePushLockExclusive.
    ///
    /// # Safety
    ///
    /// It is an initialized lock.
    pub unsafe fn ExAcquirePushLockExclusiveEx(lock: *mut usize, _flags: u32) {
        acquire(lock, true);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Shares a lock, waiting for it. Normal kernel APCs are held back.
    ///
    /// Source: ExAcquirePushLockShared.
    ///
    /// # Safety
    ///
    /// It is an initialized lock.
    pub unsafe fn ExAcquirePushLockSharedEx(lock: *mut usize, _flags: u32) {
        acquire(lock, false);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Releases a lock that the thread has for itself.
    ///
    /// Source: ExReleasePushLockExclusive.
    ///
    /// # Safety
    ///
    /// The thread has it so.
    pub unsafe fn ExReleasePushLockExclusiveEx(lock: *mut usize, _flags: u32) {
        release(lock, Some(true));
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Releases a lock that the thread shares.
    ///
    /// Source: ExReleasePushLockShared.
    ///
    /// # Safety
    ///
    /// The thread shares it.
    pub unsafe fn ExReleasePushLockSharedEx(lock: *mut usize, _flags: u32) {
        release(lock, Some(false));
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Releases a lock, however the thread has it.
    ///
    /// Source: ExInitializePushLock, whose header names it.
    ///
    /// # Safety
    ///
    /// The thread has it.
    pub unsafe fn ExReleasePushLockEx(lock: *mut usize, _flags: u32) {
        release(lock, None);
    }
}
