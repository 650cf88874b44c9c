//! The tags of remove locks: remembered whether or not the driver was built to have them checked.
//!
//! Source: bug check 0xC4, subcodes 0xD5 to 0xD7.

use alloc::{collections::BTreeMap, vec::Vec};

use nthost_nt::io::remove_lock::IO_REMOVE_LOCK_COMMON_BLOCK;
use nthost_protocol::manifest::VerifierOption;

use crate::{
    hook::{self, register},
    ke::{bugcheck::code, lock::SpinLock},
    pe::module::module_of,
};

/// Subcode: a remove lock is released with a tag that it was not acquired with.
const RELEASED_WRONG_TAG: u64 = 0xd5;
/// Subcode: as above, by IoReleaseRemoveLockAndWait.
const RELEASED_AND_WAITED_WRONG_TAG: u64 = 0xd6;
/// Subcode: a remove lock is initialized anew after its device was removed.
const INITIALIZED_AFTER_REMOVE: u64 = 0xd7;

/// What is known of a lock.
#[derive(Debug, Default)]
struct Use {
    /// The tags with which it is held, and where it was acquired.
    tags: Vec<(usize, usize)>,
    /// IoReleaseRemoveLockAndWait was called.
    removed: bool,
}

/// Protects what is known of each lock, by its address; nothing is locked while it is held.
static USES: SpinLock<BTreeMap<usize, Use>> = SpinLock::new(BTreeMap::new());

/// Forgets the locks in memory that is freed.
pub fn forget_memory(start: usize, bytes: usize) {
    USES.lock()
        .retain(|&lock, _| !(start..start + bytes).contains(&lock));
}

/// Has the I/O manager tell of remove locks from now on.
pub fn watch() {
    register::remove_lock_made(made);
    register::remove_lock_acquired(acquired);
    register::remove_lock_releasing(releasing);
    register::remove_lock_kept(tell_holders);
}

fn violation(subcode: u64, lock: usize, third: usize) {
    let parameters = [subcode, lock as u64, third as u64, 0];
    let code = code::DRIVER_VERIFIER_DETECTED_VIOLATION;
    hook::violation(VerifierOption::IoVerification, code, parameters);
}

fn made(lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK) {
    let before = USES.lock().insert(lock.addr(), Use::default());
    if before.is_some_and(|before| before.removed) {
        violation(INITIALIZED_AFTER_REMOVE, lock.addr(), lock.addr());
    }
}

fn acquired(lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK, tag: usize, caller: usize) {
    let mut uses = USES.lock();
    uses.entry(lock.addr())
        .or_default()
        .tags
        .push((tag, caller));
}

/// Says who has a lock that a removal waits for.
fn tell_holders(lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK) {
    let uses = USES.lock();
    let tags = uses
        .get(&lock.addr())
        .map_or_else(Vec::new, |held| held.tags.clone());
    drop(uses);
    for (tag, caller) in tags {
        let (module, offset) = module_of(caller as u64);
        log!(
            "verifier",
            "a removal waits for the remove lock {:#x}, acquired with the tag {tag:#x} at \
             {module}+{offset:#x}",
            lock.addr()
        );
    }
}

/// The lock is no longer held with this tag; bug check 0xC4 if it was not.
fn releasing(lock: *mut IO_REMOVE_LOCK_COMMON_BLOCK, tag: usize, removal: bool) {
    let mut uses = USES.lock();
    let held = uses.entry(lock.addr()).or_default();
    held.removed |= removal;
    if let Some(index) = held.tags.iter().position(|&(other, _)| other == tag) {
        held.tags.swap_remove(index);
        return;
    }
    drop(uses);
    let subcode = if removal {
        RELEASED_AND_WAITED_WRONG_TAG
    } else {
        RELEASED_WRONG_TAG
    };
    violation(subcode, lock.addr(), tag);
}
