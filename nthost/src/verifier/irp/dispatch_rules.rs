//! What a dispatch routine owes: either it completes its IRP and returns the IRP's status, or
//! it marks the IRP pending and returns `STATUS_PENDING`, or it passes the IRP down and returns
//! what the lower driver returned. (The reference's "Bug Check 0xC9", I/O verification errors.)

use nthost_nt::status::{NTSTATUS, STATUS_PENDING};

/// What is known of one driver's part of an IRP when its dispatch routine has returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The status with which the IRP left this driver's stack location, if it did.
    pub completed: Option<NTSTATUS>,
    /// The location was marked pending.
    pub marked: bool,
}

/// A status that is nobody's: an uninitialised variable.
const NO_STATUS: NTSTATUS = -1;

/// The I/O verification error, if the routine broke a rule.
#[must_use]
pub const fn violation(returned: NTSTATUS, seen: Seen) -> Option<Violation> {
    if returned == NO_STATUS {
        return Some(Violation::IllegalStatus);
    }
    if returned == STATUS_PENDING {
        return if seen.marked {
            None
        } else {
            Some(Violation::PendingNotMarked)
        };
    }
    if seen.marked {
        return Some(Violation::MarkedNotPending);
    }
    match seen.completed {
        None => Some(Violation::NotHandled),
        Some(status) if status != returned => Some(Violation::InconsistentStatus(status)),
        Some(_) => None,
    }
}

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// It returned another status than the IRP's.
    InconsistentStatus(NTSTATUS),
    /// It returned what is no status.
    IllegalStatus,
    /// It neither completed the IRP nor passed it down, or forgot `STATUS_PENDING`.
    NotHandled,
    /// It returned `STATUS_PENDING` without `IoMarkIrpPending`.
    PendingNotMarked,
    /// It called `IoMarkIrpPending` and returned another status.
    MarkedNotPending,
}

impl Violation {
    /// The first parameter of bug check 0xC9.
    #[must_use]
    pub const fn code(self) -> usize {
        match self {
            Self::InconsistentStatus(_) => 0x224,
            Self::IllegalStatus => 0x225,
            Self::NotHandled => 0x226,
            Self::PendingNotMarked => 0x23d,
            Self::MarkedNotPending => 0x23e,
        }
    }
}

#[cfg(test)]
mod tests {
    use nthost_nt::status::{STATUS_SUCCESS, STATUS_UNSUCCESSFUL};

    use super::*;

    const OPEN: Seen = Seen {
        completed: None,
        marked: false,
    };

    const fn completed(status: NTSTATUS) -> Seen {
        Seen {
            completed: Some(status),
            marked: false,
        }
    }

    const fn marked(completed: Option<NTSTATUS>) -> Seen {
        Seen {
            completed,
            marked: true,
        }
    }

    #[test]
    fn a_completed_irp_ends_in_its_own_status() {
        assert_eq!(violation(STATUS_SUCCESS, completed(STATUS_SUCCESS)), None);
        assert_eq!(
            violation(STATUS_SUCCESS, completed(STATUS_UNSUCCESSFUL)),
            Some(Violation::InconsistentStatus(STATUS_UNSUCCESSFUL))
        );
    }

    #[test]
    fn a_pending_irp_is_marked_before_or_after_its_completion() {
        assert_eq!(violation(STATUS_PENDING, marked(None)), None);
        assert_eq!(
            violation(STATUS_PENDING, marked(Some(STATUS_SUCCESS))),
            None
        );
        for seen in [OPEN, completed(STATUS_SUCCESS)] {
            assert_eq!(
                violation(STATUS_PENDING, seen),
                Some(Violation::PendingNotMarked)
            );
        }
    }

    #[test]
    fn a_marked_irp_is_returned_as_pending_whatever_became_of_it() {
        for completed in [None, Some(STATUS_SUCCESS)] {
            assert_eq!(
                violation(STATUS_SUCCESS, marked(completed)),
                Some(Violation::MarkedNotPending)
            );
        }
    }

    #[test]
    fn an_irp_that_is_neither_completed_nor_pending_was_forgotten() {
        assert_eq!(violation(STATUS_SUCCESS, OPEN), Some(Violation::NotHandled));
    }

    #[test]
    fn minus_one_is_no_status() {
        for seen in [OPEN, completed(NO_STATUS), marked(None)] {
            assert_eq!(violation(NO_STATUS, seen), Some(Violation::IllegalStatus));
        }
    }
}
