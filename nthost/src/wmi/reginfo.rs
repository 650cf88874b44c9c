//! What a driver says of the data blocks that it provides.
//!
//! Sources: ns-wmistr-wmireginfow, ns-wmistr-wmiregguidw, IRP_MN_REGINFO_EX.

use alloc::{format, string::String, vec::Vec};

use nthost_nt::guid::GUID;

use super::wnode::{STATIC_INSTANCE_NAMES, Wnode};

/// `WMIREG_FLAG_EXPENSIVE`.
pub const EXPENSIVE: u32 = 0x01;
/// `WMIREG_FLAG_INSTANCE_LIST`.
pub const INSTANCE_LIST: u32 = 0x04;
/// `WMIREG_FLAG_INSTANCE_BASENAME`.
pub const INSTANCE_BASENAME: u32 = 0x08;
/// `WMIREG_FLAG_INSTANCE_PDO`.
pub const INSTANCE_PDO: u32 = 0x20;
/// `WMIREG_FLAG_EVENT_ONLY_GUID`.
pub const EVENT_ONLY: u32 = 0x40;
/// `WMIREG_FLAG_REMOVE_GUID`.
pub const REMOVE: u32 = 0x0001_0000;
/// `WMIREG_FLAG_TRACED_GUID`.
pub const TRACED: u32 = 0x0008_0000;

/// Where the array lies in `WMIREGINFO`, and the size of each of its elements.
pub const BLOCKS: usize = 24;
/// See [`BLOCKS`].
pub const BLOCK_SIZE: usize = 32;

/// A data block or an event block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What it is.
    pub guid: GUID,
    /// `WMIREG_FLAG_…`.
    pub flags: u32,
    /// The names of its instances, if they are known by their index.
    pub names: Option<Vec<String>>,
    /// The physical device object that its names are made of; 0 without.
    pub pdo: u64,
}

impl Block {
    /// `WNODE_FLAG_STATIC_INSTANCE_NAMES`, if that is how its instances are known.
    #[must_use]
    pub const fn name_flag(&self) -> u32 {
        if self.names.is_some() {
            STATIC_INSTANCE_NAMES
        } else {
            0
        }
    }
}

/// What a driver has said: all blocks of all the drivers that it speaks for. `path_of` tells the
/// instance path of a physical device object.
#[must_use]
pub fn blocks(info: &Wnode, path_of: impl Fn(u64) -> Option<String>) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut start = 0;
    loop {
        let count = info.get(start + 16) as usize;
        let room = info.capacity().saturating_sub(start + BLOCKS) / BLOCK_SIZE;
        for index in 0..count.min(room) {
            let at = start + BLOCKS + index * BLOCK_SIZE;
            blocks.push(block(info, start, at, &path_of));
        }
        let next = info.get(start + 4) as usize;
        if next == 0 || start + next + BLOCKS > info.capacity() {
            return blocks;
        }
        start += next;
    }
}

fn block(info: &Wnode, start: usize, at: usize, path_of: impl Fn(u64) -> Option<String>) -> Block {
    let guid = core::array::from_fn(|index| info.bytes(at + index, 1)[0]);
    let flags = info.get(at + 16);
    let count = (info.get(at + 20) as usize).min(info.capacity());
    let offset = start + info.get(at + 24) as usize;
    let numbered = |base: &str| (0..count).map(|index| format!("{base}_{index}")).collect();
    let pdo = if flags & INSTANCE_PDO != 0 {
        u64::from(info.get(at + 28)) << 32 | u64::from(info.get(at + 24))
    } else {
        0
    };
    let names = if flags & INSTANCE_LIST != 0 {
        let mut place = offset;
        let mut names = Vec::new();
        for _ in 0..count {
            let name = info.name(place);
            place += 2 + name.encode_utf16().count() * 2;
            names.push(name);
        }
        Some(names)
    } else if flags & INSTANCE_BASENAME != 0 {
        Some(numbered(&info.name(offset)))
    } else if flags & INSTANCE_PDO != 0 {
        Some(numbered(&path_of(pdo).unwrap_or_default()))
    } else {
        None
    };
    Block {
        guid: GUID::from_bytes(guid),
        flags,
        names,
        pdo,
    }
}

/// A driver has said it again: blocks that it removes go, others are replaced or added.
pub fn update(known: &mut Vec<Block>, said: Vec<Block>) {
    for block in said {
        known.retain(|old| old.guid != block.guid);
        if block.flags & REMOVE == 0 {
            known.push(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID_OF_TEST: GUID = GUID::from_bytes([7; 16]);

    /// One block with these flags, and a value for its names.
    fn info(flags: u32, names: u64) -> Wnode {
        let mut bytes = alloc::vec![0; 80];
        bytes[16] = 1;
        bytes[24..40].copy_from_slice(&[7; 16]);
        bytes[40..44].copy_from_slice(&flags.to_le_bytes());
        bytes[44] = 2;
        bytes[48..56].copy_from_slice(&names.to_le_bytes());
        bytes[56..66].copy_from_slice(&[4, 0, b'a', 0, b'b', 0, 2, 0, b'c', 0]);
        Wnode::of(&bytes)
    }

    fn names(info: &Wnode) -> Option<Vec<String>> {
        let blocks = blocks(info, |pdo| (pdo == 0x1234_5678_9abc).then(|| "PATH".into()));
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].guid, GUID_OF_TEST);
        blocks[0].names.clone()
    }

    #[test]
    fn names_come_from_a_list_a_base_or_the_device() {
        assert_eq!(names(&info(INSTANCE_LIST, 56)).unwrap(), ["ab", "c"]);
        assert_eq!(
            names(&info(INSTANCE_BASENAME, 56)).unwrap(),
            ["ab_0", "ab_1"]
        );
        let of_device = names(&info(INSTANCE_PDO, 0x1234_5678_9abc));
        assert_eq!(of_device.unwrap(), ["PATH_0", "PATH_1"]);
        assert_eq!(names(&info(0, 0)), None);
    }

    #[test]
    fn an_update_removes_and_replaces() {
        let said = |flags| blocks(&info(flags, 56), |_| None);
        let mut known = said(INSTANCE_LIST);
        update(&mut known, said(INSTANCE_BASENAME));
        assert_eq!(known.len(), 1);
        assert_eq!(known[0].flags, INSTANCE_BASENAME);
        update(&mut known, said(REMOVE));
        assert_eq!(known, []);
    }
}
