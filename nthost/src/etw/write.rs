//! The ways to write an event.
//!
//! Sources: EtwWrite, EtwWriteTransfer, EtwWriteEx, EtwWriteString.

use core::ffi::c_void;

use nthost_nt::{
    guid::GUID,
    status::{NTSTATUS, STATUS_INVALID_PARAMETER},
};

use super::provider::{EventData, EventDescriptor, write};

/// The most pieces of an event.
const MAXIMUM_PIECES: u32 = 128;

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Writes an event. Without an activity it belongs to that of the thread.
    ///
    /// Source: EtwWrite.
    ///
    /// # Safety
    ///
    /// The descriptor and the pieces that `data` describes can be read.
    pub unsafe fn EtwWrite(
        handle: u64,
        descriptor: *const EventDescriptor,
        activity: *const GUID,
        count: u32,
        data: *const EventData,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let activity = unsafe { activity.as_ref() };
        // SAFETY: the caller's promise.
        unsafe { write(handle, descriptor, (activity, None), count, data) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Writes an event that is related to another activity.
    ///
    /// Source: EtwWriteTransfer.
    ///
    /// # Safety
    ///
    /// As EtwWrite.
    pub unsafe fn EtwWriteTransfer(
        handle: u64,
        descriptor: *const EventDescriptor,
        activity: *const GUID,
        related: *const GUID,
        count: u32,
        data: *const EventData,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let activity = unsafe { activity.as_ref() };
        // SAFETY: the caller's promise.
        let related = unsafe { related.as_ref() };
        // SAFETY: the caller's promise.
        unsafe { write(handle, descriptor, (activity, related), count, data) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Writes an event to the sessions that a filter does not exclude: to the only one, whose
    /// instance has no number. `STATUS_INVALID_PARAMETER` for flags, or too many pieces.
    ///
    /// Source: EtwWriteEx.
    ///
    /// # Safety
    ///
    /// As EtwWrite.
    pub unsafe fn EtwWriteEx(
        handle: u64,
        descriptor: *const EventDescriptor,
        _filter: u64,
        flags: u32,
        activity: *const GUID,
        related: *const GUID,
        count: u32,
        data: *const EventData,
    ) -> NTSTATUS {
        if flags != 0 || count > MAXIMUM_PIECES {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let activity = unsafe { activity.as_ref() };
        // SAFETY: the caller's promise.
        let related = unsafe { related.as_ref() };
        // SAFETY: the caller's promise.
        unsafe { write(handle, descriptor, (activity, related), count, data) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Writes a text as an event.
    ///
    /// Source: EtwWriteString.
    ///
    /// # Safety
    ///
    /// It is NUL-terminated.
    pub unsafe fn EtwWriteString(
        handle: u64,
        level: u8,
        keyword: u64,
        activity: *const GUID,
        text: *const u16,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let units = unsafe { crate::rtl::string::terminated(text) };
        let descriptor = EventDescriptor::text(level, keyword);
        let address = text.cast::<c_void>().expose_provenance() as u64;
        let piece = EventData::new(address, size_of_val(&*units) as u32);
        // SAFETY: the caller's promise.
        let activity = unsafe { activity.as_ref() };
        // SAFETY: the text can be read.
        unsafe { write(handle, &raw const descriptor, (activity, None), 1, &raw const piece) }
    }
}
