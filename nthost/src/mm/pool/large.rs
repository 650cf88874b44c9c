//! Ordinary pool in whole pages.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{Allocation, PAGE_SIZE, Wanted, check_free, ordinary::zero_if_wanted};
use crate::{
    ke::lock::HighLock,
    mm::{
        paging::{self, Access, PHYSICAL_BASE, physical},
        phys, user_view,
    },
};
/// Allocations of whole pages, by address. A leaf among locks.
static LARGE: HighLock<BTreeMap<u64, Large>> = HighLock::new(BTreeMap::new());

/// An allocation of whole pages.
struct Large {
    allocation: Allocation,
    pages: u64,
    /// The pages, if they are mapped for themselves.
    mapped: Option<Vec<u64>>,
}

/// Allocates whole pages; `None` if memory is short.
pub(super) fn allocate(wanted: &Wanted) -> Option<u64> {
    let pages = wanted.size.div_ceil(PAGE_SIZE).max(1);
    let in_a_row = if wanted.is_executable() {
        None
    } else {
        wanted.placement.pages(pages)
    };
    let (address, mapped) = if let Some(frame) = in_a_row {
        (physical(frame) as u64, None)
    } else {
        let (base, frames) = map_pages(wanted, pages)?;
        (base, Some(frames))
    };
    zero_if_wanted(wanted, address);
    let large = Large {
        allocation: wanted.allocation(),
        pages,
        mapped,
    };
    LARGE.lock().insert(address, large);
    Some(address)
}

/// Takes pages one by one, and maps them.
fn map_pages(wanted: &Wanted, pages: u64) -> Option<(u64, Vec<u64>)> {
    let mut frames = Vec::new();
    // A driver may ask for more than there could ever be.
    frames.try_reserve_exact(pages as usize).ok()?;
    while (frames.len() as u64) < pages {
        match wanted.placement.pages(1) {
            Some(frame) => frames.push(frame),
            None => break,
        }
    }
    let mut access = Access::WRITE;
    access.set(Access::EXECUTE, wanted.is_executable());
    let complete = frames.len() as u64 == pages;
    // SAFETY: the pages are ours.
    let mapped = complete.then(|| unsafe { paging::map_range(frames.iter().copied(), access) });
    let Some(base) = mapped.flatten() else {
        release(&frames);
        return None;
    };
    Some((base, frames))
}

fn release(frames: &[u64]) {
    for &frame in frames {
        // SAFETY: the caller's pages, which are not mapped.
        unsafe { phys::free(frame, 1) };
    }
}

/// Frees whole pages; `false` if none were allocated at this address.
pub(super) fn free(address: u64, tag: Option<u32>) -> bool {
    let Some(large) = LARGE.lock().remove(&address) else {
        return false;
    };
    check_free(address, &large.allocation, tag);
    if let Some(frames) = large.mapped {
        frames.iter().copied().for_each(user_view::check_unlocked);
        // SAFETY: the owner has given the memory back.
        unsafe { paging::unmap_range(address, large.pages) };
        release(&frames);
    } else {
        let first = address - PHYSICAL_BASE;
        for page in 0..large.pages {
            user_view::check_unlocked(first + page * PAGE_SIZE);
        }
        // SAFETY: as above; the pages are one behind the other.
        unsafe { phys::free(first, large.pages) };
    }
    true
}

/// All allocations of whole pages.
pub(super) fn allocations() -> Vec<(u64, Allocation)> {
    let large = LARGE.lock();
    large
        .iter()
        .map(|(&address, large)| (address, large.allocation))
        .collect()
}

/// The last allocation of whole pages that begins at or before an address.
pub(super) fn before(address: u64) -> Option<(u64, Allocation)> {
    let large = LARGE.lock();
    let (&start, large) = large.range(..=address).next_back()?;
    Some((start, large.allocation))
}
