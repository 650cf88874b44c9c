//! Handles: numbers that stand for references to objects, in a table for each process and one
//! for the kernel itself.
//!
//! Sources: "Object Handles", ZwClose. Kernel handles (OBJ_KERNEL_HANDLE) are valid in every
//! process's context, others only in that of the process that opened them.

use alloc::{collections::BTreeMap, vec::Vec};
use core::{ffi::c_void, ops::Range};

use nthost_nt::status::{NTSTATUS, STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH};

use super::object::{self, Kind};
use crate::{
    hook,
    ke::{lock::SpinLock, process, stack},
};

/// Where the kernel's handles begin.
pub const KERNEL_HANDLES: u64 = 0xffff_ffff_8000_0000;
/// Handles are multiples of this: the lowest bits are free for applications.
const STEP: u64 = 4;

/// What a handle stands for.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The object, of which the handle has a reference.
    pub object: *mut c_void,
    /// The access that was granted.
    pub access: u32,
    /// The driver that opened it, by the place of its call; zero for nthost itself.
    pub opener: u64,
}

// SAFETY: the pointer is only used as a reference to an object that the table keeps alive.
unsafe impl Send for Entry {}

#[derive(Debug)]
struct Entries {
    map: BTreeMap<u64, Entry>,
    next: u64,
}

/// A table of handles.
#[derive(Debug)]
pub struct HandleTable(SpinLock<Entries>);

/// The kernel's own handles.
pub static KERNEL: HandleTable = HandleTable::new(KERNEL_HANDLES);

/// The handles of a process, which the caller keeps; none of the system's, which has the
/// kernel's. Any IRQL.
#[must_use]
pub fn of_process<'a>(process: *mut c_void) -> Option<&'a HandleTable> {
    if process == process::system() {
        return None;
    }
    // SAFETY: null, or within the process, which the caller keeps.
    unsafe {
        hook::process_handles(process)
            .cast::<HandleTable>()
            .as_ref()
    }
}

/// The handles of the process that the thread that runs is in; none of the system's. Any IRQL.
#[must_use]
pub fn current() -> Option<&'static HandleTable> {
    of_process(process::current())
}

impl HandleTable {
    /// An empty table whose handles begin here.
    #[must_use]
    pub const fn new(base: u64) -> Self {
        Self(SpinLock::new(Entries {
            map: BTreeMap::new(),
            next: base + STEP,
        }))
    }

    /// A new handle, which takes over the caller's reference to the object.
    pub fn insert(&self, object: *mut c_void, access: u32) -> u64 {
        object::handle_opened(object);
        let opener = stack::driver();
        let mut entries = self.0.lock();
        let handle = entries.next;
        entries.next += STEP;
        entries.map.insert(
            handle,
            Entry {
                object,
                access,
                opener,
            },
        );
        handle
    }

    /// What a handle stands for, with a reference for the caller.
    pub fn reference(&self, handle: u64) -> Option<Entry> {
        let entries = self.0.lock();
        let entry = *entries.map.get(&(handle & !(STEP - 1)))?;
        object::reference(entry.object);
        Some(entry)
    }

    /// What a handle to an object of this kind stands for, with a reference for the caller.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`.
    pub fn reference_as(&self, handle: u64, kind: Kind) -> Result<Entry, NTSTATUS> {
        let entries = self.0.lock();
        let entry = entries.map.get(&(handle & !(STEP - 1)));
        let entry = *entry.ok_or(STATUS_INVALID_HANDLE)?;
        if object::reference_as(entry.object, kind) {
            Ok(entry)
        } else {
            Err(STATUS_OBJECT_TYPE_MISMATCH)
        }
    }

    /// Closes a handle; whether there was one. PASSIVE_LEVEL.
    pub fn close(&self, handle: u64) -> bool {
        let entry = self.0.lock().map.remove(&(handle & !(STEP - 1)));
        entry.is_some_and(|entry| {
            release(entry);
            true
        })
    }

    /// Closes all handles. PASSIVE_LEVEL.
    pub fn close_all(&self) {
        let entries = core::mem::take(&mut self.0.lock().map);
        for entry in entries.into_values() {
            release(entry);
        }
    }

    /// The handles that were opened from these places, and where.
    pub fn opened_from(&self, image: &Range<u64>) -> Vec<(u64, u64)> {
        let entries = self.0.lock();
        let handles = entries.map.iter();
        handles
            .filter(|(_, entry)| image.contains(&entry.opener))
            .map(|(&handle, entry)| (handle, entry.opener))
            .collect()
    }

    /// The kinds of objects that handles are open to.
    pub fn kinds(&self) -> Vec<(u64, Option<Kind>)> {
        let entries = self.0.lock();
        let kinds = entries.map.iter();
        kinds
            .map(|(&handle, entry)| (handle, object::kind(entry.object)))
            .collect()
    }
}

/// A handle is gone: the last one of a file has the driver clean up.
fn release(entry: Entry) {
    let left = object::handle_closed(entry.object);
    if left == 0 && object::kind(entry.object) == Some(Kind::File) {
        hook::file_unused(entry.object);
    }
    // A temporary object: its name goes with its last handle.
    let is_temporary = match object::kind(entry.object) {
        Some(Kind::Event | Kind::Section | Kind::Timer) => true,
        // SAFETY: a directory, which the handle's reference keeps alive.
        Some(Kind::Directory) => unsafe { !super::directory::is_permanent(entry.object) },
        _ => false,
    };
    if left == 0 && is_temporary {
        super::remove_name_of(entry.object.addr());
    }
    if left == 0 && object::kind(entry.object) == Some(Kind::SymbolicLink) {
        // SAFETY: a link, which the handle's reference keeps alive.
        unsafe { super::link::closed(entry.object) };
    }
    object::dereference(entry.object);
}
