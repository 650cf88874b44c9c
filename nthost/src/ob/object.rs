//! Objects: what is referenced, named and opened by handles.
//!
//! What the object manager knows of an object lies apart from it, by the object's address: so a
//! pointer that is no object is found out, whatever it points to. It lies in one of many small
//! lists, each with a lock of its own, so that neither the number of objects nor that of processors
//! makes a reference dear.
//!
//! Sources: ObReferenceObject, ObDereferenceObject, "Life Cycle of an Object". An object whose
//! last reference goes is deleted at PASSIVE_LEVEL: at once, or by a thread of its own if the
//! caller's IRQL is higher.

use alloc::vec::Vec;
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

/// How many lists of headers there are: a power of two.
const LISTS: usize = 256;

/// The headers of the objects whose addresses belong to a list.
type List = SpinLock<Vec<(usize, Header)>>;

/// Protects the headers. Nothing else is locked while one of them is held.
static OBJECTS: [List; LISTS] = [const { SpinLock::new(Vec::new()) }; LISTS];

/// The list of an object.
fn list_of(object: *mut c_void) -> &'static List {
    let address = object.addr();
    // Objects begin at multiples of 16, many at the same place of a page.
    &OBJECTS[(address >> 4 ^ address >> 12) % LISTS]
}

/// Looks at an object's header; `None` if it is no object.
fn with_header<T>(object: *mut c_void, look: impl FnOnce(&mut Header) -> T) -> Option<T> {
    let mut list = list_of(object).lock();
    let mut headers = list.iter_mut();
    let found = headers.find(|(address, _)| *address == object.addr());
    found.map(|(_, header)| look(header))
}

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
    let entry = (object.expose_provenance(), header);
    list_of(object).lock().push(entry);
}

/// What kind of object it is; `None` if it is none.
#[must_use]
pub fn kind(object: *mut c_void) -> Option<Kind> {
    with_header(object, |header| header.kind)
}

/// How many handles and references an object has.
#[must_use]
pub fn counts(object: *mut c_void) -> (u32, u64) {
    with_header(object, |header| (header.handles, header.references)).unwrap_or((0, 0))
}

/// How many references an object has.
#[must_use]
pub fn references(object: *mut c_void) -> u64 {
    with_header(object, |header| header.references).unwrap_or(0)
}

fn take_reference(header: &mut Header) -> u64 {
    header.references += 1;
    header.references
}

/// Takes a reference; gives how many there are now. Bug check 0x18 (REFERENCE_BY_POINTER) if
/// it is no object. IRQL up to DISPATCH_LEVEL.
pub fn reference(object: *mut c_void) -> u64 {
    with_header(object, take_reference).unwrap_or_else(|| {
        bugcheck::bugcheck(REFERENCE_BY_POINTER, [0, object.addr() as u64, 0, 0])
    })
}

/// Takes a reference, if it is an object; whether it is. IRQL up to DISPATCH_LEVEL.
pub fn try_reference(object: *mut c_void) -> bool {
    with_header(object, take_reference).is_some()
}

/// Takes a reference, if it is an object of this kind; whether it is. IRQL up to DISPATCH_LEVEL.
pub fn reference_as(object: *mut c_void, kind: Kind) -> bool {
    let taken = with_header(object, |header| {
        let is_of_kind = header.kind == kind;
        header.references += u64::from(is_of_kind);
        is_of_kind
    });
    taken.unwrap_or(false)
}

/// Gives a reference back; how many are left. The object is deleted with the last. Bug check
/// 0x18 if it is no object. IRQL up to DISPATCH_LEVEL.
pub fn dereference(object: *mut c_void) -> u64 {
    let mut list = list_of(object).lock();
    let index = list
        .iter()
        .position(|(address, _)| *address == object.addr());
    let Some(index) = index else {
        drop(list);
        bugcheck::bugcheck(REFERENCE_BY_POINTER, [0, object.addr() as u64, 1, 0])
    };
    let header = &mut list[index].1;
    header.references -= 1;
    if header.references > 0 {
        return header.references;
    }
    let (_, Header { delete, .. }) = list.swap_remove(index);
    drop(list);
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
    with_header(object, |header| header.handles += 1);
}

/// Counts a handle off; how many are left.
pub fn handle_closed(object: *mut c_void) -> u32 {
    let left = with_header(object, |header| {
        header.handles -= 1;
        header.handles
    });
    left.unwrap_or(0)
}

/// The object's references without an object: REFERENCE_BY_POINTER.
const REFERENCE_BY_POINTER: u32 = 0x18;
