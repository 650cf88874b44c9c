//! Physically contiguous memory.
//!
//! The rule of the kernel this stands for: contiguous memory is scarce, is asked for early and
//! sparingly, and need not be executable. ("Allocating System-Space Memory",
//! nf-wdm-mmallocatecontiguousnodememory.)
//!
//! # Example
//!
//! ```
//! use wdm::{Result, contiguous::Contiguous, irql::Passive};
//!
//! /// A page below 4 GiB on the node of the device.
//! fn page(node: Option<u16>, irql: &Passive) -> Result<Contiguous<[u8]>> {
//!     let mut page = Contiguous::<[u8]>::slice(4096, u32::MAX.into(), node, irql)?;
//!     page[0] = 1;
//!     Ok(page)
//! }
//! ```

use core::{
    ffi::c_void,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

use wdk_sys::{
    MM_ANY_NODE_OK, PAGE_READWRITE, PHYSICAL_ADDRESS,
    ntddk::{MmAllocateContiguousNodeMemory, MmFreeContiguousMemory},
};
use zerocopy::FromZeros;

use crate::{Result, Status, irql::Passive};

/// A value, or a slice of them, in contiguous memory. Freed on drop.
pub struct Contiguous<T: ?Sized> {
    memory: NonNull<T>,
}

// SAFETY: it owns its value, as a `Box` does.
unsafe impl<T: ?Sized + Send> Send for Contiguous<T> {}
// SAFETY: it gives out shared references and nothing else without `&mut`.
unsafe impl<T: ?Sized + Sync> Sync for Contiguous<T> {}

/// Zeroed memory for so many values below `highest`, on a node if possible.
fn allocate<T: FromZeros>(
    count: usize,
    highest: u64,
    node: Option<u16>,
    irql: &Passive,
) -> Result<NonNull<T>> {
    const {
        assert!(
            align_of::<T>() <= 4096,
            "contiguous memory is aligned to a page"
        );
        assert!(size_of::<T>() > 0, "there is nothing to allocate");
    }
    let bytes = size_of::<T>()
        .checked_mul(count)
        .filter(|&bytes| bytes > 0)
        .ok_or(Status::INSUFFICIENT_RESOURCES)?;
    // ANCHOR: node
    let memory = node
        .and_then(|node| allocate_contiguous(bytes, highest, node.into(), irql))
        .or_else(|| allocate_contiguous(bytes, highest, MM_ANY_NODE_OK, irql))
        .ok_or(Status::INSUFFICIENT_RESOURCES)?
        .cast::<T>();
    // ANCHOR_END: node
    // SAFETY: freshly allocated, of this size.
    unsafe { memory.write_bytes(0, count) };
    Ok(memory)
}

impl<T: FromZeros> Contiguous<T> {
    /// Allocates zeroed memory for a `T` below `highest`, on a node if possible.
    ///
    /// Source: nf-wdm-mmallocatecontiguousnodememory.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(highest: u64, node: Option<u16>, irql: &Passive) -> Result<Self> {
        let memory = allocate(1, highest, node, irql)?;
        Ok(Self { memory })
    }
}

impl<T: FromZeros> Contiguous<[T]> {
    /// As [`Contiguous::new`], for so many one behind the other.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`, also for none.
    pub fn slice(length: usize, highest: u64, node: Option<u16>, irql: &Passive) -> Result<Self> {
        let first = allocate::<T>(length, highest, node, irql)?;
        Ok(Self {
            memory: NonNull::slice_from_raw_parts(first, length),
        })
    }
}

impl<T: ?Sized> Deref for Contiguous<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: zeroed, which is valid for what it is, and owned.
        unsafe { self.memory.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for Contiguous<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `Deref`, and `&mut self` makes this the only reference.
        unsafe { self.memory.as_mut() }
    }
}

impl<T: ?Sized> Drop for Contiguous<T> {
    fn drop(&mut self) {
        // SAFETY: allocated by `allocate`; dropped at PASSIVE_LEVEL, as a device's hardware is.
        unsafe { MmFreeContiguousMemory(self.memory.as_ptr().cast()) };
    }
}

fn allocate_contiguous(
    bytes: usize,
    highest: u64,
    node: u32,
    _irql: &Passive,
) -> Option<NonNull<c_void>> {
    let low = PHYSICAL_ADDRESS { QuadPart: 0 };
    let high = PHYSICAL_ADDRESS {
        QuadPart: highest.cast_signed(),
    };
    let boundary = PHYSICAL_ADDRESS { QuadPart: 0 };
    // SAFETY: at PASSIVE_LEVEL.
    let memory = unsafe {
        MmAllocateContiguousNodeMemory(bytes as u64, low, high, boundary, PAGE_READWRITE, node)
    };
    NonNull::new(memory)
}
