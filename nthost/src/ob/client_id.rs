//! The ids of processes and threads: one series of numbers for both, multiples of four as
//! handles are. The idle threads have zero, the system's process has four.
//!
//! Sources: PsLookupProcessByProcessId, PsLookupThreadByThreadId; CLIENT_ID.

use alloc::collections::BTreeMap;
use core::{
    ffi::c_void,
    sync::atomic::{AtomicU64, Ordering},
};

use super::object::{self, Kind};
use crate::ke::lock::SpinLock;

/// The id of the system's process.
pub const SYSTEM: u64 = 4;
/// From an id to the next.
const STEP: u64 = 4;

/// The objects that have an id, by it. While it is locked the object manager's lock is taken.
static IDS: SpinLock<BTreeMap<u64, usize>> = SpinLock::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(SYSTEM + STEP);

/// An id for a process or thread; it is not given again.
pub fn allocate() -> u64 {
    // Relaxed: only that they differ matters.
    NEXT.fetch_add(STEP, Ordering::Relaxed)
}

/// From now on an object is found by its id.
pub fn insert(id: u64, object: *mut c_void) {
    IDS.lock().insert(id, object.expose_provenance());
}

/// An object is not found any more. To be called while it is referenced.
pub fn remove(id: u64) {
    IDS.lock().remove(&id);
}

/// Looks for one among the objects of this kind that have an id, none of which goes meanwhile.
pub fn find_map<T>(kind: Kind, mut look: impl FnMut(u64, *mut c_void) -> Option<T>) -> Option<T> {
    let ids = IDS.lock();
    ids.iter().find_map(|(&id, &address)| {
        let object = core::ptr::with_exposed_provenance_mut(address);
        (object::kind(object) == Some(kind)).then_some(())?;
        look(id, object)
    })
}

/// The object of this kind that has an id, with a reference for the caller.
pub fn find(id: u64, kind: Kind) -> Option<*mut c_void> {
    let ids = IDS.lock();
    let object = core::ptr::with_exposed_provenance_mut(*ids.get(&id)?);
    (object::kind(object) == Some(kind)).then(|| {
        // What is in the table is referenced: `remove` waits for the lock.
        object::reference(object);
        object
    })
}
