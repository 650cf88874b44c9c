//! What a driver can ask of the stack that it runs on.
//!
//! DPCs and interrupts run on the stack of the thread that they interrupt; a call on a larger stack
//! ([`super::expand`]) has one of its own.
//!
//! Sources: IoGetStackLimits, IoGetRemainingStackSize, IoWithinStackLimits, IoGetInitialStack,
//! RtlCaptureStackBackTrace.

use core::{ffi::c_void, ops::Range};

use super::{exception, thread};
use crate::verifier::call::module_of;

/// The most frames that are captured, those that are skipped among them.
const MOST_FRAMES: usize = 62;

/// The stack of which an address is, among those of the thread that runs.
fn of(address: u64) -> Option<Range<u64>> {
    let thread = thread::current();
    if thread.is_null() {
        return None;
    }
    // SAFETY: the thread that runs exists; only it changes its stacks.
    let thread = unsafe { &*thread };
    let own = thread.stack_limit..thread.stack_base;
    let mut stacks = [thread.segment.clone(), own].into_iter();
    stacks.find(|stack| stack.contains(&address))
}

/// Where the stack is now.
fn here() -> u64 {
    let marker = 0_u8;
    &raw const marker as u64
}

/// Whether an address is on one of the stacks of the thread that runs.
#[must_use]
pub fn contains(address: u64) -> bool {
    of(address).is_some()
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The lowest and the highest address of the stack.
    ///
    /// Source: IoGetStackLimits.
    ///
    /// # Safety
    ///
    /// Both can be written.
    pub unsafe fn IoGetStackLimits(low: *mut u64, high: *mut u64) {
        let stack = of(here()).unwrap_or(0..0);
        // SAFETY: the caller's promise.
        unsafe { low.write(stack.start) };
        // SAFETY: the caller's promise.
        unsafe { high.write(stack.end) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How many bytes of the stack are left.
    ///
    /// Source: IoGetRemainingStackSize.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoGetRemainingStackSize() -> u64 {
        let here = here();
        of(here).map_or(0, |stack| here - stack.start)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Whether a region is on one stack of the thread's as a whole.
    ///
    /// Source: IoWithinStackLimits.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoWithinStackLimits(start: u64, size: u64) -> u32 {
        let within = of(start).is_some_and(|stack| size <= stack.end - start);
        u32::from(within)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Where the thread's stack begins: its highest address.
    ///
    /// Source: IoGetInitialStack.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoGetInitialStack() -> u64 {
        // SAFETY: the thread that runs exists.
        unsafe { (*thread::current()).stack_base }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Where the calls return to that have led here, the latest first; how many there are. The
    /// hash of equal traces is equal.
    ///
    /// Source: RtlCaptureStackBackTrace.
    ///
    /// # Safety
    ///
    /// The array has so many places; the hash is null, or can be written.
    pub unsafe fn RtlCaptureStackBackTrace(
        skip: u32,
        count: u32,
        array: *mut *mut c_void,
        hash: *mut u32,
    ) -> u16 {
        let (rsp, rbp): (u64, u64);
        // SAFETY: reads two registers.
        unsafe {
            core::arch::asm!("mov {}, rsp", "mov {}, rbp", out(reg) rsp, out(reg) rbp,
                options(nomem, nostack, preserves_flags));
        };
        let rip = exception::walk_stack as *const () as u64;
        let most = MOST_FRAMES.saturating_sub(skip as usize).min(count as usize);
        let (mut skipped, mut taken, mut sum, mut outside) = (0, 0, 0_u32, false);
        exception::walk_stack(rip, rsp, rbp, &mut |_, address| {
            // The kernel's own frames, up to the call of this routine, are nobody's business.
            outside |= module_of(address).0 != "nthost";
            if !outside || taken == most {
                return;
            }
            if skipped < skip {
                skipped += 1;
                return;
            }
            // SAFETY: within the array.
            let place = unsafe { array.add(taken) };
            // SAFETY: as above.
            unsafe { place.write(core::ptr::without_provenance_mut(address as usize)) };
            sum = sum.wrapping_add(address as u32);
            taken += 1;
        });
        if !hash.is_null() {
            // SAFETY: the caller's promise.
            unsafe { hash.write(sum) };
        }
        taken as u16
    }
}
