//! Pages that drivers have locked: they stay where they are, and stay what they are, even when
//! the process that they belong to is gone.

use alloc::collections::BTreeMap;

use super::phys;
use crate::ke::lock::HighLock;

#[derive(Clone, Copy, Default)]
struct Page {
    locks: u32,
    /// Its owner has given it back: the last to unlock it frees it.
    orphan: bool,
}

/// By physical address. A leaf among locks but for the allocator of pages.
static PAGES: HighLock<BTreeMap<u64, Page>> = HighLock::new(BTreeMap::new());

/// Locks a page once more.
pub fn lock(address: u64) {
    PAGES.lock().entry(address).or_default().locks += 1;
}

/// Unlocks a page once.
///
/// # Panics
///
/// If it is not locked: the caller keeps account.
pub fn unlock(address: u64) {
    let mut pages = PAGES.lock();
    let page = pages.get_mut(&address).expect("the page is locked");
    page.locks -= 1;
    if page.locks == 0 {
        let orphan = page.orphan;
        pages.remove(&address);
        drop(pages);
        if orphan {
            // SAFETY: its owner is gone, and nobody has it locked.
            unsafe { phys::free(address, 1) };
        }
    }
}

/// Whether somebody has a page locked.
#[must_use]
pub fn is_locked(address: u64) -> bool {
    PAGES.lock().contains_key(&address)
}

/// Frees a page of a process, now or when it is unlocked.
///
/// # Safety
///
/// The process does not use it any more.
pub unsafe fn free(address: u64) {
    if let Some(page) = PAGES.lock().get_mut(&address) {
        page.orphan = true;
        return;
    }
    // SAFETY: the caller's promise; nobody has it locked.
    unsafe { phys::free(address, 1) };
}
