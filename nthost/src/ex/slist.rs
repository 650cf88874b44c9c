//! Sequenced singly linked lists.
//!
//! NT changes such a list's header by one interlocked instruction, and copes with an entry that
//! is freed under a pop by a special case of its page-fault handler. Here one lock stands for
//! all lists: the header has the documented form, which drivers read the depth from, and is
//! changed by these routines alone.
//!
//! Sources: InitializeSListHead, ExInterlockedPopEntrySList, ExInterlockedPushEntrySList,
//! ExInterlockedFlushSList, ExQueryDepthSList, "Singly and Doubly Linked Lists".

use core::ptr::null_mut;

use nthost_nt::{
    ke::{SINGLE_LIST_ENTRY, SLIST_HEADER},
    status::STATUS_DATATYPE_MISALIGNMENT,
};

use crate::ke::{exception, lock::HighLock};

/// Headers and entries are aligned so (`MEMORY_ALLOCATION_ALIGNMENT`).
const ALIGNMENT: u64 = 16;

/// Protects every list.
static LISTS: HighLock<()> = HighLock::new(());

/// The header after an entry went in or out.
const fn changed(header: SLIST_HEADER, depth: u16, first: u64) -> SLIST_HEADER {
    let sequence = (header.Alignment >> 16).wrapping_add(1);
    SLIST_HEADER {
        Alignment: sequence << 16 | depth as u64,
        Region: first,
    }
}

const fn depth(header: SLIST_HEADER) -> u16 {
    header.Alignment as u16
}

/// Takes the first entry; null if there is none.
///
/// # Safety
///
/// It is an initialized list of entries that exist.
pub unsafe fn pop(list: *mut SLIST_HEADER) -> *mut SINGLE_LIST_ENTRY {
    let guard = LISTS.lock();
    // SAFETY: the caller's promise.
    let header = unsafe { list.read() };
    let entry = core::ptr::with_exposed_provenance_mut::<SINGLE_LIST_ENTRY>(header.Region as usize);
    if entry.is_null() {
        return null_mut();
    }
    // SAFETY: an entry of a list exists.
    let next = unsafe { (*entry).Next } as u64;
    // SAFETY: the caller's promise; the lock is held.
    unsafe { list.write(changed(header, depth(header).wrapping_sub(1), next)) };
    drop(guard);
    entry
}

/// Puts an entry first; gives the one that was first.
///
/// # Safety
///
/// It is an initialized list; the entry is in none, and aligned.
pub unsafe fn push(
    list: *mut SLIST_HEADER,
    entry: *mut SINGLE_LIST_ENTRY,
) -> *mut SINGLE_LIST_ENTRY {
    let guard = LISTS.lock();
    // SAFETY: the caller's promise.
    let header = unsafe { list.read() };
    let first = core::ptr::with_exposed_provenance_mut::<SINGLE_LIST_ENTRY>(header.Region as usize);
    // SAFETY: the caller's promise.
    unsafe { (*entry).Next = first };
    // SAFETY: the caller's promise; the lock is held.
    unsafe { list.write(changed(header, depth(header).wrapping_add(1), entry as u64)) };
    drop(guard);
    first
}

/// How many entries a list has, modulo 65536.
///
/// # Safety
///
/// It is an initialized list.
#[must_use]
pub unsafe fn count(list: *const SLIST_HEADER) -> u16 {
    // The depth is in one word, which is read whole.
    // SAFETY: the caller's promise.
    let word = unsafe { &raw const (*list).Alignment };
    let header = SLIST_HEADER {
        // SAFETY: as above.
        Alignment: unsafe { word.read_volatile() },
        Region: 0,
    };
    depth(header)
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Makes an empty list; raises STATUS_DATATYPE_MISALIGNMENT for a header that is not
    /// aligned to 16 bytes.
    ///
    /// Source: InitializeSListHead.
    ///
    /// # Safety
    ///
    /// It is resident memory for a header.
    pub unsafe fn InitializeSListHead(
        list: *mut SLIST_HEADER
    ) {
        if !(list as u64).is_multiple_of(ALIGNMENT) {
            exception::raise(STATUS_DATATYPE_MISALIGNMENT);
        }
        // SAFETY: the caller's promise.
        unsafe { list.write(SLIST_HEADER { Alignment: 0, Region: 0 }) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Puts an entry first, and gives the one that was first. One that is not aligned to 16
    /// bytes could not be told from the header's flags: STATUS_DATATYPE_MISALIGNMENT is raised.
    ///
    /// Source: ExInterlockedPushEntrySList.
    ///
    /// # Safety
    ///
    /// It is an initialized list; the entry is resident and in none.
    pub unsafe fn ExpInterlockedPushEntrySList(
        list: *mut SLIST_HEADER, entry: *mut SINGLE_LIST_ENTRY
    ) -> *mut SINGLE_LIST_ENTRY {
        if !(entry as u64).is_multiple_of(ALIGNMENT) {
            exception::raise(STATUS_DATATYPE_MISALIGNMENT);
        }
        // SAFETY: the caller's promise.
        unsafe { push(list, entry) }
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Takes the first entry; NULL if there is none.
    ///
    /// Source: ExInterlockedPopEntrySList.
    ///
    /// # Safety
    ///
    /// It is an initialized list.
    pub unsafe fn ExpInterlockedPopEntrySList(
        list: *mut SLIST_HEADER,
    ) -> *mut SINGLE_LIST_ENTRY {
        // SAFETY: the caller's promise.
        unsafe { pop(list) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Takes all entries; gives the first of them.
    ///
    /// Source: ExInterlockedFlushSList.
    ///
    /// # Safety
    ///
    /// It is an initialized list.
    pub unsafe fn ExpInterlockedFlushSList(
        list: *mut SLIST_HEADER,
    ) -> *mut SINGLE_LIST_ENTRY {
        let guard = LISTS.lock();
        // SAFETY: the caller's promise.
        let header = unsafe { list.read() };
        // SAFETY: the caller's promise; the lock is held.
        unsafe { list.write(changed(header, 0, 0)) };
        drop(guard);
        core::ptr::with_exposed_provenance_mut(header.Region as usize)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// How many entries a list has.
    ///
    /// Source: ExQueryDepthSList.
    ///
    /// # Safety
    ///
    /// It is an initialized list.
    pub unsafe fn ExQueryDepthSList(list: *const SLIST_HEADER) -> u16 {
        // SAFETY: the caller's promise.
        unsafe { count(list) }
    }
}
