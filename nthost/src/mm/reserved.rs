//! Addresses that are reserved ahead of time, for mappings that cannot fail.
//!
//! Sources: MmAllocateMappingAddress, MmFreeMappingAddress, MmMapLockedPagesWithReservedMapping,
//! MmUnmapReservedMapping, "Bug Check 0xDA". The page tables are made with the reservation.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::mm::MDL;

use super::{
    PAGE_SIZE,
    cache::{self, Cache},
    mapping::{self, bits},
    mdl::{
        IO_SPACE, MAPPED_TO_SYSTEM_VA, OWNS_PAGES, PAGES_LOCKED, PARTIAL, SOURCE_IS_NONPAGED_POOL,
        pages,
    },
    paging::{self, Access},
    phys::{self, Request},
};
use crate::{
    export, hook,
    ke::{
        bugcheck::{self, code},
        ipi,
        lock::HighLock,
    },
    mm::account::{self, Kind},
};

/// The violations of bug check 0xDA.
mod misuse {
    pub const NOTHING_REQUESTED: u64 = 0x100;
    pub const FREED_BY_OTHER: u64 = 0x101;
    pub const FREED_EMPTY: u64 = 0x102;
    pub const FREED_MAPPED: u64 = 0x103;
    pub const MAPPED_BY_OTHER: u64 = 0x104;
    pub const MAPPED_INVALID: u64 = 0x105;
    pub const MAPPED_TWICE: u64 = 0x107;
    pub const UNMAPPED_BY_OTHER: u64 = 0x108;
    pub const UNMAPPED_EMPTY: u64 = 0x109;
    pub const UNMAPPED_TOO_MUCH: u64 = 0x10a;
    pub const UNMAPPED_UNMAPPED: u64 = 0x10b;
    pub const UNMAPPED_PART: u64 = 0x10c;
}

/// Addresses that a driver has reserved.
#[derive(Clone, Copy, Debug)]
struct Reserved {
    pages: u64,
    tag: u32,
    /// How many of its pages are mapped, from the first on.
    mapped: u64,
}

/// By first address. A leaf among locks.
static RESERVED: HighLock<BTreeMap<u64, Reserved>> = HighLock::new(BTreeMap::new());

fn misused(parameters: [u64; 4]) -> ! {
    bugcheck::bugcheck(code::SYSTEM_PTE_MISUSE, parameters)
}

/// What is reserved at an address, by this tag; otherwise bug check 0xDA with the violation of
/// whom it does not belong to, or of an address where nothing is reserved.
fn owned(base: u64, tag: u32, other: u64, nothing: u64) -> Reserved {
    let found = RESERVED.lock().get(&base).copied();
    let Some(reserved) = found else {
        misused([nothing, base, tag.into(), 0]);
    };
    if reserved.tag != tag {
        misused([other, base, tag.into(), reserved.tag.into()]);
    }
    reserved
}

/// Has the page tables of a range made, which stay.
fn make_tables(base: u64, pages: u64) -> Option<()> {
    let frame = phys::allocate(&Request::any(1))?;
    let made = (0..pages).all(|index| {
        let address = base + index * PAGE_SIZE;
        // SAFETY: the range is reserved, and the page is this routine's.
        if unsafe { paging::map(address, frame, Access::empty()) }.is_err() {
            return false;
        }
        // SAFETY: nobody knows the address yet.
        unsafe { paging::unmap(address) }.is_some()
    });
    // SAFETY: it was just allocated, and is mapped nowhere.
    unsafe { phys::free(frame, 1) };
    made.then_some(())
}

fn reserve(bytes: u64, tag: u32, caller: u64) -> Option<u64> {
    let pages = bytes.div_ceil(PAGE_SIZE);
    let base = paging::reserve(pages)?;
    if make_tables(base, pages).is_none() {
        paging::release(base, pages);
        return None;
    }
    let reserved = Reserved {
        pages,
        tag,
        mapped: 0,
    };
    RESERVED.lock().insert(base, reserved);
    account::take(Kind::MappingAddress, base, pages, caller);
    Some(base)
}

/// Maps an MDL's pages at a reserved address; `None` if they do not fit.
///
/// # Safety
///
/// The MDL's pages are locked or its own.
unsafe fn map(base: u64, tag: u32, mdl: *mut MDL, access: Access) -> Option<u64> {
    use misuse::{MAPPED_BY_OTHER, MAPPED_INVALID, MAPPED_TWICE};
    let reserved = owned(base, tag, MAPPED_BY_OTHER, MAPPED_INVALID);
    if reserved.mapped != 0 {
        let last = base + (reserved.pages - 1) * PAGE_SIZE;
        misused([MAPPED_TWICE, base, base, last]);
    }
    // SAFETY: the caller's MDL.
    let fields = unsafe { &mut *mdl };
    let flags = fields.MdlFlags;
    let unexpected = flags & (MAPPED_TO_SYSTEM_VA | SOURCE_IS_NONPAGED_POOL);
    if unexpected != 0 {
        // Bug check 0xC4, subcode 0xB2: the MDL is mapped already, or need not be.
        hook::misuse([0xb2, mdl as u64, bits(flags), bits(unexpected)]);
    }
    let expected = PAGES_LOCKED | PARTIAL | OWNS_PAGES | IO_SPACE;
    if flags & expected == 0 {
        // Subcode 0xB3: its pages are neither locked nor its own.
        hook::misuse([0xb3, mdl as u64, bits(flags), bits(expected)]);
        return None;
    }
    // SAFETY: the caller's MDL, whose pages are known.
    let frames: Vec<u64> = unsafe { pages(mdl) }.to_vec();
    let count = frames.len() as u64;
    if count > reserved.pages {
        return None;
    }
    let physical = frames.iter().map(|page| page * PAGE_SIZE);
    let access = cache::map(physical, Cache::of_access(access))?.applied(access);
    for (index, page) in frames.into_iter().enumerate() {
        let address = base + index as u64 * PAGE_SIZE;
        // SAFETY: the address is reserved for it, and the page is locked or the MDL's own.
        let mapped = unsafe { paging::map(address, page * PAGE_SIZE, access) };
        assert!(mapped.is_ok(), "the tables were made with the reservation");
    }
    RESERVED.lock().insert(
        base,
        Reserved {
            mapped: count,
            ..reserved
        },
    );
    mapping::remember(base, count, access);
    // Unlike other mappings', this field does not include the offset.
    fields.MappedSystemVa = core::ptr::with_exposed_provenance_mut(base as usize);
    fields.MdlFlags |= MAPPED_TO_SYSTEM_VA;
    Some(base + u64::from(fields.ByteOffset))
}

/// Undoes the mapping at a reserved address.
///
/// # Safety
///
/// Nobody uses the mapping any more.
unsafe fn unmap(base: u64, tag: u32, mdl: *mut MDL) {
    use misuse::{
        UNMAPPED_BY_OTHER, UNMAPPED_EMPTY, UNMAPPED_PART, UNMAPPED_TOO_MUCH, UNMAPPED_UNMAPPED,
    };
    let reserved = owned(base, tag, UNMAPPED_BY_OTHER, UNMAPPED_EMPTY);
    // SAFETY: the caller's MDL.
    let count = unsafe { pages(mdl) }.len() as u64;
    if reserved.mapped == 0 {
        misused([UNMAPPED_UNMAPPED, base, tag.into(), count]);
    }
    if count > reserved.mapped {
        misused([UNMAPPED_TOO_MUCH, base, reserved.mapped, count]);
    }
    if count < reserved.mapped {
        misused([UNMAPPED_PART, base, tag.into(), count]);
    }
    for index in 0..count {
        // SAFETY: the caller's promise.
        let _ = unsafe { paging::unmap(base + index * PAGE_SIZE) };
    }
    ipi::flush_tlb();
    // SAFETY: the caller's MDL.
    cache::unmap(unsafe { pages(mdl) }.iter().map(|&page| page * PAGE_SIZE));
    mapping::forget(base);
    RESERVED.lock().insert(
        base,
        Reserved {
            mapped: 0,
            ..reserved
        },
    );
    // SAFETY: the caller's MDL.
    let fields = unsafe { &mut *mdl };
    fields.MdlFlags &= !MAPPED_TO_SYSTEM_VA;
    fields.MappedSystemVa = null_mut();
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: null_mut();
    /// Reserves addresses for mappings of so many bytes; NULL if there are none left.
    ///
    /// Source: MmAllocateMappingAddress.
    ///
    /// # Safety
    ///
    /// None: to reserve nothing ends in bug check 0xDA.
    pub unsafe fn MmAllocateMappingAddress(bytes: u64, tag: u32) -> *mut c_void {
        let caller = export::caller();
        if bytes == 0 {
            misused([misuse::NOTHING_REQUESTED, 0, tag.into(), caller]);
        }
        let base = reserve(bytes, tag, caller).unwrap_or(0);
        core::ptr::with_exposed_provenance_mut(base as usize)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Gives reserved addresses back. What is mapped there, or belongs to another tag, ends in
    /// bug check 0xDA.
    ///
    /// Source: MmFreeMappingAddress.
    ///
    /// # Safety
    ///
    /// The addresses are the caller's.
    pub unsafe fn MmFreeMappingAddress(address: *mut c_void, tag: u32) {
        let base = address as u64;
        let reserved = owned(base, tag, misuse::FREED_BY_OTHER, misuse::FREED_EMPTY);
        if reserved.mapped != 0 {
            misused([misuse::FREED_MAPPED, base, tag.into(), reserved.pages]);
        }
        RESERVED.lock().remove(&base);
        account::give(Kind::MappingAddress, base);
        paging::release(base, reserved.pages);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Maps an MDL's pages at reserved addresses, which cannot fail for lack of resources: NULL
    /// if they are too few. What it gives includes the MDL's offset; the MDL's field does not.
    ///
    /// Source: MmMapLockedPagesWithReservedMapping.
    ///
    /// # Safety
    ///
    /// The addresses are the caller's; the MDL's pages are locked or its own.
    pub unsafe fn MmMapLockedPagesWithReservedMapping(
        address: *mut c_void,
        tag: u32,
        mdl: *mut MDL,
        cache: i32,
    ) -> *mut c_void {
        let Some(cache) = Cache::of_type(cache) else { return null_mut() };
        let access = cache.applied(Access::WRITE);
        // SAFETY: the caller's promise.
        let mapped = unsafe { map(address as u64, tag, mdl, access) };
        core::ptr::with_exposed_provenance_mut(mapped.unwrap_or(0) as usize)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Undoes such a mapping; the addresses stay reserved.
    ///
    /// Source: MmUnmapReservedMapping.
    ///
    /// # Safety
    ///
    /// The addresses are the caller's, and nobody uses the mapping any more.
    pub unsafe fn MmUnmapReservedMapping(address: *mut c_void, tag: u32, mdl: *mut MDL) {
        // SAFETY: the caller's promise.
        unsafe { unmap(address as u64, tag, mdl) };
    }
}
