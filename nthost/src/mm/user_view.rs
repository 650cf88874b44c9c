//! An MDL's pages in a process: what a driver maps there, the process sees until the driver
//! unmaps it in the same process, or the process ends.
//!
//! The pages are locked meanwhile: what belongs to them cannot be freed under the process's
//! eyes, for "buffers must not be freed back to the pool while they are still mapped to user
//! address space".
//!
//! Sources: MmMapLockedPagesSpecifyCache, MmUnmapLockedPages; bug check 0xC4, subcodes 0x77,
//! 0x7A, 0xB3, 0xB8 and 0xB9; bug check 0x4E, 0x9A.

use alloc::{collections::BTreeMap, vec::Vec};

use nthost_nt::{
    mm::MDL,
    status::{
        NTSTATUS, STATUS_CONFLICTING_ADDRESSES, STATUS_INSUFFICIENT_RESOURCES,
        STATUS_INVALID_ADDRESS,
    },
};

use super::{
    PAGE_SIZE,
    address_space::{self, AddressSpace, RegionError},
    cache::{self, Cache},
    locked,
    mapping::bits,
    mdl::{self, IO_SPACE, OWNS_PAGES, PAGES_LOCKED, PARTIAL, SOURCE_IS_NONPAGED_POOL, pages},
    paging::Access,
};
use crate::{
    export::APC_LEVEL,
    hook,
    ke::{
        bugcheck::{self, code},
        irql,
        lock::HighLock,
    },
};

/// Where regions of a process begin that are given an address: at a multiple of this.
const ALLOCATION_GRANULARITY: u64 = 0x1_0000;

/// What a driver has mapped.
#[derive(Clone, Copy, Debug)]
struct View {
    /// The MDL. It may be gone, or others' by now: it is only compared.
    mdl: u64,
    /// Who mapped it.
    caller: u64,
}

/// By the address of the space, and the first page's in it. A leaf among locks.
static VIEWS: HighLock<BTreeMap<(usize, u64), View>> = HighLock::new(BTreeMap::new());

fn key(space: &AddressSpace, base: u64) -> (usize, u64) {
    (core::ptr::from_ref(space).addr(), base)
}

/// Maps an MDL's pages into the current process: gives the address.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`; `STATUS_CONFLICTING_ADDRESSES` if something is at the
/// requested address; `STATUS_INVALID_ADDRESS` where no process is.
pub fn map(mdl: *mut MDL, access: Access, requested: u64, caller: u64) -> Result<u64, NTSTATUS> {
    // SAFETY: the caller's MDL.
    let fields = unsafe { &*mdl };
    let level = irql::current();
    if level > APC_LEVEL {
        hook::misuse([0x77, level.into(), mdl as u64, 1]);
    }
    let expected = PAGES_LOCKED | PARTIAL | OWNS_PAGES | IO_SPACE | SOURCE_IS_NONPAGED_POOL;
    if fields.MdlFlags & expected == 0 {
        // Its pages are neither locked nor its own.
        let flags = bits(fields.MdlFlags);
        hook::misuse([0xb3, mdl as u64, flags, bits(expected)]);
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    if hook::call_fails("MmMapLockedPagesSpecifyCache", caller) {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let space = address_space::current().ok_or(STATUS_INVALID_ADDRESS)?;
    // SAFETY: the caller's MDL, whose pages are known.
    let frames: Vec<u64> = unsafe { pages(mdl) }
        .iter()
        .map(|&page| mdl::frame(page))
        .collect();
    let cache = cache::map(frames.iter().copied(), Cache::of_access(access));
    let cache = cache.ok_or(STATUS_CONFLICTING_ADDRESSES)?;
    let access = cache.applied(access);
    let address = (requested != 0).then_some(requested & !(ALLOCATION_GRANULARITY - 1));
    for &frame in &frames {
        locked::lock(frame);
    }
    // SAFETY: the pages are locked until the view is undone.
    let mapped = unsafe { space.map_view(address, frames.clone(), access) };
    match mapped {
        Ok(base) => {
            let view = View {
                mdl: mdl as u64,
                caller,
            };
            VIEWS.lock().insert(key(space, base), view);
            Ok(base.wrapping_add(fields.ByteOffset.into()))
        }
        Err(fault) => {
            unlock(&frames);
            Err(match fault {
                RegionError::NoMemory => STATUS_INSUFFICIENT_RESOURCES,
                RegionError::Conflict => STATUS_CONFLICTING_ADDRESSES,
            })
        }
    }
}

/// Undoes such a mapping of the current process's.
pub fn unmap(address: u64, mdl: *mut MDL) {
    let level = irql::current();
    if level > APC_LEVEL {
        hook::misuse([0x7a, level.into(), address, mdl as u64]);
    }
    let base = address & !(PAGE_SIZE - 1);
    let undone = address_space::current().and_then(|space| {
        // SAFETY: the caller's MDL.
        let offset = u64::from(unsafe { (*mdl).ByteOffset });
        let key = key(space, base);
        let mut views = VIEWS.lock();
        let view = views.get(&key)?;
        if view.mdl != mdl as u64 || base.wrapping_add(offset) != address {
            return None;
        }
        views.remove(&key);
        drop(views);
        space.remove_view(base)
    });
    match undone {
        Some(frames) => unlock(&frames),
        // It is no view of this MDL's pages in this process.
        None => hook::misuse([0xb9, address, mdl as u64, 0]),
    }
}

/// Has a process that ends see nobody else's pages any more.
pub fn end(space: &AddressSpace) {
    loop {
        let first = key(space, 0);
        let last = key(space, u64::MAX);
        let mut views = VIEWS.lock();
        let Some((&(_, base), _)) = views.range(first..=last).next() else {
            return;
        };
        views.remove(&key(space, base));
        drop(views);
        unlock(&space.remove_view(base).unwrap_or_default());
    }
}

/// Looks whether an MDL's pages are mapped in a process: the driver must not free it, or them.
pub fn check_unmapped(mdl: *mut MDL) {
    let mapped = VIEWS.lock().values().any(|view| view.mdl == mdl as u64);
    if mapped {
        // SAFETY: the caller's MDL.
        let flags = bits(unsafe { (*mdl).MdlFlags });
        log!("verifier", "the MDL {mdl:?} is still mapped in a process");
        hook::misuse([0xb8, mdl as u64, flags, 0]);
    }
}

/// Looks whether a page that a driver gives back is locked, or mapped in a process.
pub fn check_unlocked(frame: u64) {
    if locked::is_locked(frame) {
        log!(
            "verifier",
            "the page {frame:#x} is freed while it is locked or mapped in a process"
        );
        bugcheck::bugcheck(code::PFN_LIST_CORRUPT, [0x9a, frame / PAGE_SIZE, 0, 1]);
    }
}

/// What drivers have mapped in processes: the addresses, and who mapped it.
#[must_use]
pub fn all() -> Vec<(u64, u64)> {
    let views = VIEWS.lock();
    views
        .iter()
        .map(|(&(_, base), view)| (base, view.caller))
        .collect()
}

fn unlock(frames: &[u64]) {
    cache::unmap(frames.iter().copied());
    for &frame in frames {
        locked::unlock(frame);
    }
}
