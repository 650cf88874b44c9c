//! Security descriptors in one piece: offsets in place of pointers.
//!
//! Sources: RtlValidRelativeSecurityDescriptor, SeValidSecurityDescriptor,
//! RtlCreateSecurityDescriptorRelative.

use nthost_nt::{
    se::{
        DACL_SECURITY_INFORMATION, GROUP_SECURITY_INFORMATION, OWNER_SECURITY_INFORMATION,
        SACL_SECURITY_INFORMATION, SE_DACL_PRESENT, SE_SACL_PRESENT, SE_SELF_RELATIVE,
        SECURITY_DESCRIPTOR_RELATIVE, SECURITY_DESCRIPTOR_REVISION,
    },
    status::{NTSTATUS, STATUS_SUCCESS, STATUS_UNKNOWN_REVISION},
};

use super::{acl, sid};

/// Bytes before the parts.
pub const HEAD: usize = size_of::<SECURITY_DESCRIPTOR_RELATIVE>();

/// A descriptor's parts. A list that is there and has no bytes restricts nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts<'a> {
    /// `SE_…`.
    pub control: u16,
    /// Whose the object is.
    pub owner: Option<&'a [u8]>,
    /// The primary group.
    pub group: Option<&'a [u8]>,
    /// The system list.
    pub sacl: Option<&'a [u8]>,
    /// The discretionary list.
    pub dacl: Option<&'a [u8]>,
}

impl Parts<'_> {
    /// Bytes of all parts, each aligned to four.
    #[must_use]
    pub fn length(&self) -> usize {
        [self.owner, self.group, self.sacl, self.dacl]
            .into_iter()
            .flatten()
            .map(|part| part.len().next_multiple_of(4))
            .sum()
    }

    /// Whether what is asked for is there.
    #[must_use]
    pub const fn has(&self, information: u32) -> bool {
        (information & OWNER_SECURITY_INFORMATION == 0 || self.owner.is_some())
            && (information & GROUP_SECURITY_INFORMATION == 0 || self.group.is_some())
            && (information & DACL_SECURITY_INFORMATION == 0 || self.control & SE_DACL_PRESENT != 0)
            && (information & SACL_SECURITY_INFORMATION == 0 || self.control & SE_SACL_PRESENT != 0)
    }

    /// Writes the descriptor in one piece.
    ///
    /// # Panics
    ///
    /// If there is not room for all.
    pub fn write(&self, to: &mut [u8]) {
        to[0] = SECURITY_DESCRIPTOR_REVISION as u8;
        to[1] = 0;
        to[2..4].copy_from_slice(&(self.control | SE_SELF_RELATIVE).to_le_bytes());
        let mut at = HEAD;
        let parts = [self.owner, self.group, self.sacl, self.dacl];
        for (index, part) in parts.into_iter().enumerate() {
            let part = part.unwrap_or_default();
            let offset = if part.is_empty() { 0 } else { at };
            let field = 4 + index * 4;
            to[field..field + 4].copy_from_slice(&(offset as u32).to_le_bytes());
            to[at..at + part.len()].copy_from_slice(part);
            at += part.len().next_multiple_of(4);
        }
    }
}

/// What an offset leads to; `Err` if it leads astray.
fn part<'a>(
    bytes: &'a [u8],
    field: usize,
    prefix: impl Fn(&'a [u8]) -> Option<&'a [u8]>,
) -> Result<Option<&'a [u8]>, ()> {
    let offset = bytes[field..].first_chunk().ok_or(())?;
    let offset = u32::from_le_bytes(*offset) as usize;
    if offset == 0 {
        return Ok(None);
    }
    if offset < HEAD || !offset.is_multiple_of(4) {
        return Err(());
    }
    let rest = bytes.get(offset..).ok_or(())?;
    prefix(rest).map(Some).ok_or(())
}

/// The parts of a valid descriptor in one piece; `None` if it is none.
#[must_use]
pub fn parts(bytes: &[u8]) -> Option<Parts<'_>> {
    let head = bytes.first_chunk::<HEAD>()?;
    let control = u16::from_le_bytes([head[2], head[3]]);
    if u32::from(head[0]) != SECURITY_DESCRIPTOR_REVISION || control & SE_SELF_RELATIVE == 0 {
        return None;
    }
    let list = |field, present| {
        if control & present == 0 {
            Ok(None)
        } else {
            part(bytes, field, |rest| acl::prefix(rest).map(|(list, _)| list))
        }
    };
    Some(Parts {
        control,
        owner: part(bytes, 4, sid::prefix).ok()?,
        group: part(bytes, 8, sid::prefix).ok()?,
        sacl: list(12, SE_SACL_PRESENT).ok()?,
        dacl: list(16, SE_DACL_PRESENT).ok()?,
    })
}

/// The parts of a descriptor at an aligned address.
///
/// # Safety
///
/// Null, or so many bytes.
unsafe fn parts_at<'a>(at: *const u8, length: u32) -> Option<Parts<'a>> {
    if at.is_null() || !at.addr().is_multiple_of(4) {
        return None;
    }
    // SAFETY: the caller's promise.
    parts(unsafe { core::slice::from_raw_parts(at, length as usize) })
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Makes a descriptor in one piece, which says nothing; `STATUS_UNKNOWN_REVISION`.
    ///
    /// Source: RtlCreateSecurityDescriptorRelative.
    ///
    /// # Safety
    ///
    /// It is memory for one.
    pub unsafe fn RtlCreateSecurityDescriptorRelative(
        descriptor: *mut SECURITY_DESCRIPTOR_RELATIVE,
        revision: u32,
    ) -> NTSTATUS {
        if revision != SECURITY_DESCRIPTOR_REVISION {
            return STATUS_UNKNOWN_REVISION;
        }
        let value = SECURITY_DESCRIPTOR_RELATIVE {
            Revision: revision as u8,
            Sbz1: 0,
            Control: SE_SELF_RELATIVE,
            Owner: 0,
            Group: 0,
            Sacl: 0,
            Dacl: 0,
        };
        // SAFETY: the caller's promise.
        unsafe { descriptor.write(value) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Whether a descriptor in one piece is valid, and has what is asked for.
    ///
    /// Source: RtlValidRelativeSecurityDescriptor.
    ///
    /// # Safety
    ///
    /// It is so many bytes.
    pub unsafe fn RtlValidRelativeSecurityDescriptor(
        descriptor: *const u8,
        length: u32,
        required: u32,
    ) -> u8 {
        // SAFETY: the caller's promise.
        let parts = unsafe { parts_at(descriptor, length) };
        parts.is_some_and(|parts| parts.has(required)).into()
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether a descriptor in one piece is sound: its revision, that it has an owner, where its
    /// parts are, and that they end within it.
    ///
    /// Source: SeValidSecurityDescriptor.
    ///
    /// # Safety
    ///
    /// It is so many bytes.
    pub unsafe fn SeValidSecurityDescriptor(length: u32, descriptor: *const u8) -> u8 {
        // SAFETY: the caller's promise.
        let parts = unsafe { parts_at(descriptor, length) };
        parts.is_some_and(|parts| parts.owner.is_some()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: [u8; 12] = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
    const LIST: [u8; 12] = [2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    #[repr(align(4))]
    struct Aligned([u8; 64]);

    fn written(parts: &Parts<'_>) -> Aligned {
        let mut bytes = Aligned([0; 64]);
        parts.write(&mut bytes.0);
        bytes
    }

    fn is_sound(bytes: &Aligned, length: u32) -> bool {
        // SAFETY: the test's own.
        unsafe { SeValidSecurityDescriptor(length, bytes.0.as_ptr()) != 0 }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let whole = Parts {
            control: SE_DACL_PRESENT | SE_SELF_RELATIVE,
            owner: Some(&OWNER),
            dacl: Some(&LIST),
            ..Parts::default()
        };
        let bytes = written(&whole);
        assert_eq!(parts(&bytes.0), Some(whole));
        assert_eq!(whole.length(), 24);
        for (length, sound) in [(64, true), (44, true), (43, false), (20, false), (3, false)] {
            assert_eq!(is_sound(&bytes, length), sound, "{length}");
        }
        for (required, there) in [(0, 1), (1, 1), (5, 1), (2, 0), (8, 0)] {
            let at = bytes.0.as_ptr();
            // SAFETY: the test's own.
            let has = unsafe { RtlValidRelativeSecurityDescriptor(at, 64, required) };
            assert_eq!(has, there, "{required:#x}");
        }
    }

    #[test]
    fn a_descriptor_without_an_owner_is_not_sound() {
        let none = Parts::default();
        let bytes = written(&none);
        assert!(parts(&bytes.0).is_some());
        assert!(!is_sound(&bytes, 64));
    }

    #[test]
    fn parts_that_lead_astray_make_no_descriptor() {
        let whole = Parts {
            control: SE_DACL_PRESENT,
            owner: Some(&OWNER),
            dacl: Some(&LIST),
            ..Parts::default()
        };
        // The revision; the format; offsets into the head, unaligned, beyond; what they lead to.
        for (at, byte) in [
            (0, 2),
            (3, 0),
            (4, 8),
            (4, 22),
            (4, 200),
            (16, 33),
            (20, 2),
            (32, 9),
        ] {
            let mut bytes = written(&whole);
            bytes.0[at] = byte;
            assert_eq!(parts(&bytes.0), None, "{at}");
        }
    }
}
