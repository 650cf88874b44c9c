//! A larger stack for one call.
//!
//! Sources: KeExpandKernelStackAndCallout, KeExpandKernelStackAndCalloutEx,
//! nc-ntddk-expand_stack_callout.

use alloc::vec::Vec;
use core::ffi::c_void;

use nthost_nt::status::{
    NTSTATUS, STATUS_INVALID_PARAMETER_3, STATUS_INVALID_PARAMETER_4, STATUS_NO_MEMORY,
    STATUS_SUCCESS,
};

use super::{irql, stack, thread};
use crate::{
    export::DISPATCH_LEVEL,
    mm::{
        PAGE_SIZE,
        paging::{self, Access},
        phys::{self, Request},
    },
};

/// `MAXIMUM_EXPANSION_SIZE`: a large stack without half a page.
const MAXIMUM_EXPANSION_SIZE: u64 = 0x12000 - PAGE_SIZE / 2;
/// What the kernel's own routines, and interrupts, need besides.
pub const RESERVE: u64 = 16 << 10;

/// What is called (nc-ntddk-expand_stack_callout).
type Callout = unsafe extern "win64" fn(parameter: *mut c_void);

/// A stack for a call, with a page on either side that is never mapped.
struct Segment {
    limit: u64,
    frames: Vec<u64>,
}

impl Segment {
    fn new(size: u64) -> Option<Self> {
        let count = size.div_ceil(PAGE_SIZE);
        let mut segment = Self {
            limit: 0,
            frames: Vec::with_capacity(count as usize),
        };
        for _ in 0..count {
            segment.frames.push(phys::allocate(&Request::any(1))?);
        }
        // SAFETY: the pages are ours.
        segment.limit =
            unsafe { paging::map_range(segment.frames.iter().copied(), Access::WRITE) }?;
        Some(segment)
    }

    const fn top(&self) -> u64 {
        self.limit + self.frames.len() as u64 * PAGE_SIZE
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.limit != 0 {
            // SAFETY: the call that ran on it has returned.
            unsafe { paging::unmap_range(self.limit, self.frames.len() as u64) };
        }
        for &frame in &self.frames {
            // SAFETY: it is ours, and not mapped.
            unsafe { phys::free(frame, 1) };
        }
    }
}

naked! {
    /// Calls a routine on another stack. A walk of the stack leads back to this one.
    ///
    /// # Safety
    ///
    /// The top is that of a stack nobody uses, and aligned.
    unsafe extern "win64" fn call_on(top: u64, callout: Callout, parameter: *mut c_void) {
        frame!(begin),
        frame!(push),
        "lea rsp, [rcx - 32]",
        "mov rcx, r8",
        "call rdx",
        "mov rsp, rbp",
        frame!(pop),
        "ret",
        frame!(end),
    }
}

/// Calls a routine with so much stack.
///
/// # Safety
///
/// It may be called so.
unsafe fn expand(callout: Callout, parameter: *mut c_void, size: u64) -> NTSTATUS {
    if size > MAXIMUM_EXPANSION_SIZE {
        return STATUS_INVALID_PARAMETER_3;
    }
    let segment = if stack::left() >= size {
        None
    } else if let Some(segment) = Segment::new(size + RESERVE) {
        Some(segment)
    } else {
        return STATUS_NO_MEMORY;
    };
    let thread = thread::current();
    // SAFETY: the thread that runs, whose own field this is.
    unsafe { (*thread).expansions += 1 };
    let outer = segment.as_ref().map(|segment| {
        // SAFETY: as above.
        let current = unsafe { &mut (*thread).segment };
        core::mem::replace(current, segment.limit..segment.top())
    });
    match &segment {
        // SAFETY: the caller's promise; the stack is new.
        Some(segment) => unsafe { call_on(segment.top(), callout, parameter) },
        // SAFETY: the caller's promise.
        None => unsafe { callout(parameter) },
    }
    if let Some(outer) = outer {
        // SAFETY: as above: it is the same thread.
        unsafe { (*thread).segment = outer };
    }
    // SAFETY: as above.
    unsafe { (*thread).expansions -= 1 };
    STATUS_SUCCESS
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: STATUS_NO_MEMORY;
    /// Calls a routine with so much stack, on another if there is not enough on this one.
    ///
    /// Source: KeExpandKernelStackAndCallout.
    ///
    /// # Safety
    ///
    /// The routine may be called so.
    pub unsafe fn KeExpandKernelStackAndCallout(
        callout: Callout,
        parameter: *mut c_void,
        size: u64,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { expand(callout, parameter, size) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: STATUS_NO_MEMORY;
    /// As KeExpandKernelStackAndCallout. At DISPATCH_LEVEL the caller must not want to wait for
    /// memory; here nobody ever does.
    ///
    /// Source: KeExpandKernelStackAndCalloutEx.
    ///
    /// # Safety
    ///
    /// The routine may be called so.
    pub unsafe fn KeExpandKernelStackAndCalloutEx(
        callout: Callout,
        parameter: *mut c_void,
        size: u64,
        wait: u8,
        _context: *mut c_void,
    ) -> NTSTATUS {
        if wait != 0 && irql::current() >= DISPATCH_LEVEL {
            return STATUS_INVALID_PARAMETER_4;
        }
        // SAFETY: the caller's promise.
        unsafe { expand(callout, parameter, size) }
    }
}
