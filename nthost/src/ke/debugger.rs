//! There is no kernel debugger, as drivers are told. What would break into it raises an exception,
//! which ends the system if no handler takes it. (QEMU's gdb stub is none of this: it stops the
//! machine.)
//!
//! Sources: DbgBreakPoint, DbgBreakPointWithStatus, KdRefreshDebuggerNotPresent, KdDisableDebugger,
//! KdEnableDebugger, KdChangeOption, the headers'
//! KD_DEBUGGER_ENABLED and KD_DEBUGGER_NOT_PRESENT; "ASSERT" for what RtlAssert is called by.

use core::ffi::c_char;

use nthost_nt::status::{NTSTATUS, STATUS_BREAKPOINT, STATUS_DEBUGGER_INACTIVE};

use super::{bugcheck::is_readable, exception::raise};

/// `KdDebuggerEnabled`, a variable.
static ENABLED: u8 = 0;
/// `KdDebuggerNotPresent`, a variable.
static NOT_PRESENT: u8 = 1;
/// `NtBuildNumber`, a variable: the build, and that it is no checked one.
static BUILD: u32 = 0xf000_0000 + 19041;
/// `InitSafeBootMode`, a variable: the system was not booted in safe mode.
static SAFE_BOOT: u32 = 0;

#[allow(clippy::ptr_as_ptr, reason = "the table takes routines too")]
const _: () = {
    nt_export_data!(KdDebuggerEnabled = (&raw const ENABLED).cast::<()>());
    nt_export_data!(KdDebuggerNotPresent = (&raw const NOT_PRESENT).cast::<()>());
    nt_export_data!(NtBuildNumber = (&raw const BUILD).cast::<()>());
    nt_export_data!(InitSafeBootMode = (&raw const SAFE_BOOT).cast::<()>());
};

/// A text up to its NUL, as far as it can be read.
fn text(start: *const c_char) -> alloc::string::String {
    let mut text = alloc::string::String::new();
    let mut address = start as u64;
    while !start.is_null() && text.len() < 256 && is_readable(address) {
        // SAFETY: it can be read.
        let byte = unsafe { *(address as *const u8) };
        if byte == 0 {
            break;
        }
        text.push(byte.into());
        address += 1;
    }
    text
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Breaks into the debugger: raises STATUS_BREAKPOINT in the caller.
    ///
    /// Source: DbgBreakPoint.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn DbgBreakPoint() {
        raise(STATUS_BREAKPOINT)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// As DbgBreakPoint.
    ///
    /// Source: DbgBreakPointWithStatus.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn DbgBreakPointWithStatus(status: u64) {
        log!("debugger", "a driver breaks with status {:#x}", status as u32);
        raise(STATUS_BREAKPOINT)
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// An assertion of a driver's failed: says which, and breaks.
    ///
    /// Source: "ASSERT", a macro of the driver headers.
    ///
    /// # Safety
    ///
    /// Each is null, or a text.
    pub unsafe fn RtlAssert(
        assertion: *const c_char,
        file: *const c_char,
        line: u64,
        message: *const c_char
    ) {
        let (assertion, file, message) = (text(assertion), text(file), text(message));
        let line = line as u32;
        log!("debugger", "assertion failed: {assertion} {message} ({file}:{line})");
        raise(STATUS_BREAKPOINT)
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Turns the debugger off: there is none, which is what `STATUS_DEBUGGER_INACTIVE` says.
    ///
    /// Source: KdDisableDebugger.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KdDisableDebugger() -> NTSTATUS {
        STATUS_DEBUGGER_INACTIVE
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Turns the debugger on again, likewise.
    ///
    /// Source: KdEnableDebugger.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KdEnableDebugger() -> NTSTATUS {
        STATUS_DEBUGGER_INACTIVE
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Changes how the debugger works, likewise.
    ///
    /// Source: KdChangeOption.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KdChangeOption(
        _option: i32,
        _in_length: u32,
        _in_buffer: *const u8,
        _out_length: u32,
        _out_buffer: *mut u8,
        _needed: *mut u32,
    ) -> NTSTATUS {
        STATUS_DEBUGGER_INACTIVE
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Looks again whether there is no debugger: TRUE.
    ///
    /// Source: KdRefreshDebuggerNotPresent.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KdRefreshDebuggerNotPresent() -> u8 {
        NOT_PRESENT
    }
}
