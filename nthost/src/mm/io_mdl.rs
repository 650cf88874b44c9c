//! MDLs for device memory.
//!
//! Sources: MmAllocateMdlForIoSpace, MM_PHYSICAL_ADDRESS_LIST.

use core::ptr::null_mut;

use nthost_nt::{
    mm::MDL,
    status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER_1, STATUS_SUCCESS},
};

use super::{
    PAGE_SIZE,
    mdl::{self, IO_SPACE},
    phys,
};
use crate::export;

/// `MM_PHYSICAL_ADDRESS_LIST`: a range of physical addresses.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct PhysicalAddressList {
    physical: u64,
    bytes: u64,
}

impl PhysicalAddressList {
    /// Whether it is whole pages, none of which is memory.
    fn is_io_space(self) -> bool {
        let whole = self.physical.is_multiple_of(PAGE_SIZE) && self.bytes.is_multiple_of(PAGE_SIZE);
        let end = self.physical.checked_add(self.bytes);
        whole
            && self.bytes != 0
            && end.is_some_and(|end| {
                (self.physical..end)
                    .step_by(PAGE_SIZE as usize)
                    .all(|page| !phys::is_memory(page))
            })
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Makes an MDL that describes ranges of device memory, one behind the other; IoFreeMdl frees
    /// it. STATUS_INVALID_PARAMETER_1 for a range that is not in whole pages, or is memory.
    ///
    /// Source: MmAllocateMdlForIoSpace.
    ///
    /// # Safety
    ///
    /// There are so many entries, and `new` can be written.
    pub unsafe fn MmAllocateMdlForIoSpace(
        list: *const PhysicalAddressList,
        entries: u64,
        new: *mut *mut MDL,
    ) -> NTSTATUS {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        unsafe { new.write(null_mut()) };
        // SAFETY: the caller's promise.
        let list = unsafe { core::slice::from_raw_parts(list, entries as usize) };
        if list.is_empty() || !list.iter().all(|range| range.is_io_space()) {
            return STATUS_INVALID_PARAMETER_1;
        }
        let total = list
            .iter()
            .try_fold(0_u64, |total, range| total.checked_add(range.bytes));
        // An MDL's count of bytes has 32 bits.
        let Some(total) = total.filter(|&total| u32::try_from(total).is_ok()) else {
            return STATUS_INVALID_PARAMETER_1;
        };
        let Some(mdl) = mdl::allocate(0, total, caller) else {
            return STATUS_INSUFFICIENT_RESOURCES;
        };
        // SAFETY: the MDL was just made for so many pages.
        let pages = unsafe { mdl::pages(mdl) };
        let ranges = list.iter().flat_map(|range| {
            let first = range.physical / PAGE_SIZE;
            first..first + range.bytes / PAGE_SIZE
        });
        for (page, number) in pages.iter_mut().zip(ranges) {
            *page = number;
        }
        // SAFETY: as above.
        unsafe { (*mdl).MdlFlags |= IO_SPACE };
        // SAFETY: the caller's promise.
        unsafe { new.write(mdl) };
        STATUS_SUCCESS
    }
}
