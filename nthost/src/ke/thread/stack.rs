//! The stacks of threads, a guard page on either side.

use super::STACK_SIZE;
use crate::mm::{
    PAGE_SIZE,
    paging::{self, Access},
    phys::{self, Request},
};

/// Allocates a stack with a guard page on either side; gives its lowest address.
#[must_use]
pub fn allocate_stack() -> Option<u64> {
    let count = STACK_SIZE / PAGE_SIZE;
    let base = phys::allocate(&Request::any(count))?;
    let frames = (0..count as usize).map(|index| base + index as u64 * PAGE_SIZE);
    // SAFETY: the pages are ours.
    let mapped = unsafe { paging::map_range(frames, Access::WRITE) };
    if mapped.is_none() {
        // SAFETY: nobody has seen them.
        unsafe { phys::free(base, count) };
    }
    mapped
}

/// Frees a stack.
///
/// # Safety
///
/// It came from [`allocate_stack`], and nobody runs on it.
pub unsafe fn free_stack(limit: u64) {
    let frame = paging::translate(limit).map(|(address, _)| address);
    // SAFETY: the caller's promise.
    unsafe { paging::unmap_range(limit, STACK_SIZE / PAGE_SIZE) };
    if let Some(frame) = frame {
        // SAFETY: the pages of a stack are contiguous, as they were allocated.
        unsafe { phys::free(frame, STACK_SIZE / PAGE_SIZE) };
    }
}
