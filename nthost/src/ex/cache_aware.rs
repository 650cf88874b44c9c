//! Cache-aware run-down protection.
//!
//! The rules are those of the ordinary form ([`super::rundown`]), which each of these is made of:
//! one count in a cache line of its own, where the kernel has one for each processor. That is a
//! matter of speed alone.
//!
//! Sources: ExAllocateCacheAwareRundownProtection, ExInitializeRundownProtectionCacheAware,
//! ExSizeOfRundownProtectionCacheAware and their counterparts, "Cache-aware run-down protection".

use nthost_nt::ex::EX_RUNDOWN_REF;

use super::rundown::{acquire, reinitialize, release, run_down, wait};
use crate::{
    export,
    mm::pool::{self, flags},
};

/// A cache line.
const SIZE: usize = 64;

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The bytes that ExInitializeRundownProtectionCacheAware needs.
    ///
    /// Source: ExSizeOfRundownProtectionCacheAware.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExSizeOfRundownProtectionCacheAware() -> usize {
        SIZE
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Protects nobody yet, in memory of the caller's.
    ///
    /// Source: ExInitializeRundownProtectionCacheAware.
    ///
    /// # Safety
    ///
    /// It is resident memory of ExSizeOfRundownProtectionCacheAware's bytes.
    pub unsafe fn ExInitializeRundownProtectionCacheAware(
        reference: *mut EX_RUNDOWN_REF,
        _size: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe { reference.write(EX_RUNDOWN_REF { Count: 0 }) };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: core::ptr::null_mut();
    /// Allocates a reference that protects nobody yet; NULL if there is no memory. To be given
    /// back by ExFreeCacheAwareRundownProtection.
    ///
    /// Source: ExAllocateCacheAwareRundownProtection.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExAllocateCacheAwareRundownProtection(
        kind: i32,
        tag: u32,
    ) -> *mut EX_RUNDOWN_REF {
        let caller = export::caller();
        let pool = pool::from_pool_type(kind.cast_unsigned()) | flags::CACHE_ALIGNED;
        let address = pool::allocate(pool, SIZE as u64, tag, caller);
        let reference: *mut EX_RUNDOWN_REF = pool::pointer(address).cast();
        if !reference.is_null() {
            // SAFETY: it was just allocated.
            unsafe { reference.write(EX_RUNDOWN_REF { Count: 0 }) };
        }
        reference
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Frees a reference.
    ///
    /// Source: ExFreeCacheAwareRundownProtection.
    ///
    /// # Safety
    ///
    /// It came from ExAllocateCacheAwareRundownProtection, and nobody uses it any more.
    pub unsafe fn ExFreeCacheAwareRundownProtection(reference: *mut EX_RUNDOWN_REF) {
        pool::free(reference as u64, None);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Protects the next object, once the one before is run down.
    ///
    /// Source: ExReInitializeRundownProtectionCacheAware.
    ///
    /// # Safety
    ///
    /// It is an initialized reference.
    pub unsafe fn ExReInitializeRundownProtectionCacheAware(reference: *mut EX_RUNDOWN_REF) {
        reinitialize(reference);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Asks for protection; FALSE once the run-down has begun.
    ///
    /// Source: ExAcquireRundownProtectionCacheAware.
    ///
    /// # Safety
    ///
    /// It is an initialized reference.
    pub unsafe fn ExAcquireRundownProtectionCacheAware(reference: *mut EX_RUNDOWN_REF) -> u8 {
        u8::from(acquire(reference, 1))
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Asks for protection several times at once.
    ///
    /// Source: ExAcquireRundownProtectionCacheAwareEx.
    ///
    /// # Safety
    ///
    /// It is an initialized reference.
    pub unsafe fn ExAcquireRundownProtectionCacheAwareEx(
        reference: *mut EX_RUNDOWN_REF,
        count: u32,
    ) -> u8 {
        u8::from(acquire(reference, count as usize))
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Gives protection back.
    ///
    /// Source: ExReleaseRundownProtectionCacheAware.
    ///
    /// # Safety
    ///
    /// The caller has it.
    pub unsafe fn ExReleaseRundownProtectionCacheAware(reference: *mut EX_RUNDOWN_REF) {
        release(reference, 1);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Gives protection back several times at once.
    ///
    /// Source: ExReleaseRundownProtectionCacheAwareEx.
    ///
    /// # Safety
    ///
    /// The caller has it so often.
    pub unsafe fn ExReleaseRundownProtectionCacheAwareEx(
        reference: *mut EX_RUNDOWN_REF,
        count: u32,
    ) {
        release(reference, count as usize);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Grants no protection any more, and waits for those who have it.
    ///
    /// Source: ExWaitForRundownProtectionReleaseCacheAware.
    ///
    /// # Safety
    ///
    /// It is an initialized reference of the caller's.
    pub unsafe fn ExWaitForRundownProtectionReleaseCacheAware(reference: *mut EX_RUNDOWN_REF) {
        wait(reference);
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The run-down is over: further waits return at once.
    ///
    /// Source: ExRundownCompletedCacheAware.
    ///
    /// # Safety
    ///
    /// ExWaitForRundownProtectionReleaseCacheAware has returned.
    pub unsafe fn ExRundownCompletedCacheAware(reference: *mut EX_RUNDOWN_REF) {
        run_down(reference);
    }
}
