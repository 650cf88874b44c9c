//! Common buffers: memory that driver and device both use all the time.
//!
//! With the verifier's DMA checking a page lies on either side that the device reaches and nobody
//! may write. It and the rest of the last page are full of a tag, which is looked for when the
//! buffer is freed. The driver faults there at once.
//!
//! Sources: nc-wdm-pallocate_common_buffer, nc-wdm-pallocate_common_buffer_ex,
//! nc-wdm-pallocate_common_buffer_with_bounds, nc-wdm-pfree_common_buffer; bug check 0xE6.

use core::{ffi::c_void, ops::Range, ptr::null_mut};

use nthost_nt::io::dma::DMA_ADAPTER;

use super::{adapter, misuse};
use crate::{
    dma::iommu::{domain::Window, table::Rights},
    export::{self, PASSIVE_LEVEL},
    hook::{self, DmaMisuse},
    mm::{
        PAGE_SIZE,
        paging::{self, Access, physical},
        phys::{self, Request},
    },
};

/// What lies beside a buffer.
const TAG: [u8; 8] = *b"DmaVrfy0";

/// A common buffer.
#[derive(Debug)]
pub struct CommonBuffer {
    /// What the IOMMU lets the device reach.
    window: Option<Window>,
    logical: u64,
    length: u32,
    /// Pages with the tag lie on either side of it: one or none.
    guards: u64,
}

impl CommonBuffer {
    const fn pages(&self) -> u64 {
        (self.length as u64).div_ceil(PAGE_SIZE)
    }

    /// All of its memory: where it begins, and its pages.
    const fn memory(&self) -> (u64, u64) {
        let guards = self.guards;
        (self.logical - guards * PAGE_SIZE, self.pages() + 2 * guards)
    }

    /// What lies before it, and what behind it, if that is guarded.
    fn beside(&self) -> [Range<u64>; 2] {
        let (first, pages) = self.memory();
        let (end, behind) = (
            first + pages * PAGE_SIZE,
            self.logical + u64::from(self.length),
        );
        if self.guards == 0 {
            [0..0, 0..0]
        } else {
            [first..self.logical, behind..end]
        }
    }

    /// Writes the tags.
    fn tag(&self) {
        for at in self.beside().into_iter().flatten() {
            // SAFETY: a byte of the buffer's own memory, in the physical map.
            unsafe { physical(at).write(TAG[at as usize % TAG.len()]) };
        }
    }

    /// Looks for the tags: the driver sees the buffer at `base`.
    fn check(&self, base: u64) {
        for (code, mut range) in (1..).zip(self.beside()) {
            // SAFETY: as in `tag`; the device may write at any time.
            let byte = |at| unsafe { physical(at).read_volatile() };
            if range.any(|at| byte(at) != TAG[at as usize % TAG.len()]) {
                hook::dma_misuse(DmaMisuse::Overrun, [code, self.length.into(), base]);
            }
        }
    }
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
    if length == 0 || hook::call_fails(routine, caller) {
        return null_mut();
    }
    let mut buffer = CommonBuffer {
        window: None,
        logical: 0,
        length,
        guards: u64::from(hook::guards_transfers()),
    };
    let (guards, count) = (buffer.guards, buffer.pages());
    let mut request = Request {
        lowest: wanted.lowest.saturating_sub(guards * PAGE_SIZE),
        highest: wanted
            .highest
            .min(adapter.reach.highest)
            .saturating_add(guards * PAGE_SIZE),
        node: wanted.node,
        ..Request::any(count + 2 * guards)
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
    buffer.logical = first + guards * PAGE_SIZE;
    // SAFETY: the pages were just allocated, and are in the physical map.
    unsafe { physical(buffer.logical).write_bytes(0, (count * PAGE_SIZE) as usize) };
    buffer.tag();
    let rights = Rights {
        read: true,
        write: true,
    };
    let range = (buffer.logical, u64::from(length));
    let opened = adapter
        .reach
        .domain
        .map(|domain| domain.open([range], rights));
    let Ok(window) = opened.transpose() else {
        // SAFETY: nobody has seen them.
        unsafe { phys::free(first, request.pages) };
        return null_mut();
    };
    buffer.window = window;
    let frames = (0..count as usize).map(|index| buffer.logical + index as u64 * PAGE_SIZE);
    // SAFETY: as above.
    let Some(base) = (unsafe { paging::map_range(frames, Access::WRITE) }) else {
        drop(buffer.window.take());
        // SAFETY: nobody has seen them.
        unsafe { phys::free(first, request.pages) };
        return null_mut();
    };
    // SAFETY: the caller's promise.
    unsafe { logical.write(buffer.logical.cast_signed()) };
    adapter.with(|state| state.common.insert(base, buffer));
    core::ptr::with_exposed_provenance_mut(base as usize)
}

/// AllocateCommonBuffer.
pub unsafe extern "win64" fn allocate_common_buffer(
    adapter: *mut DMA_ADAPTER,
    length: u32,
    logical: *mut i64,
    _cached: u8,
) -> *mut c_void {
    let caller = export::caller();
    misuse::up_to(PASSIVE_LEVEL);
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
    let caller = export::caller();
    misuse::up_to(PASSIVE_LEVEL);
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
    let caller = export::caller();
    misuse::up_to(PASSIVE_LEVEL);
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
    misuse::up_to(PASSIVE_LEVEL);
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
    let Some(mut buffer) = buffer else {
        return hook::dma_misuse(DmaMisuse::CommonBufferFreed, [1, base, 0]);
    };
    drop(buffer.window.take());
    buffer.check(base);
    // SAFETY: the driver does not use it any more.
    unsafe { paging::unmap_range(base, buffer.pages()) };
    let (first, count) = buffer.memory();
    // SAFETY: as above.
    unsafe { phys::free(first, count) };
}
