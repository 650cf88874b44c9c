//! Memory of a process, reserved and committed page by page.
//!
//! Every page that is committed has its physical page at once, where NT waits until it is
//! touched. The system's process has no memory of this kind.
//!
//! Sources: ZwAllocateVirtualMemory, ZwFreeVirtualMemory.

use alloc::vec::Vec;

use nthost_nt::status::{
    NTSTATUS, STATUS_CONFLICTING_ADDRESSES, STATUS_INVALID_PAGE_PROTECTION,
    STATUS_INVALID_PARAMETER_3, STATUS_INVALID_PARAMETER_4, STATUS_INVALID_PARAMETER_5,
    STATUS_NO_MEMORY, STATUS_NOT_SUPPORTED, STATUS_SUCCESS, STATUS_UNABLE_TO_FREE_VM,
};

use super::attach;
use crate::{
    ke::ipi,
    mm::{
        PAGE_SIZE,
        address_space::AddressSpace,
        cache::Cache,
        commit::{free, pages_of},
        mapping,
        paging::Access,
        phys,
        region::{GRANULARITY, RESERVED, Region},
    },
    ob::{self, object},
};

/// `MEM_…`.
mod kind {
    pub const COMMIT: u32 = 0x1000;
    pub const RESERVE: u32 = 0x2000;
    pub const DECOMMIT: u32 = 0x4000;
    pub const RELEASE: u32 = 0x8000;
    pub const RESET: u32 = 0x8_0000;
    pub const TOP_DOWN: u32 = 0x10_0000;
    pub const PHYSICAL: u32 = 0x40_0000;
}

/// `PAGE_GUARD`, and what tells how pages are cached: `PAGE_NOCACHE`, `PAGE_WRITECOMBINE`.
const GUARD: u32 = 0x100;
const UNCACHED: u32 = 0x600;

/// `PAGE_…` as an access; none, for `PAGE_NOACCESS`.
fn access_of(protection: u32) -> Result<Option<Access>, NTSTATUS> {
    let modifiers = protection & (GUARD | UNCACHED);
    let access = mapping::protection(protection & !modifiers)?;
    match access {
        None if modifiers != 0 => Err(STATUS_INVALID_PAGE_PROTECTION),
        _ if modifiers & UNCACHED == UNCACHED => Err(STATUS_INVALID_PAGE_PROTECTION),
        // Nothing would raise STATUS_GUARD_PAGE.
        _ if modifiers & GUARD != 0 => Err(STATUS_NOT_SUPPORTED),
        Some(mut access) => {
            access = Cache::of_protection(modifiers).map_or(access, |cache| cache.applied(access));
            Ok(Some(access))
        }
        None => Ok(None),
    }
}

/// What is asked for.
struct Wanted {
    base: u64,
    length: u64,
    zero_bits: u64,
    kind: u32,
    protection: u32,
}

impl Wanted {
    /// The rules of what is asked for together.
    fn check(&self) -> Result<Option<Access>, NTSTATUS> {
        let one = self.kind & (kind::COMMIT | kind::RESERVE | kind::RESET);
        let known = kind::COMMIT | kind::RESERVE | kind::RESET | kind::TOP_DOWN | kind::PHYSICAL;
        let alone = self.kind & kind::RESET == 0 || self.kind == kind::RESET;
        if one == 0 || self.kind & !known != 0 || !alone {
            return Err(STATUS_INVALID_PARAMETER_5);
        }
        if self.zero_bits >= 21 {
            return Err(STATUS_INVALID_PARAMETER_3);
        }
        if self.length == 0 {
            return Err(STATUS_INVALID_PARAMETER_4);
        }
        if self.kind & kind::PHYSICAL != 0 {
            // Address Windowing Extensions do not exist.
            return Err(STATUS_NOT_SUPPORTED);
        }
        access_of(self.protection)
    }

    /// Allocates; gives the address and the bytes.
    fn allocate(&self, space: &AddressSpace) -> Result<(u64, u64), NTSTATUS> {
        let access = self.check()?;
        // Where nobody says where, nothing is reserved yet.
        let reserves = self.kind & kind::RESERVE != 0 || self.base == 0;
        let (mut first, mut pages) =
            pages_of(self.base, self.length).ok_or(STATUS_INVALID_PARAMETER_4)?;
        if self.kind & kind::RESERVE != 0 {
            // What is reserved begins at the allocation granularity, and ends where it was to.
            let begin = first & !(GRANULARITY - 1);
            pages += (first - begin) / PAGE_SIZE;
            first = begin;
        }
        if self.kind == kind::RESET {
            // What is in memory keeps its contents, and nothing is ever anywhere else.
            space.committed(first, pages)?;
            return Ok((first, pages * PAGE_SIZE));
        }
        if self.kind & kind::COMMIT != 0 && pages > phys::free_pages() {
            return Err(STATUS_NO_MEMORY);
        }
        let base = if reserves {
            self.reserve(space, first, pages)?
        } else {
            first
        };
        if self.kind & kind::COMMIT != 0
            && let Err(status) = space.commit(base, pages, access)
        {
            if reserves {
                space.regions().remove(base, true);
            }
            return Err(status);
        }
        Ok((base, pages * PAGE_SIZE))
    }

    fn reserve(&self, space: &AddressSpace, first: u64, pages: u64) -> Result<u64, NTSTATUS> {
        let mut frames = Vec::new();
        let count = usize::try_from(pages).map_err(|_| STATUS_NO_MEMORY)?;
        frames
            .try_reserve_exact(count)
            .map_err(|_| STATUS_NO_MEMORY)?;
        frames.resize(count, RESERVED);
        let mut regions = space.regions();
        let limit = u64::MAX >> self.zero_bits;
        let base = if self.base != 0 {
            regions.is_free(first, pages).then_some(first)
        } else if self.kind & kind::TOP_DOWN != 0 || self.zero_bits != 0 {
            regions.choose_top(pages, limit)
        } else {
            regions.choose(pages)
        };
        let base = match base {
            Some(base) => base,
            None if self.base == 0 => return Err(STATUS_NO_MEMORY),
            None => return Err(STATUS_CONFLICTING_ADDRESSES),
        };
        regions.insert(base, Region { frames, own: true });
        Ok(base)
    }
}

/// Does something in the address space of the process that a handle stands for.
///
/// # Errors
///
/// Its own, those of the handle, and `STATUS_NOT_SUPPORTED` for the system's process.
pub(super) fn in_space<T>(
    process: u64,
    operation: impl FnOnce(&AddressSpace) -> Result<T, NTSTATUS>,
) -> Result<T, NTSTATUS> {
    let process = ob::process::reference(process)?;
    let space = attach::space_of(process);
    // SAFETY: null, or in the process, of which there is a reference.
    let done = unsafe { space.as_ref() }.ok_or(STATUS_NOT_SUPPORTED);
    let done = done.and_then(operation);
    object::dereference(process);
    done
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_NO_MEMORY;
    /// Reserves or commits memory of a process, or both; says where it begins and how long it
    /// is. STATUS_CONFLICTING_ADDRESSES where something is already, or nothing is reserved;
    /// STATUS_INVALID_PAGE_PROTECTION also for pages that a driver has secured.
    /// STATUS_NOT_SUPPORTED for guard pages, Address Windowing Extensions and the system's
    /// process.
    ///
    /// Source: ZwAllocateVirtualMemory.
    ///
    /// # Safety
    ///
    /// The address and the size can be read and written.
    pub unsafe fn ZwAllocateVirtualMemory(
        process: u64,
        base: *mut u64,
        zero_bits: u64,
        length: *mut u64,
        kind: u32,
        protection: u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let (start, bytes) = (unsafe { base.read() }, unsafe { length.read() });
        let wanted = Wanted { base: start, length: bytes, zero_bits, kind, protection };
        match in_space(process, |space| wanted.allocate(space)) {
            Ok((address, bytes)) => {
                // SAFETY: the caller's promise.
                unsafe { base.write(address) };
                // SAFETY: the caller's promise.
                unsafe { length.write(bytes) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Releases a region of a process's memory, which takes its first address and no size, or
    /// decommits pages of one (all, without a size). STATUS_INVALID_PAGE_PROTECTION for what a
    /// driver has secured.
    ///
    /// Source: ZwFreeVirtualMemory.
    ///
    /// # Safety
    ///
    /// The address and the size can be read and written; nobody uses the memory any more.
    pub unsafe fn ZwFreeVirtualMemory(
        process: u64,
        base: *mut u64,
        length: *mut u64,
        kind: u32,
    ) -> NTSTATUS {
        let release = match kind {
            kind::RELEASE => true,
            kind::DECOMMIT => false,
            _ => return STATUS_INVALID_PARAMETER_4,
        };
        // SAFETY: the caller's promise.
        let (start, bytes) = (unsafe { base.read() }, unsafe { length.read() });
        if release && bytes != 0 {
            return STATUS_UNABLE_TO_FREE_VM;
        }
        let taken = in_space(process, |space| space.take(start, bytes, release));
        match taken {
            Ok(taken) => {
                ipi::flush_tlb();
                free(&taken.frames);
                // SAFETY: the caller's promise.
                unsafe { base.write(taken.base) };
                // SAFETY: the caller's promise.
                unsafe { length.write(taken.length) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }
}
