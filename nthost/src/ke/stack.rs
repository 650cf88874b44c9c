//! What a driver can ask of the stack that it runs on.
//!
//! A thread's stack is larger than NT's, and DPCs and interrupts run on the stack of the thread
//! that they interrupt. But drivers are told, and held to, what NT grants them: 24 KiB for a
//! thread, as much for the DPCs and interrupts of a processor, and for a call on a larger stack
//! ([`super::expand`]) what was asked for. Whoever calls the kernel with more than that in use
//! ends the system, with the stack to be seen.
//!
//! Sources: "Using the Kernel Stack", bug check 0x2B, IoGetStackLimits, IoGetRemainingStackSize,
//! IoWithinStackLimits, IoGetInitialStack, RtlCaptureStackBackTrace.

use core::{ffi::c_void, ops::Range, sync::atomic::Ordering};

use super::{bugcheck::code, exception, expand, irql, pcr, thread};
use crate::{
    export::DISPATCH_LEVEL,
    hook,
    mm::paging::KERNEL_BASE,
    pe::{
        module::{self, module_of},
        unwind::Registers,
    },
};

/// What NT grants on amd64.
pub const GRANTED: u64 = 24 << 10;

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
#[must_use]
pub fn here() -> u64 {
    let marker = 0_u8;
    &raw const marker as u64
}

/// What a driver is granted of the stack of which an address is.
fn granted(address: u64) -> Range<u64> {
    let thread = thread::current();
    if thread.is_null() {
        return 0..0;
    }
    // SAFETY: the thread that runs exists; only it changes its stacks.
    let thread = unsafe { &*thread };
    let segment = &thread.segment;
    let within = segment.contains(&address);
    let (stack, room) = if within {
        (
            segment.clone(),
            segment.end - segment.start - expand::RESERVE,
        )
    } else {
        (thread.stack_limit..thread.stack_base, GRANTED)
    };
    // At DISPATCH_LEVEL the thread stays on its processor; Relaxed: nobody else writes it.
    let first = if irql::current() >= DISPATCH_LEVEL {
        pcr::current().routine_stack.load(Ordering::Relaxed)
    } else {
        0
    };
    if first > address && first <= stack.end {
        return first.saturating_sub(GRANTED)..first;
    }
    stack.end - room..stack.end
}

/// Tells if a driver that calls the kernel, with its stack at an address, has more of
/// that in use than it is granted. Idle threads have their processors' first stacks.
#[inline]
pub fn check(address: u64) {
    let granted = granted(address);
    if address < granted.start && of(address).is_some() {
        exceeded(address, &granted);
    }
}

#[cold]
fn exceeded(address: u64, granted: &Range<u64>) {
    let (used, most) = (granted.end - address, granted.end - granted.start);
    log!("verifier", "{used} bytes of {most} of the stack are in use");
    // The parameters are a trap frame, of which there is none, and reserved: here what is in use
    // and what is granted.
    hook::misuse_by(code::PANIC_STACK_SWITCH, [0, used, most, 0]);
}

/// How much is left to a driver here.
#[must_use]
pub fn left() -> u64 {
    let here = here();
    here.saturating_sub(granted(here).start)
}

/// Whether an address is on one of the stacks of the thread that runs.
#[must_use]
pub fn contains(address: u64) -> bool {
    of(address).is_some()
}

/// Where the driver that nthost works for at this moment called it: the first place on the stack
/// that is in a driver. Zero if there is none.
#[inline(never)]
#[must_use]
pub fn driver() -> u64 {
    let mut frame: u64;
    // SAFETY: reads the frame pointer.
    unsafe {
        core::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags));
    };
    while frame.is_multiple_of(8) && contains(frame) && contains(frame + 8) {
        // SAFETY: within the thread's stack.
        let address = unsafe { *((frame + 8) as *const u64) };
        if address < KERNEL_BASE {
            return module::find(address).map_or(0, |_| address);
        }
        // SAFETY: as above.
        frame = unsafe { *(frame as *const u64) };
    }
    0
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
        let stack = granted(here());
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
        left()
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
        let stack = granted(start);
        u32::from(stack.contains(&start) && size <= stack.end - start)
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
        let most = MOST_FRAMES.saturating_sub(skip as usize).min(count as usize);
        let (mut skipped, mut taken, mut sum, mut outside) = (0, 0, 0_u32, false);
        exception::walk_stack(Registers::here(), &mut |_, address| {
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
