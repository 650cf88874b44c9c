//! Pages for an MDL.
//!
//! Sources: MmAllocatePagesForMdl, MmAllocatePagesForMdlEx, MmAllocateNodePagesForMdlEx,
//! MmFreePagesFromMdl.

use nthost_nt::mm::MDL;

use super::{
    PAGE_SIZE,
    cache::{self, Cache},
    mapping,
    mdl::{self, OWNS_PAGES, PAGES_LOCKED},
    paging::physical,
    phys::{self, Request},
    user_view,
};
use crate::{
    export, hook,
    ke::{
        bugcheck::{self, code},
        pcr,
    },
    mm::account::{self, Kind},
};

/// `MM_DONT_ZERO_ALLOCATION`.
pub(super) const DONT_ZERO: u32 = 0x1;
/// `MM_ALLOCATE_FULLY_REQUIRED`.
const FULLY_REQUIRED: u32 = 0x4;
/// `MM_ALLOCATE_FROM_LOCAL_NODE_ONLY`.
const LOCAL_NODE_ONLY: u32 = 2;
/// `MM_ALLOCATE_REQUIRE_CONTIGUOUS_CHUNKS`.
const CONTIGUOUS_CHUNKS: u32 = 0x20;
/// `MM_ANY_NODE_OK`.
const ANY_NODE: u32 = 0x8000_0000;
/// Pages that are left for the kernel itself, and for what describes those that are taken: the rest
/// may all go into MDLs.
const KEPT: u64 = 512;
/// For so many pages taken, one more is kept: their numbers take eight bytes each, twice.
const TAKEN_PER_KEPT: u64 = 128;
/// Fills pages that are not zeroed, so that nobody relies on it.
const GARBAGE: u8 = 0xa5;

/// Which pages an MDL is to get.
struct Wanted {
    lowest: u64,
    highest: u64,
    skip: u64,
    bytes: u64,
    node: Option<u16>,
    any_node: bool,
    flags: u32,
    /// How they are cached; none, if their first mapping says.
    cache: Option<Cache>,
}

/// Fills a page that was just allocated: with zeroes, unless they are not wanted.
pub(super) fn fill(frame: u64, flags: u32) {
    let value = if flags & DONT_ZERO == 0 { 0 } else { GARBAGE };
    // SAFETY: the page was just allocated, and is in the physical map.
    unsafe { physical(frame).write_bytes(value, PAGE_SIZE as usize) };
}

impl Wanted {
    /// Chunks are powers of two, and whole ones.
    const fn has_broken_chunks(&self) -> bool {
        self.flags & CONTIGUOUS_CHUNKS != 0
            && self.skip != 0
            && !(self.skip.is_power_of_two() && self.bytes.is_multiple_of(self.skip))
    }

    /// How many pages there can be of `count`, when memory is short or `fewer` are to be had: a
    /// driver never gets the last of them.
    fn within_reach(&self, count: u64, fewer: Option<u64>) -> u64 {
        let kept = KEPT + count.min(phys::free_pages()) / TAKEN_PER_KEPT;
        let free = phys::free_pages().saturating_sub(kept);
        let reach = count.min(free).min(fewer.unwrap_or(u64::MAX));
        match (self.flags & CONTIGUOUS_CHUNKS != 0, self.skip) {
            // One block, or nothing.
            (true, 0) if reach < count => 0,
            // Whole blocks.
            (true, skip) if skip != 0 => reach / (skip / PAGE_SIZE) * (skip / PAGE_SIZE),
            _ => reach,
        }
    }

    /// Takes pages until there are `count` or no more; gives their addresses.
    fn collect(&self, count: u64) -> alloc::vec::Vec<u64> {
        let mut frames = alloc::vec::Vec::with_capacity(count as usize);
        let nodes: &[Option<u16>] = match (self.node, self.any_node) {
            (Some(_), true) => &[self.node, None],
            _ => &[self.node],
        };
        // With contiguous chunks, the pages of a chunk of SkipBytes lie one behind the other, and
        // begin at a multiple of that; without SkipBytes there is one chunk.
        let chunk = match (self.flags & CONTIGUOUS_CHUNKS != 0, self.skip) {
            (false, _) => 1,
            (true, 0) => count,
            (true, skip) => skip / PAGE_SIZE,
        };
        for &node in nodes {
            let (mut lowest, mut highest) = (self.lowest, self.highest);
            loop {
                while (frames.len() as u64) < count {
                    let pages = chunk.min(count - frames.len() as u64);
                    let request = Request {
                        pages,
                        lowest,
                        highest,
                        node,
                        alignment: if chunk > 1 && self.skip != 0 {
                            self.skip
                        } else {
                            PAGE_SIZE
                        },
                        ..Request::any(pages)
                    };
                    let Some(first) = phys::allocate(&request) else {
                        break;
                    };
                    frames.extend((0..pages).map(|page| first + page * PAGE_SIZE));
                }
                // Not enough between the two addresses: both move up by SkipBytes, if given.
                let next = lowest
                    .checked_add(self.skip)
                    .zip(highest.checked_add(self.skip));
                match next {
                    Some(next)
                        if (frames.len() as u64) < count
                            && self.flags & CONTIGUOUS_CHUNKS == 0
                            && self.skip != 0
                            && next.0 < phys::total_bytes() * 2 =>
                    {
                        (lowest, highest) = next;
                    }
                    _ => break,
                }
            }
        }
        frames
    }

    fn allocate(&self, routine: &'static str, caller: u64) -> *mut MDL {
        if self.bytes == 0
            || self.bytes >= u64::from(u32::MAX) - PAGE_SIZE
            || !self.skip.is_multiple_of(PAGE_SIZE)
            || self.has_broken_chunks()
            || hook::call_fails(routine, caller)
        {
            return core::ptr::null_mut();
        }
        let count = self.bytes.div_ceil(PAGE_SIZE);
        let fewer = hook::fewer_pages(routine, caller).map(u64::from);
        let frames = self.collect(self.within_reach(count, fewer));
        let got = frames.len() as u64;
        let enough = got == count || (self.flags & FULLY_REQUIRED == 0 && got != 0);
        let described = if enough {
            mdl::allocate(0, got * PAGE_SIZE, caller)
        } else {
            None
        };
        let Some(mdl) = described else {
            for frame in frames {
                // SAFETY: nobody has seen it.
                unsafe { phys::free(frame, 1) };
            }
            return core::ptr::null_mut();
        };
        for &frame in &frames {
            fill(frame, self.flags);
        }
        // SAFETY: the MDL was just made for so many pages.
        for (page, frame) in unsafe { mdl::pages(mdl) }.iter_mut().zip(&frames) {
            *page = frame / PAGE_SIZE;
        }
        // SAFETY: as above.
        let fields = unsafe { &mut *mdl };
        fields.MdlFlags |= PAGES_LOCKED | OWNS_PAGES;
        // What is asked for is what is described, if there is that much.
        fields.ByteCount = self.bytes.min(got * PAGE_SIZE) as u32;
        cache::allocated(frames.into_iter(), self.cache);
        account::take(Kind::Pages, mdl as u64, got, caller);
        mdl
    }
}

/// The node of the processor that calls: the ideal one, where none is named.
fn here() -> u16 {
    pcr::current().node
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Zeroed pages of a range of addresses, with the MDL that describes them: perhaps fewer
    /// than asked for. NULL if there are none.
    ///
    /// Source: MmAllocatePagesForMdl.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmAllocatePagesForMdl(
        lowest: u64,
        highest: u64,
        skip: u64,
        bytes: u64,
    ) -> *mut MDL {
        let caller = export::caller();
        Wanted { lowest, highest, skip, bytes, node: None, any_node: true, flags: 0, cache: None }
            .allocate("MmAllocatePagesForMdl", caller)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As MmAllocatePagesForMdl, with flags.
    ///
    /// Source: MmAllocatePagesForMdlEx.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmAllocatePagesForMdlEx(
        lowest: u64,
        highest: u64,
        skip: u64,
        bytes: u64,
        cache: i32,
        flags: u32,
    ) -> *mut MDL {
        let caller = export::caller();
        let Some(cache) = Cache::of_type(cache) else { return core::ptr::null_mut() };
        let any_node = flags & LOCAL_NODE_ONLY == 0;
        Wanted { lowest, highest, skip, bytes, node: Some(here()), any_node, flags, cache: Some(cache) }
            .allocate("MmAllocatePagesForMdlEx", caller)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As MmAllocatePagesForMdlEx, from a node; from others too only with `MM_ANY_NODE_OK`.
    ///
    /// Source: MmAllocateNodePagesForMdlEx.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmAllocateNodePagesForMdlEx(
        lowest: u64,
        highest: u64,
        skip: u64,
        bytes: u64,
        cache: i32,
        node: u32,
        flags: u32,
    ) -> *mut MDL {
        let caller = export::caller();
        let node = u16::try_from(node).ok().filter(|&node| usize::from(node) < phys::node_count());
        if node.is_none() {
            return core::ptr::null_mut();
        }
        let Some(cache) = Cache::of_type(cache) else { return core::ptr::null_mut() };
        let any_node = flags & ANY_NODE != 0;
        Wanted { lowest, highest, skip, bytes, node, any_node, flags, cache: Some(cache) }.allocate("MmAllocateNodePagesForMdlEx", caller)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Frees the pages that an MDL owns; the MDL itself is freed by ExFreePool.
    ///
    /// Source: MmFreePagesFromMdl.
    ///
    /// # Safety
    ///
    /// Nobody uses the pages any more, and they are not mapped.
    pub unsafe fn MmFreePagesFromMdl(mdl: *mut MDL) {
        // SAFETY: the caller's promise.
        let flags = unsafe { (*mdl).MdlFlags };
        if flags & mdl::MAPPED_TO_SYSTEM_VA != 0 {
            // Bug check 0xC4, subcode 0xB8: the pages are still mapped.
            hook::misuse([0xb8, mdl as u64, u64::from(flags.cast_unsigned()), 0]);
            // Whoever still uses the mapping is not to reach what the pages are for next.
            // SAFETY: the MDL is mapped, and its pages are about to be nobody's.
            unsafe { mapping::unmap(mdl) };
        }
        user_view::check_unmapped(mdl);
        let Some(held) = account::give(Kind::Pages, mdl as u64) else {
            // SAFETY: the caller's promise.
            let page = unsafe { mdl::pages(mdl) }.first().copied().unwrap_or(0);
            // Bug check 0x4E, 7: pages are given back that are not locked, or not any more.
            bugcheck::bugcheck(code::PFN_LIST_CORRUPT, [7, page, 0, 0]);
        };
        // SAFETY: the caller's promise.
        let pages = unsafe { mdl::pages(mdl) };
        for page in pages.iter().take(held.count as usize) {
            user_view::check_unlocked(*page * PAGE_SIZE);
            cache::freed(core::iter::once(*page * PAGE_SIZE));
            // SAFETY: the MDL owned it.
            unsafe { phys::free(*page * PAGE_SIZE, 1) };
        }
        // SAFETY: the caller's promise.
        unsafe { (*mdl).MdlFlags &= !(PAGES_LOCKED | OWNS_PAGES) };
    }
}
