//! Special pool: each allocation in pages of its own.
//!
//! An allocation ends where a page ends (so that the byte behind it faults), a page that is never
//! mapped lies on either side, and freed pages are unmapped. The bytes between its start and the
//! page's are filled with a pattern that is checked when it is freed. [`set_underrun`] has it begin
//! where a page begins instead, so that the byte before it faults.
//!
//! Sources: "Special Pool"; bug checks 0xC1, 0xCC, 0xCD, 0xD5 and 0xD6.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{ALIGNMENT, Allocation, CACHE_LINE, PAGE_SIZE, Wanted, check_free};
use crate::{
    ke::{
        bugcheck::{self, code},
        lock::HighLock,
    },
    mm::{
        pageable,
        paging::{self, Access},
        phys,
        remembered::Remembered,
        user_view,
    },
};

/// Fills what an allocation does not use of its first page.
const PATTERN: u8 = 0x6e;
/// Fills memory that is not zeroed.
const GARBAGE: u8 = 0xa5;

/// An allocation, and its pages.
#[derive(Debug)]
struct Block {
    allocation: Allocation,
    base: u64,
    frames: Vec<u64>,
}

/// By address. Protects the table alone, not the memory.
static ALLOCATIONS: HighLock<BTreeMap<u64, Block>> = HighLock::new(BTreeMap::new());
/// Allocations begin where a page begins.
static UNDERRUN: AtomicBool = AtomicBool::new(false);

/// Has allocations begin where a page begins, or end where one ends, from here on.
pub fn set_underrun(underrun: bool) {
    // Relaxed: either place is right for an allocation.
    UNDERRUN.store(underrun, Ordering::Relaxed);
}

/// What was freed. A leaf.
static FREED: HighLock<Remembered> = HighLock::new(Remembered::new());

/// What is wrong with an access to special pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The memory was freed.
    Freed,
    /// It is beside an allocation.
    Beside,
}

/// What is wrong with an access to an address that faulted; `None` if it has nothing to do with
/// pool.
#[must_use]
pub fn misuse(address: u64) -> Option<Misuse> {
    let allocations = ALLOCATIONS.lock();
    let near = allocations.range(..address.saturating_add(2 * PAGE_SIZE));
    for block in near.rev().take(2).map(|(_, block)| block) {
        let end = block.end();
        if (block.base..end).contains(&address) {
            return None;
        }
        if (block.base - PAGE_SIZE..end + PAGE_SIZE).contains(&address) {
            return Some(Misuse::Beside);
        }
    }
    drop(allocations);
    FREED.lock().contains(address).then_some(Misuse::Freed)
}

/// Whether an allocation was freed in whose pages an address is.
pub(super) fn was_freed(address: u64) -> bool {
    FREED.lock().contains(address & !(PAGE_SIZE - 1))
}

impl Block {
    const fn end(&self) -> u64 {
        self.base + self.frames.len() as u64 * PAGE_SIZE
    }
}

/// Allocates; `None` if memory is short.
pub(super) fn allocate(wanted: &Wanted) -> Option<u64> {
    let size = wanted.size;
    let alignment = match size {
        PAGE_SIZE.. => PAGE_SIZE,
        _ if wanted.is_cache_aligned() => CACHE_LINE,
        _ => ALIGNMENT,
    };
    let count = size.div_ceil(PAGE_SIZE);
    let mut frames = Vec::new();
    // A driver may ask for more than there could ever be.
    frames.try_reserve_exact(count as usize).ok()?;
    for _ in 0..count {
        let Some(frame) = wanted.placement.pages(1) else {
            free_frames(&frames);
            return None;
        };
        frames.push(frame);
    }
    let mut access = Access::WRITE;
    access.set(Access::EXECUTE, wanted.is_executable());
    // SAFETY: the pages are ours.
    let Some(base) = (unsafe { paging::map_range(frames.iter().copied(), access) }) else {
        free_frames(&frames);
        return None;
    };
    let total = count * PAGE_SIZE;
    let address = if UNDERRUN.load(Ordering::Relaxed) {
        base
    } else {
        base + (total - size) / alignment * alignment
    };
    fill(base..address, PATTERN);
    fill(
        address..address + size,
        if wanted.is_zeroed() { 0 } else { GARBAGE },
    );
    fill(address + size..base + total, PATTERN);
    if wanted.is_paged() {
        let _: bool = pageable::add(base, &frames, access);
    }
    let block = Block {
        allocation: wanted.allocation(),
        base,
        frames,
    };
    FREED.lock().forget(base, base + total);
    ALLOCATIONS.lock().insert(address, block);
    Some(address)
}

/// Fills memory of an allocation's pages, which are mapped.
fn fill(range: Range<u64>, byte: u8) {
    let memory = core::ptr::with_exposed_provenance_mut::<u8>(range.start as usize);
    // SAFETY: the caller's pages.
    unsafe { memory.write_bytes(byte, (range.end - range.start) as usize) };
}

/// The first byte of a range that the pattern does not fill any more.
fn first_changed(range: Range<u64>) -> Option<u64> {
    let memory = core::ptr::with_exposed_provenance::<u8>(range.start as usize);
    let length = (range.end - range.start) as usize;
    // SAFETY: the caller's pages, which are mapped, and which nobody has any business with.
    let bytes = unsafe { core::slice::from_raw_parts(memory, length) };
    // Eight bytes at a time: most of a page is pattern.
    let (words, _) = bytes.as_chunks::<8>();
    let same = words
        .iter()
        .take_while(|&&word| word == [PATTERN; 8])
        .count()
        * 8;
    let changed = bytes[same..].iter().position(|&byte| byte != PATTERN)?;
    Some(range.start + (same + changed) as u64)
}

/// Frees an allocation that begins at an address; `false` if none does.
pub(super) fn free(address: u64, tag: Option<u32>) -> bool {
    let Some(block) = ALLOCATIONS.lock().remove(&address) else {
        return false;
    };
    check_free(address, &block.allocation, tag);
    for &frame in &block.frames {
        user_view::check_unlocked(frame);
    }
    let (size, end) = (block.allocation.size, block.end());
    let before = first_changed(block.base..address).map(|at| (at, 0x23));
    if let Some((at, kind)) =
        before.or_else(|| first_changed(address + size..end).map(|at| (at, 0x24)))
    {
        // Bug check 0xC1: bytes before (0x23) or behind (0x24) the allocation were written.
        let parameters = [address, at, size, kind];
        bugcheck::bugcheck(code::SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION, parameters);
    }
    pageable::remove(block.base);
    FREED.lock().add(block.base, end);
    // SAFETY: the driver has given the memory back; whoever still uses it faults.
    unsafe { paging::unmap_range(block.base, block.frames.len() as u64) };
    free_frames(&block.frames);
    true
}

fn free_frames(frames: &[u64]) {
    for &frame in frames {
        // SAFETY: they were allocated by the caller, and are not mapped.
        unsafe { phys::free(frame, 1) };
    }
}

/// Calls for each allocation, with its address.
pub(super) fn for_each(visit: &mut dyn FnMut(u64, &Allocation)) {
    // A copy, because whoever visits may allocate.
    let allocations: Vec<_> = ALLOCATIONS
        .lock()
        .iter()
        .map(|(&address, block)| (address, block.allocation))
        .collect();
    for (address, allocation) in &allocations {
        visit(*address, allocation);
    }
}

/// The allocation that an address is in: where it begins, and what it is.
pub(super) fn find(address: u64) -> Option<(u64, Allocation)> {
    let allocations = ALLOCATIONS.lock();
    let (&start, block) = allocations.range(..=address).next_back()?;
    (address < start + block.allocation.size).then_some((start, block.allocation))
}

/// Where the page of an allocation is mapped that has this physical address.
pub(super) fn address_of(frame: u64) -> Option<u64> {
    let allocations = ALLOCATIONS.lock();
    allocations.values().find_map(|block| {
        let index = block.frames.iter().position(|&own| own == frame)?;
        Some(block.base + index as u64 * PAGE_SIZE)
    })
}
