//! Security identifiers: whom a right is for.
//!
//! Sources: the pages of the routines below; SID.

use alloc::{
    format,
    string::{String, ToString},
};
use core::mem::offset_of;

use nthost_nt::{
    se::{SID, SID_MAX_SUB_AUTHORITIES, SID_REVISION},
    status::{NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

/// Bytes before the subauthorities.
const HEAD: usize = offset_of!(SID, SubAuthority);

/// Bytes of an identifier with so many subauthorities.
#[must_use]
pub const fn length(sub_authorities: u8) -> usize {
    HEAD + sub_authorities as usize * 4
}

/// The valid identifier that some bytes begin with.
#[must_use]
pub fn prefix(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [SID_REVISION, count @ ..=SID_MAX_SUB_AUTHORITIES, ..] => bytes.get(..length(*count)),
        _ => None,
    }
}

/// The bytes of an identifier; `None` if it is none.
///
/// # Safety
///
/// Null, or as many bytes as the second of them says.
#[must_use]
pub unsafe fn bytes<'a>(sid: *const SID) -> Option<&'a [u8]> {
    if sid.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let count = unsafe { (*sid).SubAuthorityCount };
    // SAFETY: the caller's promise.
    prefix(unsafe { core::slice::from_raw_parts(sid.cast(), length(count)) })
}

/// As people write it: `S-1-5-32-544`. An authority beyond 32 bits is written in hexadecimal.
#[must_use]
pub fn text(sid: &[u8]) -> String {
    let (head, subs) = sid.split_at(HEAD);
    let authority = head[2..]
        .iter()
        .fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    let mut text = if authority >> 32 == 0 {
        format!("S-{}-{authority}", head[0])
    } else {
        format!("S-{}-{authority:#X}", head[0]).replace("0X", "0x")
    };
    for sub in subs.as_chunks().0 {
        text.push('-');
        text.push_str(&u32::from_le_bytes(*sub).to_string());
    }
    text
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Bytes of an identifier with so many subauthorities.
    ///
    /// Source: RtlLengthRequiredSid.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn RtlLengthRequiredSid(count: u32) -> u32 {
        count.wrapping_mul(4).wrapping_add(HEAD as u32)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Bytes of an identifier.
    ///
    /// Source: RtlLengthSid.
    ///
    /// # Safety
    ///
    /// It is valid.
    pub unsafe fn RtlLengthSid(sid: *const SID) -> u32 {
        // SAFETY: the caller's promise.
        length(unsafe { (*sid).SubAuthorityCount }) as u32
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Whether the revision is known, and there are no more subauthorities than can be.
    ///
    /// Source: RtlValidSid.
    ///
    /// # Safety
    ///
    /// Null, or as many bytes as the second of them says.
    pub unsafe fn RtlValidSid(sid: *const SID) -> u8 {
        // SAFETY: the caller's promise.
        unsafe { bytes(sid) }.is_some().into()
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Whether two identifiers are the same.
    ///
    /// Source: RtlEqualSid.
    ///
    /// # Safety
    ///
    /// Both are valid.
    pub unsafe fn RtlEqualSid(first: *const SID, second: *const SID) -> u8 {
        // SAFETY: the caller's promise.
        let first = unsafe { bytes(first) };
        // SAFETY: the caller's promise.
        let second = unsafe { bytes(second) };
        (first == second).into()
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Copies an identifier; `STATUS_BUFFER_TOO_SMALL`.
    ///
    /// Source: RtlCopySid.
    ///
    /// # Safety
    ///
    /// There are as many bytes as said; the source is valid.
    pub unsafe fn RtlCopySid(room: u32, to: *mut SID, from: *const SID) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let length = length(unsafe { (*from).SubAuthorityCount });
        if length > room as usize {
            return STATUS_BUFFER_TOO_SMALL;
        }
        // SAFETY: the caller's promise.
        unsafe { to.cast::<u8>().copy_from(from.cast(), length) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Begins an identifier: its subauthorities are for the caller to write.
    /// `STATUS_INVALID_PARAMETER` for too many.
    ///
    /// Source: RtlInitializeSid.
    ///
    /// # Safety
    ///
    /// It is memory for such an identifier; the authority is six bytes.
    pub unsafe fn RtlInitializeSid(
        sid: *mut SID,
        authority: *const [u8; 6],
        count: u8,
    ) -> NTSTATUS {
        if count > SID_MAX_SUB_AUTHORITIES {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let authority = unsafe { authority.read() };
        let head = [SID_REVISION, count];
        // SAFETY: the caller's promise.
        unsafe { sid.cast::<[u8; 2]>().write(head) };
        // SAFETY: the caller's promise.
        unsafe { (*sid).IdentifierAuthority = authority };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Where a subauthority is; nobody looks whether there is one.
    ///
    /// Source: RtlSubAuthoritySid.
    ///
    /// # Safety
    ///
    /// It was initialized, with more subauthorities than that.
    pub unsafe fn RtlSubAuthoritySid(sid: *mut SID, index: u32) -> *mut u32 {
        // SAFETY: the caller's promise.
        let first = unsafe { &raw mut (*sid).SubAuthority }.cast::<u32>();
        // SAFETY: the caller's promise.
        unsafe { first.add(index as usize) }
    }
}

#[cfg(target_os = "none")]
mod string {
    //! The one routine that may allocate.

    use alloc::vec::Vec;

    use nthost_nt::{
        rtl::UNICODE_STRING,
        se::SID,
        status::{NTSTATUS, STATUS_INVALID_SID},
    };

    use crate::{
        export,
        rtl::owned::{Terminator, give},
    };

    nt_export! {
        irql: PASSIVE_LEVEL..=APC_LEVEL;
        /// An identifier as people write it, in a string's own buffer or one of the pool's:
        /// `STATUS_INVALID_SID`, `STATUS_BUFFER_OVERFLOW`, `STATUS_NO_MEMORY`.
        ///
        /// Source: RtlConvertSidToUnicodeString.
        ///
        /// # Safety
        ///
        /// It is a string, and as many bytes as the identifier says.
        pub unsafe fn RtlConvertSidToUnicodeString(
            to: *mut UNICODE_STRING,
            sid: *const SID,
            own_buffer: u8,
        ) -> NTSTATUS {
            let caller = export::caller();
            // SAFETY: the caller's promise.
            let Some(sid) = (unsafe { super::bytes(sid) }) else {
                return STATUS_INVALID_SID;
            };
            let text: Vec<u16> = super::text(sid).encode_utf16().collect();
            let who = ("RtlConvertSidToUnicodeString", caller);
            // SAFETY: the caller's promise.
            unsafe { give(to, &text, Terminator::Optional, own_buffer != 0, who) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S-1-5-32-544, with another subauthority behind it.
    const ADMINISTRATORS: [u32; 5] = [0x0201, 0x0500_0000, 32, 544, 7];

    fn sid(words: &[u32]) -> *const SID {
        words.as_ptr().cast()
    }

    #[test]
    fn an_identifier_is_as_long_as_its_count_says() {
        let words = ADMINISTRATORS;
        // SAFETY: the test's own.
        assert_eq!(unsafe { RtlLengthSid(sid(&words)) }, 16);
        // SAFETY: none is needed.
        assert_eq!(unsafe { RtlLengthRequiredSid(2) }, 16);
        // SAFETY: the test's own.
        let bytes = unsafe { bytes(sid(&words)) }.unwrap();
        assert_eq!(text(bytes), "S-1-5-32-544");
        assert_eq!(prefix(&bytes[..15]), None, "one that is cut is none");
    }

    #[test]
    fn an_authority_beyond_32_bits_is_written_in_hexadecimal() {
        let high = [1, 1, 0, 0x28, 0x65, 0x1f, 0xe8, 0x48, 12, 0, 0, 0];
        assert_eq!(text(&high), "S-1-0x28651FE848-12");
        let low = [1, 1, 0, 0, 0, 4, 0x4c, 0x88, 12, 0, 0, 0];
        assert_eq!(text(&low), "S-1-281736-12");
    }

    #[test]
    fn another_revision_or_more_than_15_subauthorities_are_no_identifier() {
        let mut words = [0_u32; 20];
        for (head, valid) in [(0x0f01, 1), (0x1001, 0), (0x0102, 0), (0x0001, 1)] {
            words[0] = head;
            // SAFETY: the test's own; there is room for 16.
            assert_eq!(unsafe { RtlValidSid(sid(&words)) }, valid, "{head:#x}");
        }
    }

    #[test]
    fn one_that_is_made_and_copied_equals_its_source() {
        let words = ADMINISTRATORS;
        let mut made = [0_u32; 4];
        let to = made.as_mut_ptr().cast::<SID>();
        let authority = [0, 0, 0, 0, 0, 5];
        // SAFETY: the test's own.
        let status = unsafe { RtlInitializeSid(to, &raw const authority, 16) };
        assert_eq!(status, STATUS_INVALID_PARAMETER);
        // SAFETY: the test's own.
        let status = unsafe { RtlInitializeSid(to, &raw const authority, 2) };
        assert_eq!(status, STATUS_SUCCESS);
        for (index, value) in [(0, 32), (1, 545)] {
            // SAFETY: it has both.
            let sub = unsafe { RtlSubAuthoritySid(to, index) };
            // SAFETY: the test's own.
            unsafe { sub.write(value) };
        }
        // SAFETY: the test's own.
        assert_eq!(unsafe { RtlEqualSid(to, sid(&words)) }, 0);
        // SAFETY: the test's own.
        let status = unsafe { RtlCopySid(15, to, sid(&words)) };
        assert_eq!(status, STATUS_BUFFER_TOO_SMALL);
        // SAFETY: the test's own.
        let status = unsafe { RtlCopySid(16, to, sid(&words)) };
        assert_eq!(status, STATUS_SUCCESS);
        // SAFETY: the test's own.
        assert_eq!(unsafe { RtlEqualSid(to, sid(&words)) }, 1);
    }
}
