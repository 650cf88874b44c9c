//! Mappings at addresses that were reserved ahead.

use core::ptr::null_mut;

use nthost_nt::mm::MDL;

use super::{Outcome, Test, ensure, ensure_eq};
use crate::mm::{
    PAGE_SIZE,
    mapping::MmProtectMdlSystemAddress,
    mdl::{IoAllocateMdl, IoFreeMdl, MAPPED_TO_SYSTEM_VA, MmProbeAndLockPages, MmUnlockPages},
    paging::{self, Access},
    reserved::{
        MmAllocateMappingAddress, MmFreeMappingAddress, MmMapLockedPagesWithReservedMapping,
        MmUnmapReservedMapping,
    },
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "reserved: a locked buffer is seen at the reserved address, as often as it is mapped",
        mapped,
    ),
    ("reserved: what does not fit is not mapped", too_large),
];

const TAG: u32 = u32::from_le_bytes(*b"Test");

/// A locked MDL for a buffer, unlocked and freed when this is dropped.
struct Locked(*mut MDL);

impl Locked {
    fn new(buffer: &mut [u8]) -> Self {
        let (address, length) = (buffer.as_mut_ptr().cast(), buffer.len() as u32);
        // SAFETY: no IRP.
        let mdl = unsafe { IoAllocateMdl(address, length, 0, 0, null_mut()) };
        // SAFETY: a kernel buffer; IoWriteAccess.
        unsafe { MmProbeAndLockPages(mdl, 0, 1) };
        Self(mdl)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: its pages are locked, and it is not mapped.
        unsafe { MmUnlockPages(self.0) };
        // SAFETY: nobody uses it any more.
        unsafe { IoFreeMdl(self.0) };
    }
}

fn mapped() -> Outcome {
    let mut buffer = alloc::vec![0_u8; 2 * PAGE_SIZE as usize + 100];
    let locked = Locked::new(&mut buffer[7..]);
    // SAFETY: none is needed.
    let base = unsafe { MmAllocateMappingAddress(4 * PAGE_SIZE, TAG) };
    ensure!(!base.is_null(), "nothing is reserved");
    ensure!(
        paging::translate(base as u64).is_none(),
        "something is mapped"
    );
    for round in 1..=2_u8 {
        // SAFETY: the addresses are the test's, and the pages are locked.
        let at = unsafe { MmMapLockedPagesWithReservedMapping(base, TAG, locked.0, 1) };
        // SAFETY: the test's MDL.
        let fields = unsafe { &*locked.0 };
        ensure_eq!(at as u64, base as u64 + u64::from(fields.ByteOffset));
        ensure_eq!(fields.MappedSystemVa, base);
        ensure!(
            fields.MdlFlags & MAPPED_TO_SYSTEM_VA != 0,
            "the MDL does not know"
        );
        let last = buffer.len() - 8;
        // SAFETY: within the mapping.
        let place = unsafe { at.cast::<u8>().add(last) };
        // SAFETY: as above.
        unsafe { place.write_volatile(round) };
        ensure_eq!(buffer[last + 7], round);
        // PAGE_READONLY.
        // SAFETY: nobody writes to it any more.
        ensure_eq!(unsafe { MmProtectMdlSystemAddress(locked.0, 2) }, 0);
        let access = paging::translate(base as u64).map(|(_, access)| access);
        ensure!(
            access.is_some_and(|access| !access.contains(Access::WRITE)),
            "it can be written"
        );
        // SAFETY: nobody uses the mapping any more.
        unsafe { MmUnmapReservedMapping(base, TAG, locked.0) };
        ensure!(
            paging::translate(base as u64).is_none(),
            "it is still mapped"
        );
    }
    // SAFETY: the addresses are the test's, and nothing is mapped there.
    unsafe { MmFreeMappingAddress(base, TAG) };
    Ok(())
}

fn too_large() -> Outcome {
    let mut buffer = alloc::vec![0_u8; 2 * PAGE_SIZE as usize + 1];
    let locked = Locked::new(&mut buffer);
    // SAFETY: none is needed.
    let base = unsafe { MmAllocateMappingAddress(PAGE_SIZE + 1, TAG) };
    // SAFETY: the addresses are the test's, and the pages are locked.
    let at = unsafe { MmMapLockedPagesWithReservedMapping(base, TAG, locked.0, 1) };
    ensure!(at.is_null(), "three pages are mapped in two");
    ensure!(
        paging::translate(base as u64).is_none(),
        "something is mapped"
    );
    // SAFETY: the addresses are the test's, and nothing is mapped there.
    unsafe { MmFreeMappingAddress(base, TAG) };
    Ok(())
}
