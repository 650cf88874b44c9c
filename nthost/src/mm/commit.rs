//! Pages of a process's regions: committed, and taken out of them.
//!
//! Every page that is committed has its physical page at once, where NT waits until it is
//! touched.
//!
//! Sources: ZwAllocateVirtualMemory, ZwFreeVirtualMemory.

use alloc::{vec, vec::Vec};

use nthost_nt::status::{
    NTSTATUS, STATUS_CONFLICTING_ADDRESSES, STATUS_FREE_VM_NOT_AT_BASE,
    STATUS_INVALID_PAGE_PROTECTION, STATUS_MEMORY_NOT_ALLOCATED, STATUS_NO_MEMORY,
    STATUS_UNABLE_TO_DELETE_SECTION, STATUS_UNABLE_TO_FREE_VM,
};

use super::{
    PAGE_SIZE,
    address_space::{AddressSpace, USER_PROBE_ADDRESS},
    locked,
    paging::{Access, physical},
    phys::{self, Request},
    region::RESERVED,
};
use crate::ke::ipi;

/// The first page that has a byte of a range of a process's addresses, and how many have.
#[must_use]
pub fn pages_of(address: u64, length: u64) -> Option<(u64, u64)> {
    let first = address & !(PAGE_SIZE - 1);
    let end = address
        .checked_add(length)?
        .checked_next_multiple_of(PAGE_SIZE)?;
    (end <= USER_PROBE_ADDRESS).then(|| (first, (end - first) / PAGE_SIZE))
}

/// Pages of zeroes, for nobody yet.
///
/// # Errors
///
/// `STATUS_NO_MEMORY`.
pub fn zeroed_pages(count: usize) -> Result<Vec<u64>, NTSTATUS> {
    let mut frames = Vec::new();
    // More than there is fails at once, and takes nothing from others meanwhile.
    if count as u64 > phys::free_pages() {
        return Err(STATUS_NO_MEMORY);
    }
    frames
        .try_reserve_exact(count)
        .map_err(|_| STATUS_NO_MEMORY)?;
    while frames.len() < count {
        let Some(frame) = phys::allocate(&Request::any(1)) else {
            free(&frames);
            return Err(STATUS_NO_MEMORY);
        };
        // SAFETY: the page was just allocated, and is in the physical map.
        unsafe { physical(frame).write_bytes(0, PAGE_SIZE as usize) };
        frames.push(frame);
    }
    Ok(frames)
}

/// Frees pages that the process does not see any more.
pub fn free(frames: &[u64]) {
    for &frame in frames {
        // SAFETY: the process does not see it any more.
        unsafe { locked::free(frame) };
    }
}

impl AddressSpace {
    /// Whether pages are committed, in one region of the process's own.
    ///
    /// # Errors
    ///
    /// `STATUS_MEMORY_NOT_ALLOCATED`, `STATUS_CONFLICTING_ADDRESSES`.
    pub fn committed(&self, first: u64, pages: u64) -> Result<(), NTSTATUS> {
        let mut regions = self.inner.lock();
        let found = regions.find(first).filter(|(_, region)| region.own);
        let (base, region) = found.ok_or(STATUS_MEMORY_NOT_ALLOCATED)?;
        let index = ((first - base) / PAGE_SIZE) as usize;
        let frames = region.frames.get(index..index + pages as usize);
        if frames.is_some_and(|frames| !frames.contains(&RESERVED)) {
            Ok(())
        } else {
            Err(STATUS_CONFLICTING_ADDRESSES)
        }
    }

    /// Commits pages of a region, and has all of them accessed so from now on.
    ///
    /// # Errors
    ///
    /// `STATUS_NO_MEMORY`, `STATUS_CONFLICTING_ADDRESSES`, `STATUS_INVALID_PAGE_PROTECTION`.
    pub fn commit(&self, first: u64, pages: u64, access: Option<Access>) -> Result<(), NTSTATUS> {
        let mut fresh = zeroed_pages(pages as usize)?;
        let committed = self.commit_with(first, pages, access, &mut fresh);
        // What was there before needed none.
        free(&fresh);
        ipi::flush_tlb();
        committed
    }

    fn commit_with(
        &self,
        first: u64,
        pages: u64,
        access: Option<Access>,
        fresh: &mut Vec<u64>,
    ) -> Result<(), NTSTATUS> {
        let mut regions = self.inner.lock();
        let range = first..first + pages * PAGE_SIZE;
        let writable = access.is_some_and(|access| access.contains(Access::WRITE));
        if !regions.may_become(&range, access.is_some(), writable) {
            return Err(STATUS_INVALID_PAGE_PROTECTION);
        }
        let found = regions.find(first).filter(|(_, region)| region.own);
        let (base, region) = found.ok_or(STATUS_CONFLICTING_ADDRESSES)?;
        let index = ((first - base) / PAGE_SIZE) as usize;
        let frames = region.frames.get_mut(index..index + pages as usize);
        let frames = frames.ok_or(STATUS_CONFLICTING_ADDRESSES)?;
        for (page, frame) in frames.iter_mut().enumerate() {
            let address = first + page as u64 * PAGE_SIZE;
            if *frame == RESERVED {
                *frame = fresh.pop().ok_or(STATUS_NO_MEMORY)?;
            } else {
                self.unmap(address, 1);
            }
            if let Some(access) = access
                // SAFETY: the lock is held, nothing is mapped there, the page is the process's.
                && !unsafe { self.map_page(address, *frame, access) }
            {
                return Err(STATUS_NO_MEMORY);
            }
        }
        Ok(())
    }

    /// Takes pages out of a region, or all of it; what was committed there is to be freed.
    ///
    /// # Errors
    ///
    /// `STATUS_MEMORY_NOT_ALLOCATED`, `STATUS_UNABLE_TO_DELETE_SECTION`,
    /// `STATUS_FREE_VM_NOT_AT_BASE`, `STATUS_UNABLE_TO_FREE_VM`, `STATUS_INVALID_PAGE_PROTECTION`.
    pub fn take(&self, first: u64, length: u64, release: bool) -> Result<Taken, NTSTATUS> {
        let mut regions = self.inner.lock();
        let (base, region) = regions.find(first).ok_or(STATUS_MEMORY_NOT_ALLOCATED)?;
        if !region.own {
            return Err(STATUS_UNABLE_TO_DELETE_SECTION);
        }
        let all = region.frames.len() as u64;
        if base != first && (release || length == 0) {
            return Err(STATUS_FREE_VM_NOT_AT_BASE);
        }
        let (first, pages) = match length {
            0 => (base, all),
            _ => pages_of(first, length).ok_or(STATUS_UNABLE_TO_FREE_VM)?,
        };
        let index = (first - base) / PAGE_SIZE;
        if index + pages > all {
            return Err(STATUS_UNABLE_TO_FREE_VM);
        }
        let range = first..first + pages * PAGE_SIZE;
        if !regions.may_become(&range, false, false) {
            return Err(STATUS_INVALID_PAGE_PROTECTION);
        }
        let mut frames = vec![RESERVED; pages as usize];
        if let Some((_, region)) = regions.find(base) {
            let from = &mut region.frames[index as usize..(index + pages) as usize];
            frames.swap_with_slice(from);
        }
        self.unmap(first, pages);
        if release {
            regions.remove(base, true);
        }
        frames.retain(|&frame| frame != RESERVED);
        Ok(Taken {
            base: first,
            length: pages * PAGE_SIZE,
            frames,
        })
    }
}

/// What was taken out of a region.
#[derive(Debug)]
pub struct Taken {
    /// Where it began.
    pub base: u64,
    /// Its bytes.
    pub length: u64,
    /// The pages that were committed there.
    pub frames: Vec<u64>,
}
