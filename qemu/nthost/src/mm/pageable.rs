//! Pageable memory, which nothing ever writes to a disk: that it may be touched below
//! DISPATCH_LEVEL alone is checked by taking it away whenever a driver raises the IRQL that far,
//! and giving it back at the page fault of whoever touches it below.
//!
//! Other processors may remember for a while what was taken away; they see the same memory.
//!
//! Source: "Force IRQL Checking" of Driver Verifier.

use alloc::{collections::BTreeMap, vec::Vec};
use core::sync::atomic::{AtomicBool, Ordering};

use nthost_protocol::manifest::VerifierOption;

use super::{
    PAGE_SIZE,
    paging::{self, Access},
};
use crate::{ke::lock::HighLock, verifier};

/// What is known of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It is mapped.
    Resident,
    /// It was taken away.
    Trimmed,
    /// It is mapped and locked, and stays.
    Locked,
}

#[derive(Debug)]
struct Range {
    access: Access,
    pages: Vec<(u64, State)>,
}

/// By first address. The page tables' lock is taken while it is held.
static RANGES: HighLock<BTreeMap<u64, Range>> = HighLock::new(BTreeMap::new());
/// Whether there may be a page to take away.
static RESIDENT: AtomicBool = AtomicBool::new(false);

/// These pages are mapped at an address, and pageable from here on.
pub fn add(base: u64, frames: &[u64], access: Access) {
    if !verifier::is_on(VerifierOption::ForceIrqlChecking) {
        return;
    }
    let pages = frames.iter().map(|&frame| (frame, State::Resident));
    let pages = pages.collect();
    RANGES.lock().insert(base, Range { access, pages });
    // Release: whoever sees it finds the range.
    RESIDENT.store(true, Ordering::Release);
}

/// The pages that were added at an address are about to be unmapped: whether they are there or
/// not is nobody's business any more.
pub fn remove(base: u64) {
    RANGES.lock().remove(&base);
}

/// The IRQL has been raised to DISPATCH_LEVEL or above by a driver: nothing pageable is there.
pub fn trim() {
    // Acquire: the range is found. A page that comes back meanwhile says so afterwards.
    if !RESIDENT.load(Ordering::Relaxed) || !RESIDENT.swap(false, Ordering::Acquire) {
        return;
    }
    for (&base, range) in RANGES.lock().iter_mut() {
        for (index, (_, state)) in range.pages.iter_mut().enumerate() {
            if *state == State::Resident {
                *state = State::Trimmed;
                // SAFETY: whoever uses it below DISPATCH_LEVEL gets it back, and nobody else
                // may use it.
                let _ = unsafe { paging::unmap(base + index as u64 * PAGE_SIZE) };
            }
        }
    }
}

fn with_page<T>(
    address: u64,
    visit: impl FnOnce(u64, Access, &mut (u64, State)) -> T,
) -> Option<T> {
    let mut ranges = RANGES.lock();
    let (&base, range) = ranges.range_mut(..=address).next_back()?;
    let access = range.access;
    let page = range
        .pages
        .get_mut(((address - base) / PAGE_SIZE) as usize)?;
    Some(visit(address & !(PAGE_SIZE - 1), access, page))
}

/// Maps a page that was taken away; whether it is such a page.
pub fn make_resident(address: u64) -> bool {
    let mapped = with_page(address, |page, access, (frame, state)| {
        if *state == State::Trimmed {
            // SAFETY: the page was mapped here, and is its owner's until it is removed.
            if unsafe { paging::map(page, *frame, access) }.is_err() {
                return false;
            }
            *state = State::Resident;
        }
        // One that is there was mapped by another processor meanwhile.
        true
    });
    // Release: as in `add`.
    RESIDENT.store(true, Ordering::Release);
    mapped.unwrap_or(false)
}

/// Pages are locked: they are there at any IRQL, until they are freed.
pub fn lock(address: u64, length: u64) {
    let first = address & !(PAGE_SIZE - 1);
    for page in (first..address + length).step_by(PAGE_SIZE as usize) {
        if make_resident(page) {
            with_page(page, |_, _, (_, state)| *state = State::Locked);
        }
    }
}

/// Pages that were locked may be taken away again.
pub fn unlock(address: u64, length: u64) {
    let first = address & !(PAGE_SIZE - 1);
    for page in (first..address + length).step_by(PAGE_SIZE as usize) {
        with_page(page, |_, _, (_, state)| {
            if *state == State::Locked {
                *state = State::Resident;
            }
        });
    }
    // Release: as in `add`.
    RESIDENT.store(true, Ordering::Release);
}
