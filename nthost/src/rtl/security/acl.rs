//! Access-control lists: entries in order, each of which gives somebody rights or takes them.
//!
//! Sources: the pages of the routines below; ACL, ACE_HEADER.

use nthost_nt::{
    se::{
        ACCESS_ALLOWED_ACE_TYPE, ACCESS_ALLOWED_OBJECT_ACE_TYPE, ACE_HEADER, ACL, ACL_REVISION,
        ACL_REVISION_DS, SID, SYSTEM_ALARM_OBJECT_ACE_TYPE, VALID_INHERIT_FLAGS,
    },
    status::{
        NTSTATUS, STATUS_ALLOTTED_SPACE_EXCEEDED, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_ACL,
        STATUS_INVALID_PARAMETER, STATUS_INVALID_SID, STATUS_REVISION_MISMATCH, STATUS_SUCCESS,
    },
};

use super::sid;

/// Bytes before the entries.
pub const HEAD: usize = size_of::<ACL>();

const fn known(revision: u8) -> bool {
    matches!(revision, ACL_REVISION..=ACL_REVISION_DS)
}

fn half(bytes: &[u8], at: usize) -> usize {
    usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

/// The entry that some bytes begin with.
#[must_use]
pub fn entry(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.len() < size_of::<ACE_HEADER>() {
        return None;
    }
    let size = half(bytes, 2);
    let aligned = size >= size_of::<ACE_HEADER>() && size.is_multiple_of(4);
    if aligned { bytes.get(..size) } else { None }
}

/// The valid list that some bytes begin with: its bytes, and where its free ones begin.
#[must_use]
pub fn prefix(bytes: &[u8]) -> Option<(&[u8], usize)> {
    if bytes.len() < HEAD || !known(bytes[0]) {
        return None;
    }
    let list = bytes.get(..half(bytes, 2))?;
    let mut free = HEAD;
    for _ in 0..half(bytes, 4) {
        free += entry(list.get(free..)?)?.len();
    }
    (free <= list.len()).then_some((list, free))
}

/// The entries of a valid list, in order.
pub fn entries(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = &list[HEAD..];
    (0..half(list, 4)).map_while(move |_| {
        let first = entry(rest)?;
        rest = &rest[first.len()..];
        Some(first)
    })
}

/// The bytes of a list, and where its free ones begin; `None` if it is none.
///
/// # Safety
///
/// Null, or as many bytes as it says, which nobody else uses meanwhile.
unsafe fn bytes<'a>(acl: *mut ACL) -> Option<(&'a mut [u8], usize)> {
    if acl.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    let size = usize::from(unsafe { (*acl).AclSize }).max(HEAD);
    // SAFETY: the caller's promise.
    let bytes = unsafe { core::slice::from_raw_parts_mut(acl.cast(), size) };
    let free = prefix(bytes)?.1;
    Some((bytes, free))
}

/// The bytes of a valid list that is only read.
///
/// # Safety
///
/// Null, or as many bytes as it says.
#[must_use]
pub unsafe fn valid<'a>(acl: *const ACL) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise; nothing is written.
    unsafe { bytes(acl.cast_mut()) }.map(|(bytes, _)| &*bytes)
}

fn set_count(list: &mut [u8], count: usize) {
    list[4..6].copy_from_slice(&(count as u16).to_le_bytes());
}

/// Where an entry begins; the end for one behind the last.
fn offset(list: &[u8], index: usize) -> usize {
    let before = entries(list).take(index).map(<[u8]>::len);
    HEAD + before.sum::<usize>()
}

/// Appends an entry about somebody.
///
/// # Safety
///
/// The list and the identifier are as many bytes as they say.
unsafe fn add(
    acl: *mut ACL,
    revision: u32,
    (kind, flags): (u8, u8),
    mask: u32,
    who: *const SID,
) -> NTSTATUS {
    // SAFETY: the caller's promise.
    let Some(who) = (unsafe { sid::bytes(who) }) else {
        return STATUS_INVALID_SID;
    };
    let Some(revision) = u8::try_from(revision).ok().filter(|&it| known(it)) else {
        return STATUS_REVISION_MISMATCH;
    };
    // SAFETY: the caller's promise.
    let Some((list, free)) = (unsafe { bytes(acl) }) else {
        return STATUS_INVALID_ACL;
    };
    let size = size_of::<ACE_HEADER>() + size_of::<u32>() + who.len();
    let Some(place) = list.get_mut(free..free + size) else {
        return STATUS_ALLOTTED_SPACE_EXCEEDED;
    };
    place[0] = kind;
    place[1] = flags;
    place[2..4].copy_from_slice(&(size as u16).to_le_bytes());
    place[4..8].copy_from_slice(&mask.to_le_bytes());
    place[8..].copy_from_slice(who);
    list[0] = list[0].max(revision);
    let count = half(list, 4) + 1;
    set_count(list, count);
    STATUS_SUCCESS
}

/// How many entries a list of them holds, if they suit a revision.
fn count(mut entries: &[u8], revision: u8) -> Option<usize> {
    let mut count = 0;
    while !entries.is_empty() {
        let first = entry(entries)?;
        let objects = ACCESS_ALLOWED_OBJECT_ACE_TYPE..=SYSTEM_ALARM_OBJECT_ACE_TYPE;
        if objects.contains(&first[0]) && revision < ACL_REVISION_DS {
            return None;
        }
        entries = &entries[first.len()..];
        count += 1;
    }
    Some(count)
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Makes an empty list, which admits nobody. `STATUS_BUFFER_TOO_SMALL`, or
    /// `STATUS_INVALID_PARAMETER` for an unknown revision or more than a list can be.
    ///
    /// Source: RtlCreateAcl.
    ///
    /// # Safety
    ///
    /// It is so many bytes, aligned to four.
    pub unsafe fn RtlCreateAcl(acl: *mut ACL, length: u32, revision: u32) -> NTSTATUS {
        if (length as usize) < HEAD {
            return STATUS_BUFFER_TOO_SMALL;
        }
        let Some(revision) = u8::try_from(revision).ok().filter(|&it| known(it)) else {
            return STATUS_INVALID_PARAMETER;
        };
        let Ok(length) = u16::try_from(length) else {
            return STATUS_INVALID_PARAMETER;
        };
        let value = ACL {
            AclRevision: revision,
            Sbz1: 0,
            // Entries are aligned to four bytes.
            AclSize: length & !3,
            AceCount: 0,
            Sbz2: 0,
        };
        // SAFETY: the caller's promise.
        unsafe { acl.write(value) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Appends an entry that gives rights. `STATUS_ALLOTTED_SPACE_EXCEEDED`,
    /// `STATUS_INVALID_ACL`, `STATUS_INVALID_SID`, `STATUS_REVISION_MISMATCH`.
    ///
    /// Source: RtlAddAccessAllowedAce.
    ///
    /// # Safety
    ///
    /// The list and the identifier are as many bytes as they say.
    pub unsafe fn RtlAddAccessAllowedAce(
        acl: *mut ACL,
        revision: u32,
        mask: u32,
        who: *const SID,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { add(acl, revision, (ACCESS_ALLOWED_ACE_TYPE, 0), mask, who) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The same, with flags that say who inherits it; `STATUS_INVALID_PARAMETER` for others.
    ///
    /// Source: RtlAddAccessAllowedAceEx.
    ///
    /// # Safety
    ///
    /// The list and the identifier are as many bytes as they say.
    pub unsafe fn RtlAddAccessAllowedAceEx(
        acl: *mut ACL,
        revision: u32,
        flags: u32,
        mask: u32,
        who: *const SID,
    ) -> NTSTATUS {
        if flags & !u32::from(VALID_INHERIT_FLAGS) != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        unsafe { add(acl, revision, (ACCESS_ALLOWED_ACE_TYPE, flags as u8), mask, who) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Inserts entries before that of an index; behind the last if there is none of it.
    /// `STATUS_BUFFER_TOO_SMALL`, `STATUS_INVALID_PARAMETER`.
    ///
    /// Source: RtlAddAce.
    ///
    /// # Safety
    ///
    /// The list is as many bytes as it says, the entries as many as said; they do not overlap.
    pub unsafe fn RtlAddAce(
        acl: *mut ACL,
        revision: u32,
        index: u32,
        from: *const u8,
        length: u32,
    ) -> NTSTATUS {
        let Some(revision) = u8::try_from(revision).ok().filter(|&it| known(it)) else {
            return STATUS_INVALID_PARAMETER;
        };
        // SAFETY: the caller's promise.
        let Some((list, free)) = (unsafe { bytes(acl) }) else {
            return STATUS_INVALID_PARAMETER;
        };
        // SAFETY: the caller's promise.
        let from = unsafe { core::slice::from_raw_parts(from, length as usize) };
        let revision = revision.max(list[0]);
        let Some(more) = count(from, revision) else {
            return STATUS_INVALID_PARAMETER;
        };
        if from.len() > list.len() - free {
            return STATUS_BUFFER_TOO_SMALL;
        }
        let at = offset(list, index as usize);
        list.copy_within(at..free, at + from.len());
        list[at..at + from.len()].copy_from_slice(from);
        list[0] = revision;
        let all = half(list, 4) + more;
        set_count(list, all);
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Where an entry is; `STATUS_INVALID_PARAMETER` if there is none.
    ///
    /// Source: RtlGetAce.
    ///
    /// # Safety
    ///
    /// The list is as many bytes as it says; the result can be written.
    pub unsafe fn RtlGetAce(acl: *mut ACL, index: u32, ace: *mut *mut u8) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let Some((list, _)) = (unsafe { bytes(acl) }) else {
            return STATUS_INVALID_PARAMETER;
        };
        if index as usize >= half(list, 4) {
            return STATUS_INVALID_PARAMETER;
        }
        let at = acl.cast::<u8>().wrapping_add(offset(list, index as usize));
        // SAFETY: the caller's promise.
        unsafe { ace.write(at) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes an entry out; `STATUS_INVALID_PARAMETER` if there is none.
    ///
    /// Source: RtlDeleteAce.
    ///
    /// # Safety
    ///
    /// The list is as many bytes as it says.
    pub unsafe fn RtlDeleteAce(acl: *mut ACL, index: u32) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let Some((list, free)) = (unsafe { bytes(acl) }) else {
            return STATUS_INVALID_PARAMETER;
        };
        let count = half(list, 4);
        if index as usize >= count {
            return STATUS_INVALID_PARAMETER;
        }
        let at = offset(list, index as usize);
        let size = half(list, at + 2);
        list.copy_within(at + size..free, at);
        list[free - size..free].fill(0);
        set_count(list, count - 1);
        STATUS_SUCCESS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S-1-1-0 and S-1-5-18.
    const EVERYONE: [u32; 3] = [0x0101, 0x0100_0000, 0];
    const SYSTEM: [u32; 3] = [0x0101, 0x0500_0000, 18];

    fn made(words: &mut [u32]) -> *mut ACL {
        let acl = words.as_mut_ptr().cast();
        let length = size_of_val(words) as u32;
        // SAFETY: the test's own.
        let status = unsafe { RtlCreateAcl(acl, length, ACL_REVISION.into()) };
        assert_eq!(status, STATUS_SUCCESS);
        acl
    }

    fn allow(acl: *mut ACL, mask: u32, who: &[u32; 3]) -> NTSTATUS {
        // SAFETY: the test's own.
        unsafe { RtlAddAccessAllowedAce(acl, ACL_REVISION.into(), mask, who.as_ptr().cast()) }
    }

    fn masks(acl: *mut ACL) -> Vec<u32> {
        // SAFETY: the test's own.
        let list = unsafe { valid(acl) }.unwrap();
        let mask = |entry: &[u8]| u32::from_le_bytes(entry[4..8].try_into().unwrap());
        entries(list).map(mask).collect()
    }

    #[test]
    fn a_list_has_a_known_revision_and_a_size_that_it_can_have() {
        let mut words = [0_u32; 2];
        let acl = words.as_mut_ptr().cast();
        for (length, revision, expected) in [
            (7, 2, STATUS_BUFFER_TOO_SMALL),
            (8, 5, STATUS_INVALID_PARAMETER),
            (8, 0, STATUS_INVALID_PARAMETER),
            (0x1_0000, 2, STATUS_INVALID_PARAMETER),
            (8, 4, STATUS_SUCCESS),
        ] {
            // SAFETY: the test's own; no more than the head is written.
            let status = unsafe { RtlCreateAcl(acl, length, revision) };
            assert_eq!(status, expected, "{length} {revision}");
        }
        assert_eq!(masks(acl), [] as [u32; 0]);
    }

    #[test]
    fn entries_are_appended_while_there_is_room() {
        let mut words = [0_u32; 2 + 5 * 2];
        let acl = made(&mut words);
        assert_eq!(allow(acl, 1, &EVERYONE), STATUS_SUCCESS);
        assert_eq!(allow(acl, 2, &SYSTEM), STATUS_SUCCESS);
        assert_eq!(allow(acl, 3, &SYSTEM), STATUS_ALLOTTED_SPACE_EXCEEDED);
        assert_eq!(masks(acl), [1, 2]);
        let (bad, mut ace) = ([0_u32; 3], core::ptr::null_mut());
        assert_eq!(allow(acl, 3, &bad), STATUS_INVALID_SID);
        // SAFETY: the test's own.
        assert_eq!(unsafe { RtlGetAce(acl, 1, &raw mut ace) }, STATUS_SUCCESS);
        assert_eq!(ace.addr() - acl.addr(), HEAD + 20);
        // SAFETY: the test's own.
        let status = unsafe { RtlGetAce(acl, 2, &raw mut ace) };
        assert_eq!(status, STATUS_INVALID_PARAMETER);
        // SAFETY: the test's own.
        let status = unsafe { RtlAddAccessAllowedAce(acl, 9, 1, EVERYONE.as_ptr().cast()) };
        assert_eq!(status, STATUS_REVISION_MISMATCH);
        words[1] = 99;
        let acl = words.as_mut_ptr().cast();
        assert_eq!(allow(acl, 3, &SYSTEM), STATUS_INVALID_ACL);
    }

    #[test]
    fn entries_are_inserted_and_deleted_at_their_index() {
        let mut words = [0_u32; 2 + 5 * 5];
        let acl = made(&mut words);
        for mask in 1..=3 {
            assert_eq!(allow(acl, mask, &EVERYONE), STATUS_SUCCESS);
        }
        let entry = [0x0014_0001, 7, SYSTEM[0], SYSTEM[1], SYSTEM[2]];
        for (index, expected) in [(1, &[1, 7, 2, 3][..]), (u32::MAX, &[1, 7, 2, 3, 7])] {
            // SAFETY: the test's own.
            let status = unsafe { RtlAddAce(acl, 2, index, entry.as_ptr().cast(), 20) };
            assert_eq!(status, STATUS_SUCCESS);
            assert_eq!(masks(acl), expected);
        }
        // SAFETY: the test's own.
        let status = unsafe { RtlAddAce(acl, 2, 0, entry.as_ptr().cast(), 20) };
        assert_eq!(status, STATUS_BUFFER_TOO_SMALL);
        // SAFETY: the test's own.
        let status = unsafe { RtlAddAce(acl, 2, 0, entry.as_ptr().cast(), 19) };
        assert_eq!(status, STATUS_INVALID_PARAMETER, "half an entry");
        for (index, expected) in [(0, &[7, 2, 3, 7][..]), (2, &[7, 2, 7]), (2, &[7, 2])] {
            // SAFETY: the test's own.
            assert_eq!(unsafe { RtlDeleteAce(acl, index) }, STATUS_SUCCESS);
            assert_eq!(masks(acl), expected);
        }
        // SAFETY: the test's own.
        let status = unsafe { RtlDeleteAce(acl, 2) };
        assert_eq!(status, STATUS_INVALID_PARAMETER);
    }

    #[test]
    fn an_entry_about_a_kind_of_objects_needs_its_revision() {
        let mut words = [0_u32; 2 + 5];
        let acl = made(&mut words);
        let entry = [0x0014_0005, 7, SYSTEM[0], SYSTEM[1], SYSTEM[2]];
        for (revision, expected) in [(2, STATUS_INVALID_PARAMETER), (4, STATUS_SUCCESS)] {
            // SAFETY: the test's own.
            let status = unsafe { RtlAddAce(acl, revision, 0, entry.as_ptr().cast(), 20) };
            assert_eq!(status, expected);
        }
        // SAFETY: the test's own.
        assert_eq!(unsafe { (*acl).AclRevision }, ACL_REVISION_DS);
    }

    #[test]
    fn flags_say_who_inherits_and_nothing_else() {
        let mut words = [0_u32; 2 + 5];
        let acl = made(&mut words);
        for (flags, expected) in [(0x40, STATUS_INVALID_PARAMETER), (3, STATUS_SUCCESS)] {
            let who = EVERYONE.as_ptr().cast();
            // SAFETY: the test's own.
            let status = unsafe { RtlAddAccessAllowedAceEx(acl, 2, flags, 1, who) };
            assert_eq!(status, expected);
        }
        assert_eq!(words[2], 0x0014_0300);
    }
}
