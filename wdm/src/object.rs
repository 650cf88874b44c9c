//! Structures of the kernel in a driver's memory: dispatcher objects, DPCs, queues.
//!
//! The rule of the kernel this stands for: such a structure must be resident and stay at its
//! address from its initialisation to its last use, and only the kernel's routines may look into
//! it; they synchronise themselves.

use core::cell::UnsafeCell;

use crate::{
    Result,
    irql::AtOrBelowDispatch,
    pool::{PoolBox, Tag},
};

/// Memory of a kernel structure, reached by its address alone.
pub struct KernelCell<T>(UnsafeCell<T>);

#[expect(
    clippy::non_send_fields_in_send_ty,
    reason = "the pointers in it are the kernel's"
)]
// SAFETY: nothing but its address can be had, and the kernel's routines that take it synchronise
// themselves and care for no thread.
unsafe impl<T> Send for KernelCell<T> {}
// SAFETY: likewise.
unsafe impl<T> Sync for KernelCell<T> {}

impl<T> KernelCell<T> {
    /// A structure with these contents, to be initialised in its final place.
    pub const fn new(contents: T) -> Self {
        Self(UnsafeCell::new(contents))
    }

    /// The address, for the kernel's routines.
    pub const fn get(&self) -> *mut T {
        self.0.get()
    }
}

/// A kernel structure of its own in non-paged pool.
pub struct KernelObject<T>(PoolBox<KernelCell<T>>);

impl<T: Default> KernelObject<T> {
    /// Memory for the structure, to be initialised.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new<I: AtOrBelowDispatch>(tag: Tag, irql: &I) -> Result<Self> {
        PoolBox::new(tag, KernelCell::new(T::default()), irql).map(Self)
    }

    /// The address, for the kernel's routines.
    pub fn get(&self) -> *mut T {
        self.0.get()
    }
}
