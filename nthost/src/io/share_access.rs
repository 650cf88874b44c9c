//! Who may open a file beside whom: counts of the accesses that openers have, and of those
//! that they leave to others.
//!
//! Sources: IoCheckShareAccess, IoSetShareAccess, IoUpdateShareAccess, IoRemoveShareAccess. The
//! caller keeps others from the counts. Whoever asks for no access at all is not counted.

use nthost_nt::{
    io::{
        create::{
            FILE_APPEND_DATA, FILE_READ_DATA, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
            FILE_WRITE_DATA,
        },
        file::{FILE_OBJECT, SHARE_ACCESS},
    },
    status::{NTSTATUS, STATUS_SHARING_VIOLATION, STATUS_SUCCESS},
};

/// `FILE_EXECUTE`: counts as reading.
const FILE_EXECUTE: u32 = 0x20;
/// `DELETE`.
const DELETE: u32 = 0x0001_0000;

/// Notes in a file what its opener asks for and shares.
fn note(file: &mut FILE_OBJECT, access: u32, share: u32) {
    file.ReadAccess = u8::from(access & (FILE_READ_DATA | FILE_EXECUTE) != 0);
    file.WriteAccess = u8::from(access & (FILE_WRITE_DATA | FILE_APPEND_DATA) != 0);
    file.DeleteAccess = u8::from(access & DELETE != 0);
    let counted = is_counted(file);
    let shared = |right| u8::from(counted && share & right != 0);
    file.SharedRead = shared(FILE_SHARE_READ);
    file.SharedWrite = shared(FILE_SHARE_WRITE);
    file.SharedDelete = shared(FILE_SHARE_DELETE);
}

/// Whether a file's opener has any of the accesses that are counted.
const fn is_counted(file: &FILE_OBJECT) -> bool {
    file.ReadAccess != 0 || file.WriteAccess != 0 || file.DeleteAccess != 0
}

/// A file's part of each count.
fn part(file: &FILE_OBJECT) -> SHARE_ACCESS {
    SHARE_ACCESS {
        OpenCount: is_counted(file).into(),
        Readers: file.ReadAccess.into(),
        Writers: file.WriteAccess.into(),
        Deleters: file.DeleteAccess.into(),
        SharedRead: file.SharedRead.into(),
        SharedWrite: file.SharedWrite.into(),
        SharedDelete: file.SharedDelete.into(),
    }
}

/// Changes each count by a file's part.
fn change(counts: &mut SHARE_ACCESS, file: &FILE_OBJECT, by: impl Fn(u32, u32) -> u32) {
    if !is_counted(file) {
        return;
    }
    let part = part(file);
    counts.OpenCount = by(counts.OpenCount, part.OpenCount);
    counts.Readers = by(counts.Readers, part.Readers);
    counts.Writers = by(counts.Writers, part.Writers);
    counts.Deleters = by(counts.Deleters, part.Deleters);
    counts.SharedRead = by(counts.SharedRead, part.SharedRead);
    counts.SharedWrite = by(counts.SharedWrite, part.SharedWrite);
    counts.SharedDelete = by(counts.SharedDelete, part.SharedDelete);
}

/// Whether a file may be open beside those that are counted.
const fn is_compatible(counts: &SHARE_ACCESS, file: &FILE_OBJECT) -> bool {
    let all = counts.OpenCount;
    let refused = file.ReadAccess != 0 && counts.SharedRead < all
        || file.WriteAccess != 0 && counts.SharedWrite < all
        || file.DeleteAccess != 0 && counts.SharedDelete < all;
    let hindered = counts.Readers != 0 && file.SharedRead == 0
        || counts.Writers != 0 && file.SharedWrite == 0
        || counts.Deleters != 0 && file.SharedDelete == 0;
    !refused && !hindered
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether a file may be opened beside the others; it is counted then, if so wished.
    ///
    /// Source: IoCheckShareAccess.
    ///
    /// # Safety
    ///
    /// The file and the counts exist, and nobody else uses the counts meanwhile.
    pub unsafe fn IoCheckShareAccess(
        access: u32,
        share: u32,
        file: *mut FILE_OBJECT,
        counts: *mut SHARE_ACCESS,
        update: u8,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let file = unsafe { &mut *file };
        // SAFETY: the caller's promise.
        let counts = unsafe { &mut *counts };
        note(file, access, share);
        if !is_counted(file) {
            return STATUS_SUCCESS;
        }
        if !is_compatible(counts, file) {
            return STATUS_SHARING_VIOLATION;
        }
        if update != 0 {
            change(counts, file, u32::wrapping_add);
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Begins to count with this file.
    ///
    /// Source: IoSetShareAccess.
    ///
    /// # Safety
    ///
    /// As IoCheckShareAccess.
    pub unsafe fn IoSetShareAccess(
        access: u32,
        share: u32,
        file: *mut FILE_OBJECT,
        counts: *mut SHARE_ACCESS,
    ) {
        // SAFETY: the caller's promise.
        let file = unsafe { &mut *file };
        note(file, access, share);
        // SAFETY: the caller's promise.
        unsafe { counts.write(part(file)) };
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Counts a file that IoCheckShareAccess has let through.
    ///
    /// Source: IoUpdateShareAccess.
    ///
    /// # Safety
    ///
    /// As IoCheckShareAccess.
    pub unsafe fn IoUpdateShareAccess(file: *mut FILE_OBJECT, counts: *mut SHARE_ACCESS) {
        // SAFETY: the caller's promise.
        let file = unsafe { &*file };
        // SAFETY: the caller's promise.
        change(unsafe { &mut *counts }, file, u32::wrapping_add);
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Counts a file off that was counted.
    ///
    /// Source: IoRemoveShareAccess.
    ///
    /// # Safety
    ///
    /// As IoCheckShareAccess.
    pub unsafe fn IoRemoveShareAccess(file: *mut FILE_OBJECT, counts: *mut SHARE_ACCESS) {
        // SAFETY: the caller's promise.
        let file = unsafe { &*file };
        // SAFETY: the caller's promise.
        change(unsafe { &mut *counts }, file, u32::wrapping_sub);
    }
}

#[cfg(test)]
mod tests {
    use core::mem::MaybeUninit;

    use super::*;

    const READ: u32 = FILE_READ_DATA;
    const WRITE: u32 = FILE_WRITE_DATA;
    const ALL_SHARED: u32 = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

    fn file() -> FILE_OBJECT {
        // SAFETY: zeroes are a value of each field.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }

    /// Opens a file beside the counted ones; whether it may be.
    fn open(counts: &mut SHARE_ACCESS, access: u32, share: u32) -> Option<FILE_OBJECT> {
        let mut file = file();
        // SAFETY: the test's own.
        let status = unsafe { IoCheckShareAccess(access, share, &raw mut file, counts, 1) };
        assert!([STATUS_SUCCESS, STATUS_SHARING_VIOLATION].contains(&status));
        (status == STATUS_SUCCESS).then_some(file)
    }

    #[test]
    fn a_file_is_opened_beside_those_that_share_what_it_asks_for() {
        let mut counts = SHARE_ACCESS::default();
        let _reader = open(&mut counts, READ, FILE_SHARE_READ).unwrap();
        assert!(open(&mut counts, WRITE, ALL_SHARED).is_none());
        assert!(open(&mut counts, DELETE, ALL_SHARED).is_none());
        assert!(open(&mut counts, FILE_EXECUTE, ALL_SHARED).is_some());
        assert_eq!((counts.OpenCount, counts.Readers), (2, 2));
    }

    #[test]
    fn a_file_is_not_opened_beside_those_that_do_what_it_does_not_share() {
        let mut counts = SHARE_ACCESS::default();
        let _writer = open(&mut counts, WRITE, ALL_SHARED).unwrap();
        assert!(open(&mut counts, READ, FILE_SHARE_READ).is_none());
        assert!(open(&mut counts, READ, FILE_SHARE_WRITE).is_some());
        assert_eq!(counts.OpenCount, 2);
    }

    #[test]
    fn who_asks_for_nothing_is_not_counted() {
        let mut counts = SHARE_ACCESS::default();
        let _exclusive = open(&mut counts, READ | WRITE | DELETE, 0).unwrap();
        let mut nothing = open(&mut counts, 0x80, 0).unwrap();
        assert_eq!(counts.OpenCount, 1);
        // SAFETY: the test's own.
        unsafe { IoRemoveShareAccess(&raw mut nothing, &raw mut counts) };
        assert_eq!(counts.OpenCount, 1);
    }

    #[test]
    fn what_is_removed_is_as_if_it_had_not_been() {
        let mut counts = SHARE_ACCESS::default();
        let mut first = file();
        // SAFETY: the test's own.
        unsafe { IoSetShareAccess(READ | DELETE, ALL_SHARED, &raw mut first, &raw mut counts) };
        let before = counts;
        let mut second = open(&mut counts, WRITE, ALL_SHARED).unwrap();
        // SAFETY: the test's own.
        unsafe { IoRemoveShareAccess(&raw mut second, &raw mut counts) };
        assert_eq!(counts, before);
        // SAFETY: the test's own.
        unsafe { IoUpdateShareAccess(&raw mut second, &raw mut counts) };
        assert_eq!((counts.Writers, counts.OpenCount), (1, 2));
    }

    #[test]
    fn a_check_alone_counts_nothing() {
        let mut counts = SHARE_ACCESS::default();
        let mut file = file();
        // SAFETY: the test's own.
        let status = unsafe { IoCheckShareAccess(READ, 0, &raw mut file, &raw mut counts, 0) };
        assert_eq!((status, counts.OpenCount), (STATUS_SUCCESS, 0));
    }
}
