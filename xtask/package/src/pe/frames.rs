//! The stack frames of an image's functions, as its unwind data describes them.
//!
//! A thread has one kernel stack for all drivers of a device stack together, 24 KiB on x64. ("Using the
//! kernel stack".) What a function takes of it stands in its unwind codes, because the unwinder
//! must release it.
//!
//! Source: "x64 exception handling" (RUNTIME_FUNCTION, UNWIND_INFO, UNWIND_CODE).

use object::LittleEndian;
use object::pe;
use object::read::pe::PeFile64;

use super::guard::{bytes, field};

/// `UNW_FLAG_CHAININFO`
const IS_CHAINED: u8 = 0x4;
/// A part of a function is described by the part before it: as many as this at most.
const MOST_PARTS: usize = 32;

/// `UWOP_…`, as far as they change the stack pointer.
mod operation {
    pub const PUSH_NONVOL: u8 = 0;
    pub const ALLOC_LARGE: u8 = 1;
    pub const ALLOC_SMALL: u8 = 2;
    pub const SAVE_NONVOL: u8 = 4;
    pub const SAVE_NONVOL_FAR: u8 = 5;
    pub const SAVE_XMM128: u8 = 8;
    pub const SAVE_XMM128_FAR: u8 = 9;
}

/// The function with the largest frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Largest {
    /// Its address, relative to the image.
    pub function: u32,
    /// Its frame in bytes, with the return address.
    pub bytes: u32,
}

/// What the unwind codes take of the stack, in bytes.
fn taken(codes: &[[u8; 2]]) -> Result<u32, String> {
    let word = |index: usize| -> Result<u32, String> {
        let word = codes.get(index).copied().map(u16::from_le_bytes);
        word.map(u32::from)
            .ok_or_else(|| "an unwind code is cut off".to_owned())
    };
    let (mut taken, mut index) = (0_u32, 0);
    while let Some(&[_, what]) = codes.get(index) {
        let (what, operand) = (what & 15, u32::from(what >> 4));
        let (bytes, slots) = match what {
            operation::PUSH_NONVOL => (8, 1),
            operation::ALLOC_SMALL => (8 * operand + 8, 1),
            operation::ALLOC_LARGE if operand == 0 => (8 * word(index + 1)?, 2),
            operation::ALLOC_LARGE => (word(index + 1)? | word(index + 2)? << 16, 3),
            operation::SAVE_NONVOL | operation::SAVE_XMM128 => (0, 2),
            operation::SAVE_NONVOL_FAR | operation::SAVE_XMM128_FAR => (0, 3),
            _ => (0, 1),
        };
        taken = taken.saturating_add(bytes);
        index += slots;
    }
    Ok(taken)
}

/// The frame of a function that has this unwind data, without the return address.
fn frame(pe: &PeFile64<'_>, mut unwind: u32) -> Result<u32, String> {
    let mut frame = 0_u32;
    for _ in 0..MOST_PARTS {
        let header = bytes(pe, unwind, 4)?;
        let (flags, count) = (header[0] >> 3, u32::from(header[2]));
        let first = unwind.wrapping_add(4);
        let codes = bytes(pe, first, count as usize * 2)?.chunks_exact(2);
        let codes: Vec<_> = codes.map(|code| [code[0], code[1]]).collect();
        frame = frame.saturating_add(taken(&codes)?);
        if flags & IS_CHAINED == 0 {
            return Ok(frame);
        }
        // The codes have room for an even number, and the RUNTIME_FUNCTION of the part before follows.
        let before = first.wrapping_add(count.next_multiple_of(2) * 2);
        unwind = field(bytes(pe, before, 12)?, 8).map_or(0, u32::from_le_bytes);
    }
    Err(format!("the unwind data at 0x{unwind:x} has no end"))
}

/// The largest frame of an image; none if it has no unwind data.
///
/// # Errors
/// Where the unwind data cannot be read, in words.
pub fn largest(pe: &PeFile64<'_>) -> Result<Option<Largest>, String> {
    let Some(directory) = pe.data_directory(pe::IMAGE_DIRECTORY_ENTRY_EXCEPTION) else {
        return Ok(None);
    };
    let table = directory.virtual_address.get(LittleEndian);
    let table = bytes(pe, table, directory.size.get(LittleEndian) as usize)?;
    let mut largest: Option<Largest> = None;
    for entry in table.chunks_exact(12) {
        let at = |offset| field(entry, offset).map_or(0, u32::from_le_bytes);
        let found = Largest {
            function: at(0),
            bytes: frame(pe, at(8))?.saturating_add(8),
        };
        if largest.is_none_or(|largest| largest.bytes < found.bytes) {
            largest = Some(found);
        }
    }
    Ok(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_takes_what_is_documented() {
        // push rbx; push rsi; sub rsp, 0x28
        assert_eq!(taken(&[[6, 0x42], [2, 0x60], [1, 0x30]]), Ok(0x28 + 16));
        // sub rsp, 0x200, as a number of eight bytes each; an xmm register is saved in it.
        assert_eq!(taken(&[[9, 0x68], [2, 0], [7, 1], [0x40, 0]]), Ok(0x200));
        // sub rsp, 0x12340, in two words.
        assert_eq!(taken(&[[7, 0x11], [0x40, 0x23], [1, 0]]), Ok(0x12340));
        // A frame register is set, and a register is saved: nothing is taken.
        assert_eq!(taken(&[[9, 0x03], [7, 0x34], [1, 0]]), Ok(0));
        assert!(taken(&[[7, 1]]).is_err());
    }
}
