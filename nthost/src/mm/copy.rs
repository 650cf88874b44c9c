//! Copying from addresses that may not be valid.
//!
//! Source: MmCopyMemory.

use nthost_nt::status::{
    NTSTATUS, STATUS_ACCESS_VIOLATION, STATUS_INVALID_PARAMETER_4, STATUS_SUCCESS,
};

use super::{PAGE_SIZE, mdl, paging, phys};

/// `MM_COPY_MEMORY_PHYSICAL`, `MM_COPY_MEMORY_VIRTUAL`.
const PHYSICAL: u32 = 1;
const VIRTUAL: u32 = 2;

/// Copies page by page; gives how many bytes.
fn copy(to: *mut u8, from: u64, count: u64, virtual_address: bool) -> u64 {
    let mut done = 0;
    while done < count {
        let at = from + done;
        let piece = (PAGE_SIZE - at % PAGE_SIZE).min(count - done);
        let physical = if virtual_address {
            mdl::translate(at).map(|(physical, _)| physical)
        } else {
            Some(at)
        };
        // Devices' memory may not be read so: reading it may have effects.
        let Some(physical) = physical.filter(|&address| phys::is_memory(address)) else {
            break;
        };
        // SAFETY: the caller's buffer has so many bytes.
        let to = unsafe { to.add(done as usize) };
        let from = paging::physical(physical).cast_const();
        // SAFETY: all memory is in the physical map; the piece lies within a page.
        unsafe { core::ptr::copy(from, to, piece as usize) };
        done += piece;
    }
    done
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Copies from a physical (1) or virtual (2) address, as far as there is memory; an error
    /// if that is not all of it. Memory of devices is not read.
    ///
    /// Source: MmCopyMemory.
    ///
    /// # Safety
    ///
    /// The target is nonpaged and large enough.
    pub unsafe fn MmCopyMemory(
        target: *mut u8,
        source: u64,
        count: u64,
        flags: u32,
        transferred: *mut u64,
    ) -> NTSTATUS {
        if !matches!(flags, PHYSICAL | VIRTUAL) {
            // SAFETY: the caller's promise.
            unsafe { transferred.write(0) };
            return STATUS_INVALID_PARAMETER_4;
        }
        let done = copy(target, source, count, flags == VIRTUAL);
        // SAFETY: the caller's promise.
        unsafe { transferred.write(done) };
        if done == count { STATUS_SUCCESS } else { STATUS_ACCESS_VIOLATION }
    }
}
