//! Device memory in system space.
//!
//! Sources: MmMapIoSpace, MmMapIoSpaceEx, MmUnmapIoSpace.

use core::ffi::c_void;

use nthost_protocol::manifest::VerifierOption;

use super::{
    PAGE_SIZE,
    cache::{self, Cache},
    locked, mdl,
    paging::{self, Access},
    phys, pool,
};
use crate::{
    export, hook,
    ke::bugcheck::{self, code},
    mm::account::{self, Kind},
};

/// `PAGE_READONLY`, `PAGE_READWRITE`: one of them is required.
const READ_ONLY: u32 = 0x02;
const READ_WRITE: u32 = 0x04;
const EXECUTE: u32 = 0x10;
const EXECUTE_READ: u32 = 0x20;
const EXECUTE_READ_WRITE: u32 = 0x40;

fn map(
    routine: &'static str,
    physical: u64,
    length: u64,
    access: Access,
    caller: u64,
) -> *mut c_void {
    if length == 0 || hook::call_fails(routine, caller) {
        return core::ptr::null_mut();
    }
    let first = physical / PAGE_SIZE;
    let pages = (physical + length).div_ceil(PAGE_SIZE) - first;
    let frames = (0..pages as usize).map(|index| (first + index as u64) * PAGE_SIZE);
    check_memory(physical, length, frames.clone());
    let wanted = Cache::of_access(access);
    match cache::map(frames.clone(), wanted) {
        Some(cache) if cache == wanted => {}
        other => {
            log!(
                "verifier",
                "{physical:#x} is to be mapped {wanted:?}, and is mapped {other:?}"
            );
            if other.is_some() {
                cache::unmap(frames);
            }
            return core::ptr::null_mut();
        }
    }
    // SAFETY: device memory, or memory that the driver vouches for.
    let Some(base) = (unsafe { paging::map_range(frames.clone(), access) }) else {
        cache::unmap(frames);
        return core::ptr::null_mut();
    };
    let address = base + physical % PAGE_SIZE;
    account::take(Kind::IoSpace, address, length, caller);
    core::ptr::with_exposed_provenance_mut(address as usize)
}

/// Memory is no I/O space, unless its pages are locked or the driver's own: else whoever has them
/// next is written to. Bug check 0xC4, subcode 0x83.
fn check_memory(physical: u64, length: u64, mut frames: impl Iterator<Item = u64>) {
    let loose =
        |&frame: &u64| phys::is_memory(frame) && !locked::is_locked(frame) && !is_owned(frame);
    if let Some(frame) = frames.find(loose) {
        let parameters = [0x83, physical, length, frame / PAGE_SIZE];
        let code = code::DRIVER_VERIFIER_DETECTED_VIOLATION;
        hook::violation(VerifierOption::MiscellaneousChecks, code, parameters);
    }
}

/// Whether a page is of those that drivers have for an MDL or as contiguous memory.
fn is_owned(frame: u64) -> bool {
    account::all(Kind::Pages)
        .into_iter()
        .any(|(address, held)| {
            if pool::find(address).is_none() {
                let first = paging::translate(address).map(|(physical, _)| physical);
                return first
                    .is_some_and(|first| (first..first + held.count * PAGE_SIZE).contains(&frame));
            }
            let mdl = core::ptr::with_exposed_provenance_mut(address as usize);
            // SAFETY: an MDL that was made for its pages, and has not been freed.
            let pages = unsafe { mdl::pages(mdl) };
            pages.contains(&(frame / PAGE_SIZE))
        })
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Maps a range of physical addresses; NULL if there is no room, the cache type is reserved
    /// for the system, or the range has another.
    ///
    /// Source: MmMapIoSpace.
    ///
    /// # Safety
    ///
    /// The range is a device's that the driver was given.
    pub unsafe fn MmMapIoSpace(physical: u64, length: u64, cache: i32) -> *mut c_void {
        let caller = export::caller();
        let Some(cache) = Cache::of_type(cache) else { return core::ptr::null_mut() };
        map("MmMapIoSpace", physical, length, cache.applied(Access::WRITE), caller)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Maps a range of physical addresses with a protection; NULL if there is no room, or the
    /// protection is none.
    ///
    /// Source: MmMapIoSpaceEx.
    ///
    /// # Safety
    ///
    /// As MmMapIoSpace.
    pub unsafe fn MmMapIoSpaceEx(physical: u64, length: u64, protection: u32) -> *mut c_void {
        let caller = export::caller();
        let mut access = match protection & 0xff {
            READ_ONLY => Access::empty(),
            READ_WRITE => Access::WRITE,
            EXECUTE | EXECUTE_READ => Access::EXECUTE,
            EXECUTE_READ_WRITE => Access::WRITE | Access::EXECUTE,
            _ => return core::ptr::null_mut(),
        };
        let Some(cache) = Cache::of_protection(protection) else {
            return core::ptr::null_mut();
        };
        access = cache.applied(access);
        map("MmMapIoSpaceEx", physical, length, access, caller)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Undoes MmMapIoSpace, with the same address and length.
    ///
    /// Source: MmUnmapIoSpace.
    ///
    /// # Safety
    ///
    /// Nobody uses the mapping any more.
    pub unsafe fn MmUnmapIoSpace(address: *mut c_void, length: u64) {
        let address = address as u64;
        let held = account::give(Kind::IoSpace, address);
        if held.is_none_or(|held| held.count != length) {
            // Bug check 0xDA (SYSTEM_PTE_MISUSE): the mapping is not the one that was made.
            bugcheck::bugcheck(code::SYSTEM_PTE_MISUSE, [0x300, address, length, 0]);
        }
        let base = address & !(PAGE_SIZE - 1);
        let pages = (address + length).div_ceil(PAGE_SIZE) - base / PAGE_SIZE;
        let frames = (0..pages).filter_map(|page| paging::translate(base + page * PAGE_SIZE));
        cache::unmap(frames.map(|(frame, _)| frame));
        // SAFETY: it was mapped so; the caller promises that nobody uses it.
        unsafe { paging::unmap_range(base, pages) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The physical address that a nonpaged virtual one stands for; zero for an invalid one.
    ///
    /// Source: MmGetPhysicalAddress.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmGetPhysicalAddress(address: *mut c_void) -> u64 {
        paging::translate(address as u64).map_or(0, |(physical, _)| physical)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether an address can be touched without a page fault at this moment.
    ///
    /// Source: MmIsAddressValid.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmIsAddressValid(address: *mut c_void) -> u8 {
        u8::from(paging::translate(address as u64).is_some())
    }
}
