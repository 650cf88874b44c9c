//! nthost's own heap. Drivers never get memory from it: theirs is pool, which is checked.
//!
//! Each processor keeps a few free blocks of each small size at hand, which it takes and gives back
//! with interrupts off and without a lock; what is larger, and what the lists have too little or
//! too much of, comes from and goes to one allocator with a lock.

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr::null_mut,
};

use talc::{DefaultBinning, base::Talc, source::Manual};
use x86_64::instructions::interrupts;

use super::{
    PAGE_SIZE,
    paging::physical,
    phys::{self, Request},
};
use crate::ke::{
    lock::HighLock,
    pcr::{self, MAXIMUM_PROCESSORS},
};

/// Bytes that the heap begins with, and that it grows by at the least.
const CHUNK: u64 = 8 << 20;

/// The sizes of kept blocks are multiples of this.
const STEP: usize = 64;
/// The largest of them.
const LARGEST: usize = 1024;
/// How they are aligned.
const ALIGNMENT: usize = 16;
/// How many bytes of a size a processor keeps at the most.
const KEPT: usize = 8 * LARGEST;

/// A processor's free blocks of a size: each begins with the address of the next.
#[derive(Clone, Copy)]
struct Kept {
    first: *mut *mut u8,
    bytes: usize,
}

/// A processor's lists. Used by that processor alone, with interrupts off.
#[repr(align(64))]
struct Lists(UnsafeCell<[Kept; LARGEST / STEP]>);

// SAFETY: each is used by one processor, with interrupts off.
unsafe impl Sync for Lists {}

static LISTS: [Lists; MAXIMUM_PROCESSORS] = [const {
    Lists(UnsafeCell::new(
        [Kept {
            first: null_mut(),
            bytes: 0,
        }; LARGEST / STEP],
    ))
}; MAXIMUM_PROCESSORS];

/// The layout of the kept blocks that such an allocation is one of; none, if it is too large.
const fn kept_layout(layout: Layout) -> Option<Layout> {
    if layout.size() == 0 || layout.size() > LARGEST || layout.align() > ALIGNMENT {
        return None;
    }
    match Layout::from_size_align(layout.size().next_multiple_of(STEP), ALIGNMENT) {
        Ok(layout) => Some(layout),
        Err(_) => None,
    }
}

/// Runs with this processor's list of blocks of a size, and with interrupts off.
fn with_kept<T>(size: usize, operation: impl FnOnce(&mut Kept) -> T) -> T {
    let enabled = interrupts::are_enabled();
    interrupts::disable();
    let lists = LISTS[pcr::current().number as usize].0.get();
    // SAFETY: this processor's lists, and nothing else runs here meanwhile.
    let result = operation(unsafe { &mut (*lists)[size / STEP - 1] });
    if enabled {
        interrupts::enable();
    }
    result
}

impl Kept {
    fn take(&mut self, size: usize) -> *mut u8 {
        let block = self.first;
        if !block.is_null() {
            // SAFETY: a free block of the list.
            self.first = unsafe { block.read() }.cast();
            self.bytes -= size;
        }
        block.cast()
    }

    /// Whether there is room for it.
    fn give(&mut self, block: *mut u8, size: usize) -> bool {
        if self.bytes + size > KEPT {
            return false;
        }
        let block: *mut *mut u8 = block.cast();
        // SAFETY: a block that nobody uses any more, which is aligned for a pointer.
        unsafe { block.write(self.first.cast()) };
        self.first = block;
        self.bytes += size;
        true
    }
}

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
        let kept = kept_layout(layout);
        if let Some(layout) = kept {
            let block = with_kept(layout.size(), |kept| kept.take(layout.size()));
            if !block.is_null() {
                return block;
            }
        }
        let layout = kept.unwrap_or(layout);
        loop {
            // SAFETY: the caller promises a layout that is not of size zero.
            let allocated = unsafe { self.0.lock().allocate(layout) };
            if let Some(pointer) = allocated {
                return pointer.as_ptr();
            }
            if !grow(layout.size() as u64 + layout.align() as u64) {
                return null_mut();
            }
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let kept = kept_layout(layout);
        if let Some(layout) = kept
            && with_kept(layout.size(), |kept| kept.give(pointer, layout.size()))
        {
            return;
        }
        // SAFETY: the caller promises that the pointer came from `alloc` with this layout.
        unsafe { self.0.lock().deallocate(pointer, kept.unwrap_or(layout)) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that it is one with this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if let (Some(old), Some(new)) = (kept_layout(layout), kept_layout(wanted))
            && old == new
        {
            return pointer;
        }
        // SAFETY: the caller's promise.
        let moved = unsafe { self.alloc(wanted) };
        if !moved.is_null() {
            let count = layout.size().min(size);
            // SAFETY: both are as long, and the new one is nobody else's.
            unsafe { moved.copy_from_nonoverlapping(pointer, count) };
            // SAFETY: the caller's promise.
            unsafe { self.dealloc(pointer, layout) };
        }
        moved
    }
}
