//! How pages are cached: by their page table entries, and the table that these choose from.

use alloc::sync::Arc;
use core::{
    ptr::null_mut,
    sync::atomic::{AtomicU32, Ordering},
};

use nthost_nt::{mm::MDL, status::STATUS_SUCCESS};
use x86_64::registers::model_specific::Msr;

use super::{Outcome, Test, ensure, ensure_eq};
use crate::{
    mm::{
        contiguous::{MmAllocateContiguousMemorySpecifyCache, MmFreeContiguousMemory},
        io_space::{MmMapIoSpace, MmMapIoSpaceEx, MmUnmapIoSpace},
        mapping::{MmMapLockedPagesSpecifyCache, MmProtectMdlSystemAddress, MmUnmapLockedPages},
        noncached::{MmAllocateNonCachedMemory, MmFreeNonCachedMemory},
        pages::{MmAllocatePagesForMdl, MmAllocatePagesForMdlEx, MmFreePagesFromMdl},
        paging, pool,
    },
    selftest::object::Worker,
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "cache: every processor's table has write-combining where NT has it",
        tables,
    ),
    (
        "cache: memory is cached as it was allocated, whatever its mapping wants",
        memory,
    ),
    (
        "cache: a device's range has one type as long as it is mapped",
        device,
    ),
];

/// `MmNonCached`, `MmCached`, `MmWriteCombined`.
const NON_CACHED: i32 = 0;
const CACHED: i32 = 1;
const COMBINED: i32 = 2;
/// The local APIC's page: no memory.
const DEVICE: u64 = 0xfee0_0000;

/// The index that the page table entry of an address has in the table: PWT and PCD.
fn index(address: *mut core::ffi::c_void) -> u64 {
    paging::entry(address as u64) >> 3 & 3
}

fn tables() -> Outcome {
    let wrong = Arc::new(AtomicU32::new(0));
    for _ in 0..8 {
        // It runs on any processor.
        let wrong = wrong.clone();
        let worker = Worker::new(move || {
            // SAFETY: every processor has the register.
            let table = unsafe { Msr::new(0x277).read() };
            if table & 0xff_ffff != 0x07_0106 {
                wrong.fetch_add(1, Ordering::Relaxed);
            }
        });
        worker.join();
    }
    ensure_eq!(wrong.load(Ordering::Relaxed), 0);
    Ok(())
}

/// Maps an MDL's pages with a type, and says which they have.
fn mapped_as(mdl: *mut MDL, cache: i32) -> u64 {
    // SAFETY: the MDL has its pages, and the mapping is undone below.
    let at = unsafe { MmMapLockedPagesSpecifyCache(mdl, 0, cache, null_mut(), 0, 16) };
    let found = index(at);
    // SAFETY: as above.
    unsafe { MmUnmapLockedPages(at, mdl) };
    found
}

fn free(mdl: *mut MDL) {
    // SAFETY: nobody uses the pages.
    unsafe { MmFreePagesFromMdl(mdl) };
    pool::free(mdl as u64, None);
}

fn memory() -> Outcome {
    // SAFETY: no requirements.
    let mdl = unsafe { MmAllocatePagesForMdlEx(0, u64::MAX, 0, 8192, COMBINED, 0) };
    ensure_eq!(mapped_as(mdl, CACHED), 1);
    ensure_eq!(mapped_as(mdl, NON_CACHED), 1);
    free(mdl);
    // SAFETY: no requirements.
    let mdl = unsafe { MmAllocatePagesForMdlEx(0, u64::MAX, 0, 8192, CACHED, 0) };
    ensure_eq!(mapped_as(mdl, COMBINED), 0);
    free(mdl);
    // SAFETY: no requirements.
    let mdl = unsafe { MmAllocatePagesForMdl(0, u64::MAX, 0, 8192) };
    ensure_eq!(mapped_as(mdl, NON_CACHED), 2);
    // It has a type from then on.
    ensure_eq!(mapped_as(mdl, CACHED), 2);
    // SAFETY: the MDL has its pages, and the mapping is undone below.
    let at = unsafe { MmMapLockedPagesSpecifyCache(mdl, 0, CACHED, null_mut(), 0, 16) };
    // SAFETY: nobody writes it.
    ensure_eq!(unsafe { MmProtectMdlSystemAddress(mdl, 2) }, STATUS_SUCCESS);
    ensure_eq!(index(at), 2);
    // SAFETY: as above.
    unsafe { MmUnmapLockedPages(at, mdl) };
    free(mdl);
    for (cache, expected) in [(NON_CACHED, 2), (CACHED, 0), (COMBINED, 1)] {
        // SAFETY: no requirements.
        let base = unsafe { MmAllocateContiguousMemorySpecifyCache(4096, 0, u64::MAX, 0, cache) };
        ensure_eq!(index(base), expected);
        // SAFETY: nobody uses it.
        unsafe { MmFreeContiguousMemory(base) };
    }
    // SAFETY: no requirements.
    let reserved = unsafe { MmAllocateContiguousMemorySpecifyCache(4096, 0, u64::MAX, 0, 4) };
    ensure!(reserved.is_null(), "a type that is the system's");
    // SAFETY: no requirements.
    let base = unsafe { MmAllocateNonCachedMemory(4096) };
    ensure_eq!(index(base), 2);
    // SAFETY: nobody uses it.
    unsafe { MmFreeNonCachedMemory(base, 4096) };
    Ok(())
}

fn device() -> Outcome {
    // SAFETY: the range is mapped, and not touched.
    let first = unsafe { MmMapIoSpace(DEVICE, 4096, COMBINED) };
    ensure_eq!(index(first), 1);
    // SAFETY: as above.
    let refused = unsafe { MmMapIoSpace(DEVICE, 4096, NON_CACHED) };
    ensure!(refused.is_null(), "two types at a time");
    // `PAGE_READWRITE | PAGE_WRITECOMBINE`.
    // SAFETY: as above.
    let second = unsafe { MmMapIoSpaceEx(DEVICE, 4096, 0x404) };
    ensure_eq!(index(second), 1);
    for mapped in [first, second] {
        // SAFETY: nobody uses it.
        unsafe { MmUnmapIoSpace(mapped, 4096) };
    }
    // SAFETY: as above.
    let third = unsafe { MmMapIoSpace(DEVICE, 4096, NON_CACHED) };
    ensure_eq!(index(third), 2);
    // SAFETY: nobody uses it.
    unsafe { MmUnmapIoSpace(third, 4096) };
    // SAFETY: as above.
    let both = unsafe { MmMapIoSpaceEx(DEVICE, 4096, 0x604) };
    ensure!(both.is_null(), "not cached, and write-combined");
    Ok(())
}
