//! Memory for IRPs and device objects: ordinary pool, or, where pool is special, memory that ends
//! at a page that is never mapped, and that is unmapped when it is freed: whoever writes beyond its
//! end, or touches it afterwards, faults at once.
//!
//! Other processors are told to forget freed pages in batches; until then they may still see
//! the old memory, which is used for nothing else meanwhile.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{
    PAGE_SIZE,
    paging::{self, Access},
    phys::{self, Request},
    pool::{self, Misuse, flags},
    remembered::Remembered,
};
use crate::{
    hook,
    ke::{ipi, lock::SpinLock},
};

/// The tag of what is ordinary pool.
const TAG: u32 = u32::from_le_bytes(*b"Io  ");

/// How many freed ranges wait until the processors are told.
const BATCH: usize = 64;

#[derive(Debug)]
struct Range {
    base: u64,
    frames: Vec<u64>,
}

#[derive(Debug)]
struct Ranges {
    live: BTreeMap<u64, Range>,
    freed: Vec<Range>,
    gone: Remembered,
}

/// Protects the ranges. The page tables' and the allocators' locks are taken while it is held.
static RANGES: SpinLock<Ranges> = SpinLock::new(Ranges {
    live: BTreeMap::new(),
    freed: Vec::new(),
    gone: Remembered::new(),
});

/// Zeroed memory, aligned to 16 bytes. `None` if there is none left. IRQL up to DISPATCH_LEVEL.
#[must_use]
pub fn allocate(size: usize) -> Option<*mut u8> {
    allocate_as(flags::NON_PAGED, size)
}

/// As [`allocate`], but ordinary pool has in it whatever was there before: for what its owner fills,
/// and for a system buffer, which NT does not zero either ("Failure to Initialize Output Buffers").
#[must_use]
#[inline]
pub fn allocate_buffer(size: usize) -> Option<*mut u8> {
    allocate_as(flags::NON_PAGED | flags::UNINITIALIZED, size)
}

fn allocate_as(pool: u64, size: usize) -> Option<*mut u8> {
    let size = size.next_multiple_of(16) as u64;
    if !pool::is_special(false) {
        let address = pool::allocate(pool, size, TAG, 0)?;
        return Some(core::ptr::with_exposed_provenance_mut(address as usize));
    }
    let count = size.div_ceil(PAGE_SIZE);
    let mut frames = Vec::new();
    for _ in 0..count {
        let Some(frame) = phys::allocate(&Request::any(1)) else {
            free_frames(&frames);
            return None;
        };
        // SAFETY: the page was just allocated, and is in the physical map.
        unsafe { paging::physical(frame).write_bytes(0, PAGE_SIZE as usize) };
        frames.push(frame);
    }
    // SAFETY: the pages are this routine's.
    let Some(base) = (unsafe { paging::map_range(frames.iter().copied(), Access::WRITE) }) else {
        free_frames(&frames);
        return None;
    };
    let address = base + count * PAGE_SIZE - size;
    let mut ranges = RANGES.lock();
    ranges.gone.forget(base, base + count * PAGE_SIZE);
    ranges.live.insert(address, Range { base, frames });
    drop(ranges);
    Some(core::ptr::with_exposed_provenance_mut(address as usize))
}

/// How large an allocation is, rounded up to 16 bytes.
#[must_use]
pub fn size_of(memory: *mut u8) -> Option<usize> {
    let address = memory.addr() as u64;
    if let Some(size) = ordinary_size(address) {
        return Some(size as usize);
    }
    special_size(address)
}

/// The size of what has pages of its own.
fn special_size(address: u64) -> Option<usize> {
    let ranges = RANGES.lock();
    let range = ranges.live.get(&address)?;
    let end = range.base + range.frames.len() as u64 * PAGE_SIZE;
    Some((end - address) as usize)
}

/// The size of what was allocated here as ordinary pool, and not by a driver.
fn ordinary_size(address: u64) -> Option<u64> {
    let (start, allocation) = pool::ordinary::find(address)?;
    let ours = start == address && (allocation.tag, allocation.caller) == (TAG, 0);
    ours.then_some(allocation.size)
}

/// Frees memory. Whether it was allocated here and had not been freed. IRQL up to
/// DISPATCH_LEVEL.
pub fn free(memory: *mut u8) -> bool {
    let address = memory.addr() as u64;
    let begin = || {
        // What lies here begins with its type, by which it is known: it has none any more.
        // SAFETY: the owner has given the memory up, which is 16 bytes at least.
        unsafe { memory.cast::<u16>().write(0) };
    };
    if pool::ordinary::free_own(address, TAG, begin) {
        return true;
    }
    let Some(size) = special_size(address) else {
        return false;
    };
    hook::memory_freed(address, size as u64);
    let mut ranges = RANGES.lock();
    // Another processor may have freed it meanwhile.
    let Some(range) = ranges.live.remove(&address) else {
        return false;
    };
    for index in 0..range.frames.len() as u64 {
        // SAFETY: the owner has given it up.
        let _ = unsafe { paging::unmap(range.base + index * PAGE_SIZE) };
    }
    let end = range.base + range.frames.len() as u64 * PAGE_SIZE;
    ranges.gone.add(range.base, end + PAGE_SIZE);
    ranges.freed.push(range);
    if ranges.freed.len() < BATCH {
        return true;
    }
    let freed = core::mem::take(&mut ranges.freed);
    drop(ranges);
    ipi::flush_tlb();
    for range in freed {
        paging::release(range.base, range.frames.len() as u64);
        free_frames(&range.frames);
    }
    true
}

/// What is wrong with an access to an address that faulted; `None` if it has nothing to do with
/// this memory.
#[must_use]
pub fn misuse(address: u64) -> Option<Misuse> {
    let extent = |range: &Range| {
        let end = range.base + range.frames.len() as u64 * PAGE_SIZE;
        range.base..end + PAGE_SIZE
    };
    let ranges = RANGES.lock();
    if ranges
        .live
        .values()
        .any(|range| extent(range).contains(&address))
    {
        return Some(Misuse::Beside);
    }
    ranges.gone.contains(address).then_some(Misuse::Freed)
}

fn free_frames(frames: &[u64]) {
    for &frame in frames {
        // SAFETY: they were allocated one by one, and nothing maps them any more.
        unsafe { phys::free(frame, 1) };
    }
}
