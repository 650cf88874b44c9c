//! Parts of security identifiers.
//!
//! Sources: RtlEqualPrefixSid, RtlIdentifierAuthoritySid, RtlSubAuthorityCountSid.

use core::mem::offset_of;

use nthost_nt::se::SID;

use super::sid::bytes;

/// Where the authority begins.
const AUTHORITY: usize = 2;

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Whether two identifiers are the same but for their last subauthority.
    ///
    /// Source: RtlEqualPrefixSid.
    ///
    /// # Safety
    ///
    /// They are identifiers.
    pub unsafe fn RtlEqualPrefixSid(first: *const SID, second: *const SID) -> u8 {
        // SAFETY: the caller's promise.
        let first = unsafe { bytes(first) }.unwrap_or_default();
        // SAFETY: the caller's promise.
        let second = unsafe { bytes(second) }.unwrap_or_default();
        let prefix = |sid: &'static [u8]| sid.get(..sid.len().saturating_sub(4)).unwrap_or(sid);
        let same = first.len() == second.len()
            && !first.is_empty()
            && (first.len() == offset_of!(SID, SubAuthority) || prefix(first) == prefix(second))
            && first.get(..offset_of!(SID, SubAuthority)) == second.get(..offset_of!(SID, SubAuthority));
        same.into()
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Where an identifier's authority is.
    ///
    /// Source: RtlIdentifierAuthoritySid.
    ///
    /// # Safety
    ///
    /// It is memory for an identifier.
    pub unsafe fn RtlIdentifierAuthoritySid(sid: *mut SID) -> *mut u8 {
        sid.cast::<u8>().wrapping_add(AUTHORITY)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Where an identifier's count of subauthorities is.
    ///
    /// Source: RtlSubAuthorityCountSid.
    ///
    /// # Safety
    ///
    /// It is memory for an identifier.
    pub unsafe fn RtlSubAuthorityCountSid(sid: *mut SID) -> *mut u8 {
        sid.cast::<u8>().wrapping_add(offset_of!(SID, SubAuthorityCount))
    }
}
