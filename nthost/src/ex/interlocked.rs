//! Lists and numbers that are changed under a spin lock of the driver's, at any IRQL.
//!
//! Interrupts are off while the lock is held, so that the lock serves every IRQL; a lock that is
//! used so must be used in no other way.
//!
//! Sources: ExInterlockedInsertHeadList, ExInterlockedInsertTailList,
//! ExInterlockedRemoveHeadList, ExInterlockedPopEntryList, ExInterlockedPushEntryList,
//! ExInterlockedAddLargeInteger, ExInterlockedAddUlong.

use core::ptr::null_mut;

use nthost_nt::ke::{KSPIN_LOCK, LIST_ENTRY, SINGLE_LIST_ENTRY};
use x86_64::instructions::interrupts;

use crate::ke::{
    bugcheck::{self, code},
    spinlock,
};

/// Does something with a lock held and interrupts off.
///
/// # Safety
///
/// It is an initialized lock.
unsafe fn with<T>(lock: *mut KSPIN_LOCK, operation: impl FnOnce() -> T) -> T {
    interrupts::without_interrupts(|| {
        // SAFETY: the caller's promise.
        unsafe { spinlock::acquire(lock) };
        let result = operation();
        // SAFETY: it was just acquired.
        unsafe { spinlock::release(lock) };
        result
    })
}

/// Links an entry in between two neighbours.
///
/// # Safety
///
/// The lock is held; the neighbours are such.
unsafe fn link(before: *mut LIST_ENTRY, entry: *mut LIST_ENTRY, next: *mut LIST_ENTRY) {
    // SAFETY: the caller's promise.
    let (back, forth) = (unsafe { (*next).Blink }, unsafe { (*before).Flink });
    if back != before || forth != next {
        corrupt(before);
    }
    // SAFETY: the caller's promise.
    unsafe {
        entry.write(LIST_ENTRY {
            Flink: next,
            Blink: before,
        });
    };
    // SAFETY: the caller's promise.
    unsafe { (*before).Flink = entry };
    // SAFETY: the caller's promise.
    unsafe { (*next).Blink = entry };
}

/// Bug check 0x139, 3: neighbours in a list do not point at each other.
fn corrupt(entry: *mut LIST_ENTRY) -> ! {
    bugcheck::bugcheck(code::KERNEL_SECURITY_CHECK_FAILURE, [3, entry as u64, 0, 0])
}

/// An entry, or null for the list's head itself.
fn unless_head(head: *mut LIST_ENTRY, entry: *mut LIST_ENTRY) -> *mut LIST_ENTRY {
    if entry == head { null_mut() } else { entry }
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Puts an entry first; gives the one that was first, or NULL.
    ///
    /// Source: ExInterlockedInsertHeadList.
    ///
    /// # Safety
    ///
    /// The list and the lock are resident and initialized; the entry is in no list.
    pub unsafe fn ExInterlockedInsertHeadList(
        head: *mut LIST_ENTRY,
        entry: *mut LIST_ENTRY,
        lock: *mut KSPIN_LOCK,
    ) -> *mut LIST_ENTRY {
        let insert = || {
            // SAFETY: the caller's promise.
            let first = unsafe { (*head).Flink };
            // SAFETY: the caller's promise.
            unsafe { link(head, entry, first) };
            unless_head(head, first)
        };
        // SAFETY: the caller's promise.
        unsafe { with(lock, insert) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Puts an entry last; gives the one that was last, or NULL.
    ///
    /// Source: ExInterlockedInsertTailList.
    ///
    /// # Safety
    ///
    /// The list and the lock are resident and initialized; the entry is in no list.
    pub unsafe fn ExInterlockedInsertTailList(
        head: *mut LIST_ENTRY,
        entry: *mut LIST_ENTRY,
        lock: *mut KSPIN_LOCK,
    ) -> *mut LIST_ENTRY {
        let insert = || {
            // SAFETY: the caller's promise.
            let last = unsafe { (*head).Blink };
            // SAFETY: the caller's promise.
            unsafe { link(last, entry, head) };
            unless_head(head, last)
        };
        // SAFETY: the caller's promise.
        unsafe { with(lock, insert) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Takes the first entry; NULL if there is none.
    ///
    /// Source: ExInterlockedRemoveHeadList.
    ///
    /// # Safety
    ///
    /// The list and the lock are resident and initialized.
    pub unsafe fn ExInterlockedRemoveHeadList(
        head: *mut LIST_ENTRY,
        lock: *mut KSPIN_LOCK,
    ) -> *mut LIST_ENTRY {
        let remove = || {
            // SAFETY: the caller's promise.
            let first = unsafe { (*head).Flink };
            if first == head {
                return null_mut();
            }
            // SAFETY: an entry of the list.
            let LIST_ENTRY { Flink: next, Blink: before } = unsafe { first.read() };
            // SAFETY: the entry's neighbour.
            if before != head || unsafe { (*next).Blink } != first {
                corrupt(first);
            }
            // SAFETY: the caller's promise.
            unsafe { (*head).Flink = next };
            // SAFETY: the entry's neighbour.
            unsafe { (*next).Blink = head };
            first
        };
        // SAFETY: the caller's promise.
        unsafe { with(lock, remove) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Takes the first entry of a singly linked list; NULL if there is none.
    ///
    /// Source: ExInterlockedPopEntryList.
    ///
    /// # Safety
    ///
    /// The list and the lock are resident and initialized.
    pub unsafe fn ExInterlockedPopEntryList(
        head: *mut SINGLE_LIST_ENTRY,
        lock: *mut KSPIN_LOCK,
    ) -> *mut SINGLE_LIST_ENTRY {
        let pop = || {
            // SAFETY: the caller's promise.
            let first = unsafe { (*head).Next };
            if !first.is_null() {
                // SAFETY: an entry of the list.
                let next = unsafe { (*first).Next };
                // SAFETY: the caller's promise.
                unsafe { (*head).Next = next };
            }
            first
        };
        // SAFETY: the caller's promise.
        unsafe { with(lock, pop) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Puts an entry first in a singly linked list; gives the one that was first, or NULL.
    ///
    /// Source: ExInterlockedPushEntryList.
    ///
    /// # Safety
    ///
    /// The list and the lock are resident and initialized; the entry is in no list.
    pub unsafe fn ExInterlockedPushEntryList(
        head: *mut SINGLE_LIST_ENTRY,
        entry: *mut SINGLE_LIST_ENTRY,
        lock: *mut KSPIN_LOCK,
    ) -> *mut SINGLE_LIST_ENTRY {
        let push = || {
            // SAFETY: the caller's promise.
            let first = unsafe { (*head).Next };
            // SAFETY: the caller's promise.
            unsafe { (*entry).Next = first };
            // SAFETY: the caller's promise.
            unsafe { (*head).Next = entry };
            first
        };
        // SAFETY: the caller's promise.
        unsafe { with(lock, push) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Adds to a 64-bit number; gives it as it was.
    ///
    /// Source: ExInterlockedAddLargeInteger.
    ///
    /// # Safety
    ///
    /// The number and the lock are resident, the lock is initialized.
    pub unsafe fn ExInterlockedAddLargeInteger(
        number: *mut i64,
        increment: i64,
        lock: *mut KSPIN_LOCK,
    ) -> i64 {
        let add = || {
            // SAFETY: the caller's promise.
            let before = unsafe { number.read() };
            // SAFETY: the caller's promise.
            unsafe { number.write(before.wrapping_add(increment)) };
            before
        };
        // SAFETY: the caller's promise.
        unsafe { with(lock, add) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Adds to a 32-bit number; gives it as it was.
    ///
    /// Source: ExInterlockedAddUlong.
    ///
    /// # Safety
    ///
    /// The number and the lock are resident, the lock is initialized.
    pub unsafe fn ExInterlockedAddUlong(
        number: *mut u32,
        increment: u32,
        lock: *mut KSPIN_LOCK,
    ) -> u32 {
        let add = || {
            // SAFETY: the caller's promise.
            let before = unsafe { number.read() };
            // SAFETY: the caller's promise.
            unsafe { number.write(before.wrapping_add(increment)) };
            before
        };
        // SAFETY: the caller's promise.
        unsafe { with(lock, add) }
    }
}
