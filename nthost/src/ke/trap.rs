//! Exceptions and interrupts: descriptor tables, entry and exit, and who serves which vector.
//!
//! A hardware interrupt raises the IRQL to its vector's class for the time it is served, with
//! interrupts of higher classes let through. The volatile vector registers are saved: drivers
//! are compiled to use them, in any routine.

use core::arch::{asm, global_asm};

use x86_64::{
    VirtAddr,
    instructions::{interrupts, tables},
    registers::debug::Dr6,
    structures::DescriptorTablePointer,
};

use super::{
    apc, bugcheck, clock, dispatcher, interrupt, ipi, irql, nmi,
    page_fault::{self, Outcome},
    pcr,
    thread::idle,
};
use crate::{
    hal::apic,
    hook::{self, DebugTrap},
    pe::unwind::Registers,
};

/// Bytes of the stacks for faults that may have no good stack.
const FAULT_STACK: usize = 16 << 10;

/// What the processor and the entry code save.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TrapFrame {
    /// The volatile vector registers.
    pub xmm: [[u64; 2]; 6],
    /// Their control register.
    pub mxcsr: u64,
    /// General registers, in the order of the entry code.
    pub r15: u64,
    /// See above.
    pub r14: u64,
    /// See above.
    pub r13: u64,
    /// See above.
    pub r12: u64,
    /// See above.
    pub r11: u64,
    /// See above.
    pub r10: u64,
    /// See above.
    pub r9: u64,
    /// See above.
    pub r8: u64,
    /// See above.
    pub rdi: u64,
    /// See above.
    pub rsi: u64,
    /// See above.
    pub rbp: u64,
    /// See above.
    pub rbx: u64,
    /// See above.
    pub rdx: u64,
    /// See above.
    pub rcx: u64,
    /// See above.
    pub rax: u64,
    /// The vector.
    pub vector: u64,
    /// The error code; zero for vectors that have none.
    pub error: u64,
    /// Where it happened.
    pub rip: u64,
    /// The code segment.
    pub cs: u64,
    /// The flags.
    pub rflags: u64,
    /// The stack pointer.
    pub rsp: u64,
    /// The stack segment.
    pub ss: u64,
}

impl TrapFrame {
    /// The registers that were interrupted, without the vector registers.
    #[must_use]
    pub fn registers(&self) -> Registers {
        Registers {
            general: [
                self.rax, self.rcx, self.rdx, self.rbx, self.rsp, self.rbp, self.rsi, self.rdi,
                self.r8, self.r9, self.r10, self.r11, self.r12, self.r13, self.r14, self.r15,
            ],
            rip: self.rip,
            ..Registers::default()
        }
    }

    /// Whether interrupts were on.
    #[must_use]
    pub const fn interrupts_enabled(&self) -> bool {
        self.rflags & 0x200 != 0
    }
}

global_asm!(
    r#"
    .section .text
    .balign 16
    .global trap_entries
trap_entries:
    .set vector, 0
    .rept 256
    .balign 16
    .if (vector == 8) || ((vector >= 10) && (vector <= 14)) || (vector == 17) || (vector == 21) || (vector == 29) || (vector == 30)
    .else
    push 0
    .endif
    .byte 0x68                  // push an immediate of 32 bits
    .long vector
    jmp trap_common
    .set vector, vector + 1
    .endr

trap_common:
    // The processor pushed the error code above the vector; the frame has the vector first.
    push rax
    push rcx
    push rdx
    push rbx
    push rbp
    push rsi
    push rdi
    push r8
    push r9
    push r10
    push r11
    push r12
    push r13
    push r14
    push r15
    sub rsp, 104
    movups [rsp], xmm0
    movups [rsp + 16], xmm1
    movups [rsp + 32], xmm2
    movups [rsp + 48], xmm3
    movups [rsp + 64], xmm4
    movups [rsp + 80], xmm5
    stmxcsr [rsp + 96]
    cld
    mov rdi, rsp
    mov rbp, rsp
    and rsp, -16
    // A frame for the stack walk: it goes on at the place that was interrupted.
    push [rbp + 240]            // rip
    push [rbp + 184]            // rbp
    mov rbx, rbp
    mov rbp, rsp
    call trap_dispatch
    mov rsp, rbx
    .global trap_return
trap_return:
    movups xmm0, [rsp]
    movups xmm1, [rsp + 16]
    movups xmm2, [rsp + 32]
    movups xmm3, [rsp + 48]
    movups xmm4, [rsp + 64]
    movups xmm5, [rsp + 80]
    ldmxcsr [rsp + 96]
    add rsp, 104
    pop r15
    pop r14
    pop r13
    pop r12
    pop r11
    pop r10
    pop r9
    pop r8
    pop rdi
    pop rsi
    pop rbp
    pop rbx
    pop rdx
    pop rcx
    pop rax
    add rsp, 16
    iretq
    "#
);

unsafe extern "C" {
    static trap_entries: u8;
}

/// A gate of the interrupt descriptor table.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Gate {
    low: u64,
    high: u64,
}

/// The task state segment: only its stack pointers matter.
#[derive(Debug)]
#[repr(C, packed(4))]
struct TaskState {
    reserved0: u32,
    privileged_stacks: [u64; 3],
    reserved1: u64,
    fault_stacks: [u64; 7],
    reserved2: u64,
    reserved3: u16,
    io_map: u16,
}

/// A processor's descriptor tables and fault stacks.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Tables {
    gdt: [u64; 7],
    task: TaskState,
    fault_stacks: [[u8; FAULT_STACK]; 2],
}

impl Tables {
    /// Not loaded yet.
    #[expect(
        clippy::large_stack_arrays,
        reason = "made in its place: static, or boxed at boot"
    )]
    #[must_use]
    pub const fn new() -> Self {
        Self {
            gdt: [
                0,
                0x00af_9b00_0000_ffff,
                0x00cf_9300_0000_ffff,
                0x00cf_9b00_0000_ffff,
                0,
                0,
                0,
            ],
            task: TaskState {
                reserved0: 0,
                privileged_stacks: [0; 3],
                reserved1: 0,
                fault_stacks: [0; 7],
                reserved2: 0,
                reserved3: 0,
                io_map: size_of::<TaskState>() as u16,
            },
            fault_stacks: [[0; FAULT_STACK]; 2],
        }
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self::new()
    }
}

/// One table for all processors.
static mut IDT: [Gate; 256] = [Gate { low: 0, high: 0 }; 256];

const TASK_SELECTOR: u16 = 0x28;
/// Page faults on a bad stack become double faults; both get a stack of their own.
const DOUBLE_FAULT: usize = 8;
const NON_MASKABLE: usize = 2;
const PAGE_FAULT: u64 = 14;
const DEBUG: u64 = 1;
/// The trap flag: a debug exception after the next instruction.
const TRAP_FLAG: u64 = 1 << 8;

/// Loads the tables of the processor that calls. Its region must be installed.
pub fn initialize_processor() {
    let tables_of_processor = (&raw const pcr::current().tables).cast_mut();
    // SAFETY: only the processor itself uses its tables, and has not loaded them yet.
    let own = unsafe { &mut *tables_of_processor };
    let stack_top = |stack: &[u8; FAULT_STACK]| stack.as_ptr_range().end as u64 & !15;
    let mut stacks = [0; 7];
    stacks[0] = stack_top(&own.fault_stacks[0]);
    stacks[1] = stack_top(&own.fault_stacks[1]);
    own.task.fault_stacks = stacks;
    let base = &raw const own.task as u64;
    let limit = size_of::<TaskState>() as u64 - 1;
    own.gdt[5] = limit | (base & 0x00ff_ffff) << 16 | 0x89 << 40 | (base >> 24 & 0xff) << 56;
    own.gdt[6] = base >> 32;
    let gdt = DescriptorTablePointer {
        limit: (size_of_val(&own.gdt) - 1) as u16,
        base: VirtAddr::new(own.gdt.as_ptr() as u64),
    };
    // SAFETY: the table lives for ever; its segments are those in use.
    unsafe { tables::lgdt(&gdt) };
    if pcr::current().number == 0 {
        fill_gates();
    }
    let idt = DescriptorTablePointer {
        limit: (size_of::<[Gate; 256]>() - 1) as u16,
        base: VirtAddr::new(&raw const IDT as u64),
    };
    // SAFETY: the table lives for ever, and its gates lead to the entries above.
    unsafe { tables::lidt(&idt) };
    // SAFETY: the descriptor was just made.
    unsafe { tables::load_tss(x86_64::structures::gdt::SegmentSelector(TASK_SELECTOR)) };
}

fn fill_gates() {
    let entries = &raw const trap_entries as u64;
    let gates = (&raw mut IDT).cast::<Gate>();
    for vector in 0..256 {
        let address = entries + 16 * vector as u64;
        let stack = match vector {
            DOUBLE_FAULT => 1,
            NON_MASKABLE => 2,
            _ => 0_u64,
        };
        // An interrupt gate: interrupts stay off until the entry code allows them.
        let gate = Gate {
            low: (address & 0xffff)
                | 0x08 << 16
                | stack << 32
                | 0x8e << 40
                | (address >> 16 & 0xffff) << 48,
            high: address >> 32,
        };
        // SAFETY: within the table.
        let place = unsafe { gates.add(vector) };
        // SAFETY: as above; no other processor runs yet.
        unsafe { place.write(gate) };
    }
}

/// Serves a trap. Interrupts are off.
#[unsafe(no_mangle)]
extern "C" fn trap_dispatch(frame: &mut TrapFrame) {
    idle::interrupted();
    let vector = frame.vector as u8;
    match vector {
        apic::APC_VECTOR => {
            apic::end_of_interrupt();
            let before = irql::raise(crate::export::APC_LEVEL);
            interrupts::enable();
            apc::deliver();
            interrupts::disable();
            irql::set(before);
        }
        0..32 => exception(frame),
        apic::SPURIOUS_VECTOR => {}
        apic::DISPATCH_VECTOR => {
            apic::end_of_interrupt();
            pcr::current().watchdog.reset();
            let before = irql::raise(crate::export::DISPATCH_LEVEL);
            interrupts::enable();
            dispatcher::interrupt();
            interrupts::disable();
            irql::set(before);
        }
        _ => {
            let before = irql::current();
            irql::set(vector >> 4);
            interrupts::enable();
            match vector {
                apic::CLOCK_VECTOR => clock::interrupt(before, frame),
                apic::IPI_VECTOR => ipi::interrupt(),
                apic::IOMMU_VECTOR => hook::iommu_interrupt(),
                _ => interrupt::dispatch(vector),
            }
            interrupts::disable();
            apic::end_of_interrupt();
            irql::set(before);
        }
    }
}

fn exception(frame: &mut TrapFrame) {
    if frame.vector == NON_MASKABLE as u64 && nmi::interrupt() {
        return;
    }
    if frame.vector == DEBUG && debug(frame) {
        return;
    }
    if frame.vector == PAGE_FAULT {
        match page_fault::resolve(frame) {
            Outcome::Resolved => return,
            Outcome::Exception => {}
            Outcome::Fatal => page_fault::end(frame),
        }
    }
    if super::exception::handle_trap(frame) {
        return;
    }
    bugcheck::from_trap(frame)
}

/// Whether the exception is one that somebody has asked for.
fn debug(frame: &mut TrapFrame) -> bool {
    let why = Dr6::read_raw();
    // The processor sets bits, and clears none.
    // SAFETY: the register tells what happened, and has no effect.
    unsafe { asm!("mov dr6, {}", in(reg) 0_u64, options(nomem, nostack, preserves_flags)) };
    let trap = hook::debug_trap(frame.rip, why, frame.interrupts_enabled());
    match trap {
        DebugTrap::Unknown => return false,
        DebugTrap::Step => frame.rflags |= TRAP_FLAG,
        DebugTrap::Run => frame.rflags &= !TRAP_FLAG,
    }
    true
}

naked! {
    /// Restores the registers of a frame and goes on there: how an exception's handler resumes.
    ///
    /// # Safety
    ///
    /// The frame describes a place at which this thread can go on.
    pub unsafe extern "C" fn resume(frame: *const TrapFrame) -> ! {
    "cli", "mov rsp, rdi", "jmp trap_return"
    }
}
