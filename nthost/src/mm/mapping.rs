//! An MDL's pages in system space: mapping, unmapping, protection, and what MmAdvanceMdl does
//! to a mapping. Those in a process are in [`super::user_view`].
//!
//! A mapping is known by its first page and keeps its range of addresses until it is undone as a
//! whole, even where pages of it are gone already (because the MDL was advanced) or cannot be
//! accessed (because of its protection).
//!
//! Sources: MmMapLockedPagesSpecifyCache, MmMapLockedPages, MmUnmapLockedPages,
//! MmProtectMdlSystemAddress, MmAdvanceMdl.

use alloc::collections::BTreeMap;
use core::ffi::c_void;

use nthost_nt::{
    mm::MDL,
    status::{
        NTSTATUS, STATUS_INVALID_PAGE_PROTECTION, STATUS_INVALID_PARAMETER_2,
        STATUS_INVALID_PARAMETER_3, STATUS_NOT_MAPPED_VIEW, STATUS_SUCCESS,
    },
};

use super::{
    PAGE_SIZE,
    address_space::USER_PROBE_ADDRESS,
    cache::{self, Cache},
    locked,
    mdl::{
        self, IO_SPACE, MAPPED_TO_SYSTEM_VA, OWNS_PAGES, PAGES_LOCKED, PARTIAL,
        PARTIAL_HAS_BEEN_MAPPED, SOURCE_IS_NONPAGED_POOL, pages,
    },
    pageable,
    paging::{self, Access},
    user_view,
};
use crate::{
    export, hook,
    ke::{
        bugcheck::{self, code},
        exception, ipi,
        lock::HighLock,
    },
    mm::account::{self, Kind},
};

#[derive(Clone, Copy)]
struct Mapping {
    pages: u64,
    cache: Cache,
}

/// By the address of the first page. A leaf among locks.
static MAPPINGS: HighLock<BTreeMap<u64, Mapping>> = HighLock::new(BTreeMap::new());

/// The mapping that an address is in: where it begins, and what it is.
fn find(address: u64) -> Option<(u64, Mapping)> {
    let mappings = MAPPINGS.lock();
    let (&base, &mapping) = mappings.range(..=address).next_back()?;
    (address < base + mapping.pages * PAGE_SIZE).then_some((base, mapping))
}

/// A mapping was made at addresses that somebody else keeps.
pub(super) fn remember(base: u64, pages: u64, access: Access) {
    let cache = Cache::of_access(access);
    MAPPINGS.lock().insert(base, Mapping { pages, cache });
}

/// Such a mapping is no more.
pub(super) fn forget(base: u64) {
    MAPPINGS.lock().remove(&base);
}

/// An MDL's flags as a parameter of a bug check.
pub(super) const fn bits(flags: i16) -> u64 {
    flags.cast_unsigned() as u64
}

/// Undoes a mapping of an MDL's pages. A mapping that is none ends in bug check 0xDA.
///
/// # Safety
///
/// Nobody uses the mapping any more.
pub unsafe fn unmap(mdl: *mut MDL) {
    // SAFETY: the caller's MDL.
    let fields = unsafe { &mut *mdl };
    let address = fields.MappedSystemVa as u64;
    let mapping = find(address);
    let (Some((base, mapping)), Some(_)) = (mapping, account::give(Kind::MdlMapping, address))
    else {
        bugcheck::bugcheck(code::SYSTEM_PTE_MISUSE, [0x301, address, mdl as u64, 0]);
    };
    MAPPINGS.lock().remove(&base);
    // SAFETY: it was mapped so; the caller promises that nobody uses it.
    unsafe { paging::unmap_range(base, mapping.pages) };
    // SAFETY: the caller's MDL.
    cache::unmap(unsafe { pages(mdl) }.iter().map(|&page| mdl::frame(page)));
    fields.MdlFlags &= !(MAPPED_TO_SYSTEM_VA | PARTIAL_HAS_BEEN_MAPPED);
    fields.MappedSystemVa = core::ptr::null_mut();
}

/// Maps the pages of an MDL, which have their own say in how they are cached; `None` if there is
/// no room, or they differ in that.
pub(super) fn map(mdl: *mut MDL, access: Access, caller: u64) -> Option<*mut c_void> {
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
        // Nobody knows which pages they are.
        return None;
    }
    // SAFETY: the caller's MDL, whose pages are known.
    let frames = unsafe { pages(mdl) }.iter().map(|&page| mdl::frame(page));
    let cache = cache::map(frames.clone(), Cache::of_access(access))?;
    let mapping = Mapping {
        pages: frames.len() as u64,
        cache,
    };
    // SAFETY: the pages are locked, or the MDL's own.
    let mapped = unsafe { paging::map_range(frames.clone(), cache.applied(access)) };
    let Some(base) = mapped else {
        cache::unmap(frames);
        return None;
    };
    MAPPINGS.lock().insert(base, mapping);
    let address = base + u64::from(fields.ByteOffset);
    account::take(
        Kind::MdlMapping,
        address,
        u64::from(fields.ByteCount),
        caller,
    );
    fields.MappedSystemVa = core::ptr::with_exposed_provenance_mut(address as usize);
    fields.MdlFlags |= MAPPED_TO_SYSTEM_VA;
    if fields.MdlFlags & PARTIAL != 0 {
        fields.MdlFlags |= PARTIAL_HAS_BEEN_MAPPED;
    }
    Some(fields.MappedSystemVa)
}

/// `PAGE_…` as an access, which is `None` for `PAGE_NOACCESS`. The processor cannot execute what
/// it cannot read.
///
/// # Errors
///
/// `STATUS_INVALID_PAGE_PROTECTION`.
pub const fn protection(value: u32) -> Result<Option<Access>, NTSTATUS> {
    match value {
        0x01 => Ok(None),
        0x02 => Ok(Some(Access::empty())),
        0x04 => Ok(Some(Access::WRITE)),
        0x10 | 0x20 => Ok(Some(Access::EXECUTE)),
        0x40 => Ok(Some(Access::WRITE.union(Access::EXECUTE))),
        _ => Err(STATUS_INVALID_PAGE_PROTECTION),
    }
}

/// Changes the protection of an MDL's mapping.
fn protect(mdl: *mut MDL, access: Option<Access>) -> NTSTATUS {
    // SAFETY: the caller's MDL.
    let fields = unsafe { &*mdl };
    let address = fields.MappedSystemVa as u64;
    if fields.MdlFlags & MAPPED_TO_SYSTEM_VA == 0 {
        return STATUS_NOT_MAPPED_VIEW;
    }
    let Some((_, mapping)) = find(address) else {
        return STATUS_NOT_MAPPED_VIEW;
    };
    let first = address & !(PAGE_SIZE - 1);
    // SAFETY: the caller's MDL.
    for (index, &page) in unsafe { pages(mdl) }.iter().enumerate() {
        let at = first + index as u64 * PAGE_SIZE;
        let Some(mut access) = access else {
            // SAFETY: the caller promises that nobody uses the mapping against its protection.
            let _ = unsafe { paging::unmap(at) };
            continue;
        };
        access = mapping.cache.applied(access);
        // SAFETY: likewise.
        if !unsafe { paging::protect(at, access) } {
            // It had no access; its place is still reserved, and its tables exist.
            // SAFETY: the page is the MDL's, at the address that was reserved for it.
            let mapped = unsafe { paging::map(at, mdl::frame(page), access) };
            assert!(mapped.is_ok(), "the tables of a mapping stay");
        }
    }
    ipi::flush_tlb();
    STATUS_SUCCESS
}

/// Takes bytes off the beginning of an MDL, and the pages that are passed so out of it.
fn advance(mdl: *mut MDL, bytes: u32) -> NTSTATUS {
    // SAFETY: the caller's MDL.
    let fields = unsafe { &mut *mdl };
    if bytes > fields.ByteCount {
        return STATUS_INVALID_PARAMETER_2;
    }
    // SAFETY: the caller's MDL.
    let numbers = unsafe { pages(mdl) };
    let offset = u64::from(fields.ByteOffset) + u64::from(bytes);
    let passed = ((offset / PAGE_SIZE) as usize).min(numbers.len());
    let mapped = fields.MdlFlags & MAPPED_TO_SYSTEM_VA != 0;
    let before = fields.MappedSystemVa as u64;
    if mapped && let Some(held) = account::give(Kind::MdlMapping, before) {
        let count = held.count - u64::from(bytes);
        let at = before.wrapping_add(bytes.into());
        account::take(Kind::MdlMapping, at, count, held.caller);
        for index in 0..passed as u64 {
            let at = (before & !(PAGE_SIZE - 1)) + index * PAGE_SIZE;
            // SAFETY: the documentation says that what is passed is not the MDL's any more.
            let _ = unsafe { paging::unmap(at) };
        }
        cache::unmap(numbers[..passed].iter().map(|&page| mdl::frame(page)));
        ipi::flush_tlb();
    }
    if mapped || fields.MdlFlags & SOURCE_IS_NONPAGED_POOL != 0 {
        let at = before.wrapping_add(bytes.into());
        fields.MappedSystemVa = core::ptr::with_exposed_provenance_mut(at as usize);
    }
    // What was locked for this MDL is unlocked page by page; a partial MDL has no locks.
    if let Some(held) = account::get(Kind::LockedPages, mdl as u64) {
        for page in &numbers[..passed] {
            locked::unlock(mdl::frame(*page));
        }
        pageable::unlock(fields.StartVa as u64, passed as u64 * PAGE_SIZE);
        let count = held.count - passed as u64;
        account::take(Kind::LockedPages, mdl as u64, count, held.caller);
    }
    numbers.copy_within(passed.., 0);
    let start = (fields.StartVa as u64).wrapping_add(mdl::frame(passed as u64));
    fields.StartVa = core::ptr::with_exposed_provenance_mut(start as usize);
    fields.ByteOffset = (offset % PAGE_SIZE) as u32;
    fields.ByteCount -= bytes;
    STATUS_SUCCESS
}

/// Maps an MDL's pages as MmMapLockedPagesSpecifyCache is asked to, in kernel mode.
fn map_for_kernel(mdl: *mut MDL, access: Access, bug_check: bool, caller: u64) -> *mut c_void {
    if bug_check {
        // Bug check 0xC4, subcode 0x82: a driver must be able to do without.
        // SAFETY: the caller's MDL.
        hook::misuse([0x82, mdl as u64, bits(unsafe { (*mdl).MdlFlags }), 0]);
    }
    if hook::call_fails("MmMapLockedPagesSpecifyCache", caller) {
        return core::ptr::null_mut();
    }
    map(mdl, access, caller).unwrap_or(core::ptr::null_mut())
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Maps an MDL's pages. In kernel mode: into system space, NULL if there is no room; to ask
    /// for a bug check instead is one of the verifier's faults. In user mode: into the current
    /// process, at an address of choice or any, never executable, at APC_LEVEL at the most; what
    /// cannot be mapped raises an exception.
    ///
    /// Source: MmMapLockedPagesSpecifyCache.
    ///
    /// # Safety
    ///
    /// The MDL's pages are locked or its own; for user mode they may also be nonpaged pool.
    pub unsafe fn MmMapLockedPagesSpecifyCache(
        mdl: *mut MDL, mode: i8, cache: i32, address: *mut c_void,
        bug_check_on_failure: u32, priority: u32
    ) -> *mut c_void {
        /// `MdlMappingNoWrite`, `MdlMappingNoExecute`.
        const NO_WRITE: u32 = 0x8000_0000;
        const NO_EXECUTE: u32 = 0x4000_0000;
        let from = export::caller();
        let mut access = Access::empty();
        access.set(Access::WRITE, priority & NO_WRITE == 0);
        let known = Cache::of_type(cache);
        access = known.unwrap_or(Cache::NonCached).applied(access);
        if mode == 0 {
            if known.is_none() {
                return core::ptr::null_mut();
            }
            access.set(Access::EXECUTE, priority & NO_EXECUTE == 0);
            return map_for_kernel(mdl, access, bug_check_on_failure != 0, from);
        }
        let mapped = known.ok_or(STATUS_INVALID_PARAMETER_3).and_then(|_| {
            user_view::map(mdl, access, address as u64, from)
        });
        match mapped {
            Ok(base) => core::ptr::with_exposed_provenance_mut(base as usize),
            Err(status) => exception::raise(status),
        }
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Maps an MDL's pages, or ends in bug check 0x3F: obsolete, because it cannot fail. To call it
    /// is one of the verifier's faults. For user mode, NULL stands for the exception.
    ///
    /// Source: MmMapLockedPages; bug check 0xC4, subcode 0x81.
    ///
    /// # Safety
    ///
    /// The MDL's pages are locked or its own.
    pub unsafe fn MmMapLockedPages(mdl: *mut MDL, mode: i8) -> *mut c_void {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        hook::misuse([0x81, mdl as u64, bits(unsafe { (*mdl).MdlFlags }), 0]);
        let access = Access::WRITE | Access::EXECUTE;
        if mode != 0 {
            let mapped = user_view::map(mdl, access, 0, caller).unwrap_or(0);
            return core::ptr::with_exposed_provenance_mut(mapped as usize);
        }
        map(mdl, access, caller).unwrap_or_else(|| {
            bugcheck::bugcheck(code::NO_MORE_SYSTEM_PTES, [0, 1, 0, 0])
        })
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Undoes a mapping of an MDL's pages. An address that is not the MDL's mapping ends in
    /// bug check 0xDA. What was mapped in user mode is unmapped in the same process, at APC_LEVEL
    /// at the most.
    ///
    /// Source: MmUnmapLockedPages.
    ///
    /// # Safety
    ///
    /// Nobody uses the mapping any more.
    pub unsafe fn MmUnmapLockedPages(address: *mut c_void, mdl: *mut MDL) {
        if (address as u64) < USER_PROBE_ADDRESS {
            user_view::unmap(address as u64, mdl);
            return;
        }
        // SAFETY: the caller's MDL.
        let flags = unsafe { (*mdl).MdlFlags };
        if flags & MAPPED_TO_SYSTEM_VA == 0 {
            // Bug check 0xC4, subcode 0xB6: the MDL is not mapped.
            hook::misuse([0xb6, mdl as u64, bits(flags), bits(MAPPED_TO_SYSTEM_VA)]);
            return;
        }
        if flags & (PARTIAL | PARTIAL_HAS_BEEN_MAPPED) == PARTIAL {
            // Subcode 0xB5: the mapping is that of the MDL that this is a part of.
            hook::misuse([0xb5, mdl as u64, bits(flags), bits(PARTIAL)]);
            return;
        }
        // SAFETY: the caller's MDL.
        if unsafe { (*mdl).MappedSystemVa } != address {
            bugcheck::bugcheck(
                code::SYSTEM_PTE_MISUSE,
                [0x301, address as u64, mdl as u64, 0],
            );
        }
        // SAFETY: the caller's promise.
        unsafe { unmap(mdl) };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Changes how an MDL's mapping may be accessed. STATUS_NOT_MAPPED_VIEW for an MDL that is
    /// not mapped, STATUS_INVALID_PAGE_PROTECTION for a protection that is none of the six.
    ///
    /// Source: MmProtectMdlSystemAddress.
    ///
    /// # Safety
    ///
    /// Nobody uses the mapping against its new protection.
    pub unsafe fn MmProtectMdlSystemAddress(mdl: *mut MDL, new: u32) -> NTSTATUS {
        match protection(new) {
            Ok(access) => protect(mdl, access),
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes bytes off the beginning of an MDL; pages that are passed are unlocked and unmapped
    /// at once. STATUS_INVALID_PARAMETER_2 for more bytes than there are.
    ///
    /// Source: MmAdvanceMdl.
    ///
    /// # Safety
    ///
    /// The MDL's pages are known, and nobody uses what is passed.
    pub unsafe fn MmAdvanceMdl(mdl: *mut MDL, bytes: u32) -> NTSTATUS {
        advance(mdl, bytes)
    }
}
