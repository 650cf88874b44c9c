//! Pool: fallible, tagged allocations, and a value that several owners share.
//!
//! The rule of the kernel this stands for: pool can run out at any time, and every allocation
//! carries a tag that tells whose it is. Everything here is non-paged, so that it can be touched
//! at any IRQL. ("Allocating System-Space Memory", nf-wdm-exallocatepool2.)
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Result,
//!     irql::Passive,
//!     pool::{PoolBox, Shared, Tag},
//! };
//!
//! const TAG: Tag = Tag::new(*b"Exam");
//!
//! /// One owner, and several: each frees what it owns with its last drop.
//! fn allocate(irql: &Passive) -> Result<(PoolBox<[u8]>, Shared<u32>)> {
//!     let bytes = PoolBox::slice(TAG, 64, |_| 0, irql)?;
//!     let number = Shared::new(TAG, 7, irql)?;
//!     Ok((bytes, number.clone()))
//! }
//! ```

use core::{
    mem::MaybeUninit,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    sync::atomic::{AtomicUsize, Ordering, fence},
};

use wdk_sys::{
    POOL_FLAG_CACHE_ALIGNED, POOL_FLAG_NON_PAGED, POOL_FLAGS,
    ntddk::{ExAllocatePool2, ExFreePoolWithTag},
};

use crate::{Result, Status, irql::AtOrBelowDispatch};

/// Up to four ASCII characters that a pool allocation is marked with, as `!poolused` and
/// Driver Verifier show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag(u32);

impl Tag {
    /// The tag that is shown as `name`: the first character is in the lowest byte.
    ///
    /// # Panics
    ///
    /// At compile time, where it is used so, if a character is not printable ASCII: the kernel
    /// asks for that, and for no more than 0x7e.
    #[must_use]
    pub const fn new(name: [u8; 4]) -> Self {
        let mut i = 0;
        while i < name.len() {
            assert!(
                name[i] >= b' ' && name[i] <= b'~',
                "a pool tag is printable ASCII"
            );
            i += 1;
        }
        Self(u32::from_le_bytes(name))
    }
}

/// What the pool aligns its allocations to on 64-bit systems (`MEMORY_ALLOCATION_ALIGNMENT`);
/// with `POOL_FLAG_CACHE_ALIGNED` it is the size of a cache line.
const POOL_ALIGNMENT: usize = 16;
const CACHE_LINE: usize = 64;

/// A value in non-paged pool. It stays at its address until it is freed.
pub struct PoolBox<T: ?Sized> {
    value: NonNull<T>,
    tag: Tag,
}

// SAFETY: it owns its value, as a `Box` does.
unsafe impl<T: ?Sized + Send> Send for PoolBox<T> {}
// SAFETY: it gives out shared references to its value and nothing else.
unsafe impl<T: ?Sized + Sync> Sync for PoolBox<T> {}

fn allocate<T, I: AtOrBelowDispatch>(count: usize, tag: Tag, _irql: &I) -> Result<NonNull<T>> {
    const {
        assert!(
            align_of::<T>() <= CACHE_LINE,
            "the pool cannot align to more than a cache line"
        );
        assert!(size_of::<T>() > 0, "there is nothing to allocate");
    }
    let bytes = size_of::<T>()
        .checked_mul(count)
        .filter(|&bytes| bytes > 0)
        .ok_or(Status::INSUFFICIENT_RESOURCES)?;
    let mut flags: POOL_FLAGS = POOL_FLAG_NON_PAGED;
    if align_of::<T>() > POOL_ALIGNMENT {
        flags |= POOL_FLAG_CACHE_ALIGNED;
    }
    // SAFETY: at IRQL <= DISPATCH_LEVEL, as it must be for non-paged pool.
    let memory = unsafe { ExAllocatePool2(flags, bytes as u64, tag.0) };
    NonNull::new(memory.cast()).ok_or(Status::INSUFFICIENT_RESOURCES)
}

impl<T> PoolBox<T> {
    /// Moves a value to the pool.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`; the value is dropped.
    pub fn new<I: AtOrBelowDispatch>(tag: Tag, value: T, irql: &I) -> Result<Self> {
        let memory = allocate::<T, _>(1, tag, irql)?;
        // SAFETY: freshly allocated for a `T`.
        unsafe { memory.write(value) }
        Ok(Self { value: memory, tag })
    }

    /// Becomes a pointer for the kernel to keep.
    #[must_use]
    pub(crate) const fn into_raw(self) -> *mut T {
        let value = self.value;
        core::mem::forget(self);
        value.as_ptr()
    }

    /// Takes back what [`Self::into_raw`] gave.
    ///
    /// # Safety
    ///
    /// The pointer is from `into_raw` of a box with this tag, and is taken back once.
    #[must_use]
    pub(crate) const unsafe fn from_raw(raw: *mut T, tag: Tag) -> Self {
        // SAFETY: not null, as `into_raw` made it.
        let value = unsafe { NonNull::new_unchecked(raw) };
        Self { value, tag }
    }

    /// Takes the value out and frees its place.
    #[must_use]
    pub fn into_inner(self) -> T {
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: owned, and not looked at again.
        let value = unsafe { this.value.read() };
        // SAFETY: allocated by `allocate` with this tag; the value has moved out.
        unsafe { ExFreePoolWithTag(this.value.as_ptr().cast(), this.tag.0) };
        value
    }
}

impl<T: ?Sized> PoolBox<T> {
    /// The value's address, which the kernel may keep until the box is dropped.
    #[must_use]
    pub const fn as_ptr(&self) -> *mut T {
        self.value.as_ptr()
    }
}

impl<T> PoolBox<[T]> {
    /// A slice whose elements `make` gives, by their index.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`, also for a length of zero.
    pub fn slice<I: AtOrBelowDispatch>(
        tag: Tag,
        length: usize,
        mut make: impl FnMut(usize) -> T,
        irql: &I,
    ) -> Result<Self> {
        Self::try_slice(tag, length, |index| Ok(make(index)), irql)
    }

    /// A slice whose elements `make` gives, by their index.
    ///
    /// # Errors
    ///
    /// The first of `make`, after the elements so far were dropped; and as for [`Self::slice`].
    pub fn try_slice<I: AtOrBelowDispatch>(
        tag: Tag,
        length: usize,
        mut make: impl FnMut(usize) -> Result<T>,
        irql: &I,
    ) -> Result<Self> {
        let memory = allocate::<T, _>(length, tag, irql)?;
        // Owns the elements that are there, and the memory: an empty slice at first.
        let mut slice = Self {
            value: NonNull::slice_from_raw_parts(memory, 0),
            tag,
        };
        for index in 0..length {
            let element = make(index)?;
            // SAFETY: within what was allocated.
            let slot = unsafe { memory.add(index) };
            // SAFETY: not initialised yet, so nothing is overwritten.
            unsafe { slot.write(element) };
            slice.value = NonNull::slice_from_raw_parts(memory, index + 1);
        }
        Ok(slice)
    }
}

impl<T: ?Sized> Deref for PoolBox<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: it owns an initialised value.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for PoolBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: it owns an initialised value, and `&mut self` makes this the only reference.
        unsafe { self.value.as_mut() }
    }
}

impl<T: ?Sized> Drop for PoolBox<T> {
    fn drop(&mut self) {
        // SAFETY: owned and initialised, and not looked at again.
        unsafe { self.value.drop_in_place() };
        // SAFETY: allocated by `allocate` with this tag.
        unsafe { ExFreePoolWithTag(self.value.as_ptr().cast(), self.tag.0) };
    }
}

/// A value in non-paged pool with several owners; the last frees it.
///
/// It is what callbacks of the kernel hold on to: an ISR, a DPC or a timer keeps its context
/// alive for as long as it is connected.
pub struct Shared<T> {
    inner: NonNull<Inner<T>>,
}

struct Inner<T> {
    owners: AtomicUsize,
    tag: Tag,
    value: T,
}

// SAFETY: owners on several processors share the value, and any may drop it.
unsafe impl<T: Send + Sync> Send for Shared<T> {}
// SAFETY: likewise.
unsafe impl<T: Send + Sync> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// Moves a value to the pool, with one owner.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`; the value is dropped.
    pub fn new<I: AtOrBelowDispatch>(tag: Tag, value: T, irql: &I) -> Result<Self> {
        Self::new_in_place(tag, |place, _| Ok(place.write(value)), irql)
    }

    /// As [`Self::new`], with a value that is made where it stays: `make` writes it there, and gives
    /// the place back. For a large one, which is not to take the kernel's stack on its way.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`, and those of `make`; nothing is left behind.
    /// `STATUS_UNSUCCESSFUL` if `make` gives another place.
    pub fn new_in_place<I: AtOrBelowDispatch>(
        tag: Tag,
        make: impl for<'a> FnOnce(&'a mut MaybeUninit<T>, &I) -> Result<&'a mut T>,
        irql: &I,
    ) -> Result<Self> {
        let room = PoolBox {
            value: allocate::<MaybeUninit<Inner<T>>, _>(1, tag, irql)?,
            tag,
        };
        let inner: *mut Inner<T> = room.value.as_ptr().cast();
        // SAFETY: freshly allocated; only an address is formed.
        let place: *mut T = unsafe { &raw mut (*inner).value };
        let place_for_it = place.cast::<MaybeUninit<T>>();
        // SAFETY: it need not be initialised, and nobody else has it.
        let written: *const T = make(unsafe { &mut *place_for_it }, irql)?;
        if !core::ptr::eq(written, place) {
            return Err(Status::UNSUCCESSFUL);
        }
        // SAFETY: freshly allocated; only an address is formed.
        let owners = unsafe { &raw mut (*inner).owners };
        // SAFETY: likewise, and it is written.
        unsafe { owners.write(AtomicUsize::new(1)) };
        // SAFETY: as for the owners.
        let its_tag = unsafe { &raw mut (*inner).tag };
        // SAFETY: likewise.
        unsafe { its_tag.write(tag) };
        let inner = room.value.cast();
        core::mem::forget(room);
        Ok(Self { inner })
    }

    /// Becomes a pointer for the kernel to keep, which still counts as an owner.
    #[must_use]
    pub fn into_raw(self) -> *mut core::ffi::c_void {
        let this = core::mem::ManuallyDrop::new(self);
        this.inner.as_ptr().cast()
    }

    /// What [`Self::into_raw`] would give, while this is an owner still.
    pub(crate) const fn as_raw(&self) -> *mut core::ffi::c_void {
        self.inner.as_ptr().cast()
    }

    /// The value's address, by which [`Self::from_value`] finds the owner again.
    pub(crate) const fn as_ptr(&self) -> *const T {
        // Not by a reference to the value, which would be good for the value alone.
        // SAFETY: within what this owner keeps alive; only an address is formed.
        unsafe { &raw const (*self.inner.as_ptr()).value }
    }

    /// Takes back what [`Self::into_raw`] gave.
    ///
    /// # Safety
    ///
    /// The pointer is from `into_raw` of the same type, and is taken back once.
    #[must_use]
    pub unsafe fn from_raw(raw: *mut core::ffi::c_void) -> Self {
        // SAFETY: not null, as `into_raw` made it.
        let inner = unsafe { NonNull::new_unchecked(raw.cast()) };
        Self { inner }
    }

    /// The value behind what [`Self::into_raw`] gave.
    ///
    /// # Safety
    ///
    /// The pointer is from `into_raw` of the same type, and is not taken back for as long as
    /// the reference is used.
    #[must_use]
    pub unsafe fn borrow_raw<'a>(raw: *mut core::ffi::c_void) -> &'a T {
        let inner = raw.cast::<Inner<T>>();
        // SAFETY: valid by contract.
        unsafe { &(*inner).value }
    }

    /// An owner that was kept as [`Self::into_raw`], by the address of its value.
    ///
    /// # Safety
    ///
    /// The address is from [`Self::as_ptr`] of a shared value, one of whose owners was given up by
    /// `into_raw` and is taken back by this.
    pub(crate) unsafe fn from_value(value: *const T) -> Self {
        let offset = core::mem::offset_of!(Inner<T>, value);
        let inner = value
            .wrapping_byte_sub(offset)
            .cast_mut()
            .cast::<Inner<T>>();
        // SAFETY: the value is inside of its `Inner` by contract.
        let inner = unsafe { NonNull::new_unchecked(inner) };
        Self { inner }
    }

    fn inner(&self) -> &Inner<T> {
        // SAFETY: this owner keeps it alive.
        unsafe { self.inner.as_ref() }
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        // Relaxed: the caller has an owner already, so nothing can be freed meanwhile.
        self.inner().owners.fetch_add(1, Ordering::Relaxed);
        Self { inner: self.inner }
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner().value
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Release: what this owner did to the value happens before the last owner frees it.
        if self.inner().owners.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // Acquire: pairs with the release of all the others.
        fence(Ordering::Acquire);
        let tag = self.inner().tag;
        // SAFETY: this was the last owner.
        unsafe { self.inner.drop_in_place() };
        // SAFETY: allocated by `allocate` with this tag.
        unsafe { ExFreePoolWithTag(self.inner.as_ptr().cast(), tag.0) };
    }
}
