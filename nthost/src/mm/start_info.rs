//! What the loader says: memory, modules, command line, ACPI.
//!
//! It is copied out before anything is allocated, since the loader's memory is not reserved.
//! Source: `hvm_start_info` of the PVH boot ABI, version 1.

use arrayvec::{ArrayString, ArrayVec};

use super::PhysicalRange;

/// `XEN_HVM_START_MAGIC_VALUE`.
const MAGIC: u32 = 0x336e_c578;
/// `XEN_HVM_MEMMAP_TYPE_RAM`.
const RAM: u32 = 1;
/// Ranges of memory that are taken note of; the firmware gives about ten.
const RANGES: usize = 64;
/// Bytes of the command line that are taken note of.
const COMMAND_LINE: usize = 1024;

/// What the loader says.
#[derive(Debug)]
pub struct BootInfo {
    /// The ranges of usable memory.
    pub memory: ArrayVec<PhysicalRange, RANGES>,
    /// The archive with the manifest and the drivers.
    pub archive: PhysicalRange,
    /// The kernel's command line.
    pub command_line: ArrayString<COMMAND_LINE>,
    /// The physical address of ACPI's root pointer.
    pub rsdp: u64,
}

/// Bytes of an entry of the memory map.
const MEMORY_MAP_ENTRY: u64 = 24;

/// The loader's memory, a byte at a time.
struct Memory<F>(F);

impl<F: Fn(u64) -> u8> Memory<F> {
    fn word(&self, address: u64) -> u32 {
        u32::from_le_bytes(core::array::from_fn(|index| {
            (self.0)(address + index as u64)
        }))
    }

    fn long(&self, address: u64) -> u64 {
        u64::from(self.word(address)) | u64::from(self.word(address + 4)) << 32
    }
}

/// Copies what the loader says, with `byte` as the way to a byte of physical memory.
///
/// # Panics
///
/// If there is no start info there, or one that has no memory map yet (version 0).
#[must_use]
pub fn read(address: u64, byte: impl Fn(u64) -> u8) -> BootInfo {
    let loader = Memory(byte);
    assert!(
        loader.word(address) == MAGIC && loader.word(address + 4) >= 1,
        "no PVH start info of version 1"
    );
    let mut memory = ArrayVec::new();
    let entries = loader.long(address + 40);
    for index in 0..u64::from(loader.word(address + 48)) {
        let entry = entries + index * MEMORY_MAP_ENTRY;
        if loader.word(entry + 16) == RAM && !memory.is_full() {
            memory.push(PhysicalRange {
                start: loader.long(entry),
                length: loader.long(entry + 8),
            });
        }
    }
    let archive = if loader.word(address + 12) == 0 {
        PhysicalRange::default()
    } else {
        let module = loader.long(address + 16);
        PhysicalRange {
            start: loader.long(module),
            length: loader.long(module + 8),
        }
    };
    BootInfo {
        memory,
        archive,
        command_line: command_line(&loader, loader.long(address + 24)),
        rsdp: loader.long(address + 32),
    }
}

/// The text up to its NUL, or as much of it as there is room for; none at address zero.
fn command_line(loader: &Memory<impl Fn(u64) -> u8>, address: u64) -> ArrayString<COMMAND_LINE> {
    let mut text = ArrayString::new();
    let mut at = address;
    while at != 0 {
        let byte = (loader.0)(at);
        if byte == 0 || text.try_push(char::from(byte)).is_err() {
            break;
        }
        at += 1;
    }
    text
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    /// Memory with a start info of this version at zero: a module at 0x200, the memory map at
    /// 0x100, the command line at 0x400.
    fn loader(version: u32, modules: u32, map: &[(u64, u64, u32)], line: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 0x2000];
        let mut put = |at: usize, value: u64, size: usize| {
            bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        };
        put(0, MAGIC.into(), 4);
        put(4, version.into(), 4);
        put(12, modules.into(), 4);
        put(16, 0x200, 8);
        put(24, 0x400, 8);
        put(32, 0xf_0000, 8);
        put(40, 0x100, 8);
        put(48, map.len() as u64, 4);
        for (index, &(start, length, kind)) in map.iter().enumerate() {
            let at = 0x100 + 24 * index;
            put(at, start, 8);
            put(at + 8, length, 8);
            put(at + 16, kind.into(), 4);
        }
        put(0x200, 0x10_0000, 8);
        put(0x208, 0x2345, 8);
        bytes[0x400..0x400 + line.len()].copy_from_slice(line);
        bytes
    }

    fn read_from(bytes: &[u8]) -> BootInfo {
        read(0, |address| bytes[address as usize])
    }

    #[test]
    fn only_usable_memory_is_taken_note_of() {
        let map = [
            (0, 0x9_f000, 1),
            (0x9_f000, 0x1000, 2),
            (1 << 32, 1 << 30, 1),
        ];
        let info = read_from(&loader(1, 1, &map, b"noise=7"));
        let range = |start, length| PhysicalRange { start, length };
        assert_eq!(
            info.memory[..],
            [range(0, 0x9_f000), range(1 << 32, 1 << 30)]
        );
        assert_eq!(info.archive, range(0x10_0000, 0x2345));
        assert_eq!((&*info.command_line, info.rsdp), ("noise=7", 0xf_0000));
    }

    #[test]
    fn without_a_module_there_is_no_archive() {
        let info = read_from(&loader(1, 0, &[], b""));
        assert_eq!(info.archive, PhysicalRange::default());
        assert_eq!(&*info.command_line, "");
    }

    #[test]
    fn a_command_line_is_cut_at_the_last_character_that_fits() {
        let info = read_from(&loader(1, 0, &[], &[b'a'; COMMAND_LINE + 9]));
        assert_eq!(info.command_line.len(), COMMAND_LINE);
        // Outside of ASCII a byte becomes two.
        let info = read_from(&loader(1, 0, &[], &[0xe4; COMMAND_LINE]));
        assert_eq!(info.command_line.chars().count(), COMMAND_LINE / 2);
    }

    #[test]
    #[should_panic(expected = "no PVH start info of version 1")]
    fn a_start_info_without_a_memory_map_is_refused() {
        let _ = read_from(&loader(0, 0, &[], b""));
    }
}
