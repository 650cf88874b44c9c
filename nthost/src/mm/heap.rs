//! nthost's own heap. Drivers never get memory from it: theirs is pool, which is checked.

use core::alloc::{GlobalAlloc, Layout};

use talc::{DefaultBinning, base::Talc, source::Manual};

use super::{
    PAGE_SIZE,
    paging::physical,
    phys::{self, Request},
};
use crate::ke::lock::HighLock;

/// Bytes that the heap begins with, and that it grows by at the least.
const CHUNK: u64 = 8 << 20;

struct Heap(HighLock<Talc<Manual, DefaultBinning>>);

#[global_allocator]
static HEAP: Heap = Heap(HighLock::new(Talc::new(Manual)));

/// Gives the heap its first memory.
///
/// # Panics
///
/// If there is none.
pub fn initialize() {
    assert!(grow(0), "no memory for the heap");
}

/// Gives the heap memory for an allocation of this size.
fn grow(size: u64) -> bool {
    let bytes = (size + size / 4).max(CHUNK).next_multiple_of(PAGE_SIZE);
    let Some(address) = phys::allocate(&Request::any(bytes / PAGE_SIZE)) else {
        return false;
    };
    let base = physical(address);
    let mut heap = HEAP.0.lock();
    // SAFETY: the pages are mapped, belong to nobody else and are never given back.
    unsafe { heap.claim(base, bytes as usize) }.is_some()
}

// SAFETY: `Talc` keeps the contract of an allocator, and the lock makes it one for many
// processors. It can be used at any IRQL.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        loop {
            // SAFETY: the caller promises a layout that is not of size zero.
            let allocated = unsafe { self.0.lock().allocate(layout) };
            if let Some(pointer) = allocated {
                return pointer.as_ptr();
            }
            if !grow(layout.size() as u64 + layout.align() as u64) {
                return core::ptr::null_mut();
            }
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller promises that the pointer came from `alloc` with this layout.
        unsafe { self.0.lock().deallocate(pointer, layout) }
    }
}
