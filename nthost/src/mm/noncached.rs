//! Memory that is not cached, by the page.
//!
//! Sources: MmAllocateNonCachedMemory, MmFreeNonCachedMemory, "Bug Check 0xDA".

use alloc::vec::Vec;
use core::{ffi::c_void, ptr::null_mut};

use super::{
    PAGE_SIZE,
    cache::{self, Cache},
    paging::{self, Access},
    phys::{self, Request},
    user_view,
};
use crate::{
    export,
    ke::bugcheck::{self, code},
    mm::account::{self, Kind},
};

/// Bytes of pages that nobody has written yet, so that nobody relies on zeroes.
const GARBAGE: u8 = 0xa5;

fn free_frames(frames: &[u64]) {
    for &frame in frames {
        // SAFETY: it is mapped nowhere any more.
        unsafe { phys::free(frame, 1) };
    }
}

fn allocate(bytes: u64, caller: u64) -> Option<u64> {
    let count = bytes.div_ceil(PAGE_SIZE);
    if count == 0 {
        return None;
    }
    let mut frames = Vec::new();
    frames
        .try_reserve_exact(usize::try_from(count).ok()?)
        .ok()?;
    for _ in 0..count {
        let Some(frame) = phys::allocate(&Request::any(1)) else {
            free_frames(&frames);
            return None;
        };
        // SAFETY: the page was just allocated, and is in the physical map.
        unsafe { paging::physical(frame).write_bytes(GARBAGE, PAGE_SIZE as usize) };
        frames.push(frame);
    }
    let access = Access::WRITE | Access::UNCACHED;
    // SAFETY: the pages are this allocation's.
    let Some(base) = (unsafe { paging::map_range(frames.iter().copied(), access) }) else {
        free_frames(&frames);
        return None;
    };
    cache::allocated(frames.iter().copied(), Some(Cache::NonCached));
    account::take(Kind::NonCached, base, bytes, caller);
    Some(base)
}

fn free(base: u64, bytes: u64) {
    let Some(held) = account::give(Kind::NonCached, base) else {
        // Bug check 0xDA, 0x300: there is no mapping at this address.
        bugcheck::bugcheck(code::SYSTEM_PTE_MISUSE, [0x300, base, 0, 0]);
    };
    let pages = held.count.div_ceil(PAGE_SIZE);
    if held.count != bytes {
        // Bug check 0xDA, 2: not as many mappings as there are.
        let freed = bytes.div_ceil(PAGE_SIZE);
        bugcheck::bugcheck(code::SYSTEM_PTE_MISUSE, [2, base, pages, freed]);
    }
    let frames = (0..pages).filter_map(|page| paging::translate(base + page * PAGE_SIZE));
    let frames: Vec<u64> = frames.map(|(frame, _)| frame).collect();
    for &frame in &frames {
        user_view::check_unlocked(frame);
    }
    cache::freed(frames.iter().copied());
    // SAFETY: the driver gives it back.
    unsafe { paging::unmap_range(base, pages) };
    free_frames(&frames);
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: null_mut();
    /// Nonpaged memory that is not cached, in whole pages, with anything in it; NULL if there is
    /// none.
    ///
    /// Source: MmAllocateNonCachedMemory.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmAllocateNonCachedMemory(bytes: u64) -> *mut c_void {
        let base = allocate(bytes, export::caller()).unwrap_or(0);
        core::ptr::with_exposed_provenance_mut(base as usize)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Frees memory of MmAllocateNonCachedMemory, of the same size; anything else ends in bug
    /// check 0xDA.
    ///
    /// Source: MmFreeNonCachedMemory.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    pub unsafe fn MmFreeNonCachedMemory(base: *mut c_void, bytes: u64) {
        free(base as u64, bytes);
    }
}
