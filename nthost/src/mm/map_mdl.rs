//! An MDL that is mapped for the time of a call.
//!
//! Sources: MmMapMdl, MM_MDL_ROUTINE.

use core::ffi::c_void;

use nthost_nt::{
    mm::MDL,
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PAGE_PROTECTION, STATUS_SUCCESS,
    },
};

use super::{
    cache::Cache,
    mapping,
    mdl::{MAPPED_TO_SYSTEM_VA, SOURCE_IS_NONPAGED_POOL},
};
use crate::export;

/// `PAGE_NOCACHE` and `PAGE_WRITECOMBINE`.
const UNCACHED: u32 = 0x600;

/// `PMM_MDL_ROUTINE`.
type Routine = unsafe extern "win64" fn(context: *mut c_void, address: *mut c_void);

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Maps an MDL's pages with a protection if they are not mapped, calls the driver's routine
    /// with their address, and undoes the mapping if it made one.
    /// STATUS_INVALID_PAGE_PROTECTION, STATUS_INSUFFICIENT_RESOURCES: the routine is not called.
    ///
    /// Source: MmMapMdl.
    ///
    /// # Safety
    ///
    /// The MDL's pages are locked, its own or nonpaged; the routine takes the context.
    pub unsafe fn MmMapMdl(
        mdl: *mut MDL,
        protection: u32,
        routine: Routine,
        context: *mut c_void,
    ) -> NTSTATUS {
        let caller = export::caller();
        // SAFETY: the caller's MDL.
        let fields = unsafe { &*mdl };
        if fields.MdlFlags & (MAPPED_TO_SYSTEM_VA | SOURCE_IS_NONPAGED_POOL) != 0 {
            // SAFETY: the caller's promise.
            unsafe { routine(context, fields.MappedSystemVa) };
            return STATUS_SUCCESS;
        }
        let Ok(Some(mut access)) = mapping::protection(protection & !UNCACHED) else {
            return STATUS_INVALID_PAGE_PROTECTION;
        };
        let Some(cache) = Cache::of_protection(protection) else {
            return STATUS_INVALID_PAGE_PROTECTION;
        };
        access = cache.applied(access);
        let Some(address) = mapping::map(mdl, access, caller) else {
            return STATUS_INSUFFICIENT_RESOURCES;
        };
        // SAFETY: the caller's promise.
        unsafe { routine(context, address) };
        // SAFETY: it was just mapped, for this routine alone.
        unsafe { mapping::unmap(mdl) };
        STATUS_SUCCESS
    }
}
