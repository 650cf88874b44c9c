//! How urgent an IRP is, as who sends it hints.
//!
//! Sources: IoSetIoPriorityHint, IoGetIoPriorityHint, "Using IRP Priority Hints", IO_PRIORITY_HINT.

use nthost_nt::{
    io::irp::{IO_TYPE_IRP, IRP},
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

/// `IoPriorityNormal`: the hint of an IRP that was given no other.
const NORMAL: u8 = 2;
/// `IoPriorityCritical`, the highest.
const CRITICAL: i32 = 4;

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Gives an IRP a hint, from `IoPriorityVeryLow` to `IoPriorityCritical`;
    /// STATUS_INVALID_PARAMETER for another, or if it is no IRP.
    ///
    /// Source: IoSetIoPriorityHint.
    ///
    /// # Safety
    ///
    /// `irp` can be read and written.
    pub unsafe fn IoSetIoPriorityHint(irp: *mut IRP, hint: i32) -> NTSTATUS {
        let hint = u8::try_from(hint).ok().filter(|_| hint <= CRITICAL);
        // SAFETY: the caller's promise.
        let packet = unsafe { &mut *irp };
        let (Some(hint), IO_TYPE_IRP) = (hint, packet.Type) else {
            return STATUS_INVALID_PARAMETER;
        };
        packet.set_priority_hint(hint);
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// An IRP's hint.
    ///
    /// Source: IoGetIoPriorityHint.
    ///
    /// # Safety
    ///
    /// It is an IRP.
    pub unsafe fn IoGetIoPriorityHint(irp: *mut IRP) -> i32 {
        // SAFETY: the caller's promise.
        unsafe { &*irp }.priority_hint().unwrap_or(NORMAL).into()
    }
}
