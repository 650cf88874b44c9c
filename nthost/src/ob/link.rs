//! Symbolic links as objects: what they stand for, and how somebody else's is taken away. Each
//! who opens a link has an object of its own.
//!
//! Sources: ZwOpenSymbolicLinkObject, ZwQuerySymbolicLinkObject, ZwMakeTemporaryObject.

use alloc::{boxed::Box, vec::Vec};
use core::{
    ffi::c_void,
    sync::atomic::{AtomicBool, Ordering},
};

use nthost_nt::{
    ob::OBJECT_ATTRIBUTES,
    rtl::UNICODE_STRING,
    status::{NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_SUCCESS},
};

use super::{
    attributes::{self, Attributes},
    directory, link_target,
    object::{self, Kind},
    reference_handle, remove_link,
};

/// A link that somebody opened.
struct Link {
    path: Vec<u16>,
    target: Vec<u16>,
    /// Its name goes with the last handle. Relaxed: nothing else depends on it.
    temporary: AtomicBool,
}

fn delete(object: *mut c_void) {
    // SAFETY: made by `open`, and this is its end.
    drop(unsafe { Box::from_raw(object.cast::<Link>()) });
}

/// A link's object, with a reference for the caller.
fn open(path: &[u16]) -> Result<*mut c_void, NTSTATUS> {
    let link = Box::new(Link {
        path: path.to_vec(),
        target: link_target(path)?,
        temporary: AtomicBool::new(false),
    });
    let object = Box::into_raw(link).cast();
    object::insert(object, Kind::SymbolicLink, delete);
    Ok(object)
}

/// The last handle to a link is closed.
///
/// # Safety
///
/// The object is one, and stays meanwhile.
pub unsafe fn closed(object: *mut c_void) {
    // SAFETY: the caller's promise.
    let link = unsafe { &*object.cast::<Link>() };
    if link.temporary.load(Ordering::Relaxed) {
        // Its maker may have been faster.
        let _ = remove_link(&link.path);
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Opens a link: the link itself, not what it stands for.
    ///
    /// Source: ZwOpenSymbolicLinkObject.
    ///
    /// # Safety
    ///
    /// `handle` can be written; attributes with a string.
    pub unsafe fn ZwOpenSymbolicLinkObject(
        handle: *mut u64,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let attributes = match unsafe { Attributes::read(attributes) } {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        match attributes.path().and_then(|path| open(&path)) {
            Ok(object) => {
                let opened = attributes::table(attributes.flags).insert(object, access);
                // SAFETY: the caller's promise.
                unsafe { handle.write(opened) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// What a link stands for; `STATUS_BUFFER_TOO_SMALL`, and how many bytes it takes.
    ///
    /// Source: ZwQuerySymbolicLinkObject.
    ///
    /// # Safety
    ///
    /// It is a string with room; the length is null or can be written.
    pub unsafe fn ZwQuerySymbolicLinkObject(
        handle: u64,
        to: *mut UNICODE_STRING,
        length: *mut u32,
    ) -> NTSTATUS {
        let entry = match reference_handle(handle, Some(Kind::SymbolicLink), 0, 0) {
            Ok(entry) => entry,
            Err(status) => return status,
        };
        // SAFETY: a link, which the reference keeps.
        let target = unsafe { (*entry.object.cast::<Link>()).target.clone() };
        object::dereference(entry.object);
        // SAFETY: the caller's promise.
        let to = unsafe { &mut *to };
        if !length.is_null() {
            // SAFETY: the caller's promise.
            unsafe { length.write(target.len() as u32 * 2) };
        }
        if target.len() * 2 > usize::from(to.MaximumLength) {
            return STATUS_BUFFER_TOO_SMALL;
        }
        // SAFETY: there is room.
        unsafe { to.Buffer.copy_from(target.as_ptr(), target.len()) };
        to.Length = target.len() as u16 * 2;
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Has an object's name go with its last handle: that of a link or of a permanent directory.
    /// All others do so already, or are named as long as they exist.
    ///
    /// Source: ZwMakeTemporaryObject.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ZwMakeTemporaryObject(handle: u64) -> NTSTATUS {
        let entry = match reference_handle(handle, None, 0, 0) {
            Ok(entry) => entry,
            Err(status) => return status,
        };
        match object::kind(entry.object) {
            Some(Kind::SymbolicLink) => {
                // SAFETY: a link, which the reference keeps.
                let link = unsafe { &*entry.object.cast::<Link>() };
                link.temporary.store(true, Ordering::Relaxed);
            }
            // SAFETY: a directory, which the reference keeps.
            Some(Kind::Directory) => unsafe { directory::make_temporary(entry.object) },
            _ => (),
        }
        object::dereference(entry.object);
        STATUS_SUCCESS
    }
}
