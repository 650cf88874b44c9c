//! The tree of registry keys. Pure data: who may see it when, and handles to its keys, are the
//! business of `registry::key`.
//!
//! Rules it stands for: names are told apart without regard to case; subkeys are enumerated in
//! the order of their names, values in the order in which they were first set; a key with
//! subkeys cannot be deleted; whoever still has a deleted key gets `STATUS_KEY_DELETED`; below
//! a volatile key all are volatile.

use alloc::{collections::BTreeMap, vec::Vec};

use nthost_nt::status::{
    NTSTATUS, STATUS_CANNOT_DELETE, STATUS_CHILD_MUST_BE_VOLATILE, STATUS_KEY_DELETED,
    STATUS_NO_MORE_ENTRIES, STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_NOT_FOUND,
};

use super::value::Value;
use crate::ob::name::{self, Name};

/// The longest name of a key, in characters.
const MAX_KEY_NAME: usize = 255;

/// Names a key as long as the hive lives; never used again once the key is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(u64);

impl KeyId {
    /// A number that no other key has.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }
}

#[derive(Debug, Default)]
struct Key {
    name: Name,
    parent: Option<KeyId>,
    subkeys: BTreeMap<Name, KeyId>,
    values: Vec<(Name, Value)>,
    volatile: bool,
    written: i64,
}

/// What `ZwQueryKey` tells of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInformation {
    /// Its own name.
    pub name: Name,
    /// How many subkeys it has.
    pub subkeys: usize,
    /// The longest of their names, in UTF-16 units.
    pub longest_subkey: usize,
    /// How many values it has.
    pub values: usize,
    /// The longest of their names, in UTF-16 units.
    pub longest_value_name: usize,
    /// The longest of their data, in bytes.
    pub longest_value_data: usize,
    /// The system time of the last change.
    pub written: i64,
}

/// The tree.
#[derive(Debug)]
pub struct Hive {
    keys: BTreeMap<KeyId, Key>,
    next: u64,
}

impl Default for Hive {
    fn default() -> Self {
        Self {
            keys: BTreeMap::from([(Self::ROOT, Key::default())]),
            next: 1,
        }
    }
}

impl Hive {
    /// `\Registry`.
    pub const ROOT: KeyId = KeyId(0);

    /// The key at `path` below `root`.
    ///
    /// # Errors
    ///
    /// `STATUS_KEY_DELETED`, `STATUS_OBJECT_NAME_NOT_FOUND`.
    pub fn open(&self, root: KeyId, path: &[u16]) -> Result<KeyId, NTSTATUS> {
        self.key(root)?;
        Name::components(path).try_fold(root, |key, component| {
            self.key(key)?
                .subkeys
                .get(&Name::from(component))
                .copied()
                .ok_or(STATUS_OBJECT_NAME_NOT_FOUND)
        })
    }

    /// The key at `path` below `root`, made if it does not exist; whether it was made. As
    /// `ZwCreateKey` does, only the last component is made.
    ///
    /// # Errors
    ///
    /// As [`Self::open`] for the keys on the way; `STATUS_OBJECT_NAME_INVALID` for a name that
    /// is too long, `STATUS_CHILD_MUST_BE_VOLATILE`.
    pub fn create(
        &mut self,
        root: KeyId,
        path: &[u16],
        volatile: bool,
        now: i64,
    ) -> Result<(KeyId, bool), NTSTATUS> {
        let components: Vec<_> = Name::components(path).collect();
        let Some((last, way)) = components.split_last() else {
            return self.key(root).map(|_| (root, false));
        };
        let parent = way
            .iter()
            .try_fold(root, |key, component| self.open(key, component))?;
        if let Ok(existing) = self.open(parent, last) {
            return Ok((existing, false));
        }
        if last.len() > MAX_KEY_NAME {
            return Err(STATUS_OBJECT_NAME_INVALID);
        }
        if self.key(parent)?.volatile && !volatile {
            return Err(STATUS_CHILD_MUST_BE_VOLATILE);
        }
        let id = KeyId(self.next);
        self.next += 1;
        let name = Name::from(*last);
        let above = self.key_mut(parent)?;
        above.subkeys.insert(name.clone(), id);
        above.written = now;
        let key = Key {
            name,
            parent: Some(parent),
            volatile,
            written: now,
            ..Key::default()
        };
        self.keys.insert(id, key);
        Ok((id, true))
    }

    /// The key at `path` below `root`, made with all keys on the way.
    ///
    /// # Errors
    ///
    /// As [`Self::create`].
    pub fn create_all(&mut self, root: KeyId, path: &[u16], now: i64) -> Result<KeyId, NTSTATUS> {
        Name::components(path).try_fold(root, |key, component| {
            let volatile = self.key(key)?.volatile;
            Ok(self.create(key, component, volatile, now)?.0)
        })
    }

    /// Deletes a key with its values.
    ///
    /// # Errors
    ///
    /// `STATUS_CANNOT_DELETE` for a key with subkeys and for the root; `STATUS_KEY_DELETED`.
    pub fn delete(&mut self, key: KeyId, now: i64) -> Result<(), NTSTATUS> {
        let Key {
            name,
            parent: Some(parent),
            subkeys,
            ..
        } = self.key(key)?
        else {
            return Err(STATUS_CANNOT_DELETE);
        };
        if !subkeys.is_empty() {
            return Err(STATUS_CANNOT_DELETE);
        }
        let (name, parent) = (name.clone(), *parent);
        let above = self.key_mut(parent)?;
        above.subkeys.remove(&name);
        above.written = now;
        self.keys.remove(&key);
        Ok(())
    }

    /// Deletes a key with everything below it.
    ///
    /// # Errors
    ///
    /// `STATUS_KEY_DELETED`.
    pub fn delete_all(&mut self, key: KeyId, now: i64) -> Result<(), NTSTATUS> {
        let subkeys: Vec<_> = self.key(key)?.subkeys.values().copied().collect();
        for subkey in subkeys {
            self.delete_all(subkey, now)?;
        }
        self.delete(key, now)
    }

    /// The value of this name.
    ///
    /// # Errors
    ///
    /// `STATUS_KEY_DELETED`, `STATUS_OBJECT_NAME_NOT_FOUND`.
    pub fn value(&self, key: KeyId, name: &[u16]) -> Result<&Value, NTSTATUS> {
        self.key(key)?
            .values
            .iter()
            .find(|(other, _)| name::compare(other.units(), name).is_eq())
            .map(|(_, value)| value)
            .ok_or(STATUS_OBJECT_NAME_NOT_FOUND)
    }

    /// The value at this place in the order in which they were set.
    ///
    /// # Errors
    ///
    /// `STATUS_KEY_DELETED`, `STATUS_NO_MORE_ENTRIES`.
    pub fn value_at(&self, key: KeyId, index: usize) -> Result<(&Name, &Value), NTSTATUS> {
        let (name, value) = self
            .key(key)?
            .values
            .get(index)
            .ok_or(STATUS_NO_MORE_ENTRIES)?;
        Ok((name, value))
    }

    /// Sets a value.
    ///
    /// # Errors
    ///
    /// `STATUS_KEY_DELETED`.
    pub fn set_value(
        &mut self,
        key: KeyId,
        name: &[u16],
        value: Value,
        now: i64,
    ) -> Result<(), NTSTATUS> {
        let key = self.key_mut(key)?;
        key.written = now;
        let existing = key
            .values
            .iter_mut()
            .find(|(other, _)| name::compare(other.units(), name).is_eq());
        match existing {
            Some((_, old)) => *old = value,
            None => key.values.push((Name::from(name), value)),
        }
        Ok(())
    }

    /// Deletes a value.
    ///
    /// # Errors
    ///
    /// `STATUS_KEY_DELETED`, `STATUS_OBJECT_NAME_NOT_FOUND`.
    pub fn delete_value(&mut self, key: KeyId, name: &[u16], now: i64) -> Result<(), NTSTATUS> {
        let key = self.key_mut(key)?;
        let index = key
            .values
            .iter()
            .position(|(other, _)| name::compare(other.units(), name).is_eq())
            .ok_or(STATUS_OBJECT_NAME_NOT_FOUND)?;
        key.values.remove(index);
        key.written = now;
        Ok(())
    }

    /// The subkey at this place in the order of their names.
    ///
    /// # Errors
    ///
    /// `STATUS_KEY_DELETED`, `STATUS_NO_MORE_ENTRIES`.
    pub fn subkey_at(&self, key: KeyId, index: usize) -> Result<KeyId, NTSTATUS> {
        self.key(key)?
            .subkeys
            .values()
            .nth(index)
            .copied()
            .ok_or(STATUS_NO_MORE_ENTRIES)
    }

    /// What there is to tell of a key.
    ///
    /// # Errors
    ///
    /// `STATUS_KEY_DELETED`.
    pub fn information(&self, key: KeyId) -> Result<KeyInformation, NTSTATUS> {
        let key = self.key(key)?;
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
        Ok(KeyInformation {
            name: key.name.clone(),
            subkeys: key.subkeys.len(),
            longest_subkey: longest(&mut key.subkeys.keys().map(|name| name.units().len())),
            values: key.values.len(),
            longest_value_name: longest(&mut key.values.iter().map(|(name, _)| name.units().len())),
            longest_value_data: longest(&mut key.values.iter().map(|(_, value)| value.data.len())),
            written: key.written,
        })
    }

    /// The whole path of a key, from `\Registry`.
    ///
    /// # Errors
    ///
    /// `STATUS_KEY_DELETED`.
    pub fn path(&self, key: KeyId) -> Result<Vec<u16>, NTSTATUS> {
        let this = self.key(key)?;
        let Some(parent) = this.parent else {
            return Ok(r"\Registry".encode_utf16().collect());
        };
        let mut path = self.path(parent)?;
        path.push(u16::from(b'\\'));
        path.extend_from_slice(this.name.units());
        Ok(path)
    }

    fn key(&self, key: KeyId) -> Result<&Key, NTSTATUS> {
        self.keys.get(&key).ok_or(STATUS_KEY_DELETED)
    }

    fn key_mut(&mut self, key: KeyId) -> Result<&mut Key, NTSTATUS> {
        self.keys.get_mut(&key).ok_or(STATUS_KEY_DELETED)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use super::*;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn hive() -> (Hive, KeyId) {
        let mut hive = Hive::default();
        let path = units(r"Machine\System\CurrentControlSet\Services\eduwdm");
        let key = hive.create_all(Hive::ROOT, &path, 1).unwrap();
        (hive, key)
    }

    #[test]
    fn keys_are_found_in_any_case_and_keep_theirs() {
        let (hive, key) = hive();
        let path = units(r"MACHINE\system\currentcontrolset\SERVICES\EduWdm");
        assert_eq!(hive.open(Hive::ROOT, &path), Ok(key));
        assert_eq!(
            String::from_utf16(&hive.path(key).unwrap()).unwrap(),
            r"\Registry\Machine\System\CurrentControlSet\Services\eduwdm"
        );
    }

    #[test]
    fn only_the_last_component_of_a_path_is_created() {
        let (mut hive, key) = hive();
        assert_eq!(
            hive.create(key, &units(r"a\b"), false, 2),
            Err(STATUS_OBJECT_NAME_NOT_FOUND)
        );
        let (a, made) = hive.create(key, &units("a"), false, 2).unwrap();
        assert!(made);
        assert_eq!(hive.create(key, &units("A"), false, 3), Ok((a, false)));
    }

    #[test]
    fn a_name_beyond_255_characters_is_invalid() {
        let (mut hive, key) = hive();
        let longest = units(&"n".repeat(255));
        assert!(hive.create(key, &longest, false, 2).is_ok());
        let longer = units(&"n".repeat(256));
        assert_eq!(
            hive.create(key, &longer, false, 2),
            Err(STATUS_OBJECT_NAME_INVALID)
        );
    }

    #[test]
    fn a_key_below_a_volatile_one_is_volatile() {
        let (mut hive, key) = hive();
        let (volatile, _) = hive.create(key, &units("v"), true, 2).unwrap();
        assert_eq!(
            hive.create(volatile, &units("x"), false, 2),
            Err(STATUS_CHILD_MUST_BE_VOLATILE)
        );
    }

    #[test]
    fn a_key_with_subkeys_stays_and_a_deleted_one_is_gone_for_who_has_it() {
        let (mut hive, key) = hive();
        let (sub, _) = hive.create(key, &units("sub"), false, 2).unwrap();
        assert_eq!(hive.delete(key, 3), Err(STATUS_CANNOT_DELETE));
        assert_eq!(hive.delete(sub, 3), Ok(()));
        assert_eq!(hive.value(sub, &[]), Err(STATUS_KEY_DELETED));
        assert_eq!(hive.delete(key, 3), Ok(()));
        assert_eq!(hive.delete(Hive::ROOT, 3), Err(STATUS_CANNOT_DELETE));
    }

    #[test]
    fn subkeys_come_in_the_order_of_names_and_values_in_that_of_setting() {
        let (mut hive, key) = hive();
        for name in ["b", "C", "a"] {
            hive.create(key, &units(name), false, 2).unwrap();
            hive.set_value(key, &units(name), Value::dword(1), 2)
                .unwrap();
        }
        hive.set_value(key, &units("B"), Value::dword(2), 2)
            .unwrap();
        let subkeys: Vec<_> = (0..)
            .map_while(|index| hive.subkey_at(key, index).ok())
            .map(|subkey| hive.information(subkey).unwrap().name)
            .collect();
        assert_eq!(subkeys, ["a", "b", "C"].map(Name::from));
        let values: Vec<_> = (0..)
            .map_while(|index| hive.value_at(key, index).ok())
            .map(|(name, value)| (name.clone(), value.as_dword()))
            .collect();
        let expected = [("b", 2), ("C", 1), ("a", 1)].map(|(n, v)| (Name::from(n), Some(v)));
        assert_eq!(values, expected);
        assert_eq!(hive.subkey_at(key, 3), Err(STATUS_NO_MORE_ENTRIES));
        assert_eq!(hive.value_at(key, 3), Err(STATUS_NO_MORE_ENTRIES));
    }

    #[test]
    fn the_default_value_has_an_empty_name() {
        let (mut hive, key) = hive();
        assert_eq!(hive.value(key, &[]), Err(STATUS_OBJECT_NAME_NOT_FOUND));
        hive.set_value(key, &[], Value::string("x"), 2).unwrap();
        assert_eq!(hive.value(key, &[]), Ok(&Value::string("x")));
        assert_eq!(hive.delete_value(key, &[], 3), Ok(()));
        assert_eq!(
            hive.delete_value(key, &[], 3),
            Err(STATUS_OBJECT_NAME_NOT_FOUND)
        );
    }
}
