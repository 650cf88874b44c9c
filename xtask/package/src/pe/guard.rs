//! Control Flow Guard's tables of an image, and the exception handlers that they must have.
//!
//! The system calls an exception handler by the address that the unwind data gives. Where that
//! call is guarded, a handler that is not in the table of call targets ends the system (bug check
//! 0x139). The compiler enters the routines whose address it sees taken; it does not see what
//! assembly names. The places at which execution goes on after an exception are another such
//! table, if the image has one (shadow stacks, `/guard:ehcont`).
//!
//! Source: "PE Format" ("The Load Configuration Structure"), "x64 exception handling" ("struct
//! UNWIND_INFO"), winnt.h for the fields and flags.

use std::collections::BTreeSet;
use std::mem::offset_of;

use object::LittleEndian;
use object::pe::{self, ImageLoadConfigDirectory64 as LoadConfig};
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile64};

use super::imports;

/// `IMAGE_GUARD_EH_CONTINUATION_TABLE_PRESENT`
const CONTINUATIONS_PRESENT: u32 = 0x0040_0000;
/// Where `GuardEHContinuationTable` stands in the load configuration; its count comes next.
const CONTINUATION_TABLE: usize = offset_of!(LoadConfig, volatile_metadata_pointer) + 8;
/// `UNW_FLAG_EHANDLER`, `UNW_FLAG_UHANDLER`
const HAS_HANDLER: u8 = 0x3;
/// `UNW_FLAG_CHAININFO`
const IS_CHAINED: u8 = 0x4;
/// The handler of C's `__try`, whose data is a table of scopes.
const SCOPED: &str = "__C_specific_handler";

/// What an image's load configuration says of the guard. Addresses are relative to the image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Calls are checked.
    pub instrumented: bool,
    /// The call targets, if there is a table of them.
    pub functions: Option<BTreeSet<u32>>,
    /// Where execution may go on after an exception, if there is a table of that.
    pub continuations: Option<BTreeSet<u32>>,
}

/// A handler that the unwind data names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handler {
    /// The function whose handler it is.
    pub function: u32,
    /// The handler.
    pub handler: u32,
    /// The landing pads of its scopes, if it is C's.
    pub landing_pads: Vec<u32>,
}

/// `length` bytes of the image in memory, as far as the file has them.
pub(super) fn bytes<'d>(
    pe: &PeFile64<'d>,
    address: u32,
    length: usize,
) -> Result<&'d [u8], String> {
    pe.section_table()
        .pe_data_at(pe.data(), address)
        .and_then(|data| data.get(..length))
        .ok_or_else(|| format!("there is nothing at 0x{address:x}"))
}

fn byte(pe: &PeFile64<'_>, address: u32) -> Result<u8, String> {
    Ok(bytes(pe, address, 1)?[0])
}

fn word(pe: &PeFile64<'_>, address: u32) -> Result<u32, String> {
    let mut word = [0; 4];
    word.copy_from_slice(bytes(pe, address, 4)?);
    Ok(u32::from_le_bytes(word))
}

/// The load configuration: what of it the image has.
fn load_config<'d>(pe: &PeFile64<'d>) -> Result<&'d [u8], String> {
    let Some(directory) = pe.data_directory(pe::IMAGE_DIRECTORY_ENTRY_LOAD_CONFIG) else {
        return Ok(&[]);
    };
    let address = directory.virtual_address.get(LittleEndian);
    // The structure's own size counts: the directory's was fixed at that of Windows XP for long.
    let size = word(pe, address)?;
    bytes(pe, address, size as usize)
}

/// A field of a structure.
pub(super) fn field<const N: usize>(config: &[u8], offset: usize) -> Option<[u8; N]> {
    config.get(offset..offset + N)?.try_into().ok()
}

/// A table of addresses, each followed by as many bytes as the flags say.
fn table(
    pe: &PeFile64<'_>,
    config: &[u8],
    offset: usize,
    flags: u32,
) -> Result<BTreeSet<u32>, String> {
    let pointer = field(config, offset).map_or(0, u64::from_le_bytes);
    let count = field(config, offset + 8).map_or(0, u64::from_le_bytes);
    let base = pe.nt_headers().optional_header().image_base();
    let extra = (flags & pe::IMAGE_GUARD_CF_FUNCTION_TABLE_SIZE_MASK)
        >> pe::IMAGE_GUARD_CF_FUNCTION_TABLE_SIZE_SHIFT;
    let stride = 4 + extra as usize;
    if count == 0 {
        return Ok(BTreeSet::new());
    }
    let address = u32::try_from(pointer.wrapping_sub(base))
        .map_err(|_| format!("a table at 0x{pointer:x} lies outside of the image"))?;
    let length = usize::try_from(count)
        .ok()
        .and_then(|count| count.checked_mul(stride))
        .ok_or_else(|| format!("a table of {count} entries"))?;
    let entries = bytes(pe, address, length)?.chunks_exact(stride);
    let addresses = entries.filter_map(|entry| field(entry, 0).map(u32::from_le_bytes));
    Ok(addresses.collect())
}

/// What an image's load configuration says.
///
/// # Errors
/// Where a table cannot be read, in words.
pub fn of(pe: &PeFile64<'_>) -> Result<Guard, String> {
    let characteristics = pe.nt_headers().optional_header().dll_characteristics();
    let config = load_config(pe)?;
    let flags = field(config, offset_of!(LoadConfig, guard_flags)).map_or(0, u32::from_le_bytes);
    let read = |present: u32, offset| {
        (flags & present != 0)
            .then(|| table(pe, config, offset, flags))
            .transpose()
    };
    Ok(Guard {
        instrumented: characteristics & pe::IMAGE_DLLCHARACTERISTICS_GUARD_CF != 0
            && flags & pe::IMAGE_GUARD_CF_INSTRUMENTED != 0,
        functions: read(
            pe::IMAGE_GUARD_CF_FUNCTION_TABLE_PRESENT,
            offset_of!(LoadConfig, guard_cf_function_table),
        )?,
        continuations: read(CONTINUATIONS_PRESENT, CONTINUATION_TABLE)?,
    })
}

/// Whether there is a jump to C's handler at this address: what stands for a routine of another
/// image is `jmp [slot]`, with the slot relative to the next instruction.
fn is_scoped(pe: &PeFile64<'_>, handler: u32, slots: &[(u32, String)]) -> bool {
    let Ok([0xff, 0x25, distance @ ..]) = bytes(pe, handler, 6) else {
        return false;
    };
    let distance = field(distance, 0).map_or(0, u32::from_le_bytes);
    let slot = handler.wrapping_add(6).wrapping_add(distance);
    let name = slots.iter().find(|(address, _)| *address == slot);
    name.is_some_and(|(_, name)| name == SCOPED)
}

/// The landing pads of a table of scopes: the count, and four addresses for each.
fn landing_pads(pe: &PeFile64<'_>, scopes: u32) -> Result<Vec<u32>, String> {
    let count = word(pe, scopes)?;
    let length = (count as usize).saturating_mul(16);
    let table = bytes(pe, scopes.wrapping_add(4), length)?;
    let pads = table
        .chunks_exact(16)
        .filter_map(|scope| field(scope, 12).map(u32::from_le_bytes));
    // A termination handler has none.
    Ok(pads.filter(|pad| *pad != 0).collect())
}

/// The handlers that an image's unwind data names.
///
/// # Errors
/// Where the unwind data cannot be read, in words.
pub fn handlers(pe: &PeFile64<'_>) -> Result<Vec<Handler>, String> {
    let Some(directory) = pe.data_directory(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION) else {
        return Ok(Vec::new());
    };
    let slots = imports::slots(pe)?;
    let table = directory.virtual_address.get(LittleEndian);
    let entries = bytes(pe, table, directory.size.get(LittleEndian) as usize)?.chunks_exact(12);
    let mut found = Vec::new();
    for entry in entries {
        let at = |offset| field(entry, offset).map_or(0, u32::from_le_bytes);
        let (function, unwind) = (at(0), at(8));
        let (flags, codes) = (byte(pe, unwind)? >> 3, byte(pe, unwind.wrapping_add(2))?);
        if flags & IS_CHAINED != 0 || flags & HAS_HANDLER == 0 {
            // What is chained has the handler of the function's first part, which is listed too.
            continue;
        }
        // The codes are two bytes each, and an even number of them has room.
        let address = unwind.wrapping_add(4 + u32::from(codes).next_multiple_of(2) * 2);
        let handler = word(pe, address)?;
        let landing_pads = if is_scoped(pe, handler, &slots) {
            landing_pads(pe, address.wrapping_add(4))?
        } else {
            Vec::new()
        };
        found.push(Handler {
            function,
            handler,
            landing_pads,
        });
    }
    Ok(found)
}

/// What the tables lack.
#[must_use]
pub fn faults(guard: &Guard, handlers: &[Handler]) -> Vec<String> {
    let mut faults = BTreeSet::new();
    for handler in handlers {
        let of = handler.function;
        if let Some(functions) = &guard.functions
            && !functions.contains(&handler.handler)
        {
            let address = handler.handler;
            faults.insert(format!(
                "the handler at 0x{address:x} of the function at 0x{of:x} is no call target"
            ));
        }
        if let Some(continuations) = &guard.continuations {
            let pads = handler.landing_pads.iter();
            faults.extend(pads.filter(|pad| !continuations.contains(pad)).map(|pad| {
                format!(
                    "execution may not go on at 0x{pad:x}, where the function at 0x{of:x} catches"
                )
            }));
        }
    }
    faults.into_iter().collect()
}
