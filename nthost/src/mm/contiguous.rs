//! Contiguous memory.
//!
//! Sources: MmAllocateContiguousMemory, MmAllocateContiguousMemorySpecifyCache,
//! MmAllocateContiguousMemorySpecifyCacheNode, MmAllocateContiguousNodeMemory,
//! MmFreeContiguousMemory, MmFreeContiguousMemorySpecifyCache.

use core::ffi::c_void;

use super::{
    PAGE_SIZE,
    cache::{self, Cache},
    pages::{DONT_ZERO, fill},
    paging::{self, Access},
    phys::{self, Request},
    user_view,
};
use crate::{
    export, hook,
    ke::bugcheck::{self, code},
    mm::account::{self, Kind},
};

fn contiguous(routine: &'static str, request: Request, access: Access, caller: u64) -> *mut c_void {
    if request.pages == 0 || hook::call_fails(routine, caller) {
        return core::ptr::null_mut();
    }
    let Some(first) = phys::allocate(&request) else {
        return core::ptr::null_mut();
    };
    let frames = (0..request.pages as usize).map(|page| first + page as u64 * PAGE_SIZE);
    for frame in frames.clone() {
        // The documentation does not promise zeroed memory.
        fill(frame, DONT_ZERO);
    }
    // SAFETY: the pages are ours.
    let Some(base) = (unsafe { paging::map_range(frames, access) }) else {
        // SAFETY: nobody has seen them.
        unsafe { phys::free(first, request.pages) };
        return core::ptr::null_mut();
    };
    let frames = (0..request.pages).map(|page| first + page * PAGE_SIZE);
    cache::allocated(frames, Some(Cache::of_access(access)));
    account::take(Kind::Pages, base, request.pages, caller);
    core::ptr::with_exposed_provenance_mut(base as usize)
}

fn free_contiguous(address: u64) {
    let Some(held) = account::give(Kind::Pages, address) else {
        // Bug check 0xC2, 0x60: it is no contiguous memory.
        bugcheck::bugcheck(code::BAD_POOL_CALLER, [0x60, address, 0, 0]);
    };
    let first = paging::translate(address).map_or(0, |(physical, _)| physical);
    let frames = (0..held.count).map(|page| first + page * PAGE_SIZE);
    frames.clone().for_each(user_view::check_unlocked);
    cache::freed(frames);
    // SAFETY: the driver gives it back.
    unsafe { paging::unmap_range(address, held.count) };
    // SAFETY: the pages were allocated as one run, and are not mapped any more.
    unsafe { phys::free(first, held.count) };
}

/// Contiguous memory that is cached as a driver says; NULL for a type that is reserved.
fn contiguous_of(routine: &'static str, request: Request, cache: i32, caller: u64) -> *mut c_void {
    Cache::of_type(cache).map_or(core::ptr::null_mut(), |cache| {
        contiguous(routine, request, cache.applied(Access::WRITE), caller)
    })
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Contiguous memory below an address; NULL if there is none.
    ///
    /// Source: MmAllocateContiguousMemory.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmAllocateContiguousMemory(bytes: u64, highest: u64) -> *mut c_void {
        let caller = export::caller();
        let pages = bytes.div_ceil(PAGE_SIZE);
        contiguous("MmAllocateContiguousMemory", Request { highest, ..Request::any(pages) }, Access::WRITE, caller)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Contiguous memory between two addresses that crosses no multiple of a third (if not
    /// zero); NULL if there is none.
    ///
    /// Source: MmAllocateContiguousMemorySpecifyCache.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmAllocateContiguousMemorySpecifyCache(
        bytes: u64,
        lowest: u64,
        highest: u64,
        boundary: u64,
        cache: i32,
    ) -> *mut c_void {
        let caller = export::caller();
        let pages = bytes.div_ceil(PAGE_SIZE);
        let request = Request { lowest, highest, boundary, ..Request::any(pages) };
        contiguous_of("MmAllocateContiguousMemorySpecifyCache", request, cache, caller)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As MmAllocateContiguousMemorySpecifyCache, on a node if it has such memory.
    ///
    /// Source: MmAllocateContiguousMemorySpecifyCacheNode.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmAllocateContiguousMemorySpecifyCacheNode(
        bytes: u64,
        lowest: u64,
        highest: u64,
        boundary: u64,
        cache: i32,
        node: u32,
    ) -> *mut c_void {
        let caller = export::caller();
        let pages = bytes.div_ceil(PAGE_SIZE);
        let node = u16::try_from(node).ok();
        let request = Request { lowest, highest, boundary, node, ..Request::any(pages) };
        let memory = contiguous_of("MmAllocateContiguousMemorySpecifyCacheNode", request, cache, caller);
        if memory.is_null() && node.is_some() {
            return contiguous_of("MmAllocateContiguousMemorySpecifyCacheNode", Request { node: None, ..request }, cache, caller);
        }
        memory
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Contiguous memory with a protection (`PAGE_READWRITE`, perhaps with `PAGE_NOCACHE` or
    /// `PAGE_WRITECOMBINE`), on a node if it has such memory; NULL otherwise.
    ///
    /// Source: MmAllocateContiguousNodeMemory.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmAllocateContiguousNodeMemory(
        bytes: u64,
        lowest: u64,
        highest: u64,
        boundary: u64,
        protection: u32,
        node: u32,
    ) -> *mut c_void {
        let caller = export::caller();
        let mut access = match protection & 0xff {
            0x04 => Access::WRITE,
            0x40 => Access::WRITE | Access::EXECUTE,
            _ => return core::ptr::null_mut(),
        };
        let Some(cache) = Cache::of_protection(protection) else {
            return core::ptr::null_mut();
        };
        access = cache.applied(access);
        let pages = bytes.div_ceil(PAGE_SIZE);
        let node = u16::try_from(node).ok();
        let request = Request { lowest, highest, boundary, node, ..Request::any(pages) };
        let memory = contiguous("MmAllocateContiguousNodeMemory", request, access, caller);
        if memory.is_null() && node.is_some() {
            return contiguous("MmAllocateContiguousNodeMemory", Request { node: None, ..request }, access, caller);
        }
        memory
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Frees contiguous memory.
    ///
    /// Source: MmFreeContiguousMemory.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    pub unsafe fn MmFreeContiguousMemory(address: *mut c_void) {
        free_contiguous(address as u64);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Frees contiguous memory that was allocated with this size and cache type.
    ///
    /// Source: MmFreeContiguousMemorySpecifyCache.
    ///
    /// # Safety
    ///
    /// Nobody uses it any more.
    pub unsafe fn MmFreeContiguousMemorySpecifyCache(
        address: *mut c_void,
        _bytes: u64,
        _cache: i32,
    ) {
        free_contiguous(address as u64);
    }
}
