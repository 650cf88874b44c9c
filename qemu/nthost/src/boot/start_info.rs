//! What the loader says: memory, modules, command line, ACPI.
//!
//! It is copied out before anything is allocated, since the loader's memory is not reserved.
//! Source: `hvm_start_info` of the PVH boot ABI, version 1.

use arrayvec::{ArrayString, ArrayVec};

use crate::mm::{PhysicalRange, paging::physical};

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

#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Module {
    address: u64,
    size: u64,
    command_line: u64,
    reserved: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryMapEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// Copies what the loader says.
///
/// # Panics
///
/// If there is no start info there, or one that has no memory map yet (version 0).
///
/// # Safety
///
/// `address` is what the entry point was given, and the memory is as it was then.
#[must_use]
pub unsafe fn read(address: u64) -> BootInfo {
    // SAFETY: the caller's promise.
    let info: StartInfo = unsafe { read_physical(address) };
    assert!(
        info.magic == MAGIC && info.version >= 1,
        "no PVH start info of version 1"
    );
    let mut memory = ArrayVec::new();
    for index in 0..u64::from(info.memory_map_entries) {
        let at = info.memory_map + index * size_of::<MemoryMapEntry>() as u64;
        // SAFETY: the start info says that so many entries are there.
        let entry: MemoryMapEntry = unsafe { read_physical(at) };
        if entry.kind == RAM && !memory.is_full() {
            memory.push(PhysicalRange {
                start: entry.address,
                length: entry.size,
            });
        }
    }
    let archive = if info.module_count == 0 {
        PhysicalRange::default()
    } else {
        // SAFETY: the start info says that at least one module is there.
        let module: Module = unsafe { read_physical(info.modules) };
        PhysicalRange {
            start: module.address,
            length: module.size,
        }
    };
    let mut command_line = ArrayString::new();
    if info.command_line != 0 {
        for index in 0..COMMAND_LINE as u64 {
            // SAFETY: the command line goes on up to its NUL.
            let byte: u8 = unsafe { read_physical(info.command_line + index) };
            if byte == 0 {
                break;
            }
            command_line.push(char::from(byte));
        }
    }
    BootInfo {
        memory,
        archive,
        command_line,
        rsdp: info.rsdp,
    }
}

/// # Safety
///
/// A `T` lies at this address of the first 4 GiB.
unsafe fn read_physical<T: Copy>(address: u64) -> T {
    let pointer = physical(address).cast::<T>();
    // SAFETY: the caller's promise, and the physical map covers the first 4 GiB from the start.
    unsafe { pointer.read_unaligned() }
}
