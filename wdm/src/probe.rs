//! Routines that raise exceptions, called so that the exception becomes a status.
//!
//! The rule of the kernel this stands for: some routines report bad user addresses by raising an
//! exception, and a driver that does not catch it ends the system. ("Handling Exceptions",
//! nf-wdm-mmprobeandlockpages: "calls to MmProbeAndLockPages must be enclosed in a try/except
//! block".)
//!
//! C has `__try` for this; Rust has nothing, and a panic strategy of `abort` has no landing pads
//! either. What `__try` compiles to on amd64, though, is not code but data: the function's unwind
//! information names `__C_specific_handler` as its handler, and a scope table that says between
//! which instructions an exception goes to which landing pad. That is written here by hand, once,
//! for a function that makes the one call.
//!
//! When the call raises, the kernel walks the stack, finds this function's handler, and that
//! finds the call's address inside of the scope. The scope's filter is the constant 1,
//! `EXCEPTION_EXECUTE_HANDLER`, so it unwinds to the landing pad with the exception's code in
//! eax, which the pad returns with a bit above it: a code can be any number, also one that would
//! be a success. No Rust frame lies between, so none is skipped without its drops.
//!
//! Source: "x64 exception handling" (unwind data, `UNW_FLAG_EHANDLER`, scope tables).
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Status,
//!     irp::{Fresh, Irp},
//!     irql::Passive,
//!     mdl::UserPages,
//!     probe::LockOperation,
//! };
//!
//! /// A client's bad address is an error, as what the kernel raises for it becomes a status.
//! fn is_there(irp: &Irp<Fresh>, address: u64, irql: &Passive) -> Result<(), Status> {
//!     UserPages::lock(irp, address, 1, LockOperation::Read, irql).map(drop)
//! }
//! ```

use core::{arch::global_asm, ptr::NonNull};

use wdk_sys::{
    _LOCK_OPERATION::{IoReadAccess, IoWriteAccess},
    LOCK_OPERATION, MDL,
};

use crate::{Result, Status, constants::USER_MODE};

/// What the pages will be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockOperation {
    /// They are read: a transfer to the device.
    Read,
    /// They are written: a transfer from the device.
    Write,
}

// The prologue reserves the callee's 32 bytes of home space and aligns the stack; the arguments
// stay in rcx, edx and r8d. The instruction behind the call belongs to the scope too, because
// the address that is looked up is the one that the call returns to.
global_asm!(
    ".globl wdm_try_probe_and_lock_pages",
    ".def wdm_try_probe_and_lock_pages",
    ".scl 2",
    ".type 32",
    ".endef",
    ".section .text,\"xr\",one_only,wdm_try_probe_and_lock_pages",
    ".p2align 4",
    "wdm_try_probe_and_lock_pages:",
    ".seh_proc wdm_try_probe_and_lock_pages",
    "sub rsp, 40",
    ".seh_stackalloc 40",
    ".seh_endprologue",
    ".Lwdm_try_begin:",
    "call MmProbeAndLockPages",
    "nop",
    ".Lwdm_try_end:",
    "xor eax, eax",
    "add rsp, 40",
    "ret",
    ".Lwdm_except:",
    "mov eax, eax",
    "bts rax, 32",
    "add rsp, 40",
    "ret",
    ".seh_handler __C_specific_handler, @except",
    ".seh_handlerdata",
    ".long 1",
    ".rva .Lwdm_try_begin",
    ".rva .Lwdm_try_end",
    ".long 1",
    ".rva .Lwdm_except",
    ".section .text,\"xr\",one_only,wdm_try_probe_and_lock_pages",
    ".seh_endproc",
    // The system calls the handler by the address in the unwind data. The compiler does not know
    // that the address is taken, so it is entered here in Control Flow Guard's table of call
    // targets: a guarded call of what is not in it ends the system. The linker makes the table of
    // the symbols that sections of this name list. ("PE Format", the load configuration.)
    ".section .gfids$y,\"dr\"",
    ".symidx __C_specific_handler",
    ".text",
);

unsafe extern "C" {
    /// `MmProbeAndLockPages` in a `try`; returns zero, or in the `except` the exception's code
    /// with [`RAISED`].
    fn wdm_try_probe_and_lock_pages(
        mdl: *mut MDL,
        access_mode: i8,
        operation: LOCK_OPERATION,
    ) -> u64;
}

/// The bit above the code of an exception.
const RAISED: u64 = 1 << 32;

/// What the call returned, as a result. A code that would be a success as a status is none.
const fn outcome(returned: u64) -> Result<()> {
    if returned & RAISED == 0 {
        return Ok(());
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the code is the lower half"
    )]
    let code = Status::from_raw((returned as u32).cast_signed());
    Err(if code.is_success() {
        Status::UNSUCCESSFUL
    } else {
        code
    })
}

// No exception is taken for a success, whatever its code.
const _: () = {
    assert!(outcome(0).is_ok());
    let mut index = 0;
    let codes: [u32; 5] = [0, 1, 0x4000_0005, 0x8000_0002, 0xc000_0005];
    while index < codes.len() {
        match outcome(RAISED | codes[index] as u64) {
            Err(status) => assert!(!status.is_success()),
            Ok(()) => panic!("an exception is a failure"),
        }
        index += 1;
    }
};

/// `MmProbeAndLockPages` for a buffer of the current process.
///
/// # Errors
///
/// The code of the exception that it raises, or `STATUS_UNSUCCESSFUL` if that would be a
/// success; the MDL is not locked then.
///
/// # Safety
///
/// The MDL is valid and not locked. IRQL <= APC_LEVEL, in the context of the buffer's process.
pub unsafe fn lock_user_pages(mdl: NonNull<MDL>, operation: LockOperation) -> Result<()> {
    let operation = match operation {
        LockOperation::Read => IoReadAccess,
        LockOperation::Write => IoWriteAccess,
    };
    // SAFETY: by contract; an exception does not leave the callee.
    let returned = unsafe { wdm_try_probe_and_lock_pages(mdl.as_ptr(), USER_MODE, operation) };
    outcome(returned)
}
