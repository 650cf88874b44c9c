//! On which processors a driver has the thread that runs stay, for a while.
//!
//! Sources: KeSetSystemAffinityThread, KeSetSystemAffinityThreadEx, KeRevertToUserAffinityThread,
//! KeRevertToUserAffinityThreadEx, KeSetSystemGroupAffinityThread,
//! KeRevertToUserGroupAffinityThread. Threads of nthost's clients may run anywhere; that is
//! their "user affinity".

use nthost_nt::ke::GROUP_AFFINITY;

use super::{
    dispatcher, pcr, processor,
    thread::{self, Affinity},
};

/// What [`set`] found: the affinity that a driver had set before, if one had.
type Previous = Option<Affinity>;

/// The affinity that these processors make, if all of them are there and there is one.
fn checked(group: u16, mask: u64) -> Option<Affinity> {
    let valid = mask != 0 && mask & !processor::mask_of(group) == 0;
    valid.then_some(Affinity {
        group: Some(group),
        mask,
    })
}

/// Lets the thread that runs be on these processors alone. At DISPATCH_LEVEL it moves there when
/// the IRQL is lowered.
fn set(affinity: Affinity) -> Previous {
    let guard = dispatcher::lock();
    // SAFETY: the thread that runs; the lock is held.
    let thread = unsafe { &mut *thread::current() };
    let before = thread
        .original_affinity
        .is_some()
        .then_some(thread.affinity);
    if before.is_none() {
        thread.original_affinity = Some(thread.affinity);
    }
    thread.affinity = affinity;
    move_if_needed(affinity);
    drop(guard);
    before
}

/// Goes back to an affinity that [`set`] found, or to the thread's own. Nothing happens if no
/// driver had set one.
fn revert(affinity: Option<Affinity>) {
    let guard = dispatcher::lock();
    // SAFETY: the thread that runs; the lock is held.
    let thread = unsafe { &mut *thread::current() };
    let Some(original) = thread.original_affinity else {
        return;
    };
    if affinity.is_none() {
        thread.original_affinity = None;
    }
    thread.affinity = affinity.unwrap_or(original);
    move_if_needed(thread.affinity);
    drop(guard);
}

fn move_if_needed(affinity: Affinity) {
    let here = pcr::current();
    if !affinity.contains(here.group, here.group_number) {
        dispatcher::request(here);
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Has the thread run on these processors of group 0; gives those that a driver had set
    /// before, zero if none had. Nothing changes if one of them is not there.
    ///
    /// Source: KeSetSystemAffinityThreadEx.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeSetSystemAffinityThreadEx(mask: u64) -> u64 {
        let previous = checked(0, mask).and_then(set);
        previous.map_or(0, |affinity| affinity.mask)
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As KeSetSystemAffinityThreadEx.
    ///
    /// Source: KeSetSystemAffinityThread.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeSetSystemAffinityThread(mask: u64) {
        if let Some(affinity) = checked(0, mask) {
            set(affinity);
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Goes back to what KeSetSystemAffinityThreadEx gave: the thread's own affinity, if zero.
    ///
    /// Source: KeRevertToUserAffinityThreadEx.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeRevertToUserAffinityThreadEx(mask: u64) {
        if mask == 0 {
            revert(None);
        } else if let Some(affinity) = checked(0, mask) {
            revert(Some(affinity));
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Goes back to the thread's own affinity.
    ///
    /// Source: KeRevertToUserAffinityThread.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeRevertToUserAffinityThread() {
        revert(None);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Has the thread run on these processors of a group, and says, if wanted, which a driver
    /// had set before: zero, if none had, or if one of the processors is not there and nothing
    /// changed.
    ///
    /// Source: KeSetSystemGroupAffinityThread.
    ///
    /// # Safety
    ///
    /// `affinity` is one; `previous` is null or where it goes.
    pub unsafe fn KeSetSystemGroupAffinityThread(
        affinity: *const GROUP_AFFINITY,
        previous: *mut GROUP_AFFINITY,
    ) {
        // SAFETY: the caller's promise.
        let wanted = unsafe { affinity.read() };
        let before = checked(wanted.Group, wanted.Mask).and_then(set);
        if !previous.is_null() {
            let before = before.map_or_else(GROUP_AFFINITY::default, |affinity| GROUP_AFFINITY {
                Mask: affinity.mask,
                Group: affinity.group.unwrap_or(0),
                Reserved: [0; 3],
            });
            // SAFETY: the caller's promise.
            unsafe { previous.write(before) };
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Goes back to what KeSetSystemGroupAffinityThread found: the thread's own affinity, if the
    /// mask is zero.
    ///
    /// Source: KeRevertToUserGroupAffinityThread.
    ///
    /// # Safety
    ///
    /// `previous` is an affinity.
    pub unsafe fn KeRevertToUserGroupAffinityThread(previous: *const GROUP_AFFINITY) {
        // SAFETY: the caller's promise.
        let previous = unsafe { previous.read() };
        if previous.Mask == 0 {
            revert(None);
        } else if let Some(affinity) = checked(previous.Group, previous.Mask) {
            revert(Some(affinity));
        }
    }
}
