//! How urgent an IRP is, as who sends it hints.
//!
//! Sources: IoSetIoPriorityHint, IoGetIoPriorityHint, "Using IRP Priority Hints", IO_PRIORITY_HINT.

use nthost_nt::{
    io::irp::IRP,
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::{irp, record::NORMAL_PRIORITY};

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
    /// None.
    pub unsafe fn IoSetIoPriorityHint(irp: *mut IRP, hint: i32) -> NTSTATUS {
        let hint = u8::try_from(hint).ok().filter(|_| hint <= CRITICAL);
        let (Some(hint), Some(record)) = (hint, irp::record(irp)) else {
            return STATUS_INVALID_PARAMETER;
        };
        record.lock().priority_hint = hint;
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// An IRP's hint.
    ///
    /// Source: IoGetIoPriorityHint.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoGetIoPriorityHint(irp: *mut IRP) -> i32 {
        irp::record(irp).map_or(NORMAL_PRIORITY, |record| record.lock().priority_hint).into()
    }
}
