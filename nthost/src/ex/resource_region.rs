//! Resources taken shared within a critical region.
//!
//! Sources: the declarations of these routines, and the page of
//! ExEnterCriticalRegionAndAcquireResourceExclusive, which does the same exclusively.

use nthost_nt::ex::ERESOURCE;

use super::resource::{Politeness, acquire, enter_critical_region, me};

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// KeEnterCriticalRegion and ExAcquireResourceSharedLite in one; gives the thread.
    ///
    /// Source: ExEnterCriticalRegionAndAcquireResourceShared.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExEnterCriticalRegionAndAcquireResourceShared(resource: *mut ERESOURCE) -> u64 {
        enter_critical_region();
        acquire(resource as u64, false, Politeness::Normal, true);
        me()
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// KeEnterCriticalRegion and ExAcquireSharedWaitForExclusive in one; gives the thread.
    ///
    /// Source: ExEnterCriticalRegionAndAcquireSharedWaitForExclusive.
    ///
    /// # Safety
    ///
    /// It is an initialized resource.
    pub unsafe fn ExEnterCriticalRegionAndAcquireSharedWaitForExclusive(
        resource: *mut ERESOURCE,
    ) -> u64 {
        enter_critical_region();
        acquire(resource as u64, false, Politeness::Wait, true);
        me()
    }
}
