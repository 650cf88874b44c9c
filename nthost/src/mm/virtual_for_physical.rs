//! An address of the kernel's by which a physical address is reached.
//!
//! Source: the declaration of MmGetVirtualForPhysical, which undoes MmGetPhysicalAddress.

use core::ffi::c_void;

use super::{
    PAGE_SIZE,
    account::{self, Kind},
    paging, phys, pool,
};

/// Where a driver has the page: in pool, or in contiguous memory.
fn of_driver(frame: u64) -> Option<u64> {
    pool::address_of(frame).or_else(|| {
        account::all(Kind::Pages)
            .into_iter()
            .find_map(|(base, held)| {
                let (first, _) = paging::translate(base)?;
                let pages = first..first + held.count * PAGE_SIZE;
                (base.is_multiple_of(PAGE_SIZE) && pages.contains(&frame))
                    .then(|| base + frame - first)
            })
    })
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Where a driver has the memory of a physical address, or else where the kernel has it; NULL
    /// for what is no memory.
    ///
    /// Source: MmGetVirtualForPhysical.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmGetVirtualForPhysical(physical: u64) -> *mut c_void {
        if !phys::is_memory(physical) {
            return core::ptr::null_mut();
        }
        let offset = physical % PAGE_SIZE;
        of_driver(physical - offset).map_or_else(
            || paging::physical(physical).cast(),
            |page| core::ptr::with_exposed_provenance_mut((page + offset) as usize),
        )
    }
}
