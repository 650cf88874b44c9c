//! The object manager's namespace: which name stands for which device or symbolic link.
//!
//! Rules it stands for: names are told apart without regard to case; an object's directory must
//! exist; a symbolic link's target replaces the link's own name in a path that leads through it;
//! what follows a device's name is that device's business. `\DosDevices` and `\GLOBAL??` are
//! other names of `\??`.

use alloc::{collections::BTreeMap, vec::Vec};

use nthost_nt::status::{
    NTSTATUS, STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_INVALID,
    STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND, STATUS_OBJECT_PATH_SYNTAX_BAD,
};

use super::name::Name;

const SEPARATOR: u16 = b'\\' as u16;

/// The directories that are there from the start.
const DIRECTORIES: &[&str] = &[
    r"\",
    r"\??",
    r"\BaseNamedObjects",
    r"\Callback",
    r"\Device",
    r"\Driver",
    r"\FileSystem",
    r"\KernelObjects",
];

/// How many links a path may lead through.
const MAX_LINKS: usize = 32;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named<T> {
    /// An object.
    Object(T),
    /// Another path.
    Link(Name),
    /// A directory that a driver made, by its object.
    Directory(T),
}

/// The namespace.
#[derive(Debug)]
pub struct Namespace<T> {
    names: BTreeMap<Name, Named<T>>,
}

impl<T> Default for Namespace<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Namespace<T> {
    /// Nothing but the directories.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            names: BTreeMap::new(),
        }
    }

    /// Gives a name to something.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_PATH_SYNTAX_BAD` for a path that does not begin with a backslash,
    /// `STATUS_OBJECT_NAME_INVALID` for one without a name, `STATUS_OBJECT_PATH_NOT_FOUND` if
    /// its directory does not exist, `STATUS_OBJECT_NAME_COLLISION` if it is in use.
    pub fn insert(&mut self, path: &[u16], named: Named<T>) -> Result<(), NTSTATUS> {
        let path = canonical(path)?;
        let (directory, name) = split(&path);
        if name.is_empty() {
            return Err(STATUS_OBJECT_NAME_INVALID);
        }
        if !self.is_directory(directory) {
            return Err(STATUS_OBJECT_PATH_NOT_FOUND);
        }
        let name = Name::from(path.as_slice());
        if self.names.contains_key(&name) || is_directory(&path) {
            return Err(STATUS_OBJECT_NAME_COLLISION);
        }
        self.names.insert(name, named);
        Ok(())
    }

    /// Takes a name back; gives what it stood for.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND`, or as [`Self::insert`].
    pub fn remove(&mut self, path: &[u16]) -> Result<Named<T>, NTSTATUS> {
        let path = canonical(path)?;
        self.names
            .remove(&Name::from(path.as_slice()))
            .ok_or(STATUS_OBJECT_NAME_NOT_FOUND)
    }

    /// What a name itself stands for.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND`, or as [`Self::insert`].
    pub fn get(&self, path: &[u16]) -> Result<&Named<T>, NTSTATUS> {
        let path = canonical(path)?;
        self.names
            .get(&Name::from(path.as_slice()))
            .ok_or(STATUS_OBJECT_NAME_NOT_FOUND)
    }

    /// The object that a path leads to, through links, and what of the path remains for it.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND`, `STATUS_OBJECT_PATH_NOT_FOUND` if a directory on the way
    /// does not exist, `STATUS_OBJECT_PATH_SYNTAX_BAD`.
    pub fn resolve(&self, path: &[u16]) -> Result<(&T, Vec<u16>), NTSTATUS> {
        let mut path = canonical(path)?;
        for _ in 0..MAX_LINKS {
            match self.longest(&path)? {
                (Named::Object(object) | Named::Directory(object), rest) => {
                    return Ok((object, rest.to_vec()));
                }
                (Named::Link(target), rest) => {
                    let mut next = target.units().to_vec();
                    next.extend_from_slice(rest);
                    path = canonical(&next)?;
                }
            }
        }
        Err(STATUS_OBJECT_NAME_NOT_FOUND)
    }

    /// The first name on a path that stands for something.
    fn longest<'p>(&self, path: &'p [u16]) -> Result<(&Named<T>, &'p [u16]), NTSTATUS> {
        let ends =
            (1..=path.len()).filter(|&end| end == path.len() || path.get(end) == Some(&SEPARATOR));
        for end in ends {
            let (name, rest) = path.split_at(end);
            match self.names.get(&Name::from(name)) {
                // What is meant lies in it.
                Some(Named::Directory(_)) if !rest.is_empty() => {}
                Some(named) => return Ok((named, rest)),
                None => {}
            }
        }
        if self.is_directory(split(path).0) {
            Err(STATUS_OBJECT_NAME_NOT_FOUND)
        } else {
            Err(STATUS_OBJECT_PATH_NOT_FOUND)
        }
    }

    fn is_directory(&self, path: &[u16]) -> bool {
        let made = self.names.get(&Name::from(path));
        is_directory(path) || matches!(made, Some(Named::Directory(_)))
    }

    /// All names and what they stand for.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Named<T>)> {
        self.names.iter()
    }
}

/// A path by the first of its names: `\??` for its aliases.
///
/// # Errors
///
/// `STATUS_OBJECT_PATH_SYNTAX_BAD` if it does not begin at the root.
pub fn canonical(path: &[u16]) -> Result<Vec<u16>, NTSTATUS> {
    if path.first() != Some(&SEPARATOR) {
        return Err(STATUS_OBJECT_PATH_SYNTAX_BAD);
    }
    for alias in [r"\DosDevices", r"\GLOBAL??"] {
        let alias = Name::from(alias);
        let length = alias.units().len();
        let ends_there = path.len() == length || path.get(length) == Some(&SEPARATOR);
        if ends_there && path.get(..length).map(Name::from) == Some(alias) {
            let mut canonical = Name::from(r"\??").units().to_vec();
            canonical.extend_from_slice(path.get(length..).unwrap_or_default());
            return Ok(canonical);
        }
    }
    Ok(path.to_vec())
}

/// The directory and the name of a path.
fn split(path: &[u16]) -> (&[u16], &[u16]) {
    let last = path
        .iter()
        .rposition(|&unit| unit == SEPARATOR)
        .unwrap_or_default();
    let directory = path.get(..last.max(1)).unwrap_or_default();
    (directory, path.get(last + 1..).unwrap_or_default())
}

/// The path of a directory that is there from the start, if it is one.
///
/// # Errors
///
/// `STATUS_OBJECT_PATH_SYNTAX_BAD`.
pub fn fixed_directory(path: &[u16]) -> Result<Option<Vec<u16>>, NTSTATUS> {
    let path = canonical(path)?;
    Ok(is_directory(&path).then_some(path))
}

/// The path of a directory that has no name: one that nobody writes, since no name begins with a
/// NUL.
#[must_use]
pub fn nowhere(number: u32) -> Vec<u16> {
    let text = alloc::format!("\\\0{number}");
    text.encode_utf16().collect()
}

/// A path as it is told: nothing of a directory without a name, and dots in its place for what is
/// in it.
#[must_use]
pub fn told(path: &[u16]) -> Vec<u16> {
    if path.get(1) != Some(&0) {
        return path.to_vec();
    }
    let below = path.iter().skip(1).position(|&unit| unit == SEPARATOR);
    below.map_or_else(Vec::new, |below| {
        let dots = [u16::from(b'.'); 3].into_iter();
        dots.chain(path[1 + below..].iter().copied()).collect()
    })
}

/// Whether it is one that is there from the start.
fn is_directory(path: &[u16]) -> bool {
    let path = Name::from(path);
    DIRECTORIES.iter().any(|&known| Name::from(known) == path)
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn namespace() -> Namespace<u32> {
        let mut namespace = Namespace::new();
        namespace
            .insert(&units(r"\Device\Edu0"), Named::Object(7))
            .unwrap();
        let target = Named::Link(Name::from(r"\Device\Edu0"));
        namespace
            .insert(&units(r"\DosDevices\PCI#1#{g}"), target)
            .unwrap();
        namespace
    }

    fn resolve(namespace: &Namespace<u32>, path: &str) -> Result<(u32, String), NTSTATUS> {
        let (object, rest) = namespace.resolve(&units(path))?;
        Ok((*object, String::from_utf16(&rest).unwrap()))
    }

    #[test]
    fn a_device_is_found_by_its_name_and_by_its_links() {
        let namespace = namespace();
        for path in [
            r"\Device\Edu0",
            r"\device\EDU0",
            r"\??\PCI#1#{g}",
            r"\DosDevices\pci#1#{G}",
            r"\GLOBAL??\PCI#1#{g}",
        ] {
            assert_eq!(resolve(&namespace, path), Ok((7, String::new())), "{path}");
        }
    }

    #[test]
    fn what_is_in_a_directory_without_a_name_is_found_below_it_alone() {
        let mut namespace = namespace();
        let nowhere = nowhere(3);
        let inside: Vec<u16> = nowhere.iter().copied().chain(units(r"\x")).collect();
        namespace.insert(&nowhere, Named::Directory(1)).unwrap();
        namespace.insert(&inside, Named::Object(2)).unwrap();
        assert_eq!(namespace.resolve(&inside), Ok((&2, Vec::new())));
        assert_eq!(told(&nowhere), []);
        assert_eq!(told(&inside), units(r"...\x"));
        assert_eq!(told(&units(r"\Device\x")), units(r"\Device\x"));
    }

    #[test]
    fn what_follows_the_device_is_left_to_it() {
        assert_eq!(
            resolve(&namespace(), r"\??\PCI#1#{g}\a\b"),
            Ok((7, r"\a\b".into()))
        );
        assert_eq!(
            resolve(&namespace(), r"\Device\Edu01"),
            Err(STATUS_OBJECT_NAME_NOT_FOUND)
        );
    }

    #[test]
    fn links_that_lead_in_a_circle_lead_nowhere() {
        let mut namespace = namespace();
        let link = Named::Link(Name::from(r"\??\x"));
        namespace.insert(&units(r"\??\x"), link).unwrap();
        assert_eq!(
            resolve(&namespace, r"\??\x"),
            Err(STATUS_OBJECT_NAME_NOT_FOUND)
        );
    }

    #[test]
    fn each_bad_path_has_its_status() {
        let mut namespace = namespace();
        for (path, status) in [
            ("Edu0", STATUS_OBJECT_PATH_SYNTAX_BAD),
            ("", STATUS_OBJECT_PATH_SYNTAX_BAD),
            (r"\Nowhere\x", STATUS_OBJECT_PATH_NOT_FOUND),
            (r"\Device\edu0", STATUS_OBJECT_NAME_COLLISION),
            (r"\Device", STATUS_OBJECT_NAME_COLLISION),
            (r"\Device\", STATUS_OBJECT_NAME_INVALID),
        ] {
            assert_eq!(
                namespace.insert(&units(path), Named::Object(1)),
                Err(status),
                "{path}"
            );
        }
        for (path, status) in [
            (r"\Nowhere\x", STATUS_OBJECT_PATH_NOT_FOUND),
            (r"\Device\x", STATUS_OBJECT_NAME_NOT_FOUND),
        ] {
            assert_eq!(resolve(&namespace, path), Err(status), "{path}");
        }
    }

    #[test]
    fn a_directory_that_was_made_holds_names() {
        let mut namespace = namespace();
        let insert = |namespace: &mut Namespace<u32>, path: &str, named| {
            namespace.insert(&units(path), named)
        };
        let device = r"\Device\Made\Edu1";
        assert_eq!(
            insert(&mut namespace, device, Named::Object(9)),
            Err(STATUS_OBJECT_PATH_NOT_FOUND)
        );
        insert(&mut namespace, r"\Device\Made", Named::Directory(8)).unwrap();
        insert(&mut namespace, device, Named::Object(9)).unwrap();
        for (path, expected) in [
            (device, Ok((9, String::new()))),
            (r"\device\MADE\edu1\x", Ok((9, r"\x".into()))),
            (r"\Device\Made", Ok((8, String::new()))),
            (r"\Device\Made\Edu2", Err(STATUS_OBJECT_NAME_NOT_FOUND)),
            (r"\Device\Made\x\y", Err(STATUS_OBJECT_PATH_NOT_FOUND)),
        ] {
            assert_eq!(resolve(&namespace, path), expected, "{path}");
        }
        assert_eq!(
            insert(&mut namespace, r"\Device\made", Named::Object(1)),
            Err(STATUS_OBJECT_NAME_COLLISION)
        );
        namespace.remove(&units(r"\Device\Made")).unwrap();
        assert_eq!(
            resolve(&namespace, r"\Device\Made"),
            Err(STATUS_OBJECT_NAME_NOT_FOUND)
        );
    }

    #[test]
    fn a_name_that_was_taken_back_is_free() {
        let mut namespace = namespace();
        let path = units(r"\??\PCI#1#{g}");
        assert!(matches!(namespace.remove(&path), Ok(Named::Link(_))));
        assert_eq!(
            namespace.remove(&path).err(),
            Some(STATUS_OBJECT_NAME_NOT_FOUND)
        );
        assert!(namespace.get(&path).is_err());
    }
}
