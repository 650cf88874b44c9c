//! An exception, and the registers of a thread that has one, as handlers see them; the way back
//! to such registers.
//!
//! Sources: ns-winnt-exception_record, ns-winnt-context, "x64 exception handling".

use core::{arch::asm, mem::offset_of};

use crate::{
    ke::trap::{self, TrapFrame},
    pe::unwind::{RSP, Registers},
};

/// A parameter of an exception that has that many.
pub(super) const PARAMETERS: usize = 15;
/// `EXCEPTION_NONCONTINUABLE`.
pub(super) const NONCONTINUABLE: u32 = 1;
/// `EXCEPTION_UNWINDING`.
pub(super) const UNWINDING: u32 = 2;
/// `EXCEPTION_TARGET_UNWIND`.
pub(super) const TARGET_UNWIND: u32 = 0x20;

/// An exception (ns-winnt-exception_record).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields are the documentation's")]
pub struct ExceptionRecord {
    pub code: i32,
    pub flags: u32,
    pub next: *mut Self,
    pub address: u64,
    pub parameter_count: u32,
    pub information: [u64; PARAMETERS],
}

impl ExceptionRecord {
    /// An exception without parameters.
    pub(super) const fn new(code: i32, flags: u32, address: u64) -> Self {
        Self {
            code,
            flags,
            next: core::ptr::null_mut(),
            address,
            parameter_count: 0,
            information: [0; PARAMETERS],
        }
    }
}

/// The registers of a thread (ns-winnt-context, for x64).
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Context {
    homes: [u64; 6],
    flags: u32,
    pub(super) mxcsr: u32,
    segments: [u16; 6],
    pub(super) eflags: u32,
    debug: [u64; 6],
    /// By the numbers of unwind codes.
    pub(super) general: [u64; 16],
    pub(super) rip: u64,
    float_header: [u8; 160],
    pub(super) xmm: [[u64; 2]; 16],
    float_rest: [u8; 96],
    vector: [[u64; 2]; 26],
    vector_control: u64,
    last_branch: [u64; 5],
}

const _: () = {
    assert!(size_of::<Context>() == 1232);
    assert!(offset_of!(Context, flags) == 0x30);
    assert!(offset_of!(Context, general) == 0x78);
    assert!(offset_of!(Context, rip) == 0xf8);
    assert!(offset_of!(Context, xmm) == 0x1a0);
};

impl Context {
    /// Of a thread that has these registers.
    pub(super) fn of(registers: &Registers, eflags: u32) -> Self {
        Self {
            homes: [0; 6],
            // CONTEXT_AMD64 with control, integer and floating-point parts.
            flags: 0x0010_000b,
            mxcsr: control_register(),
            segments: [8, 16, 16, 0, 0, 16],
            eflags,
            debug: [0; 6],
            general: registers.general,
            rip: registers.rip,
            float_header: [0; 160],
            xmm: registers.xmm,
            float_rest: [0; 96],
            vector: [[0; 2]; 26],
            vector_control: 0,
            last_branch: [0; 5],
        }
    }
}

/// How the vector registers compute (MXCSR), which is the driver's: see [`read_vector_registers`].
fn control_register() -> u32 {
    let mut value = 0;
    // SAFETY: stores four bytes in the variable.
    unsafe {
        asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags));
    }
    value
}

/// The vector registers as they are: nthost does not use them, so that they are those of the
/// driver that called it, or that a trap interrupted.
pub(super) fn read_vector_registers(xmm: &mut [[u64; 2]; 16]) {
    // SAFETY: stores sixteen registers of 16 bytes in an array of that size.
    unsafe {
        asm!(
            "movups [{0}], xmm0", "movups [{0} + 16], xmm1", "movups [{0} + 32], xmm2",
            "movups [{0} + 48], xmm3", "movups [{0} + 64], xmm4", "movups [{0} + 80], xmm5",
            "movups [{0} + 96], xmm6", "movups [{0} + 112], xmm7", "movups [{0} + 128], xmm8",
            "movups [{0} + 144], xmm9", "movups [{0} + 160], xmm10", "movups [{0} + 176], xmm11",
            "movups [{0} + 192], xmm12", "movups [{0} + 208], xmm13", "movups [{0} + 224], xmm14",
            "movups [{0} + 240], xmm15",
            in(reg) xmm.as_mut_ptr(),
            options(nostack, preserves_flags)
        );
    }
}

/// The processor's flags, which say whether interrupts are on.
pub(super) fn flags() -> u32 {
    x86_64::registers::rflags::read_raw() as u32
}

/// Goes on with these registers.
///
/// # Safety
///
/// They describe a place at which this thread can go on.
pub(super) unsafe fn restore(context: &Context) -> ! {
    // The vector registers that a trap frame does not have: nobody else sets them.
    // SAFETY: loads ten nonvolatile registers from an array of sixteen.
    unsafe {
        asm!(
            "movups xmm6, [{0} + 96]", "movups xmm7, [{0} + 112]", "movups xmm8, [{0} + 128]",
            "movups xmm9, [{0} + 144]", "movups xmm10, [{0} + 160]",
            "movups xmm11, [{0} + 176]", "movups xmm12, [{0} + 192]",
            "movups xmm13, [{0} + 208]", "movups xmm14, [{0} + 224]",
            "movups xmm15, [{0} + 240]",
            in(reg) context.xmm.as_ptr(),
            options(nostack, readonly, preserves_flags)
        );
    }
    let general = &context.general;
    let mut xmm = [[0; 2]; 6];
    xmm.copy_from_slice(&context.xmm[..6]);
    let frame = TrapFrame {
        xmm,
        mxcsr: u64::from(context.mxcsr),
        r15: general[15],
        r14: general[14],
        r13: general[13],
        r12: general[12],
        r11: general[11],
        r10: general[10],
        r9: general[9],
        r8: general[8],
        rdi: general[7],
        rsi: general[6],
        rbp: general[5],
        rbx: general[3],
        rdx: general[2],
        rcx: general[1],
        rax: general[0],
        vector: 0,
        error: 0,
        rip: context.rip,
        cs: 0x08,
        rflags: u64::from(context.eflags) | 2,
        rsp: general[RSP],
        ss: 0x10,
    };
    // SAFETY: the caller's promise.
    unsafe { trap::resume(&raw const frame) }
}
