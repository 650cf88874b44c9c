//! Objects: what is referenced, named and opened by handles.
//!
//! What the object manager knows of an object lies apart from it, by the object's address: so a
//! pointer that is no object is found out, whatever it points to.
//!
//! Sources: ObReferenceObject, ObDereferenceObject, "Life Cycle of an Object". An object whose
//! last reference goes is deleted at PASSIVE_LEVEL: at once, or by a thread of its own if the
//! caller's IRQL is higher.

use alloc::{collections::BTreeMap, vec::Vec};
use core::ffi::c_void;

use crate::{
    export::PASSIVE_LEVEL,
    hook,
    ke::{bugcheck, irql, lock::SpinLock, once::Once, owned_event::Event, thread},
};

/// What kind of thing an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A device object.
    Device,
    /// A driver object.
    Driver,
    /// A file object.
    File,
    /// A thread.
    Thread,
    /// A process.
    Process,
    /// An event.
    Event,
    /// A directory of the object manager's.
    Directory,
    /// A symbolic link.
    SymbolicLink,
    /// A registry key.
    Key,
    /// A callback object.
    Callback,
    /// A section.
    Section,
    /// An access token.
    Token,
    /// A timer.
    Timer,
    /// A WMI data block that a driver has opened.
    WmiGuid,
}

/// Frees what the object is made of. Called at PASSIVE_LEVEL, once nobody refers to it.
pub type Delete = fn(object: *mut c_void);

#[derive(Debug)]
struct Header {
    kind: Kind,
    references: u64,
    handles: u32,
    delete: Delete,
}

/// Protects the headers. Nothing else is locked while it is held.
static OBJECTS: SpinLock<BTreeMap<usize, Header>> = SpinLock::new(BTreeMap::new());
/// Objects whose last reference went at raised IRQL. Protects nothing else.
static DELETIONS: SpinLock<Vec<(usize, Delete)>> = SpinLock::new(Vec::new());
static DELETIONS_WAIT: Once<Event> = Once::new();

/// Starts the thread that deletes objects.
pub fn initialize() {
    DELETIONS_WAIT.set(Event::synchronization());
    thread::spawn("object deletion", || {
        loop {
            if let Some(event) = DELETIONS_WAIT.get() {
                event.wait();
            }
            let deletions = core::mem::take(&mut *DELETIONS.lock());
            for (object, delete) in deletions {
                delete(core::ptr::with_exposed_provenance_mut(object));
            }
        }
    });
}

/// Makes an object of something, with one reference.
pub fn insert(object: *mut c_void, kind: Kind, delete: Delete) {
    let header = Header {
        kind,
        references: 1,
        handles: 0,
        delete,
    };
    OBJECTS.lock().insert(object.expose_provenance(), header);
}

/// What kind of object it is; `None` if it is none.
#[must_use]
pub fn kind(object: *mut c_void) -> Option<Kind> {
    OBJECTS.lock().get(&object.addr()).map(|header| header.kind)
}

/// How many handles and references an object has.
#[must_use]
pub fn counts(object: *mut c_void) -> (u32, u64) {
    let objects = OBJECTS.lock();
    let header = objects.get(&object.addr());
    header.map_or((0, 0), |header| (header.handles, header.references))
}

/// How many references an object has.
#[must_use]
pub fn references(object: *mut c_void) -> u64 {
    OBJECTS
        .lock()
        .get(&object.addr())
        .map_or(0, |header| header.references)
}

/// Takes a reference; gives how many there are now. Bug check 0x18 (REFERENCE_BY_POINTER) if
/// it is no object. IRQL up to DISPATCH_LEVEL.
pub fn reference(object: *mut c_void) -> u64 {
    let mut objects = OBJECTS.lock();
    if let Some(header) = objects.get_mut(&object.addr()) {
        header.references += 1;
        return header.references;
    }
    drop(objects);
    bugcheck::bugcheck(REFERENCE_BY_POINTER, [0, object.addr() as u64, 0, 0])
}

/// Takes a reference, if it is an object; whether it is. IRQL up to DISPATCH_LEVEL.
pub fn try_reference(object: *mut c_void) -> bool {
    let mut objects = OBJECTS.lock();
    let header = objects.get_mut(&object.addr());
    header.is_some_and(|header| {
        header.references += 1;
        true
    })
}

/// Gives a reference back; how many are left. The object is deleted with the last. Bug check
/// 0x18 if it is no object. IRQL up to DISPATCH_LEVEL.
pub fn dereference(object: *mut c_void) -> u64 {
    let mut objects = OBJECTS.lock();
    let Some(header) = objects.get_mut(&object.addr()) else {
        drop(objects);
        bugcheck::bugcheck(REFERENCE_BY_POINTER, [0, object.addr() as u64, 1, 0])
    };
    header.references -= 1;
    let left = header.references;
    if left > 0 {
        return left;
    }
    let delete = header.delete;
    objects.remove(&object.addr());
    drop(objects);
    hook::object_deleted(object.addr());
    if irql::current() == PASSIVE_LEVEL {
        delete(object);
    } else {
        DELETIONS.lock().push((object.expose_provenance(), delete));
        if let Some(event) = DELETIONS_WAIT.get() {
            event.set();
        }
    }
    0
}

/// Counts a handle to the object.
pub fn handle_opened(object: *mut c_void) {
    if let Some(header) = OBJECTS.lock().get_mut(&object.addr()) {
        header.handles += 1;
    }
}

/// Counts a handle off; how many are left.
pub fn handle_closed(object: *mut c_void) -> u32 {
    let mut objects = OBJECTS.lock();
    let Some(header) = objects.get_mut(&object.addr()) else {
        return 0;
    };
    header.handles -= 1;
    header.handles
}

/// The object's references without an object: REFERENCE_BY_POINTER.
const REFERENCE_BY_POINTER: u32 = 0x18;
