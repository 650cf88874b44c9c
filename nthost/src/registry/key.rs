//! Registry keys as objects: opened by name, and used through handles that carry the access that
//! was asked for.
//!
//! Sources: "Using the Registry in a Driver", nf-wdm-zwcreatekey (the rights), ACCESS_MASK.

use alloc::{boxed::Box, vec::Vec};
use core::{ffi::c_void, ptr::null};

use nthost_nt::{
    ob::{OBJ_KERNEL_HANDLE, OBJECT_ATTRIBUTES},
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND,
        STATUS_OBJECT_PATH_SYNTAX_BAD,
    },
};

use super::{
    filter,
    hive::{Hive, KeyId},
};
use crate::{
    hook,
    ke::lock::SpinLock,
    ob::{
        handle,
        name::{self, Name},
        object::{self, Kind},
        reference_handle, units,
    },
};

/// Read values.
pub const KEY_QUERY_VALUE: u32 = 0x0001;
/// Write values.
pub const KEY_SET_VALUE: u32 = 0x0002;
/// Create subkeys.
pub const KEY_CREATE_SUB_KEY: u32 = 0x0004;
/// Read the subkeys.
pub const KEY_ENUMERATE_SUB_KEYS: u32 = 0x0008;
/// Delete the key.
pub const DELETE: u32 = 0x0001_0000;
const KEY_NOTIFY: u32 = 0x0010;
const STANDARD_RIGHTS_READ: u32 = 0x0002_0000;
const KEY_READ: u32 = STANDARD_RIGHTS_READ | KEY_QUERY_VALUE | KEY_ENUMERATE_SUB_KEYS | KEY_NOTIFY;
const KEY_WRITE: u32 = STANDARD_RIGHTS_READ | KEY_SET_VALUE | KEY_CREATE_SUB_KEY;
const KEY_ALL_ACCESS: u32 = 0x000f_003f;
const GENERIC_READ: u32 = 0x8000_0000;
const GENERIC_WRITE: u32 = 0x4000_0000;
const GENERIC_EXECUTE: u32 = 0x2000_0000;
const GENERIC_ALL: u32 = 0x1000_0000;
const MAXIMUM_ALLOWED: u32 = 0x0200_0000;

/// The rights that generic ones stand for.
pub(super) const fn granted(desired: u32) -> u32 {
    let mut access =
        desired & !(GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | GENERIC_ALL | MAXIMUM_ALLOWED);
    if desired & (GENERIC_READ | GENERIC_EXECUTE) != 0 {
        access |= KEY_READ;
    }
    if desired & GENERIC_WRITE != 0 {
        access |= KEY_WRITE;
    }
    if desired & (GENERIC_ALL | MAXIMUM_ALLOWED) != 0 {
        access |= KEY_ALL_ACCESS;
    }
    access
}

/// An open key: what the object manager counts references of.
struct KeyObject {
    key: KeyId,
    /// Its path, if a driver has asked for it. A leaf.
    name: SpinLock<Option<Box<Kept>>>,
}

/// A path as drivers see it, which stays where it is.
struct Kept {
    string: UNICODE_STRING,
    _path: Vec<u16>,
}

// SAFETY: the string points to the path, which goes with it.
unsafe impl Send for Kept {}

/// The object of the registry's root, which stays; null before it is wanted. A leaf but for the
/// objects' own lock.
static ROOT: SpinLock<usize> = SpinLock::new(0);

fn root_object() -> *mut c_void {
    let mut root = ROOT.lock();
    if *root == 0 {
        *root = make(Hive::ROOT).expose_provenance();
    }
    core::ptr::with_exposed_provenance_mut(*root)
}

fn delete(object: *mut c_void) {
    filter::closing(object);
    // SAFETY: made by `open`, and nobody refers to it any more.
    drop(unsafe { Box::from_raw(object.cast::<KeyObject>()) });
}

/// A new object for a key, with one reference.
pub(super) fn make(key: KeyId) -> *mut c_void {
    let name = SpinLock::new(None);
    let object = Box::into_raw(Box::new(KeyObject { key, name })).cast::<c_void>();
    object::insert(object, Kind::Key, delete);
    object
}

/// A new handle to a key: the kernel's own, or one of the process that the thread is in.
#[must_use]
pub fn open(key: KeyId, desired: u32, kernel: bool) -> u64 {
    give(make(key), granted(desired), kernel)
}

/// A new handle to a key's object, whose reference it takes over.
pub(super) fn give(object: *mut c_void, access: u32, kernel: bool) -> u64 {
    let own = (!kernel).then(handle::current).flatten();
    own.unwrap_or(&handle::KERNEL).insert(object, access)
}

/// A reference to a key's object.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) object: *mut c_void,
    pub(super) key: KeyId,
}

impl Drop for Reference {
    fn drop(&mut self) {
        object::dereference(self.object);
    }
}

/// The key that a handle stands for, with its object. The kernel's own calls may do with it what
/// they like; the verifier tells of those that it was not opened for.
///
/// # Errors
///
/// As [`of_handle`].
pub(super) fn reference(handle: u64, access: u32) -> Result<Reference, NTSTATUS> {
    let entry = reference_handle(handle, Some(Kind::Key), access, 0)?;
    // SAFETY: a key object, referenced.
    let key = unsafe { &*entry.object.cast::<KeyObject>() }.key;
    let reference = Reference {
        object: entry.object,
        key,
    };
    hook::handle_used(handle, access, entry.access);
    Ok(reference)
}

/// The key that a handle stands for, as [`reference`].
///
/// # Errors
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`.
pub fn of_handle(handle: u64, access: u32) -> Result<KeyId, NTSTATUS> {
    Ok(reference(handle, access)?.key)
}

/// The number that tells a key's object's key from all others.
#[must_use]
pub(super) fn number_of(object: *mut c_void) -> u64 {
    // SAFETY: the caller's key object.
    unsafe { &*object.cast::<KeyObject>() }.key.number()
}

/// The path of a key's object as it is when it is first asked for, which stays as long as the
/// object; none, if the key was deleted.
pub(super) fn kept_name(object: *mut c_void) -> Option<*const UNICODE_STRING> {
    let mut path = path_of(object);
    // SAFETY: the caller's key object.
    let mut name = unsafe { &*object.cast::<KeyObject>() }.name.lock();
    if name.is_none() && !path.is_empty() {
        let length = size_of_val(&path[..]) as u16;
        let string = UNICODE_STRING {
            Length: length,
            MaximumLength: length,
            Buffer: path.as_mut_ptr(),
        };
        *name = Some(Box::new(Kept {
            string,
            _path: path,
        }));
    }
    let kept = name.as_ref().map_or(null(), |kept| &raw const kept.string);
    drop(name);
    (!kept.is_null()).then_some(kept)
}

/// The path of a key's object, from the registry's root on; empty if the key was deleted.
#[must_use]
pub fn path_of(object: *mut c_void) -> Vec<u16> {
    // SAFETY: the caller's key object.
    let key = unsafe { &*object.cast::<KeyObject>() }.key;
    super::with(|hive| hive.path(key)).unwrap_or_default()
}

/// Where a name leads: the key to begin at, the path from there, and whether the handle is to
/// be the kernel's.
#[derive(Debug)]
pub struct Place {
    /// The key to begin at.
    pub root: KeyId,
    /// From there.
    pub path: Vec<u16>,
    /// OBJ_KERNEL_HANDLE.
    pub kernel: bool,
    /// The object of the key to begin at.
    pub(super) object: *mut c_void,
    /// Keeps it, if it was opened.
    _reference: Option<Reference>,
}

/// The rest of a path that begins with `\Registry`.
///
/// # Errors
///
/// `STATUS_OBJECT_PATH_SYNTAX_BAD` for a path that does not begin with a backslash,
/// `STATUS_OBJECT_NAME_NOT_FOUND` for one that leads elsewhere.
pub fn below_registry(path: &[u16]) -> Result<&[u16], NTSTATUS> {
    if path.first() != Some(&u16::from(b'\\')) {
        return Err(STATUS_OBJECT_PATH_SYNTAX_BAD);
    }
    let registry = Name::components(path).next().unwrap_or_default();
    let expected: [u16; 8] = core::array::from_fn(|index| u16::from(b"Registry"[index]));
    if name::compare(registry, &expected).is_ne() {
        return Err(STATUS_OBJECT_NAME_NOT_FOUND);
    }
    Ok(&path[1 + registry.len()..])
}

/// What OBJECT_ATTRIBUTES say. A key that something is to be made below must have been opened
/// for `access`.
///
/// # Errors
///
/// `STATUS_INVALID_PARAMETER` for attributes of another size; `STATUS_OBJECT_PATH_SYNTAX_BAD`
/// and `STATUS_OBJECT_NAME_NOT_FOUND` for names that cannot be a key's; as [`of_handle`].
///
/// # Safety
///
/// Attributes, with a string.
pub unsafe fn place(attributes: *const OBJECT_ATTRIBUTES, access: u32) -> Result<Place, NTSTATUS> {
    // SAFETY: the caller's promise.
    let attributes = unsafe { attributes.read_unaligned() };
    if attributes.Length as usize != size_of::<OBJECT_ATTRIBUTES>() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let kernel = attributes.Attributes & OBJ_KERNEL_HANDLE != 0;
    // SAFETY: the caller's promise.
    let path = unsafe { units(attributes.ObjectName) }.unwrap_or_default();
    let separator = u16::from(b'\\');
    if attributes.RootDirectory != 0 {
        if path.first() == Some(&separator) {
            return Err(STATUS_OBJECT_PATH_SYNTAX_BAD);
        }
        let reference = reference(attributes.RootDirectory, access)?;
        return Ok(Place {
            root: reference.key,
            path,
            kernel,
            object: reference.object,
            _reference: Some(reference),
        });
    }
    let path = below_registry(&path)?.to_vec();
    Ok(Place {
        root: Hive::ROOT,
        path,
        kernel,
        object: root_object(),
        _reference: None,
    })
}
