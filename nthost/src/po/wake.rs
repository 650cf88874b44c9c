//! Which wait/wake requests have woken the system.
//!
//! Sources: PoSetSystemWake, PoGetSystemWake.

use nthost_nt::io::irp::IRP;

/// In an IRP's flags: it has contributed to the system's waking. The reference has no name for
/// it, nor for any flag at its place.
const SYSTEM_WAKE: u32 = 0x8000_0000;

/// Whether a request has woken the system.
#[must_use]
pub const fn has_woken(irp: &IRP) -> bool {
    irp.Flags & SYSTEM_WAKE != 0
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Marks a wait/wake request as one that has contributed to the system's waking.
    ///
    /// Source: PoSetSystemWake.
    ///
    /// # Safety
    ///
    /// The IRP is the caller's.
    pub unsafe fn PoSetSystemWake(irp: *mut IRP) {
        // SAFETY: the caller's promise.
        unsafe { (*irp).Flags |= SYSTEM_WAKE };
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Whether a request was marked so.
    ///
    /// Source: PoGetSystemWake.
    ///
    /// # Safety
    ///
    /// The IRP is the caller's.
    pub unsafe fn PoGetSystemWake(irp: *mut IRP) -> u8 {
        // SAFETY: the caller's promise.
        u8::from(has_woken(unsafe { &*irp }))
    }
}
