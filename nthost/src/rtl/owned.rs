//! Strings that are written whole, into a buffer of the caller's or one of their own, which is
//! paged pool.
//!
//! Sources: RtlFreeUnicodeString, RtlFreeAnsiString, RtlFreeUTF8String, RtlCreateUnicodeString,
//! RtlUpcaseUnicodeString, RtlDowncaseUnicodeString.

use alloc::vec::Vec;

use nthost_nt::{
    rtl::{STRING, UNICODE_STRING},
    status::{
        NTSTATUS, STATUS_BUFFER_OVERFLOW, STATUS_INVALID_PARAMETER_2, STATUS_NO_MEMORY,
        STATUS_SUCCESS,
    },
};

use super::{
    case::{downcase, upcase},
    string::{terminated, units},
};
use crate::{
    export,
    mm::pool::{self, flags},
};

/// The tag of strings that the run-time library allocates.
const TAG: u32 = u32::from_le_bytes(*b"Strg");

/// Whether a NUL must follow the text, or does if there is room for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminator {
    /// It must: the text fits if it does so with its NUL.
    Required,
    /// If there is room.
    Optional,
    /// None is written, and a buffer of the string's own has no room for one.
    None,
}

/// `UNICODE_STRING` or `STRING`: the same but for their units.
///
/// It may lie at any address.
#[repr(C, packed)]
pub struct Counted<U> {
    length: u16,
    maximum: u16,
    padding: u32,
    buffer: *mut U,
}

const _: () = assert!(size_of::<Counted<u16>>() == size_of::<UNICODE_STRING>());

impl<U> Counted<U> {
    const EMPTY: Self = Self {
        length: 0,
        maximum: 0,
        padding: 0,
        buffer: core::ptr::null_mut(),
    };
}

/// A string type, by its units.
pub trait Kind {
    /// `u8` or `u16`.
    type Unit: Copy + From<u8>;
}

impl Kind for UNICODE_STRING {
    type Unit = u16;
}

impl Kind for STRING {
    type Unit = u8;
}

/// Writes a string's text. `STATUS_BUFFER_OVERFLOW` if it does not fit.
///
/// # Safety
///
/// It is a string whose buffer can be written.
pub unsafe fn store<S: Kind>(to: *mut S, text: &[S::Unit], terminator: Terminator) -> NTSTATUS {
    // SAFETY: the caller's promise; both types have this layout.
    let to = unsafe { &mut *to.cast::<Counted<S::Unit>>() };
    let room = usize::from(to.maximum) / size_of::<S::Unit>();
    let needed = text.len() + usize::from(terminator == Terminator::Required);
    if needed > room {
        return STATUS_BUFFER_OVERFLOW;
    }
    let (source, target) = (text.as_ptr().cast::<u8>(), to.buffer.cast::<u8>());
    // SAFETY: there is room; the text may be part of the same buffer.
    unsafe { core::ptr::copy(source, target, size_of_val(text)) };
    if text.len() < room && terminator != Terminator::None {
        // SAFETY: as above.
        let end = unsafe { to.buffer.add(text.len()) };
        // SAFETY: as above.
        unsafe { end.write_unaligned(0.into()) };
    }
    to.length = size_of_val(text) as u16;
    STATUS_SUCCESS
}

/// Writes a string's text, into a buffer of its own if asked for. Besides [`store`]'s status,
/// `STATUS_INVALID_PARAMETER_2` for a text that is longer than a string can be, and
/// `STATUS_NO_MEMORY`.
///
/// # Safety
///
/// It is a string whose buffer can be written, or, for a buffer of its own, memory for a string.
pub unsafe fn give<S: Kind>(
    to: *mut S,
    text: &[S::Unit],
    terminator: Terminator,
    own_buffer: bool,
    (routine, caller): (&'static str, u64),
) -> NTSTATUS {
    let nul = if terminator == Terminator::None {
        0
    } else {
        size_of::<S::Unit>()
    };
    let bytes = size_of_val(text) + nul;
    let Ok(maximum) = u16::try_from(bytes) else {
        return STATUS_INVALID_PARAMETER_2;
    };
    if own_buffer {
        // An empty string gets a buffer, too: whoever frees it may count on that.
        let size = bytes.max(size_of::<S::Unit>()) as u64;
        let Some(buffer) = pool::allocate_for(routine, flags::PAGED, size, TAG, caller) else {
            return STATUS_NO_MEMORY;
        };
        let value = Counted::<S::Unit> {
            length: 0,
            maximum,
            padding: 0,
            buffer: core::ptr::with_exposed_provenance_mut(buffer as usize),
        };
        // SAFETY: the caller's promise; both types have this layout.
        unsafe { to.cast::<Counted<S::Unit>>().write(value) };
    }
    // SAFETY: the caller's promise, or the buffer that was just allocated.
    unsafe { store(to, text, terminator) }
}

/// Frees a string's own buffer, and empties it.
///
/// # Safety
///
/// The buffer is null or came from [`give`].
pub(super) unsafe fn free<S: Kind>(string: *mut S) {
    // SAFETY: the caller's promise; both types have this layout.
    let string = unsafe { &mut *string.cast::<Counted<S::Unit>>() };
    if !string.buffer.is_null() {
        pool::free(string.buffer as u64, None);
    }
    *string = Counted::EMPTY;
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Frees the buffer of a string that the kernel allocated, and empties it.
    ///
    /// Source: RtlFreeUnicodeString.
    ///
    /// # Safety
    ///
    /// The buffer is null or came from a routine that says so.
    pub unsafe fn RtlFreeUnicodeString(string: *mut UNICODE_STRING) {
        // SAFETY: the caller's promise.
        unsafe { free(string) };
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Frees the buffer of a string that RtlUnicodeStringToAnsiString allocated, and empties it.
    ///
    /// Source: RtlFreeAnsiString.
    ///
    /// # Safety
    ///
    /// The buffer is null or came from there.
    pub unsafe fn RtlFreeAnsiString(string: *mut STRING) {
        // SAFETY: the caller's promise.
        unsafe { free(string) };
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Frees the buffer of a string that RtlUnicodeStringToUTF8String allocated, and empties it.
    ///
    /// Source: RtlFreeUTF8String.
    ///
    /// # Safety
    ///
    /// The buffer is null or came from there.
    pub unsafe fn RtlFreeUTF8String(string: *mut STRING) {
        // SAFETY: the caller's promise.
        unsafe { free(string) };
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Copies a NUL-terminated string into a buffer that RtlFreeUnicodeString frees; FALSE if
    /// there is no memory.
    ///
    /// Source: RtlCreateUnicodeString.
    ///
    /// # Safety
    ///
    /// It is memory for a string; the text is NUL-terminated.
    pub unsafe fn RtlCreateUnicodeString(to: *mut UNICODE_STRING, text: *const u16) -> u8 {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        let text = unsafe { terminated(text) };
        // SAFETY: the caller's promise.
        let status = unsafe { give(to, &text, Terminator::Required, true, ("RtlCreateUnicodeString", caller)) };
        u8::from(status == STATUS_SUCCESS)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Copies a string in upper case, into a buffer of its own if asked for.
    ///
    /// Source: RtlUpcaseUnicodeString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlUpcaseUnicodeString(
        to: *mut UNICODE_STRING,
        from: *const UNICODE_STRING,
        own_buffer: u8,
    ) -> NTSTATUS {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        let text: Vec<u16> = unsafe { units(from) }.iter().copied().map(upcase).collect();
        // SAFETY: the caller's promise.
        unsafe { give(to, &text, Terminator::None, own_buffer != 0, ("RtlUpcaseUnicodeString", caller)) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Copies a string in lower case, likewise.
    ///
    /// Source: RtlDowncaseUnicodeString.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn RtlDowncaseUnicodeString(
        to: *mut UNICODE_STRING,
        from: *const UNICODE_STRING,
        own_buffer: u8,
    ) -> NTSTATUS {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        let text: Vec<u16> = unsafe { units(from) }.iter().copied().map(downcase).collect();
        // SAFETY: the caller's promise.
        unsafe { give(to, &text, Terminator::None, own_buffer != 0, ("RtlDowncaseUnicodeString", caller)) }
    }
}
