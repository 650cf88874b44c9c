//! The status of a master IRP, made of those of its associated IRPs.
//!
//! Sources: IoSetMasterIrpStatus, IoGetPagingIoPriority.

use nthost_nt::{io::irp::IRP, status::NTSTATUS};

/// `STATUS_VERIFY_REQUIRED`: replaces any other.
const VERIFY_REQUIRED: NTSTATUS = 0x8000_0016_u32.cast_signed();
/// `STATUS_FT_READ_FROM_COPY`: replaces no other.
const FT_READ_FROM_COPY: NTSTATUS = 0x4000_0035;

/// How severe a status is: success, information, warning, error.
const fn severity(status: NTSTATUS) -> u32 {
    status.cast_unsigned() >> 30
}

/// What a master's status becomes when an associated IRP ends with another.
#[must_use]
pub const fn merged(master: NTSTATUS, associated: NTSTATUS) -> NTSTATUS {
    let replaces = match associated {
        FT_READ_FROM_COPY => false,
        VERIFY_REQUIRED => true,
        _ => severity(associated) > severity(master),
    };
    if replaces { associated } else { master }
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Gives a master IRP the status of an associated one if that is more severe.
    ///
    /// Source: IoSetMasterIrpStatus.
    ///
    /// # Safety
    ///
    /// The IRP exists, and the caller keeps others from its status.
    pub unsafe fn IoSetMasterIrpStatus(master: *mut IRP, status: NTSTATUS) {
        // SAFETY: the caller's promise.
        let current = unsafe { &raw mut (*master).IoStatus.u.Status };
        // SAFETY: as above.
        let before = unsafe { current.read() };
        // SAFETY: as above.
        unsafe { current.write(merged(before, status)) };
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// How urgent a paging IRP is: `IoPagingPriorityInvalid`, for nothing is ever paged here.
    ///
    /// Source: IoGetPagingIoPriority.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn IoGetPagingIoPriority(_irp: *const IRP) -> i32 {
        0
    }
}

#[cfg(test)]
mod tests {
    use nthost_nt::status::STATUS_SUCCESS;

    use super::*;

    const DISK_CORRUPT: NTSTATUS = 0xc000_0032_u32.cast_signed();
    const NO_MORE_FILES: NTSTATUS = 0x8000_0006_u32.cast_signed();

    #[test]
    fn the_more_severe_status_of_a_master_and_its_associated_irp_stays() {
        assert_eq!(merged(STATUS_SUCCESS, DISK_CORRUPT), DISK_CORRUPT);
        assert_eq!(merged(DISK_CORRUPT, STATUS_SUCCESS), DISK_CORRUPT);
        assert_eq!(merged(NO_MORE_FILES, DISK_CORRUPT), DISK_CORRUPT);
        assert_eq!(merged(DISK_CORRUPT, NO_MORE_FILES), DISK_CORRUPT);
    }

    #[test]
    fn verify_required_replaces_all_and_read_from_copy_nothing() {
        assert_eq!(merged(DISK_CORRUPT, VERIFY_REQUIRED), VERIFY_REQUIRED);
        assert_eq!(merged(STATUS_SUCCESS, FT_READ_FROM_COPY), STATUS_SUCCESS);
    }
}
