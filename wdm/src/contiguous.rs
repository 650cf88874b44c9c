//! Physically contiguous memory.
//!
//! The rule of the kernel this stands for: contiguous memory is scarce, is asked for early and
//! sparingly, and need not be executable. ("Allocating System-Space Memory",
//! nf-wdm-mmallocatecontiguousnodememory.)

use core::{
    ffi::c_void,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

use wdk_sys::{
    MM_ANY_NODE_OK, PAGE_READWRITE, PHYSICAL_ADDRESS,
    ntddk::{MmAllocateContiguousNodeMemory, MmFreeContiguousMemory, MmGetPhysicalAddress},
};
use zerocopy::FromZeros;

use crate::{Result, Status, irql::Passive};

/// A value in contiguous memory. Freed on drop.
pub struct Contiguous<T> {
    memory: NonNull<T>,
}

// SAFETY: it owns its value, as a `Box` does.
unsafe impl<T: Send> Send for Contiguous<T> {}
// SAFETY: it gives out shared references and nothing else without `&mut`.
unsafe impl<T: Sync> Sync for Contiguous<T> {}

impl<T: FromZeros> Contiguous<T> {
    /// Allocates zeroed memory for a `T` below `highest`, on a node if possible.
    ///
    /// Source: nf-wdm-mmallocatecontiguousnodememory.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(highest: u64, node: Option<u16>, irql: &Passive) -> Result<Self> {
        const {
            assert!(
                align_of::<T>() <= 4096,
                "contiguous memory is aligned to a page"
            );
            assert!(size_of::<T>() > 0, "there is nothing to allocate");
        }
        let memory = node
            .and_then(|node| allocate_contiguous(size_of::<T>(), highest, node.into(), irql))
            .or_else(|| allocate_contiguous(size_of::<T>(), highest, MM_ANY_NODE_OK, irql))
            .ok_or(Status::INSUFFICIENT_RESOURCES)?
            .cast::<T>();
        // SAFETY: freshly allocated, of this size.
        unsafe { memory.write_bytes(0, 1) };
        Ok(Self { memory })
    }

    /// Its physical address.
    #[must_use]
    pub fn physical_address(&self) -> u64 {
        // SAFETY: mapped for as long as `self` lives.
        let address = unsafe { MmGetPhysicalAddress(self.memory.as_ptr().cast()) };
        // SAFETY: every bit pattern of the union is a number.
        unsafe { address.QuadPart }.cast_unsigned()
    }
}

impl<T> Deref for Contiguous<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: zeroed, which is a valid `T`, and owned.
        unsafe { self.memory.as_ref() }
    }
}

impl<T> DerefMut for Contiguous<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as for `Deref`, and `&mut self` makes this the only reference.
        unsafe { self.memory.as_mut() }
    }
}

impl<T> Drop for Contiguous<T> {
    fn drop(&mut self) {
        // SAFETY: allocated by `new`; dropped at PASSIVE_LEVEL, as a device's hardware is.
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
