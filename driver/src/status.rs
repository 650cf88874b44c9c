//! Which `NTSTATUS` stands for which refusal of [`eduwdm_logic`].

use eduwdm_logic::request::Refusal;
use wdm::Status;

/// The status that the interface documents for a refusal.
pub const fn of(refusal: Refusal) -> Status {
    match refusal {
        Refusal::BufferTooSmall => Status::BUFFER_TOO_SMALL,
        Refusal::InvalidBufferSize => Status::INVALID_BUFFER_SIZE,
        Refusal::RevisionMismatch => Status::REVISION_MISMATCH,
        Refusal::InfoLengthMismatch => Status::INFO_LENGTH_MISMATCH,
        Refusal::InvalidParameter => Status::INVALID_PARAMETER,
    }
}
