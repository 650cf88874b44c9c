//! The stack of the thread that runs.
//!
//! Sources: IoGetStackLimits, IoGetInitialStack, IoWithinStackLimits.

use core::{ffi::c_void, ops::Range};

use crate::ke::thread;

fn limits() -> Range<u64> {
    // SAFETY: the thread that runs exists.
    let thread = unsafe { &*thread::current() };
    thread.stack_limit..thread.stack_base
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The lowest address of the thread's stack, and that behind it.
    ///
    /// Source: IoGetStackLimits.
    ///
    /// # Safety
    ///
    /// Both can be written.
    pub unsafe fn IoGetStackLimits(low: *mut u64, high: *mut u64) {
        let limits = limits();
        // SAFETY: the caller's promise.
        unsafe { low.write(limits.start) };
        // SAFETY: the caller's promise.
        unsafe { high.write(limits.end) };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Where the thread's stack begins, from which it grows downwards.
    ///
    /// Source: IoGetInitialStack.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoGetInitialStack() -> *mut c_void {
        core::ptr::with_exposed_provenance_mut(limits().end as usize)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Whether a range lies in the thread's stack.
    ///
    /// Source: IoWithinStackLimits.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoWithinStackLimits(start: u64, size: u64) -> u32 {
        let limits = limits();
        let end = start.checked_add(size);
        u32::from(start >= limits.start && end.is_some_and(|end| end <= limits.end))
    }
}
