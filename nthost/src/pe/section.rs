//! Pageable sections of drivers' images: those whose names begin with `PAGE`, or all of an
//! image whose driver wants it so. Code and data in them may be touched below DISPATCH_LEVEL,
//! or while they are locked.
//!
//! Sources: MmLockPagableCodeSection, MmLockPagableDataSection, MmUnlockPagableImageSection,
//! MmPageEntireDriver, MmResetDriverPaging, MmProtectDriverSection, "Making Drivers Pageable", "Bug Check 0x1A".

use alloc::collections::BTreeMap;
use core::{ffi::c_void, ops::Range};

use nthost_nt::status::{
    NTSTATUS, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PAGE_PROTECTION, STATUS_INVALID_PARAMETER,
};

use super::module::{self, Module, Section};
use crate::{
    ke::{bugcheck, lock::SpinLock},
    mm::{PAGE_SIZE, pageable, paging::Access},
};

/// MEMORY_MANAGEMENT.
const MEMORY_MANAGEMENT: u32 = 0x1a;
/// Its first parameter: a section is locked that does not exist.
const NO_SECTION: u64 = 0x1234;
/// Its first parameter: a section is unlocked that is not locked.
const NOT_LOCKED: u64 = 0x1010;

/// Its first parameter: a section is protected that is in no image.
const NO_IMAGE: u64 = 0x1100;
/// `MM_PROTECT_DRIVER_SECTION_ALLOW_UNLOAD`.
const ALLOW_UNLOAD: u32 = 1;

/// How often each section is locked, by its first address. The lock of what is pageable is taken
/// while it is held: nobody finds a section counted as locked that is not there yet.
static LOCKS: SpinLock<BTreeMap<u64, u32>> = SpinLock::new(BTreeMap::new());

fn section_of(address: u64) -> (&'static Module, &'static Section) {
    let module = module::find(address);
    let found = module.and_then(|module| Some((module, module.section(address)?)));
    found.unwrap_or_else(|| bugcheck::bugcheck(MEMORY_MANAGEMENT, [NO_SECTION, address, 0, 0]))
}

/// An image is unloaded.
pub fn forget(image: Range<u64>) {
    LOCKS.lock().retain(|first, _| !image.contains(first));
}

/// Locks the section that an address is in; its handle, which is where it begins.
fn lock(address: u64) -> u64 {
    let (_, section) = section_of(address);
    let mut locks = LOCKS.lock();
    let count = locks.entry(section.first).or_insert(0);
    *count += 1;
    if *count == 1 {
        pageable::lock(section.first, section.pages * PAGE_SIZE);
    }
    drop(locks);
    section.first
}

/// The sections that become pageable with the whole of a driver, and stay otherwise.
fn resident(module: &Module) -> impl Iterator<Item = &Section> {
    let sections = module.sections.iter();
    sections.filter(|section| !section.pageable && !section.discardable)
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Locks the section that an address is in, code or data; gives a handle to it, which stays
    /// good until the driver is unloaded. An address in no section ends in bug check 0x1A.
    ///
    /// Source: MmLockPagableDataSection.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmLockPagableDataSection(address: *mut c_void) -> *mut c_void {
        core::ptr::with_exposed_provenance_mut(lock(address as u64) as usize)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Locks a section once more by its handle.
    ///
    /// Source: MmLockPagableDataSection, which speaks of it.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmLockPagableSectionByHandle(handle: *mut c_void) {
        lock(handle as u64);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Unlocks a section once; pageable again with the last time. One that is not locked ends
    /// in bug check 0x1A.
    ///
    /// Source: MmUnlockPagableImageSection.
    ///
    /// # Safety
    ///
    /// None: whoever touches the section at raised IRQL afterwards finds nothing.
    pub unsafe fn MmUnlockPagableImageSection(handle: *mut c_void) {
        let (_, section) = section_of(handle as u64);
        let mut locks = LOCKS.lock();
        let left = match locks.get_mut(&section.first) {
            Some(count) if *count > 0 => {
                *count -= 1;
                *count
            }
            _ => {
                drop(locks);
                bugcheck::bugcheck(MEMORY_MANAGEMENT, [NOT_LOCKED, handle as u64, 0, 0]);
            }
        };
        if left == 0 {
            pageable::unlock(section.first, section.pages * PAGE_SIZE);
        }
        drop(locks);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Makes all of the driver pageable that an address is in; gives where its image begins.
    ///
    /// Source: MmPageEntireDriver.
    ///
    /// # Safety
    ///
    /// The driver has no interrupt routine, and does nothing at raised IRQL.
    pub unsafe fn MmPageEntireDriver(address: *mut c_void) -> *mut c_void {
        let (module, _) = section_of(address as u64);
        let locks = LOCKS.lock();
        for section in resident(module) {
            let is_new = module.make_pageable(section);
            // One that was locked before it could be taken away stays.
            if is_new && locks.get(&section.first).is_some_and(|&count| count > 0) {
                pageable::lock(section.first, section.pages * PAGE_SIZE);
            }
        }
        drop(locks);
        core::ptr::with_exposed_provenance_mut(module.base as usize)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Undoes MmPageEntireDriver: what is not pageable by its section is there again, and stays.
    ///
    /// Source: MmResetDriverPaging.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmResetDriverPaging(address: *mut c_void) {
        let (module, _) = section_of(address as u64);
        for section in resident(module) {
            pageable::lock(section.first, section.pages * PAGE_SIZE);
            pageable::remove(section.first);
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Protects a section by Virtual Secure Mode, which this kernel does not have:
    /// STATUS_INVALID_DEVICE_STATE. Before that, STATUS_INVALID_PARAMETER for a size or unknown
    /// flags, and STATUS_INVALID_PAGE_PROTECTION for a section with code. An address in no image
    /// ends in bug check 0x1A.
    ///
    /// Source: MmProtectDriverSection.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmProtectDriverSection(
        address: *mut c_void,
        size: u64,
        flags: u32,
    ) -> NTSTATUS {
        if size != 0 || flags & !ALLOW_UNLOAD != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        let section = module::find(address as u64).and_then(|module| module.section(address as u64));
        let Some(section) = section else {
            bugcheck::bugcheck(MEMORY_MANAGEMENT, [NO_IMAGE, address as u64, 0, 0]);
        };
        if section.access.contains(Access::EXECUTE) {
            return STATUS_INVALID_PAGE_PROTECTION;
        }
        STATUS_INVALID_DEVICE_STATE
    }
}
