//! Numbers that are given out once.
//!
//! Source: ZwAllocateLocallyUniqueId.

use core::sync::atomic::{AtomicU64, Ordering};

use nthost_nt::status::{NTSTATUS, STATUS_ACCESS_VIOLATION, STATUS_SUCCESS};

/// The next one: those below belong to sessions that everybody knows. Relaxed: each change of it
/// is whole, and nothing else depends on it.
static NEXT: AtomicU64 = AtomicU64::new(1001);

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Copies a number.
    ///
    /// Source: RtlCopyLuid.
    ///
    /// # Safety
    ///
    /// One can be written, the other read.
    pub unsafe fn RtlCopyLuid(to: *mut [u32; 2], from: *const [u32; 2]) {
        // SAFETY: the caller's promise.
        let value = unsafe { from.read() };
        // SAFETY: the caller's promise.
        unsafe { to.write(value) };
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Gives a number that nobody else has until the system restarts.
    ///
    /// Source: ZwAllocateLocallyUniqueId.
    ///
    /// # Safety
    ///
    /// Null, or it can be written.
    pub unsafe fn ZwAllocateLocallyUniqueId(luid: *mut [u32; 2]) -> NTSTATUS {
        if luid.is_null() {
            return STATUS_ACCESS_VIOLATION;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { luid.write([number as u32, (number >> 32) as u32]) };
        STATUS_SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_given_twice() {
        let (mut first, mut second) = ([0; 2], [0; 2]);
        for luid in [&mut first, &mut second] {
            // SAFETY: the test's own.
            assert_eq!(unsafe { ZwAllocateLocallyUniqueId(luid) }, STATUS_SUCCESS);
        }
        assert_ne!(first, second);
        // SAFETY: null is allowed.
        let status = unsafe { ZwAllocateLocallyUniqueId(core::ptr::null_mut()) };
        assert_eq!(status, STATUS_ACCESS_VIOLATION);
    }
}
