//! Critical regions: they hold normal kernel APCs back, and user APCs with them.
//!
//! nthost has no normal kernel APCs, and user APCs only as the end of a wait ([`super::wait`]):
//! what is kept here is the nesting, by which drivers and the verifier tell whether they could
//! come. Special kernel APCs ([`super::apc`]) come nevertheless.
//!
//! Sources: KeEnterCriticalRegion, KeAreApcsDisabled, KeAreAllApcsDisabled, "Types of APCs".
//! Guarded regions are in `ex::fast_mutex`.

use super::{irql, thread};
use crate::{export::APC_LEVEL, hook};

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Normal kernel APCs are held back from here on.
    ///
    /// Source: KeEnterCriticalRegion.
    ///
    /// # Safety
    ///
    /// The caller leaves the region again.
    pub unsafe fn KeEnterCriticalRegion() {
        // SAFETY: the thread that runs; only it uses this field.
        unsafe { (*thread::current()).kernel_apc_disable -= 1 };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The end of KeEnterCriticalRegion's region. Outside of one, the verifier reports bug check
    /// 0xC4, subcode 0x3E.
    ///
    /// Source: KeLeaveCriticalRegion.
    ///
    /// # Safety
    ///
    /// The caller has entered the region.
    pub unsafe fn KeLeaveCriticalRegion() {
        // SAFETY: the thread that runs; only it uses this field.
        let nesting = unsafe { &mut (*thread::current()).kernel_apc_disable };
        if *nesting == 0 {
            hook::misuse([0x3e, 0, 0, 0]);
        }
        *nesting += 1;
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether the thread is in a critical or guarded region.
    ///
    /// Source: KeAreApcsDisabled.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeAreApcsDisabled() -> u8 {
        // SAFETY: the thread that runs exists.
        u8::from(unsafe { (*thread::current()).holds_apcs_back() })
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether the thread is in a guarded region, or at APC_LEVEL or above.
    ///
    /// Source: KeAreAllApcsDisabled.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeAreAllApcsDisabled() -> u8 {
        // SAFETY: the thread that runs exists.
        let guarded = unsafe { (*thread::current()).special_apc_disable } != 0;
        u8::from(guarded || irql::current() >= APC_LEVEL)
    }
}
