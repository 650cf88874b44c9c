//! Ordinary pool in whole pages.

use alloc::{collections::BTreeMap, vec::Vec};
use core::cell::UnsafeCell;

use x86_64::instructions::interrupts;

use super::{Allocation, PAGE_SIZE, Placement, Wanted, check_free, ordinary::zero_if_wanted};
use crate::{
    ke::{
        lock::HighLock,
        pcr::{self, MAXIMUM_PROCESSORS},
    },
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

/// How many lists of single pages there are: a power of two.
const LISTS: usize = 64;

/// Allocations of one page each that is not mapped for itself, by their addresses, in the list that
/// the address belongs to. Many system buffers are such, and a list is quicker than the tree of all.
/// Leaves among locks.
static SINGLE: [HighLock<Vec<(u64, Allocation)>>; LISTS] =
    [const { HighLock::new(Vec::new()) }; LISTS];

/// The list of the page that an address is in.
fn list_of(address: u64) -> &'static HighLock<Vec<(u64, Allocation)>> {
    &SINGLE[(address / PAGE_SIZE) as usize % LISTS]
}

/// Takes an allocation out that begins at this address, if this holds of it.
fn take(address: u64, holds: impl FnOnce(&Allocation) -> bool) -> Option<Large> {
    let mut list = list_of(address).lock();
    if let Some(index) = list.iter().position(|&(start, _)| start == address) {
        let (_, allocation) = list[index];
        if !holds(&allocation) {
            return None;
        }
        list.swap_remove(index);
        return Some(Large {
            allocation,
            pages: 1,
            mapped: None,
        });
    }
    drop(list);
    let mut large = LARGE.lock();
    let is_wanted = large
        .get(&address)
        .is_some_and(|large| holds(&large.allocation));
    is_wanted.then(|| large.remove(&address)).flatten()
}

/// Free pages that a processor keeps: one that is freed is wanted again soon, as a rule.
struct Kept {
    frames: [u64; KEPT],
    count: usize,
}

/// How many free pages a processor keeps at the most.
const KEPT: usize = 4;

/// A processor's free pages. Used by that processor alone, with interrupts off.
#[repr(align(64))]
struct OfProcessor(UnsafeCell<Kept>);

// SAFETY: each is used by one processor, with interrupts off.
unsafe impl Sync for OfProcessor {}

static FREE: [OfProcessor; MAXIMUM_PROCESSORS] = [const {
    OfProcessor(UnsafeCell::new(Kept {
        frames: [0; KEPT],
        count: 0,
    }))
}; MAXIMUM_PROCESSORS];

/// Runs with the free pages of this processor, and with interrupts off.
#[inline]
fn with_kept<T>(operation: impl FnOnce(&mut Kept) -> T) -> T {
    let enabled = interrupts::are_enabled();
    interrupts::disable();
    let kept = FREE[pcr::current().number as usize].0.get();
    // SAFETY: this processor's pages, and nothing else runs here meanwhile.
    let result = operation(unsafe { &mut *kept });
    if enabled {
        interrupts::enable();
    }
    result
}

/// Takes a page that lies anywhere.
fn take_page(placement: Placement) -> Option<u64> {
    if placement.node.is_some() || placement.nowhere_else {
        return placement.pages(1);
    }
    let kept = with_kept(|kept| {
        kept.count = kept.count.checked_sub(1)?;
        kept.frames.get(kept.count).copied()
    });
    kept.or_else(|| placement.pages(1))
}

/// Gives a page back.
///
/// # Safety
///
/// It was allocated, and nothing refers to it any more.
unsafe fn give_page(frame: u64) {
    let is_kept = with_kept(|kept| {
        let place = kept.frames.get_mut(kept.count);
        place.is_some_and(|place| {
            *place = frame;
            kept.count += 1;
            true
        })
    });
    if !is_kept {
        // SAFETY: the caller's promise.
        unsafe { phys::free(frame, 1) };
    }
}

/// Allocates whole pages; `None` if memory is short.
pub(super) fn allocate(wanted: &Wanted) -> Option<u64> {
    let pages = wanted.size.div_ceil(PAGE_SIZE).max(1);
    let in_a_row = if wanted.is_executable() {
        None
    } else if pages == 1 {
        take_page(wanted.placement)
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
    if pages == 1 && mapped.is_none() {
        list_of(address).lock().push((address, wanted.allocation()));
        return Some(address);
    }
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
    let found = take(address, |_| true);
    found.is_some_and(|large| {
        give_back(address, large, tag);
        true
    })
}

/// Frees whole pages if they begin at this address and this holds of them; whether they did.
/// `begin` is called before, while they are still the owner's.
pub(super) fn free_if(
    address: u64,
    holds: impl FnOnce(&Allocation) -> bool,
    begin: impl FnOnce(),
) -> bool {
    let found = take(address, holds);
    found.is_some_and(|large| {
        begin();
        give_back(address, large, None);
        true
    })
}

/// Frees what was [taken out](take).
fn give_back(address: u64, large: Large, tag: Option<u32>) {
    check_free(address, &large.allocation, tag);
    if let Some(frames) = large.mapped {
        frames.iter().copied().for_each(user_view::check_unlocked);
        // SAFETY: the owner has given the memory back.
        unsafe { paging::unmap_range(address, large.pages) };
        release(&frames);
        return;
    }
    let first = address - PHYSICAL_BASE;
    for page in 0..large.pages {
        user_view::check_unlocked(first + page * PAGE_SIZE);
    }
    if large.pages == 1 {
        // SAFETY: as above.
        unsafe { give_page(first) };
    } else {
        // SAFETY: as above; the pages are one behind the other.
        unsafe { phys::free(first, large.pages) };
    }
}

/// All allocations of whole pages.
pub(super) fn allocations() -> Vec<(u64, Allocation)> {
    let large = LARGE.lock();
    let large = large.iter();
    let mut found: Vec<_> = large
        .map(|(&address, large)| (address, large.allocation))
        .collect();
    for list in &SINGLE {
        found.extend_from_slice(&list.lock());
    }
    found
}

/// The allocation of one page that an address is in, or the last one of more that begins at or
/// before it.
pub(super) fn before(address: u64) -> Option<(u64, Allocation)> {
    let page = address & !(PAGE_SIZE - 1);
    let list = list_of(page).lock();
    if let Some(found) = list.iter().find(|&&(start, _)| start == page) {
        return Some(*found);
    }
    drop(list);
    let large = LARGE.lock();
    let (&start, large) = large.range(..=address).next_back()?;
    Some((start, large.allocation))
}
