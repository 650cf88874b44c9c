//! Pageable memory, which nothing ever writes to a disk: that it may be touched below
//! DISPATCH_LEVEL alone is checked by taking it away whenever a driver raises the IRQL that far,
//! and giving it back at the page fault of whoever touches it below.
//!
//! Other processors may remember for a while what was taken away; they see the same memory.
//!
//! Source: "Force IRQL Checking" of Driver Verifier.

use alloc::{collections::BTreeMap, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};

use super::{
    PAGE_SIZE,
    paging::{self, Access},
};
use crate::{hook, ke::lock::HighLock};

/// What is known of a page.
#[derive(Clone, Copy, Debug)]
struct Page {
    frame: u64,
    /// It is mapped; else it was taken away.
    resident: bool,
    /// How often it is locked: as long as it is, it stays.
    locks: u32,
}

#[derive(Debug)]
struct Range {
    access: Access,
    pages: Vec<Page>,
}

/// By first address. The page tables' lock is taken while it is held.
static RANGES: HighLock<BTreeMap<u64, Range>> = HighLock::new(BTreeMap::new());
/// Whether there may be a page to take away.
static RESIDENT: AtomicBool = AtomicBool::new(false);

/// These pages are mapped at an address, and pageable from here on; `false` if they were before,
/// or nobody looks.
pub fn add(base: u64, frames: &[u64], access: Access) -> bool {
    if !hook::takes_pageable_away() {
        return false;
    }
    let pages = frames.iter().map(|&frame| Page {
        frame,
        resident: true,
        locks: 0,
    });
    let pages = pages.collect();
    let range = Range { access, pages };
    let mut ranges = RANGES.lock();
    let is_new = !ranges.contains_key(&base);
    if is_new {
        ranges.insert(base, range);
    }
    drop(ranges);
    // Release: whoever sees it finds the range.
    RESIDENT.store(true, Ordering::Release);
    is_new
}

/// Whether an address is in pageable memory that is not locked. Nothing is, unless that is checked.
#[must_use]
pub fn contains(address: u64) -> bool {
    let ranges = RANGES.lock();
    let before = ranges.range(..=address).next_back();
    before.is_some_and(|(base, range)| {
        let page = range.pages.get(((address - base) / PAGE_SIZE) as usize);
        page.is_some_and(|page| page.locks == 0)
    })
}

/// The pages that were added at an address are about to be unmapped: whether they are there or
/// not is nobody's business any more.
pub fn remove(base: u64) {
    RANGES.lock().remove(&base);
}

/// The IRQL has been raised to DISPATCH_LEVEL or above by a driver: nothing pageable is there.
#[inline]
pub fn trim() {
    // Relaxed: a page that comes back meanwhile says so afterwards.
    if RESIDENT.load(Ordering::Relaxed) {
        trim_all();
    }
}

fn trim_all() {
    // Acquire: the range is found.
    if !RESIDENT.swap(false, Ordering::Acquire) {
        return;
    }
    for (&base, range) in RANGES.lock().iter_mut() {
        for (index, page) in range.pages.iter_mut().enumerate() {
            if page.resident && page.locks == 0 {
                page.resident = false;
                // SAFETY: whoever uses it below DISPATCH_LEVEL gets it back, and nobody else
                // may use it.
                let _ = unsafe { paging::unmap(base + index as u64 * PAGE_SIZE) };
            }
        }
    }
}

fn with_page<T>(address: u64, visit: impl FnOnce(u64, Access, &mut Page) -> T) -> Option<T> {
    let mut ranges = RANGES.lock();
    let (&base, range) = ranges.range_mut(..=address).next_back()?;
    let access = range.access;
    let page = range
        .pages
        .get_mut(((address - base) / PAGE_SIZE) as usize)?;
    Some(visit(address & !(PAGE_SIZE - 1), access, page))
}

impl Page {
    /// Maps it at its address unless it is mapped; whether it is now.
    fn bring(&mut self, at: u64, access: Access) -> bool {
        if !self.resident {
            // SAFETY: the page was mapped here, and is its owner's until it is removed.
            self.resident = unsafe { paging::map(at, self.frame, access) }.is_ok();
        }
        self.resident
    }
}

/// Maps a page that was taken away; whether it is such a page.
pub fn make_resident(address: u64) -> bool {
    // One that is there was mapped by another processor meanwhile.
    let mapped = with_page(address, |at, access, page| page.bring(at, access));
    // Release: as in `add`.
    RESIDENT.store(true, Ordering::Release);
    mapped.unwrap_or(false)
}

fn for_each(address: u64, length: u64, mut visit: impl FnMut(u64, Access, &mut Page)) {
    let first = address & !(PAGE_SIZE - 1);
    for page in (first..address + length).step_by(PAGE_SIZE as usize) {
        with_page(page, &mut visit);
    }
    // Release: as in `add`.
    RESIDENT.store(true, Ordering::Release);
}

/// Pages are locked once more: those that are pageable are there at any IRQL, until they are
/// unlocked as often.
pub fn lock(address: u64, length: u64) {
    for_each(address, length, |at, access, page| {
        // Under one lock with the mapping: no other processor takes it away between the two.
        page.locks += u32::from(page.bring(at, access));
    });
}

/// Pages are unlocked once: those that are locked no more may be taken away again.
pub fn unlock(address: u64, length: u64) {
    for_each(address, length, |_, _, page| {
        page.locks = page.locks.saturating_sub(1);
    });
}
