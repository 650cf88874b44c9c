//! The blocks in which WMI data travel: a common header, offsets, names and data.
//!
//! Sources: ns-wmistr-_wnode_header, ns-wmistr-tagwnode_all_data,
//! ns-wmistr-tagwnode_single_instance, ns-wmistr-tagwnode_single_item,
//! ns-wmistr-tagwnode_method_item, ns-wmistr-tagwnode_too_small.

use alloc::{string::String, vec::Vec};

use nthost_nt::guid::GUID;

/// Where the fields of the header lie.
pub mod header {
    /// Bytes of all of it.
    pub const BUFFER_SIZE: usize = 0;
    /// Whose it is.
    pub const PROVIDER_ID: usize = 4;
    /// When it was made.
    pub const TIME_STAMP: usize = 16;
    /// What it is about.
    pub const GUID: usize = 24;
    /// `WNODE_FLAG_…`.
    pub const FLAGS: usize = 44;
    /// Bytes of the header.
    pub const SIZE: usize = 48;
}

/// Where the fields of `WNODE_ALL_DATA` lie behind the header.
pub mod all_data {
    /// Where the first instance lies, if all are of one size.
    pub const DATA_OFFSET: usize = 48;
    /// How many instances there are.
    pub const COUNT: usize = 52;
    /// Where the offsets of their names lie.
    pub const NAMES: usize = 56;
    /// The size of each, or the offsets and lengths of all.
    pub const INSTANCES: usize = 60;
}

/// Where the fields of `WNODE_SINGLE_INSTANCE` and those like it lie behind the header.
pub mod single {
    /// Where the instance's name lies.
    pub const NAME: usize = 48;
    /// Which instance it is.
    pub const INDEX: usize = 52;
    /// Which item or method of it.
    pub const ITEM: usize = 56;
}

/// Where `WNODE_TOO_SMALL` says how much is needed, and its size.
pub const SIZE_NEEDED: usize = 48;
/// See [`SIZE_NEEDED`].
pub const TOO_SMALL_SIZE: usize = 56;

/// `WNODE_FLAG_ALL_DATA`.
pub const ALL_DATA: u32 = 0x01;
/// `WNODE_FLAG_SINGLE_INSTANCE`.
pub const SINGLE_INSTANCE: u32 = 0x02;
/// `WNODE_FLAG_SINGLE_ITEM`.
pub const SINGLE_ITEM: u32 = 0x04;
/// `WNODE_FLAG_EVENT_ITEM`.
pub const EVENT_ITEM: u32 = 0x08;
/// `WNODE_FLAG_FIXED_INSTANCE_SIZE`.
pub const FIXED_INSTANCE_SIZE: u32 = 0x10;
/// `WNODE_FLAG_TOO_SMALL`.
pub const TOO_SMALL: u32 = 0x20;
/// `WNODE_FLAG_STATIC_INSTANCE_NAMES`.
pub const STATIC_INSTANCE_NAMES: u32 = 0x80;
/// `WNODE_FLAG_METHOD_ITEM`.
pub const METHOD_ITEM: u32 = 0x8000;
/// `WNODE_FLAG_TRACED_GUID`.
pub const TRACED_GUID: u32 = 0x0002_0000;

/// What comes behind the index of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Data: `WNODE_SINGLE_INSTANCE`.
    Instance,
    /// The number of an item or a method, then data: `WNODE_SINGLE_ITEM`, `WNODE_METHOD_ITEM`.
    Item(u32),
}

impl Shape {
    /// Where the offset of the data lies; their size lies behind it.
    #[must_use]
    pub const fn data_offset(self) -> usize {
        match self {
            Self::Instance => 56,
            Self::Item(_) => 60,
        }
    }

    /// Where names and data begin.
    const fn variable(self) -> usize {
        self.data_offset() + 8
    }
}

/// A block, aligned as drivers need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wnode(Vec<u64>);

impl Wnode {
    /// A block of zeros but for its header.
    #[must_use]
    pub fn new(size: usize, guid: GUID, flags: u32) -> Self {
        Self::made_in(
            alloc::vec![0; size.max(header::SIZE).div_ceil(8)],
            size,
            guid,
            flags,
        )
    }

    /// As [`Self::new`]; `None` if memory is short, as it is when a driver says how much it wants.
    #[must_use]
    pub fn try_new(size: usize, guid: GUID, flags: u32) -> Option<Self> {
        let count = size.max(header::SIZE).div_ceil(8);
        let mut words = Vec::new();
        words.try_reserve_exact(count).ok()?;
        words.resize(count, 0);
        Some(Self::made_in(words, size, guid, flags))
    }

    fn made_in(words: Vec<u64>, size: usize, guid: GUID, flags: u32) -> Self {
        let mut node = Self(words);
        node.set(header::BUFFER_SIZE, size as u32);
        node.set(header::FLAGS, flags);
        node.put(header::GUID, &guid.to_bytes());
        node
    }

    /// A block of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut node = Self(alloc::vec![0; bytes.len().div_ceil(8)]);
        node.put(0, bytes);
        node
    }

    /// A request about one instance, with input and room for this much output. The name is in it
    /// even if the index says it all.
    #[must_use]
    pub fn request(
        guid: GUID,
        flags: u32,
        shape: Shape,
        index: Option<u32>,
        name: &str,
        input: &[u8],
        room: usize,
    ) -> Self {
        let name_at = shape.variable();
        let data_at = (name_at + 2 + name.encode_utf16().count() * 2).next_multiple_of(8);
        let size = data_at + input.len().max(room);
        let is_static = if index.is_some() {
            STATIC_INSTANCE_NAMES
        } else {
            0
        };
        let mut node = Self::new(size, guid, flags | is_static);
        node.set(single::NAME, name_at as u32);
        node.put_name(name_at, name);
        node.set(single::INDEX, index.unwrap_or(0));
        if let Shape::Item(item) = shape {
            node.set(single::ITEM, item);
        }
        node.set(shape.data_offset(), data_at as u32);
        node.set(shape.data_offset() + 4, input.len() as u32);
        node.put(data_at, input);
        node
    }

    /// Where it lies.
    pub const fn as_mut_ptr(&mut self) -> *mut u64 {
        self.0.as_mut_ptr()
    }

    /// How many bytes there is room for.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.0.len() * 8
    }

    fn byte(&self, at: usize) -> u8 {
        let word = self.0.get(at / 8).copied().unwrap_or(0);
        word.to_le_bytes()[at % 8]
    }

    /// Bytes of it; zeros beyond its end.
    #[must_use]
    pub fn bytes(&self, at: usize, length: usize) -> Vec<u8> {
        (at..at + length).map(|at| self.byte(at)).collect()
    }

    /// A 32-bit field.
    #[must_use]
    pub fn get(&self, at: usize) -> u32 {
        u32::from_le_bytes(core::array::from_fn(|index| self.byte(at + index)))
    }

    /// Sets a 32-bit field.
    pub fn set(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    /// Writes bytes, as far as there is room.
    pub fn put(&mut self, at: usize, bytes: &[u8]) {
        for (at, &byte) in (at..).zip(bytes) {
            if let Some(word) = self.0.get_mut(at / 8) {
                let mut parts = word.to_le_bytes();
                parts[at % 8] = byte;
                *word = u64::from_le_bytes(parts);
            }
        }
    }

    /// What it is about.
    #[must_use]
    pub fn guid(&self) -> GUID {
        let bytes = core::array::from_fn(|index| self.byte(header::GUID + index));
        GUID::from_bytes(bytes)
    }

    /// Whether a flag is set.
    #[must_use]
    pub fn has(&self, flag: u32) -> bool {
        self.get(header::FLAGS) & flag != 0
    }

    /// How large it would have to be, if it is the answer that it is too small.
    #[must_use]
    pub fn needed(&self) -> Option<usize> {
        self.has(TOO_SMALL).then(|| self.get(SIZE_NEEDED) as usize)
    }

    /// The bytes that count.
    #[must_use]
    pub fn contents(&self) -> Vec<u8> {
        let size = (self.get(header::BUFFER_SIZE) as usize).min(self.capacity());
        self.bytes(0, size)
    }

    /// The data of an instance.
    #[must_use]
    pub fn data(&self, shape: Shape) -> Vec<u8> {
        let at = self.get(shape.data_offset()) as usize;
        let length = self.get(shape.data_offset() + 4) as usize;
        self.bytes(at, length.min(self.capacity().saturating_sub(at)))
    }

    fn put_name(&mut self, at: usize, name: &str) {
        let units: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let length = u16::try_from(units.len()).unwrap_or(!1);
        self.put(at, &length.to_le_bytes());
        self.put(at + 2, &units);
    }

    /// The counted string at an offset.
    #[must_use]
    pub fn name(&self, at: usize) -> String {
        let length = usize::from(u16::from_le_bytes([self.byte(at), self.byte(at + 1)]));
        let bytes = self.bytes(at + 2, length.min(self.capacity()));
        let units: Vec<u16> = bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|unit| u16::from_le_bytes(*unit))
            .collect();
        String::from_utf16_lossy(&units)
    }

    /// Appends a name; where it lies.
    fn append_name(&mut self, name: &str) -> u32 {
        let at = (self.get(header::BUFFER_SIZE) as usize).next_multiple_of(2);
        let end = at + 2 + name.encode_utf16().count() * 2;
        self.0.resize(self.0.len().max(end.div_ceil(8)), 0);
        self.put_name(at, name);
        self.set(header::BUFFER_SIZE, end as u32);
        at as u32
    }

    /// Writes the names into an answer whose driver knows instances by their index alone: those
    /// who asked know them by name.
    pub fn add_static_names(&mut self, names: &[String]) {
        if !self.has(STATIC_INSTANCE_NAMES) {
            return;
        }
        if self.has(SINGLE_INSTANCE | SINGLE_ITEM) {
            if let Some(name) = names.get(self.get(single::INDEX) as usize) {
                let at = self.append_name(name);
                self.set(single::NAME, at);
            }
        } else if self.has(ALL_DATA) {
            let count = (self.get(all_data::COUNT) as usize).min(names.len());
            let table = (self.get(header::BUFFER_SIZE) as usize).next_multiple_of(4);
            let end = table + count * 4;
            self.0.resize(self.0.len().max(end.div_ceil(8)), 0);
            self.set(header::BUFFER_SIZE, end as u32);
            self.set(all_data::NAMES, table as u32);
            for (index, name) in names[..count].iter().enumerate() {
                let at = self.append_name(name);
                self.set(table + index * 4, at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID_OF_TEST: GUID = GUID::from_bytes([7; 16]);

    #[test]
    fn a_request_has_name_and_data_where_it_says() {
        let flags = SINGLE_INSTANCE;
        let input = [1, 2, 3];
        let node = Wnode::request(GUID_OF_TEST, flags, Shape::Instance, None, "ab", &input, 16);
        assert_eq!(node.name(node.get(single::NAME) as usize), "ab");
        assert_eq!(node.get(56), 72);
        assert_eq!(node.get(header::BUFFER_SIZE), 88);
        assert_eq!(node.data(Shape::Instance), input);
        assert_eq!(node.guid(), GUID_OF_TEST);
        assert!(!node.has(STATIC_INSTANCE_NAMES));
        let item = Shape::Item(9);
        let node = Wnode::request(GUID_OF_TEST, METHOD_ITEM, item, Some(3), "", &input, 0);
        assert_eq!(node.get(single::INDEX), 3);
        assert_eq!(node.get(single::ITEM), 9);
        assert_eq!((node.get(60), node.get(64)), (72, 3));
        assert!(node.has(STATIC_INSTANCE_NAMES));
    }

    #[test]
    fn names_are_added_behind_the_instances() {
        let mut node = Wnode::new(80, GUID_OF_TEST, ALL_DATA | STATIC_INSTANCE_NAMES);
        node.set(all_data::COUNT, 2);
        node.add_static_names(&["first".into(), "second".into()]);
        let table = node.get(all_data::NAMES) as usize;
        assert_eq!(table, 80);
        let names = [0, 4].map(|at| node.name(node.get(table + at) as usize));
        assert_eq!(names, ["first", "second"]);
        assert_eq!(node.get(header::BUFFER_SIZE), 80 + 8 + 12 + 14);
    }

    #[test]
    fn names_of_drivers_that_give_them_are_left_alone() {
        let mut node = Wnode::new(80, GUID_OF_TEST, ALL_DATA);
        node.set(all_data::COUNT, 1);
        let before = node.clone();
        node.add_static_names(&["first".into()]);
        assert_eq!(node, before);
    }

    #[test]
    fn an_answer_says_how_much_was_needed() {
        let mut node = Wnode::new(TOO_SMALL_SIZE, GUID_OF_TEST, ALL_DATA);
        assert_eq!(node.needed(), None);
        node.set(header::FLAGS, ALL_DATA | TOO_SMALL);
        node.set(SIZE_NEEDED, 300);
        assert_eq!(node.needed(), Some(300));
    }
}
