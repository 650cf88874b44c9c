//! nthost's own frames: from a place in nthost to the place that called it, with the registers
//! that the caller may rely on.
//!
//! The compiler leaves a table of what each function saved where (`.eh_frame`), for both of the
//! calling conventions in use, and the linker an index of it. Code that the table does not
//! describe cannot be left: entries of traps, the first routine of a thread, and functions of the
//! core library that are not compiled with nthost.
//!
//! Source: "System V ABI, AMD64 supplement" (DWARF register numbers), "Linux Standard Base"
//! (`.eh_frame`, `.eh_frame_hdr`).

use core::arch::asm;

use gimli::{
    BaseAddresses, CfaRule, EhFrame, EhFrameHdr, EndianSlice, LittleEndian, Register, RegisterRule,
    UnwindContext, UnwindContextStorage, UnwindSection, UnwindTableRow,
};

use crate::{
    mm::paging,
    pe::unwind::{RSP, Registers},
};

/// A section of nthost's image.
type Section = EndianSlice<'static, LittleEndian>;

/// What an evaluation of the table needs, on the stack: pages may be short, and locks held.
struct OnStack;

impl UnwindContextStorage<usize> for OnStack {
    /// A rule for each register, the return address among them.
    type Rules = [(Register, RegisterRule<usize>); 17];
    /// The compiler remembers one state at the most (`DW_CFA_remember_state`).
    type Stack = [UnwindTableRow<usize, Self>; 3];
}

/// The number of the return address.
const RETURN_ADDRESS: Register = Register(16);

/// A register's number among [`Registers::general`].
fn index(register: Register) -> Option<usize> {
    /// By the numbers of the table: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp.
    const FIRST: [usize; 8] = [0, 2, 1, 3, 6, 7, 5, 4];
    match usize::from(register.0) {
        number @ 0..8 => Some(FIRST[number]),
        number @ 8..16 => Some(number),
        _ => None,
    }
}

/// The section between two symbols of the linker's.
fn section(start: *const u8, end: *const u8) -> Section {
    let length = end.addr() - start.addr();
    // SAFETY: the linker puts the section there, which nobody writes.
    let bytes = unsafe { core::slice::from_raw_parts(start, length) };
    EndianSlice::new(bytes, LittleEndian)
}

/// A word of the stack, if there is one.
fn stack_word(address: u64) -> Option<u64> {
    if !address.is_multiple_of(8) || paging::translate(address).is_none() {
        return None;
    }
    let at = core::ptr::with_exposed_provenance::<u64>(address as usize);
    // SAFETY: it can be read, and any bits are a word.
    Some(unsafe { at.read() })
}

/// The row of the table for a place, and the frame's top: the stack pointer of the caller.
fn evaluate(registers: &Registers, place: u64) -> Option<(Registers, u64)> {
    unsafe extern "C" {
        static nt_eh_frame_hdr: u8;
        static nt_eh_frame_hdr_end: u8;
        static nt_eh_frame: u8;
        static nt_eh_frame_end: u8;
    }
    let index_start = &raw const nt_eh_frame_hdr;
    let frames_start = &raw const nt_eh_frame;
    let bases = BaseAddresses::default()
        .set_eh_frame_hdr(index_start as u64)
        .set_eh_frame(frames_start as u64);
    let index_bytes = section(index_start, &raw const nt_eh_frame_hdr_end);
    let header = EhFrameHdr::from(index_bytes).parse(&bases, 8).ok()?;
    let frames = EhFrame::from(section(frames_start, &raw const nt_eh_frame_end));
    let entry = header
        .table()?
        .fde_for_address(&frames, &bases, place, EhFrame::cie_from_offset)
        .ok()?;
    let mut context = UnwindContext::<usize, OnStack>::new_in();
    let row = entry
        .unwind_info_for_address(&frames, &bases, &mut context, place)
        .ok()?;
    let CfaRule::RegisterAndOffset { register, offset } = *row.cfa() else {
        return None;
    };
    let top = registers.general[index(register)?].wrapping_add_signed(offset);
    let mut caller = *registers;
    caller.rip = 0;
    for (register, rule) in row.registers() {
        let value = match *rule {
            RegisterRule::SameValue => continue,
            RegisterRule::Offset(offset) => stack_word(top.wrapping_add_signed(offset))?,
            _ => return None,
        };
        if *register == RETURN_ADDRESS {
            caller.rip = value;
        } else {
            caller.general[index(*register)?] = value;
        }
    }
    caller.general[RSP] = top;
    Some((caller, top))
}

/// Goes from a frame of nthost's to its caller's, and gives the frame's top. With
/// `returned_to`, the place is one that a call returns to, which may lie behind the function's last instruction.
/// `None`, and nothing is changed, if the table does not describe the place.
pub(super) fn unwind(registers: &mut Registers, returned_to: bool) -> Option<u64> {
    let place = registers.rip.checked_sub(u64::from(returned_to))?;
    let (caller, top) = evaluate(registers, place)?;
    (caller.rip != 0).then(|| {
        *registers = caller;
        top
    })
}

/// Goes to the caller of what has nothing on the stack but its return address.
pub(super) fn leave_leaf(registers: &mut Registers) -> bool {
    let top = registers.general[RSP];
    let Some(address) = stack_word(top) else {
        return false;
    };
    registers.rip = address;
    registers.general[RSP] = top + 8;
    true
}

impl Registers {
    /// The registers here: those that the function in which this is can be left with.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "the place is one in the caller's function"
    )]
    #[must_use]
    pub fn here() -> Self {
        let mut registers = Self::default();
        let general = registers.general.as_mut_ptr();
        // SAFETY: stores eight registers in the array, by their numbers.
        unsafe {
            asm!(
                "mov [{0} + 24], rbx", "mov [{0} + 32], rsp", "mov [{0} + 40], rbp",
                "mov [{0} + 96], r12", "mov [{0} + 104], r13", "mov [{0} + 112], r14",
                "mov [{0} + 120], r15", "lea {1}, [rip]",
                in(reg) general, out(reg) registers.rip,
                options(nostack, preserves_flags)
            );
        }
        super::context::read_vector_registers(&mut registers.xmm);
        registers
    }
}
