//! Pool: the memory that drivers allocate, and that the kernel allocates for them.
//!
//! There are two kinds, as in NT. [`ordinary`] pool packs allocations of one size class into
//! pages, and each processor keeps a few free blocks of each class at hand. [`special`] pool gives
//! each allocation pages of its own, so that an access beside it or after it was freed faults.
//! Which allocations are special is not for the pool to decide: the verifier says so
//! ([`set_special`]), and an address says by itself which kind it is.
//!
//! The routines that drivers import are in [`super::pool_routines`]. Sources: ExAllocatePool2,
//! "Special Pool"; bug checks 0x19, 0xC1, 0xC2 and 0xC4.

mod block;
mod large;
pub mod ordinary;
pub mod special;

use alloc::string::String;
use core::{
    ffi::c_void,
    sync::atomic::{AtomicU8, Ordering},
};

use super::{
    PAGE_SIZE,
    phys::{self, Request},
};
use crate::{
    export::{APC_LEVEL, DISPATCH_LEVEL},
    hook,
    ke::{
        bugcheck::{self, code},
        irql,
    },
};

pub use special::{Misuse, misuse};

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

/// An allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// Its bytes.
    pub size: u64,
    /// Its tag.
    pub tag: u32,
    /// Who allocated it.
    pub caller: u64,
    /// It is pageable: not to be used at DISPATCH_LEVEL.
    pub paged: bool,
}

/// Which allocations are special pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Special {
    /// None.
    None,
    /// Those of paged pool: only pages of their own can be taken away at raised IRQL.
    Paged,
    /// All.
    All,
}

static SPECIAL: AtomicU8 = AtomicU8::new(Special::All as u8);

/// Says which allocations are special from here on. Those that exist stay what they are.
pub fn set_special(which: Special) {
    // Relaxed: each allocation is of one kind or the other, whichever it reads.
    SPECIAL.store(which as u8, Ordering::Relaxed);
}

/// Whether such an allocation is special.
pub fn is_special(paged: bool) -> bool {
    let least = if paged { Special::Paged } else { Special::All };
    SPECIAL.load(Ordering::Relaxed) >= least as u8
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
    if hook::call_fails(routine, caller) {
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
    /// Takes pages, one behind the other.
    fn pages(self, pages: u64) -> Option<u64> {
        let node = self.node;
        let preferred = phys::allocate(&Request {
            node,
            ..Request::any(pages)
        });
        if node.is_none() || self.nowhere_else {
            return preferred;
        }
        preferred.or_else(|| phys::allocate(&Request::any(pages)))
    }
}

/// What is asked of either kind of pool.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// [`flags`].
    pool: u64,
    size: u64,
    tag: u32,
    caller: u64,
    placement: Placement,
}

impl Wanted {
    const fn is_paged(&self) -> bool {
        self.pool & flags::PAGED != 0
    }

    const fn is_executable(&self) -> bool {
        self.pool & flags::NON_PAGED_EXECUTE != 0
    }

    const fn is_cache_aligned(&self) -> bool {
        self.pool & flags::CACHE_ALIGNED != 0
    }

    const fn is_zeroed(&self) -> bool {
        self.pool & flags::UNINITIALIZED == 0
    }

    const fn allocation(&self) -> Allocation {
        Allocation {
            size: self.size,
            tag: self.tag,
            caller: self.caller,
            paged: self.is_paged(),
        }
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
    let wanted = Wanted {
        pool,
        size,
        tag,
        caller,
        placement,
    };
    let level = irql::current();
    // Bug check 0xC4, subcodes 0x1 (paged) and 0x2 (nonpaged).
    if level > highest(wanted.is_paged()) {
        let subcode = if wanted.is_paged() { 1 } else { 2 };
        hook::misuse([subcode, u64::from(level), pool, size]);
    }
    if is_special(wanted.is_paged()) {
        special::allocate(&wanted)
    } else {
        ordinary::allocate(&wanted)
    }
}

/// The highest IRQL at which pool may be allocated and freed.
const fn highest(paged: bool) -> u8 {
    if paged { APC_LEVEL } else { DISPATCH_LEVEL }
}

/// Frees. `tag` is checked if it is given.
pub fn free(address: u64, tag: Option<u32>) {
    if !ordinary::free(address, tag) && !special::free(address, tag) {
        free_of_nothing(address, tag);
    }
}

/// What is freed is not, or no longer, allocated.
fn free_of_nothing(address: u64, tag: Option<u32>) {
    if hook::is_irp(address as usize) {
        // Bug check 0xC4, 0x105: an IRP, which IoFreeIrp frees.
        // Where an IRP is pool, that frees it.
        hook::misuse([0x105, address, 0, 0]);
        return hook::irp_freed_as_pool(address as usize);
    }
    if find(address).is_some() || !special::was_freed(address) {
        // Bug check 0xC4, 0x10: an address that no allocation gave.
        hook::fatal_misuse([0x10, address, 0, 0]);
        // Bug check 0xC2, 0x46, which says the same.
        bugcheck::bugcheck(code::BAD_POOL_CALLER, [0x46, address, 0, 0]);
    }
    freed_twice(address, tag)
}

/// Bug check 0xC2, 0x7: pool that is free already.
fn freed_twice(address: u64, tag: Option<u32>) -> ! {
    let parameters = [7, 0, u64::from(tag.unwrap_or(0)), address];
    bugcheck::bugcheck(code::BAD_POOL_CALLER, parameters)
}

/// Whether an allocation may be freed so, at this IRQL and with this tag.
#[inline]
fn check_free(address: u64, allocation: &Allocation, tag: Option<u32>) {
    let level = irql::current();
    // Bug check 0xC4, subcodes 0x11 (paged) and 0x12 (nonpaged).
    if level > highest(allocation.paged) {
        let subcode = if allocation.paged { 0x11 } else { 0x12 };
        let paged = u64::from(allocation.paged);
        hook::misuse([subcode, u64::from(level), paged, address]);
    }
    if let Some(tag) = tag.filter(|&tag| tag != 0 && tag != allocation.tag) {
        // Bug check 0xC2, 0xA: freed with another tag.
        let parameters = [0xa, address, u64::from(allocation.tag), u64::from(tag)];
        bugcheck::bugcheck(code::BAD_POOL_CALLER, parameters);
    }
    hook::memory_freed(address, allocation.size);
}

/// Calls for each allocation, with its address.
pub fn for_each(mut visit: impl FnMut(u64, &Allocation)) {
    special::for_each(&mut visit);
    ordinary::for_each(&mut visit);
}

/// The allocation that an address is in: where it begins, and what it is.
#[must_use]
pub fn find(address: u64) -> Option<(u64, Allocation)> {
    ordinary::find(address).or_else(|| special::find(address))
}

/// Where the page of a special allocation is mapped that has this physical address.
#[must_use]
pub fn address_of(frame: u64) -> Option<u64> {
    special::address_of(frame)
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
