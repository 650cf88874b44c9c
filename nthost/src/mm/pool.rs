//! Pool: what drivers allocate, each allocation in pages of its own.
//!
//! All pool is special pool, as under Driver Verifier: an allocation ends where a page ends (so
//! that the byte behind it faults), a page that is never mapped lies on either side, and freed
//! pages are unmapped. The bytes between its start and the page's are filled with a pattern
//! that is checked when it is freed. An option of the verifier's has it begin where a page begins
//! instead, so that the byte before it faults.
//!
//! The routines are in [`super::pool_routines`]. Sources: "Special Pool", bug
//! checks 0xC1, 0xC2 and 0xC5.

use alloc::{
    collections::{BTreeMap, VecDeque},
    string::String,
    vec::Vec,
};
use core::ffi::c_void;

use nthost_protocol::manifest::VerifierOption;

use super::{
    PAGE_SIZE, pageable,
    paging::{self, Access},
    phys::{self, Request},
    user_view,
};
use crate::{
    export::{APC_LEVEL, DISPATCH_LEVEL},
    ke::{
        bugcheck::{self, code},
        irql,
        lock::HighLock,
    },
    verifier::{fault, is_on},
};

/// `POOL_FLAGS`.
pub mod flags {
    /// The memory is not zeroed.
    pub const UNINITIALIZED: u64 = 0x2;
    /// The memory begins at a cache line.
    pub const CACHE_ALIGNED: u64 = 0x8;
    /// A failure raises a status.
    pub const RAISE_ON_FAILURE: u64 = 0x20;
    /// Nonpaged, no code.
    pub const NON_PAGED: u64 = 0x40;
    /// Nonpaged, with code.
    pub const NON_PAGED_EXECUTE: u64 = 0x80;
    /// Paged.
    pub const PAGED: u64 = 0x100;
    /// What an allocation is in: exactly one of these.
    pub const KINDS: u64 = NON_PAGED | NON_PAGED_EXECUTE | PAGED;
    /// All that are required to be known, the lower half; unknown ones in the upper half are
    /// ignored by design.
    pub const KNOWN: u64 = 0x1ff;
    /// The flags that must be understood.
    pub const REQUIRED: u64 = 0xffff_ffff;
}

/// Pool allocations are aligned so (`MEMORY_ALLOCATION_ALIGNMENT`).
const ALIGNMENT: u64 = 16;
const CACHE_LINE: u64 = 64;
/// Fills what an allocation does not use of its first page.
const PATTERN: u8 = 0x6e;
/// Fills memory that is not zeroed.
const GARBAGE: u8 = 0xa5;

/// An allocation.
#[derive(Clone, Debug)]
pub struct Allocation {
    /// Its bytes.
    pub size: u64,
    /// Its tag.
    pub tag: u32,
    /// Who allocated it.
    pub caller: u64,
    /// It is pageable: not to be used at DISPATCH_LEVEL.
    pub paged: bool,
    base: u64,
    frames: Vec<u64>,
}

/// By address. Protects the table alone, not the memory.
static ALLOCATIONS: HighLock<BTreeMap<u64, Allocation>> = HighLock::new(BTreeMap::new());

/// How many ranges of freed pages are remembered.
const REMEMBERED: usize = 4096;
/// Ranges of pages that were freed, newest last: what a fault there is about. A leaf.
static FREED: HighLock<VecDeque<(u64, u64)>> = HighLock::new(VecDeque::new());

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
    for allocation in near.rev().take(2).map(|(_, allocation)| allocation) {
        let end = allocation.base + allocation.frames.len() as u64 * PAGE_SIZE;
        if (allocation.base..end).contains(&address) {
            return None;
        }
        if (allocation.base - PAGE_SIZE..end + PAGE_SIZE).contains(&address) {
            return Some(Misuse::Beside);
        }
    }
    drop(allocations);
    let freed = FREED.lock();
    let hit = freed
        .iter()
        .any(|&(base, end)| (base..end).contains(&address));
    hit.then_some(Misuse::Freed)
}

/// A tag as people write it.
#[must_use]
pub fn tag_text(tag: u32) -> String {
    let printable = |byte: u8| {
        if byte.is_ascii_graphic() {
            char::from(byte)
        } else {
            ' '
        }
    };
    tag.to_le_bytes().into_iter().map(printable).collect()
}

/// Allocates for a driver that called this routine; `None` if memory is short, or the
/// allocation was chosen to fail.
#[must_use]
pub fn allocate_for(
    routine: &'static str,
    pool: u64,
    size: u64,
    tag: u32,
    caller: u64,
) -> Option<u64> {
    if fault::strikes(routine, caller) {
        return None;
    }
    allocate(pool, size, tag, caller)
}

/// Allocates; `None` if memory is short.
#[must_use]
pub fn allocate(pool: u64, size: u64, tag: u32, caller: u64) -> Option<u64> {
    allocate_at(pool, size, tag, caller, Placement::default())
}

/// On which node the pages of an allocation are to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Placement {
    /// Its node; none, for any.
    pub node: Option<u16>,
    /// If that has none left, it fails.
    pub nowhere_else: bool,
}

impl Placement {
    fn page(self) -> Option<u64> {
        let node = self.node;
        let preferred = phys::allocate(&Request {
            node,
            ..Request::any(1)
        });
        if node.is_none() || self.nowhere_else {
            return preferred;
        }
        preferred.or_else(|| phys::allocate(&Request::any(1)))
    }
}

/// Allocates from a node; `None` if memory is short.
#[must_use]
pub fn allocate_at(
    pool: u64,
    size: u64,
    tag: u32,
    caller: u64,
    placement: Placement,
) -> Option<u64> {
    let level = irql::current();
    let paged = pool & flags::PAGED != 0;
    // Bug check 0xC4, subcodes 0x1 (paged) and 0x2 (nonpaged).
    if level > if paged { APC_LEVEL } else { DISPATCH_LEVEL } {
        let subcode = if paged { 1 } else { 2 };
        violation([subcode, u64::from(level), pool, size]);
    }
    let alignment = match size {
        PAGE_SIZE.. => PAGE_SIZE,
        _ if pool & flags::CACHE_ALIGNED != 0 => CACHE_LINE,
        _ => ALIGNMENT,
    };
    let count = size.div_ceil(PAGE_SIZE);
    let mut frames = Vec::new();
    // A driver may ask for more than there could ever be.
    frames.try_reserve_exact(count as usize).ok()?;
    for _ in 0..count {
        let Some(frame) = placement.page() else {
            free_frames(&frames);
            return None;
        };
        frames.push(frame);
    }
    let mut access = Access::WRITE;
    access.set(Access::EXECUTE, pool & flags::NON_PAGED_EXECUTE != 0);
    // SAFETY: the pages are ours.
    let Some(base) = (unsafe { paging::map_range(frames.iter().copied(), access) }) else {
        free_frames(&frames);
        return None;
    };
    let total = count * PAGE_SIZE;
    let address = if is_on(VerifierOption::SpecialPoolUnderrun) {
        base
    } else {
        base + (total - size) / alignment * alignment
    };
    let memory = core::ptr::with_exposed_provenance_mut::<u8>(base as usize);
    // SAFETY: the range was just mapped.
    unsafe { memory.write_bytes(PATTERN, total as usize) };
    let fill = if pool & flags::UNINITIALIZED == 0 {
        0
    } else {
        GARBAGE
    };
    let start = core::ptr::with_exposed_provenance_mut::<u8>(address as usize);
    // SAFETY: as above.
    unsafe { start.write_bytes(fill, size as usize) };
    let allocation = Allocation {
        size,
        tag,
        caller,
        paged,
        base,
        frames,
    };
    if paged {
        let _: bool = pageable::add(base, &allocation.frames, access);
    }
    ALLOCATIONS.lock().insert(address, allocation);
    Some(address)
}

/// Frees. `tag` is checked if it is given.
pub fn free(address: u64, tag: Option<u32>) {
    let level = irql::current();
    let allocation = ALLOCATIONS.lock().remove(&address);
    let Some(allocation) = allocation else {
        let pointer = core::ptr::with_exposed_provenance_mut(address as usize);
        if crate::io::irp::record(pointer).is_some() {
            // Bug check 0xC4, 0x105: an IRP, which IoFreeIrp frees.
            violation([0x105, address, 0, 0]);
        }
        let page = address & !(PAGE_SIZE - 1);
        if find(address).is_some()
            || !FREED
                .lock()
                .iter()
                .any(|&(base, end)| (base..end).contains(&page))
        {
            // Bug check 0xC4, 0x10: an address that no allocation gave.
            violation([0x10, address, 0, 0]);
        }
        // Bug check 0xC2, 0x7: pool that is free already.
        bugcheck::bugcheck(
            code::BAD_POOL_CALLER,
            [7, 0, u64::from(tag.unwrap_or(0)), address],
        );
    };
    // Bug check 0xC4, subcodes 0x11 (paged) and 0x12 (nonpaged).
    if level
        > if allocation.paged {
            APC_LEVEL
        } else {
            DISPATCH_LEVEL
        }
    {
        let subcode = if allocation.paged { 0x11 } else { 0x12 };
        violation([
            subcode,
            u64::from(level),
            u64::from(allocation.paged),
            address,
        ]);
    }
    if let Some(tag) = tag.filter(|&tag| tag != 0 && tag != allocation.tag) {
        // Bug check 0xC2, 0xA: freed with another tag.
        let parameters = [0xa, address, u64::from(allocation.tag), u64::from(tag)];
        bugcheck::bugcheck(code::BAD_POOL_CALLER, parameters);
    }
    for &frame in &allocation.frames {
        user_view::check_unlocked(frame);
    }
    let end = allocation.base + allocation.frames.len() as u64 * PAGE_SIZE;
    let outside = (allocation.base..address).chain(address + allocation.size..end);
    for at in outside {
        let byte = core::ptr::with_exposed_provenance::<u8>(at as usize);
        // SAFETY: the pages of the allocation are mapped until below.
        if unsafe { byte.read() } != PATTERN {
            // Bug check 0xC1: bytes before (0x23) or behind (0x24) the allocation were written.
            let kind = if at < address { 0x23 } else { 0x24 };
            let parameters = [address, at, allocation.size, kind];
            bugcheck::bugcheck(code::SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION, parameters);
        }
    }
    crate::verifier::freed::check(address, allocation.size);
    crate::verifier::freed::forget_memory(address as usize, allocation.size as usize);
    pageable::remove(allocation.base);
    let mut freed = FREED.lock();
    if freed.len() == REMEMBERED {
        freed.pop_front();
    }
    freed.push_back((allocation.base, end));
    drop(freed);
    // SAFETY: the driver has given the memory back; whoever still uses it faults.
    unsafe { paging::unmap_range(allocation.base, allocation.frames.len() as u64) };
    free_frames(&allocation.frames);
}

pub(super) fn violation(parameters: [u64; 4]) -> ! {
    bugcheck::bugcheck(code::DRIVER_VERIFIER_DETECTED_VIOLATION, parameters)
}

fn free_frames(frames: &[u64]) {
    for &frame in frames {
        // SAFETY: they were allocated by the caller, and are not mapped.
        unsafe { phys::free(frame, 1) };
    }
}

/// Calls for each allocation, with its address.
pub fn for_each(mut visit: impl FnMut(u64, &Allocation)) {
    // A copy, because whoever visits may allocate.
    let allocations = ALLOCATIONS.lock().clone();
    for (address, allocation) in &allocations {
        visit(*address, allocation);
    }
}

/// The allocation that an address is in: where it begins, and what it is.
#[must_use]
pub fn find(address: u64) -> Option<(u64, Allocation)> {
    let allocations = ALLOCATIONS.lock();
    let (&start, allocation) = allocations.range(..=address).next_back()?;
    (address < start + allocation.size).then(|| (start, allocation.clone()))
}

/// `POOL_TYPE` of the older routines, as flags.
#[must_use]
pub const fn from_pool_type(kind: u32) -> u64 {
    let base = match kind & 0x201 {
        0x1 => flags::PAGED,
        0x200 => flags::NON_PAGED,
        _ => flags::NON_PAGED_EXECUTE,
    };
    let aligned = if kind & 4 != 0 {
        flags::CACHE_ALIGNED
    } else {
        0
    };
    base | aligned | flags::UNINITIALIZED
}

/// An allocation as drivers see it: NULL if there is none.
#[must_use]
pub fn pointer(address: Option<u64>) -> *mut c_void {
    address.map_or(core::ptr::null_mut(), |address| {
        core::ptr::with_exposed_provenance_mut(address as usize)
    })
}
