//! Ordinary pool: blocks of one size class share a page, and larger allocations have whole pages.
//!
//! A processor takes a block from its own list of free blocks of the class, and gives it back
//! there, with interrupts off and no lock. Lists are filled from the pages of the processor's node,
//! and emptied into them, several blocks at a time, under a lock for each node and class. Blocks
//! of another node's pages go back to those at once, so that what a list gives is local.
//!
//! Pages are used through the physical map: nothing is mapped when they are taken and no processor
//! has a translation to forget when they are given back. Pool with code, which that map does not
//! execute, and pages that are not to be had one behind the other are mapped for themselves.
//!
//! What a free build of Windows finds when pool is freed is found here: a block that is free
//! already (bug check 0xC2, 0x7), another tag (0xC2, 0xA), a damaged header (0x19).

use core::{cell::UnsafeCell, ptr::null_mut};

use x86_64::instructions::interrupts;

use super::{
    Allocation, CACHE_LINE, Wanted,
    block::{self, FreeBlock, Header, Place},
    check_free, freed_twice, large,
};
use crate::{
    ke::{
        bugcheck::{self, code},
        pcr::{self, MAXIMUM_PROCESSORS},
    },
    mm::{
        phys,
        size_class::{self, BLOCK_HEADER, SizeClass},
    },
};

/// Free blocks of a class that a processor keeps at the most.
const KEPT: u16 = 32;
/// How many blocks a list is filled with, and emptied of, at a time.
const BATCH: u16 = KEPT / 2;

/// A processor's list of free blocks of a class.
#[derive(Clone, Copy)]
struct Kept {
    first: *mut FreeBlock,
    count: u16,
}

/// A processor's lists. Used by that processor alone, with interrupts off.
#[repr(align(64))]
struct Lists(UnsafeCell<[Kept; size_class::COUNT]>);

// SAFETY: each is used by one processor, with interrupts off.
unsafe impl Sync for Lists {}

static LISTS: [Lists; MAXIMUM_PROCESSORS] = [const {
    Lists(UnsafeCell::new(
        [Kept {
            first: null_mut(),
            count: 0,
        }; size_class::COUNT],
    ))
}; MAXIMUM_PROCESSORS];

/// Allocates; `None` if memory is short.
pub(super) fn allocate(wanted: &Wanted) -> Option<u64> {
    let slack = if wanted.is_cache_aligned() {
        CACHE_LINE - BLOCK_HEADER
    } else {
        0
    };
    let class = wanted
        .size
        .checked_add(slack)
        .and_then(SizeClass::of)
        .filter(|_| !wanted.is_executable());
    let Some(class) = class else {
        return large::allocate(wanted);
    };
    let block = take(class, wanted)?;
    let start = block as u64;
    let address = if wanted.is_cache_aligned() {
        (start + BLOCK_HEADER).next_multiple_of(CACHE_LINE)
    } else {
        start + BLOCK_HEADER
    };
    let header = Header::new(&wanted.allocation(), address - start);
    // SAFETY: the block is this allocation's.
    unsafe { block.cast::<Header>().write(header) };
    zero_if_wanted(wanted, address);
    Some(address)
}

#[inline]
pub(super) fn zero_if_wanted(wanted: &Wanted, address: u64) {
    if wanted.is_zeroed() {
        let memory = core::ptr::with_exposed_provenance_mut::<u8>(address as usize);
        // SAFETY: the allocation's own memory.
        unsafe { memory.write_bytes(0, wanted.size as usize) };
    }
}

/// Runs with the list of this processor for a class, and with interrupts off.
fn with_kept<T>(class: SizeClass, operation: impl FnOnce(&mut Kept, u16) -> T) -> T {
    let enabled = interrupts::are_enabled();
    interrupts::disable();
    let pcr = pcr::current();
    let lists = LISTS[pcr.number as usize].0.get();
    // SAFETY: this processor's lists, and nothing else runs here meanwhile.
    let kept = unsafe { &mut (*lists)[class.index()] };
    let result = operation(kept, pcr.node);
    if enabled {
        interrupts::enable();
    }
    result
}

/// Takes a free block.
fn take(class: SizeClass, wanted: &Wanted) -> Option<*mut FreeBlock> {
    let placement = wanted.placement;
    if let Some(node) = placement.node {
        let block = block::pages_of(node, class).lock().take(class, node);
        if block.is_some() || placement.nowhere_else {
            return block;
        }
    }
    with_kept(class, |kept, node| {
        if kept.first.is_null() {
            let mut pages = block::pages_of(node, class).lock();
            for _ in 0..BATCH {
                let Some(block) = pages.take(class, node) else {
                    break;
                };
                kept.push(block);
            }
        }
        kept.pop()
    })
    // This node has none left: others may.
    .or_else(|| {
        (0..phys::node_count() as u16)
            .find_map(|node| block::pages_of(node, class).lock().take(class, node))
    })
}

impl Kept {
    fn push(&mut self, block: *mut FreeBlock) {
        // SAFETY: a free block, which nobody else has.
        unsafe { (*block).next = self.first };
        self.first = block;
        self.count += 1;
    }

    fn pop(&mut self) -> Option<*mut FreeBlock> {
        let block = self.first;
        if block.is_null() {
            return None;
        }
        // SAFETY: a free block of the list.
        self.first = unsafe { (*block).next };
        self.count -= 1;
        Some(block)
    }
}

/// Frees an allocation that begins at an address; `false` if none does.
pub(super) fn free(address: u64, tag: Option<u32>) -> bool {
    let place = block::locate(address);
    place.map_or_else(
        || large::free(address, tag),
        |place| free_block(place, address, tag),
    )
}

/// Frees an allocation that begins at an address if the kernel made it, with this tag; whether it
/// did. `begin` is called before, with the memory still allocated.
#[inline]
pub fn free_own(address: u64, tag: u32, begin: impl FnOnce()) -> bool {
    let is_ours = |allocation: &Allocation| (allocation.tag, allocation.caller) == (tag, 0);
    let Some(place) = block::locate(address) else {
        return large::free_if(address, is_ours, begin);
    };
    let found = block::allocation(place.block as u64);
    let ours = found.is_some_and(|(start, allocation)| start == address && is_ours(&allocation));
    if !ours {
        return false;
    }
    begin();
    free_block(place, address, Some(tag))
}

/// Frees what is allocated in a block, if it begins at this address.
fn free_block(place: Place, address: u64, tag: Option<u32>) -> bool {
    let Place { class, node, block } = place;
    let start = block as u64;
    // SAFETY: a block's header.
    let header = unsafe { block.cast::<Header>().read() };
    if header.caller == Header::FREE {
        freed_twice(address, tag);
    }
    let end = header.offset() + u64::from(header.size);
    if header.offset() < BLOCK_HEADER || end > class.block_size() {
        // Parameter 1: the header is damaged. 2: where it is. 3: where the next one is.
        let parameters = [0x20, start, start + class.block_size(), 0];
        bugcheck::bugcheck(code::BAD_POOL_HEADER, parameters);
    }
    if start + header.offset() != address {
        return false;
    }
    check_free(address, &header.allocation(), tag);
    // SAFETY: the block is its owner's, who gives it back.
    unsafe { (*block).header.caller = Header::FREE };
    let given = with_kept(class, |kept, own| {
        if node != own {
            return false;
        }
        kept.push(block);
        if kept.count >= KEPT {
            let mut pages = block::pages_of(node, class).lock();
            for block in (0..BATCH).map_while(|_| kept.pop()) {
                pages.give(block, class);
            }
        }
        true
    });
    if !given {
        block::pages_of(node, class).lock().give(block, class);
    }
    true
}

/// Calls for each allocation, with its address. Those that come or go meanwhile may be missed.
pub(super) fn for_each(visit: &mut dyn FnMut(u64, &Allocation)) {
    let mut allocations = block::allocations();
    allocations.extend(large::allocations());
    for (address, allocation) in &allocations {
        visit(*address, allocation);
    }
}

/// The allocation that an address is in: where it begins, and what it is.
#[must_use]
pub fn find(address: u64) -> Option<(u64, Allocation)> {
    let (start, allocation) = match block::locate(address) {
        Some(place) => block::allocation(place.block as u64)?,
        None => large::before(address)?,
    };
    (start..start + allocation.size)
        .contains(&address)
        .then_some((start, allocation))
}
