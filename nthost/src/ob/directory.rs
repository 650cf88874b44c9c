//! Object directories as objects: drivers make them, and name objects below their handles.
//!
//! Sources: ZwCreateDirectoryObject, ZwOpenDirectoryObject, "Object Directories". A directory that
//! a driver made goes with its last handle, unless it is permanent. Those that were there from the
//! start are an object of their own for each who opens them.

use alloc::{boxed::Box, vec::Vec};
use core::{
    ffi::c_void,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use nthost_nt::{
    ob::{OBJ_OPENIF, OBJ_PERMANENT, OBJECT_ATTRIBUTES},
    status::{
        NTSTATUS, STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_EXISTS,
        STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS,
    },
};

use super::{
    attributes::{self, Attributes},
    insert_name,
    namespace::{self, Named, fixed_directory},
    object::{self, Kind},
    reference_by_name,
};

/// A directory's object.
struct Directory {
    path: Vec<u16>,
    /// It has a reference of its own. Relaxed: whoever takes it back gives that one back.
    permanent: AtomicBool,
}

fn delete(object: *mut c_void) {
    // SAFETY: made by `new`, and this is its end.
    drop(unsafe { Box::from_raw(object.cast::<Directory>()) });
}

fn new(path: &[u16], permanent: bool) -> *mut c_void {
    let directory = Box::new(Directory {
        path: path.to_vec(),
        permanent: AtomicBool::new(permanent),
    });
    let object = Box::into_raw(directory).cast();
    object::insert(object, Kind::Directory, delete);
    if permanent {
        object::reference(object);
    }
    object
}

/// The path of a directory.
///
/// # Safety
///
/// The object is one, and stays.
pub unsafe fn path<'a>(object: *mut c_void) -> &'a [u16] {
    // SAFETY: the caller's promise.
    unsafe { &(*object.cast::<Directory>()).path }
}

/// Whether a directory's name stays when its last handle goes.
///
/// # Safety
///
/// The object is one.
pub unsafe fn is_permanent(object: *mut c_void) -> bool {
    // SAFETY: the caller's promise.
    let directory = unsafe { &*object.cast::<Directory>() };
    directory.permanent.load(Ordering::Relaxed)
}

/// A directory's name goes with its last handle from now on.
///
/// # Safety
///
/// The object is one, to which the caller has a reference.
pub unsafe fn make_temporary(object: *mut c_void) {
    // SAFETY: the caller's promise.
    let directory = unsafe { &*object.cast::<Directory>() };
    if directory.permanent.swap(false, Ordering::Relaxed) {
        object::dereference(object);
    }
}

/// Where a directory is that has no name: at a path of its own, which is found by its handle alone.
fn nowhere() -> Vec<u16> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    // Relaxed: only that they differ matters.
    namespace::nowhere(NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// The directory of this name, with a reference for the caller.
fn find(path: &[u16]) -> Result<*mut c_void, NTSTATUS> {
    if let Some(fixed) = fixed_directory(path)? {
        return Ok(new(&fixed, false));
    }
    let (object, rest) = reference_by_name(path)?;
    if rest.is_empty() && object::kind(object) == Some(Kind::Directory) {
        return Ok(object);
    }
    object::dereference(object);
    Err(STATUS_OBJECT_TYPE_MISMATCH)
}

/// Makes a directory, or opens one if that is wanted; with a reference for the caller.
fn create(path: &[u16], flags: u32) -> Result<(*mut c_void, NTSTATUS), NTSTATUS> {
    match find(path) {
        Ok(object) if flags & OBJ_OPENIF != 0 => return Ok((object, STATUS_OBJECT_NAME_EXISTS)),
        Ok(object) => {
            object::dereference(object);
            return Err(STATUS_OBJECT_NAME_COLLISION);
        }
        Err(STATUS_OBJECT_NAME_NOT_FOUND) => {}
        Err(status) => return Err(status),
    }
    let permanent = flags & OBJ_PERMANENT != 0;
    let object = new(path, permanent);
    if let Err(status) = insert_name(path, Named::Directory(object.expose_provenance())) {
        if permanent {
            object::dereference(object);
        }
        object::dereference(object);
        return Err(status);
    }
    Ok((object, STATUS_SUCCESS))
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Makes a directory, which needs no name; a handle to it. With OBJ_OPENIF one of that name is opened, and the
    /// status is STATUS_OBJECT_NAME_EXISTS.
    ///
    /// Source: ZwCreateDirectoryObject.
    ///
    /// # Safety
    ///
    /// `handle` can be written; attributes with a string.
    pub unsafe fn ZwCreateDirectoryObject(
        handle: *mut u64,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let attributes = match unsafe { Attributes::read(attributes) } {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        let created = if attributes.name.is_empty() {
            let flags = attributes.flags & !(OBJ_OPENIF | OBJ_PERMANENT);
            create(&nowhere(), flags)
        } else {
            attributes.path().and_then(|path| create(&path, attributes.flags))
        };
        match created {
            Ok((object, status)) => {
                let opened = attributes::table(attributes.flags).insert(object, access);
                // SAFETY: the caller's promise.
                unsafe { handle.write(opened) };
                status
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Opens a directory.
    ///
    /// Source: ZwOpenDirectoryObject.
    ///
    /// # Safety
    ///
    /// `handle` can be written; attributes with a string.
    pub unsafe fn ZwOpenDirectoryObject(
        handle: *mut u64,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let attributes = match unsafe { Attributes::read(attributes) } {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        match attributes.path().and_then(|path| find(&path)) {
            Ok(object) => {
                let opened = attributes::table(attributes.flags).insert(object, access);
                // SAFETY: the caller's promise.
                unsafe { handle.write(opened) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }
}
