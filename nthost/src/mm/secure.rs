//! Memory of a process that a driver has secured: it can be neither freed nor made less
//! accessible until the driver lets it go, or the process ends.
//!
//! Sources: MmSecureVirtualMemory, MmUnsecureVirtualMemory; bug check 0x1A, 0x15000.

use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    PAGE_SIZE,
    address_space::{self, USER_PROBE_ADDRESS},
    paging::Access,
};
use crate::{export, hook, ke::bugcheck};

/// MEMORY_MANAGEMENT.
const MEMORY_MANAGEMENT: u32 = 0x1a;
/// Its first parameter: what is let go is not secured, or in another process.
const NOT_SECURED: u64 = 0x15000;
/// `PAGE_READONLY`, `PAGE_READWRITE`.
const READ_ONLY: u32 = 0x02;
const READ_WRITE: u32 = 0x04;

/// The next handle: a multiple of 16, so that it is no address that somebody follows by chance.
static NEXT: AtomicU64 = AtomicU64::new(16);

fn secure(address: u64, length: u64, mode: u32) -> Option<u64> {
    let writable = match mode {
        READ_ONLY => false,
        READ_WRITE => true,
        _ => return None,
    };
    let end = address.checked_add(length)?;
    if length == 0 || end > USER_PROBE_ADDRESS {
        return None;
    }
    let range = address & !(PAGE_SIZE - 1)..end.next_multiple_of(PAGE_SIZE);
    let space = address_space::current()?;
    let mut regions = space.inner.lock();
    for page in range.clone().step_by(PAGE_SIZE as usize) {
        let (_, access) = space.translate_locked(page)?;
        if writable && !access.contains(Access::WRITE) {
            return None;
        }
    }
    // Relaxed: only that they differ matters.
    let number = NEXT.fetch_add(16, Ordering::Relaxed);
    regions.secure(number, range, writable);
    Some(number)
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Secures memory of the current process, which must be accessible in the same way already;
    /// gives a handle, NULL otherwise.
    ///
    /// Source: MmSecureVirtualMemory.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmSecureVirtualMemory(address: u64, length: u64, mode: u32) -> *mut c_void {
        if hook::call_fails("MmSecureVirtualMemory", export::caller()) {
            return null_mut();
        }
        let number = secure(address, length, mode).unwrap_or(0);
        core::ptr::without_provenance_mut(number as usize)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Lets secured memory go, in the process where it was secured. Anything else ends in bug
    /// check 0x1A.
    ///
    /// Source: MmUnsecureVirtualMemory.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn MmUnsecureVirtualMemory(handle: *mut c_void) {
        let number = handle.addr() as u64;
        let space = address_space::current();
        if space.is_none_or(|space| space.inner.lock().unsecure(number).is_none()) {
            bugcheck::bugcheck(MEMORY_MANAGEMENT, [NOT_SECURED, number, 0, 0]);
        }
    }
}
