//! Unwinding on x64: from a place in a function to the place that called it, by the tables that
//! the compiler left in the image.
//!
//! Source: "x64 exception handling" (RUNTIME_FUNCTION, UNWIND_INFO, unwind codes; the epilog is
//! recognized by its code, as the documentation describes).

/// The registers that unwinding tracks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// The general registers, by their numbers in unwind codes: rax, rcx, rdx, rbx, rsp, rbp,
    /// rsi, rdi, r8 to r15.
    pub general: [u64; 16],
    /// The instruction pointer.
    pub rip: u64,
    /// The vector registers.
    pub xmm: [[u64; 2]; 16],
}

/// The number of the stack pointer.
pub const RSP: usize = 4;
/// The number of the frame pointer.
pub const RBP: usize = 5;

/// A function's entry in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuntimeFunction {
    /// Where it begins in the image.
    pub begin: u32,
    /// Where it ends.
    pub end: u32,
    /// Where its unwind information is.
    pub info: u32,
}

/// A function's language-specific handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handler {
    /// Where it is in the image.
    pub routine: u32,
    /// Where its data are.
    pub data: u32,
    /// It handles exceptions (`UNW_FLAG_EHANDLER`).
    pub for_exceptions: bool,
    /// It wants to be called when the frame is left (`UNW_FLAG_UHANDLER`).
    pub for_unwind: bool,
}

/// What a frame was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The stack pointer or frame register that the function's locals hang from.
    pub establisher: u64,
    /// The function's handler, if the place is in its body.
    pub handler: Option<Handler>,
}

/// The image does not describe how to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt;

/// What unwinding reads: the image, and the stack.
pub trait Memory {
    /// Bytes of the image.
    fn image(&self) -> &[u8];
    /// A word of the stack.
    fn stack(&self, address: u64) -> Option<u64>;
}

fn u32_at(bytes: &[u8], offset: u32) -> Option<u32> {
    bytes
        .get(offset as usize..)?
        .first_chunk()
        .copied()
        .map(u32::from_le_bytes)
}

fn u16_at(bytes: &[u8], offset: u32) -> Option<u16> {
    bytes
        .get(offset as usize..)?
        .first_chunk()
        .copied()
        .map(u16::from_le_bytes)
}

/// The function that an offset of the image is in; a leaf function has no entry.
#[must_use]
pub fn lookup(image: &[u8], table: (u32, u32), offset: u32) -> Option<RuntimeFunction> {
    let entry = |index: u32| {
        let at = table.0 + 12 * index;
        Some(RuntimeFunction {
            begin: u32_at(image, at)?,
            end: u32_at(image, at + 4)?,
            info: u32_at(image, at + 8)?,
        })
    };
    let (mut low, mut high) = (0, table.1 / 12);
    while low < high {
        let middle = low.midpoint(high);
        let function = entry(middle)?;
        if offset < function.begin {
            high = middle;
        } else if offset >= function.end {
            low = middle + 1;
        } else {
            return Some(function);
        }
    }
    None
}

/// Unwind operations (`UNWIND_OP_CODES`).
mod operation {
    pub const PUSH_NONVOL: u8 = 0;
    pub const ALLOC_LARGE: u8 = 1;
    pub const ALLOC_SMALL: u8 = 2;
    pub const SET_FPREG: u8 = 3;
    pub const SAVE_NONVOL: u8 = 4;
    pub const SAVE_NONVOL_FAR: u8 = 5;
    pub const SAVE_XMM128: u8 = 8;
    pub const SAVE_XMM128_FAR: u8 = 9;
    pub const PUSH_MACHFRAME: u8 = 10;
}

/// `UNW_FLAG_EHANDLER`, `UNW_FLAG_UHANDLER`, `UNW_FLAG_CHAININFO`.
const EXCEPTION_HANDLER: u8 = 1;
const UNWIND_HANDLER: u8 = 2;
const CHAINED: u8 = 4;
/// Chains are followed so far; there is no reason for longer ones.
const MAXIMUM_CHAIN: usize = 32;

struct Info {
    flags: u8,
    prolog: u8,
    codes: u8,
    frame_register: u8,
    frame_offset: u8,
    at: u32,
}

impl Info {
    fn read(image: &[u8], at: u32) -> Option<Self> {
        let header = u32_at(image, at)?.to_le_bytes();
        (header[0] & 7 == 1 || header[0] & 7 == 2).then_some(Self {
            flags: header[0] >> 3,
            prolog: header[1],
            codes: header[2],
            frame_register: header[3] & 15,
            frame_offset: header[3] >> 4,
            at,
        })
    }

    const fn behind_codes(&self) -> u32 {
        self.at + 4 + 2 * ((self.codes as u32 + 1) & !1)
    }
}

/// Goes from a frame to its caller's. `function` is the entry of the place, if it has one.
///
/// # Errors
///
/// [`Corrupt`] if the tables, or the stack, do not describe a caller.
pub fn unwind(
    memory: &impl Memory,
    base: u64,
    function: Option<RuntimeFunction>,
    registers: &mut Registers,
) -> Result<Frame, Corrupt> {
    let Some(function) = function else {
        // A leaf function has not touched the stack.
        let establisher = registers.general[RSP];
        pop_return(memory, registers)?;
        return Ok(Frame {
            establisher,
            handler: None,
        });
    };
    let offset = registers.rip.checked_sub(base).ok_or(Corrupt)?;
    let offset = u32::try_from(offset).map_err(|_| Corrupt)?;
    let image = memory.image();
    let first = Info::read(image, function.info).ok_or(Corrupt)?;
    let in_prolog = offset - function.begin < u32::from(first.prolog);
    let establisher = establisher(image, &first, offset - function.begin, registers);
    if !in_prolog && epilog(memory, &function, offset, &first, registers)? {
        return Ok(Frame {
            establisher,
            handler: None,
        });
    }
    let has_handler =
        first.flags & CHAINED == 0 && first.flags & (EXCEPTION_HANDLER | UNWIND_HANDLER) != 0;
    let handler = if !in_prolog && has_handler {
        let at = first.behind_codes();
        Some(Handler {
            routine: u32_at(image, at).ok_or(Corrupt)?,
            data: at + 4,
            for_exceptions: first.flags & EXCEPTION_HANDLER != 0,
            for_unwind: first.flags & UNWIND_HANDLER != 0,
        })
    } else {
        None
    };
    let mut info = first;
    let mut reached = Some(offset - function.begin);
    let mut machine_frame = false;
    for _ in 0..MAXIMUM_CHAIN {
        machine_frame |= undo(memory, &info, reached, registers)?;
        if info.flags & CHAINED == 0 {
            if !machine_frame {
                pop_return(memory, registers)?;
            }
            return Ok(Frame {
                establisher,
                handler,
            });
        }
        let next = u32_at(image, info.behind_codes() + 8).ok_or(Corrupt)?;
        info = Info::read(image, next).ok_or(Corrupt)?;
        // The prologs of those further up the chain have run whole.
        reached = None;
    }
    Err(Corrupt)
}

fn establisher(image: &[u8], info: &Info, offset: u32, registers: &Registers) -> u64 {
    if info.frame_register == 0 {
        return registers.general[RSP];
    }
    // In the prolog the frame register counts only once it is set.
    let set = (0..u32::from(info.codes)).any(|index| {
        u16_at(image, info.at + 4 + 2 * index).is_some_and(|code| {
            let [at, what] = code.to_le_bytes();
            what & 15 == operation::SET_FPREG && u32::from(at) <= offset
        })
    });
    if offset >= u32::from(info.prolog) || set {
        registers.general[usize::from(info.frame_register)]
            .wrapping_sub(16 * u64::from(info.frame_offset))
    } else {
        registers.general[RSP]
    }
}

/// Undoes what a prolog did up to this offset (all of it, without one). Says whether the frame
/// is one that the processor pushed, with the instruction pointer restored already.
fn undo(
    memory: &impl Memory,
    info: &Info,
    reached: Option<u32>,
    registers: &mut Registers,
) -> Result<bool, Corrupt> {
    let image = memory.image();
    // Operands that the tables promise, but have no room for, are read from what lies behind.
    let code = |index: u16| u16_at(image, info.at + 4 + 2 * u32::from(index)).ok_or(Corrupt);
    let stack = |address| memory.stack(address).ok_or(Corrupt);
    let frame = if info.frame_register == 0 {
        registers.general[RSP]
    } else {
        registers.general[usize::from(info.frame_register)]
            .wrapping_sub(16 * u64::from(info.frame_offset))
    };
    let mut machine_frame = false;
    let mut index = 0;
    while index < u16::from(info.codes) {
        let [at, what] = code(index)?.to_le_bytes();
        let (what, operand) = (what & 15, what >> 4);
        let slots = match what {
            operation::SAVE_NONVOL_FAR | operation::SAVE_XMM128_FAR => 3,
            operation::ALLOC_LARGE => {
                if operand == 0 {
                    2
                } else {
                    3
                }
            }
            operation::SAVE_NONVOL | operation::SAVE_XMM128 => 2,
            // Among them version 2's, which says where epilogs are.
            _ => 1,
        };
        if reached.is_some_and(|reached| u32::from(at) > reached) {
            index += slots;
            continue;
        }
        let large = |index: u16| -> Result<u64, Corrupt> {
            Ok(u64::from(code(index + 1)?) | u64::from(code(index + 2)?) << 16)
        };
        let rsp = registers.general[RSP];
        match what {
            operation::PUSH_NONVOL => {
                registers.general[usize::from(operand)] = stack(rsp)?;
                registers.general[RSP] = rsp.wrapping_add(8);
            }
            operation::ALLOC_LARGE if operand == 0 => {
                registers.general[RSP] = rsp.wrapping_add(8 * u64::from(code(index + 1)?));
            }
            operation::ALLOC_LARGE => registers.general[RSP] = rsp.wrapping_add(large(index)?),
            operation::ALLOC_SMALL => {
                registers.general[RSP] = rsp.wrapping_add(8 * u64::from(operand) + 8);
            }
            operation::SET_FPREG => registers.general[RSP] = frame,
            operation::SAVE_NONVOL => {
                let from = frame.wrapping_add(8 * u64::from(code(index + 1)?));
                registers.general[usize::from(operand)] = stack(from)?;
            }
            operation::SAVE_NONVOL_FAR => {
                registers.general[usize::from(operand)] = stack(frame.wrapping_add(large(index)?))?;
            }
            operation::SAVE_XMM128 | operation::SAVE_XMM128_FAR => {
                let from = if what == operation::SAVE_XMM128 {
                    16 * u64::from(code(index + 1)?)
                } else {
                    large(index)?
                };
                let from = frame.wrapping_add(from);
                registers.xmm[usize::from(operand)] = [stack(from)?, stack(from.wrapping_add(8))?];
            }
            operation::PUSH_MACHFRAME => {
                let from = rsp.wrapping_add(8 * u64::from(operand));
                registers.rip = stack(from)?;
                registers.general[RSP] = stack(from.wrapping_add(24))?;
                machine_frame = true;
            }
            _ => {}
        }
        index += slots;
    }
    Ok(machine_frame)
}

fn pop_return(memory: &impl Memory, registers: &mut Registers) -> Result<(), Corrupt> {
    let rsp = registers.general[RSP];
    registers.rip = memory.stack(rsp).ok_or(Corrupt)?;
    registers.general[RSP] = rsp.wrapping_add(8);
    Ok(())
}

/// If the place is in an epilog, does what is left of it. An epilog is `add rsp` or `lea rsp`
/// (at most one, first), pops of 8-byte registers, and a return or a jump out of the function.
fn epilog(
    memory: &impl Memory,
    function: &RuntimeFunction,
    offset: u32,
    info: &Info,
    registers: &mut Registers,
) -> Result<bool, Corrupt> {
    let image = memory.image();
    let code = image
        .get(offset as usize..function.end as usize)
        .ok_or(Corrupt)?;
    let mut after = *registers;
    let mut rest = code;
    match rest {
        [0x48, 0x83, 0xc4, value, tail @ ..] => {
            let value = i64::from(value.cast_signed());
            after.general[RSP] = after.general[RSP].wrapping_add_signed(value);
            rest = tail;
        }
        [0x48, 0x81, 0xc4, a, b, c, d, tail @ ..] => {
            let value = i64::from(i32::from_le_bytes([*a, *b, *c, *d]));
            after.general[RSP] = after.general[RSP].wrapping_add_signed(value);
            rest = tail;
        }
        // lea rsp, [frame register + displacement]
        [rex @ (0x48 | 0x49), 0x8d, mode, tail @ ..]
            if mode >> 3 & 7 == 4
                && info.frame_register != 0
                && (mode & 7 | (rex & 1) << 3) == info.frame_register =>
        {
            let frame = after.general[usize::from(info.frame_register)];
            let (value, tail) = match (mode >> 6, tail) {
                (0, tail) => (0, tail),
                (1, [value, tail @ ..]) => (i64::from(value.cast_signed()), tail),
                (2, [a, b, c, d, tail @ ..]) => {
                    (i64::from(i32::from_le_bytes([*a, *b, *c, *d])), tail)
                }
                _ => return Ok(false),
            };
            after.general[RSP] = frame.wrapping_add_signed(value);
            rest = tail;
        }
        _ => {}
    }
    loop {
        match rest {
            [opcode @ 0x58..=0x5f, tail @ ..] => {
                let rsp = after.general[RSP];
                let Some(value) = memory.stack(rsp) else {
                    return Ok(false);
                };
                after.general[RSP] = rsp.wrapping_add(8);
                after.general[usize::from(opcode - 0x58)] = value;
                rest = tail;
            }
            [0x41, opcode @ 0x58..=0x5f, tail @ ..] => {
                let rsp = after.general[RSP];
                let Some(value) = memory.stack(rsp) else {
                    return Ok(false);
                };
                after.general[RSP] = rsp.wrapping_add(8);
                after.general[usize::from(opcode - 0x58) + 8] = value;
                rest = tail;
            }
            // ret; rep ret; jmp through a register or memory, with and without a prefix
            [0xc3, ..] | [0xf3, 0xc3, ..] => break,
            [0x48, 0xff, mode, ..] if mode >> 3 & 7 == 4 => break,
            // A jump to another function is an epilog's end, one within the function is not.
            [0xe9, a, b, c, d, ..] => {
                let next = function.end - rest.len() as u32 + 5;
                let target = next.wrapping_add_signed(i32::from_le_bytes([*a, *b, *c, *d]));
                if (function.begin..function.end).contains(&target) {
                    return Ok(false);
                }
                break;
            }
            [0xeb, a, ..] => {
                let next = function.end - rest.len() as u32 + 2;
                let target = next.wrapping_add_signed(i32::from(a.cast_signed()));
                if (function.begin..function.end).contains(&target) {
                    return Ok(false);
                }
                break;
            }
            _ => return Ok(false),
        }
    }
    pop_return(memory, &mut after)?;
    *registers = after;
    Ok(true)
}
