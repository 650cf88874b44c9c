//! What OBJECT_ATTRIBUTES say of an object's name and of its handle.
//!
//! Sources: ns-ntdef-_object_attributes, InitializeObjectAttributes, "Object Handles".

use alloc::{borrow::Cow, vec::Vec};

use nthost_nt::{
    ob::{OBJ_FORCE_ACCESS_CHECK, OBJ_KERNEL_HANDLE, OBJECT_ATTRIBUTES},
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_OBJECT_PATH_SYNTAX_BAD},
};

use super::{
    directory,
    handle::{self, HandleTable},
    object::{self, Kind},
    reference_handle, units,
};

/// The attributes of an object.
#[derive(Clone, Debug)]
pub struct Attributes {
    /// Where its name begins; zero if at the root.
    pub root: u64,
    /// Its name; empty if it has none.
    pub name: Vec<u16>,
    /// `OBJ_…`.
    pub flags: u32,
}

impl Attributes {
    /// Reads what a driver passes.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` for attributes of another size, or none.
    ///
    /// # Safety
    ///
    /// Null, or attributes with a string.
    pub unsafe fn read(attributes: *const OBJECT_ATTRIBUTES) -> Result<Self, NTSTATUS> {
        if attributes.is_null() {
            return Err(STATUS_INVALID_PARAMETER);
        }
        // SAFETY: the caller's promise.
        let attributes = unsafe { attributes.read_unaligned() };
        if attributes.Length as usize != size_of::<OBJECT_ATTRIBUTES>() {
            return Err(STATUS_INVALID_PARAMETER);
        }
        // SAFETY: the caller's promise.
        let name = unsafe { units(attributes.ObjectName) }.unwrap_or_default();
        Ok(Self {
            root: attributes.RootDirectory,
            name,
            flags: attributes.Attributes,
        })
    }

    /// The whole name: below the directory whose handle is the root, if there is one.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_PATH_SYNTAX_BAD` for a name that begins with a backslash below a directory;
    /// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`.
    pub fn path(&self) -> Result<Cow<'_, [u16]>, NTSTATUS> {
        const SEPARATOR: u16 = b'\\' as u16;
        if self.root == 0 {
            return Ok(Cow::Borrowed(&self.name));
        }
        if self.name.first() == Some(&SEPARATOR) {
            return Err(STATUS_OBJECT_PATH_SYNTAX_BAD);
        }
        let root = reference_handle(self.root, Some(Kind::Directory), 0, 0)?;
        // SAFETY: a directory, which the reference keeps.
        let mut path = unsafe { directory::path(root.object) }.to_vec();
        object::dereference(root.object);
        if path.last() != Some(&SEPARATOR) {
            path.push(SEPARATOR);
        }
        path.extend_from_slice(&self.name);
        Ok(Cow::Owned(path))
    }

    /// Whether the kernel, too, is to be checked.
    #[must_use]
    pub const fn is_checked(&self) -> bool {
        self.flags & OBJ_FORCE_ACCESS_CHECK != 0
    }
}

/// The table that a handle goes to: the kernel's, or that of the process in whose context the
/// thread runs; a system thread's process has the kernel's.
#[must_use]
pub fn table(flags: u32) -> &'static HandleTable {
    let own = (flags & OBJ_KERNEL_HANDLE == 0).then(handle::current);
    own.flatten().unwrap_or(&handle::KERNEL)
}
