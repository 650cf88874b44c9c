//! Common buffers: memory that driver and device both use all the time.
//!
//! Sources: nc-wdm-pallocate_common_buffer, nc-wdm-pallocate_common_buffer_ex,
//! nc-wdm-pallocate_common_buffer_with_bounds, nc-wdm-pfree_common_buffer.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::io::dma::DMA_ADAPTER;

use super::{adapter, violation};
use crate::{
    export::PASSIVE_LEVEL,
    mm::{
        PAGE_SIZE,
        paging::{self, Access, physical},
        phys::{self, Request},
    },
    verifier::{call, fault},
};

/// A common buffer.
#[derive(Clone, Copy, Debug)]
pub struct CommonBuffer {
    logical: u64,
    length: u32,
}

/// Which memory it may be.
struct Wanted {
    lowest: u64,
    highest: u64,
    node: Option<u16>,
}

/// Allocates; null if there is no such memory.
///
/// # Safety
///
/// The adapter is the driver's; `logical` can be written.
unsafe fn allocate(
    adapter: *mut DMA_ADAPTER,
    length: u32,
    logical: *mut i64,
    wanted: &Wanted,
    (routine, caller): (&'static str, u64),
) -> *mut c_void {
    // SAFETY: the caller's promise.
    let adapter = unsafe { adapter::of(adapter) };
    if length == 0 || fault::strikes(routine, caller) {
        return null_mut();
    }
    let count = u64::from(length).div_ceil(PAGE_SIZE);
    let mut request = Request {
        lowest: wanted.lowest,
        highest: wanted.highest.min(adapter.reach.highest),
        node: wanted.node,
        ..Request::any(count)
    };
    let mut found = phys::allocate(&request);
    if found.is_none() && request.node.is_some() {
        // The node is preferred, not demanded.
        request.node = None;
        found = phys::allocate(&request);
    }
    let Some(first) = found else {
        return null_mut();
    };
    // SAFETY: the pages were just allocated, and are in the physical map.
    unsafe { physical(first).write_bytes(0, (count * PAGE_SIZE) as usize) };
    let frames = (0..count as usize).map(|index| first + index as u64 * PAGE_SIZE);
    // SAFETY: as above.
    let Some(base) = (unsafe { paging::map_range(frames, Access::WRITE) }) else {
        // SAFETY: nobody has seen them.
        unsafe { phys::free(first, count) };
        return null_mut();
    };
    let buffer = CommonBuffer {
        logical: first,
        length,
    };
    adapter.with(|state| state.common.insert(base, buffer));
    // SAFETY: the caller's promise.
    unsafe { logical.write(first.cast_signed()) };
    core::ptr::with_exposed_provenance_mut(base as usize)
}

/// AllocateCommonBuffer.
pub unsafe extern "win64" fn allocate_common_buffer(
    adapter: *mut DMA_ADAPTER,
    length: u32,
    logical: *mut i64,
    _cached: u8,
) -> *mut c_void {
    let caller = call::caller();
    violation::up_to(PASSIVE_LEVEL);
    let wanted = Wanted {
        lowest: 0,
        highest: u64::MAX,
        node: None,
    };
    // SAFETY: the driver's promise.
    unsafe {
        allocate(
            adapter,
            length,
            logical,
            &wanted,
            ("AllocateCommonBuffer", caller),
        )
    }
}

/// AllocateCommonBufferEx.
pub unsafe extern "win64" fn allocate_common_buffer_ex(
    adapter: *mut DMA_ADAPTER,
    maximum: *const i64,
    length: u32,
    logical: *mut i64,
    _cached: u8,
    node: u32,
) -> *mut c_void {
    let caller = call::caller();
    violation::up_to(PASSIVE_LEVEL);
    // SAFETY: null, or the driver's address.
    let maximum = unsafe { maximum.as_ref() };
    let wanted = Wanted {
        lowest: 0,
        highest: maximum.map_or(u64::MAX, |maximum| maximum.cast_unsigned()),
        node: u16::try_from(node).ok(),
    };
    // SAFETY: the driver's promise.
    unsafe {
        allocate(
            adapter,
            length,
            logical,
            &wanted,
            ("AllocateCommonBufferEx", caller),
        )
    }
}

/// AllocateCommonBufferWithBounds.
pub unsafe extern "win64" fn allocate_common_buffer_with_bounds(
    adapter: *mut DMA_ADAPTER,
    minimum: *const i64,
    maximum: *const i64,
    length: u32,
    _flags: u32,
    _cache_type: *const i32,
    node: u32,
    logical: *mut i64,
) -> *mut c_void {
    let caller = call::caller();
    violation::up_to(PASSIVE_LEVEL);
    // SAFETY: null, or the driver's address.
    let minimum = unsafe { minimum.as_ref() };
    // SAFETY: as above.
    let maximum = unsafe { maximum.as_ref() };
    let wanted = Wanted {
        lowest: minimum.map_or(0, |minimum| minimum.cast_unsigned()),
        highest: maximum.map_or(u64::MAX, |maximum| maximum.cast_unsigned()),
        node: u16::try_from(node).ok(),
    };
    // SAFETY: the driver's promise.
    unsafe {
        allocate(
            adapter,
            length,
            logical,
            &wanted,
            ("AllocateCommonBufferWithBounds", caller),
        )
    }
}

/// FreeCommonBuffer.
pub unsafe extern "win64" fn free_common_buffer(
    adapter: *mut DMA_ADAPTER,
    length: u32,
    logical: i64,
    address: *mut c_void,
    _cached: u8,
) {
    violation::up_to(PASSIVE_LEVEL);
    // SAFETY: the driver's promise.
    let this = unsafe { adapter::of(adapter) };
    let base = address.addr() as u64;
    let matches = |buffer: &CommonBuffer| {
        buffer.length == length && buffer.logical == logical.cast_unsigned()
    };
    let buffer = this.with(|state| {
        if state.common.get(&base).is_some_and(matches) {
            state.common.remove(&base)
        } else {
            None
        }
    });
    let Some(buffer) = buffer else {
        return violation::dma(violation::COMMON_BUFFER_FREED, 1, base, 0);
    };
    let count = u64::from(buffer.length).div_ceil(PAGE_SIZE);
    // SAFETY: the driver does not use it any more.
    unsafe { paging::unmap_range(base, count) };
    // SAFETY: as above.
    unsafe { phys::free(buffer.logical, count) };
}
