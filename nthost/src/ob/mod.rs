//! The object manager: objects, handles, names, and who may open them.

pub mod altitude;
#[cfg(target_os = "none")]
pub mod attributes;
#[cfg(target_os = "none")]
pub mod callback;
#[cfg(target_os = "none")]
mod client_handle;
#[cfg(target_os = "none")]
pub mod client_id;
#[cfg(target_os = "none")]
pub mod directory;
#[cfg(target_os = "none")]
mod duplicate;
#[cfg(target_os = "none")]
pub mod event;
#[cfg(target_os = "none")]
mod exports;
#[cfg(target_os = "none")]
pub use exports::{ZwClose, reference_handle};
#[cfg(target_os = "none")]
pub mod handle;
#[cfg(target_os = "none")]
pub mod handle_filter;
#[cfg(target_os = "none")]
mod handle_operation;
#[cfg(target_os = "none")]
pub mod link;
pub mod name;
pub mod namespace;
#[cfg(target_os = "none")]
pub mod object;
#[cfg(target_os = "none")]
pub mod open;
#[cfg(target_os = "none")]
pub mod process;
#[cfg(target_os = "none")]
pub mod query;
#[cfg(target_os = "none")]
mod query_object;
pub mod security;
#[cfg(target_os = "none")]
pub mod tagged;
#[cfg(target_os = "none")]
mod timer;

#[cfg(target_os = "none")]
pub use kernel::*;

#[cfg(target_os = "none")]
mod kernel {
    //! The one namespace, and strings as drivers pass them.

    use alloc::{
        collections::BTreeMap,
        string::{String, ToString},
        vec::Vec,
    };
    use core::{ffi::c_void, ops::Range};

    use nthost_nt::status::{NTSTATUS, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_TYPE_MISMATCH};

    use super::{
        name::Name,
        namespace::{Named, Namespace, canonical},
        object,
    };
    use crate::ke::{lock::SpinLock, stack};

    /// Names and the addresses of the objects that they stand for. The objects' own lock is
    /// taken while it is held.
    static NAMES: SpinLock<Namespace<usize>> = SpinLock::new(Namespace::new());

    /// The links that drivers made, and where. A leaf.
    static MADE: SpinLock<BTreeMap<Name, u64>> = SpinLock::new(BTreeMap::new());

    pub use crate::rtl::string::captured as units;

    /// Gives a name to something.
    ///
    /// # Errors
    ///
    /// As [`Namespace::insert`].
    pub fn insert_name(path: &[u16], named: Named<usize>) -> Result<(), NTSTATUS> {
        NAMES.lock().insert(path, named)
    }

    /// Makes a link for a driver.
    ///
    /// # Errors
    ///
    /// As [`insert_name`].
    pub fn make_link(path: &[u16], target: &[u16]) -> Result<(), NTSTATUS> {
        let mut names = NAMES.lock();
        names.insert(path, Named::Link(Name::from(target)))?;
        // It may be taken back by another of its names.
        let place = Name::from(canonical(path)?.as_slice());
        MADE.lock().insert(place, stack::driver());
        Ok(())
    }

    /// The links that were made from these places and are there still, and where.
    #[must_use]
    pub fn links_from(image: &Range<u64>) -> Vec<(String, u64)> {
        let made = MADE.lock();
        let links = made.iter().filter(|(_, caller)| image.contains(caller));
        links
            .map(|(name, &caller)| (name.to_string(), caller))
            .collect()
    }

    /// What a link stands for.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_TYPE_MISMATCH` if it is no link; as [`Namespace::get`].
    pub fn link_target(path: &[u16]) -> Result<Vec<u16>, NTSTATUS> {
        match NAMES.lock().get(path)? {
            Named::Link(target) => Ok(target.units().to_vec()),
            _ => Err(STATUS_OBJECT_TYPE_MISMATCH),
        }
    }

    /// Takes a link's name back.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_TYPE_MISMATCH` if it is no link; as [`Namespace::remove`].
    pub fn remove_link(path: &[u16]) -> Result<(), NTSTATUS> {
        let mut names = NAMES.lock();
        if !matches!(names.get(path)?, Named::Link(_)) {
            return Err(STATUS_OBJECT_TYPE_MISMATCH);
        }
        MADE.lock().remove(&Name::from(canonical(path)?.as_slice()));
        names.remove(path).map(drop)
    }

    /// Takes the name of an object back, if it has one.
    pub fn remove_name_of(object: usize) {
        let mut names = NAMES.lock();
        let path = find(&names, object).map(|name| name.units().to_vec());
        if let Some(path) = path {
            // It was found just now.
            let _ = names.remove(&path);
        }
    }

    /// The name of an object.
    #[must_use]
    pub fn name_of(object: usize) -> Option<String> {
        find(&NAMES.lock(), object).map(ToString::to_string)
    }

    fn find(names: &Namespace<usize>, object: usize) -> Option<&Name> {
        let wanted = [Named::Object(object), Named::Directory(object)];
        let found = names.iter().find(|(_, named)| wanted.contains(named));
        found.map(|(name, _)| name)
    }

    /// The object that a path leads to, with a reference for the caller, and the rest of the
    /// path.
    ///
    /// # Errors
    ///
    /// As [`Namespace::resolve`].
    pub fn reference_by_name(path: &[u16]) -> Result<(*mut c_void, Vec<u16>), NTSTATUS> {
        let names = NAMES.lock();
        let (&address, rest) = names.resolve(path)?;
        let object: *mut c_void = core::ptr::with_exposed_provenance_mut(address);
        if object::kind(object).is_none() {
            return Err(STATUS_OBJECT_NAME_NOT_FOUND);
        }
        object::reference(object);
        Ok((object, rest))
    }

    /// The names of all links, and what they stand for.
    #[must_use]
    pub fn links() -> Vec<(String, String)> {
        let names = NAMES.lock();
        let links = names.iter().filter_map(|(name, named)| match named {
            Named::Link(target) => Some((name.to_string(), target.to_string())),
            Named::Object(_) | Named::Directory(_) => None,
        });
        links.collect()
    }
}
