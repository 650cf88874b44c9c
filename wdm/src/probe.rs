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
//! eax, which the pad returns. No Rust frame lies between, so none is skipped without its drops.
//!
//! Source: "x64 exception handling" (unwind data, `UNW_FLAG_EHANDLER`, scope tables).

use core::{arch::global_asm, ptr::NonNull};

use wdk_sys::{
    _LOCK_OPERATION::{IoReadAccess, IoWriteAccess},
    LOCK_OPERATION, MDL, NTSTATUS,
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
    ".Lwdm_except:",
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
    /// `MmProbeAndLockPages` in a `try`; returns the exception's code in the `except`, or zero.
    fn wdm_try_probe_and_lock_pages(
        mdl: *mut MDL,
        access_mode: i8,
        operation: LOCK_OPERATION,
    ) -> NTSTATUS;
}

/// `MmProbeAndLockPages` for a buffer of the current process.
///
/// # Errors
///
/// The code of the exception that it raises; the MDL is not locked then.
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
    let code = unsafe { wdm_try_probe_and_lock_pages(mdl.as_ptr(), USER_MODE, operation) };
    Status::check(code)
}
