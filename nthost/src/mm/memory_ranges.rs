//! Which physical memory the system has.
//!
//! Sources: MmGetPhysicalMemoryRangesEx2, and its predecessors that the headers declare without
//! a page of their own; MmIsThisAnNtAsSystem.

use core::{ffi::c_void, ptr::null_mut};

use super::{phys, pool};
use crate::export;

/// The tag of the blocks, which callers free.
const TAG: u32 = u32::from_le_bytes(*b"MmPh");

/// `PHYSICAL_MEMORY_RANGE`: where memory begins, and its bytes.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
struct Range {
    base: u64,
    bytes: u64,
}

/// A block of nonpaged pool with the ranges, and an empty one behind them; the caller frees it.
fn block(caller: u64) -> *mut c_void {
    let ranges = phys::ranges();
    let size = (ranges.len() + 1) * size_of::<Range>();
    let Some(address) = pool::allocate(pool::flags::NON_PAGED, size as u64, TAG, caller) else {
        return null_mut();
    };
    let block = core::ptr::with_exposed_provenance_mut::<Range>(address as usize);
    let ranges = ranges.iter().map(|range| Range {
        base: range.start,
        bytes: range.length,
    });
    for (index, range) in ranges.chain([Range::default()]).enumerate() {
        // SAFETY: within the block, which has room for all of them.
        let entry = unsafe { block.add(index) };
        // SAFETY: as above; pool is aligned to 16 bytes.
        unsafe { entry.write(range) };
    }
    block.cast()
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The ranges of physical memory, in a block that the caller frees; an empty one is the last.
    ///
    /// Source: MmGetPhysicalMemoryRangesEx2, of which this is the oldest form.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmGetPhysicalMemoryRanges() -> *mut c_void {
        block(export::caller())
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As MmGetPhysicalMemoryRangesEx2, of all memory.
    ///
    /// Source: MmGetPhysicalMemoryRangesEx2.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmGetPhysicalMemoryRangesEx(partition: *mut c_void) -> *mut c_void {
        if partition.is_null() { block(export::caller()) } else { null_mut() }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The ranges of the system partition, the only one there is, and none of files' memory,
    /// which QEMU's machines do not have, whatever the flags; NULL for any other partition, or
    /// if pool is short. The caller frees the block.
    ///
    /// Source: MmGetPhysicalMemoryRangesEx2.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmGetPhysicalMemoryRangesEx2(partition: *mut c_void, _flags: u32) -> *mut c_void {
        if partition.is_null() { block(export::caller()) } else { null_mut() }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Whether this is a server: it is a workstation, as RtlGetVersion says.
    ///
    /// Source: MmIsThisAnNtAsSystem.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmIsThisAnNtAsSystem() -> u8 {
        0
    }
}
