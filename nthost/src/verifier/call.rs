//! What happens at every call of a routine that drivers can import: its IRQL rule is checked.

use core::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};

use super::trace;
use crate::{
    export::{DISPATCH_LEVEL, Routine},
    hal::serial::Port,
    ke::{irql, noise, stack, trap::TrapFrame},
    mm::{pageable, paging::KERNEL_BASE},
    pe::unwind::Registers,
};

/// Calls checked.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// Reads the switches of the command line.
pub fn initialize(_command_line: &str) {}

/// How many calls were checked.
#[must_use]
pub fn count() -> u64 {
    CALLS.load(Ordering::Relaxed)
}

/// A routine is called; whether its documentation allows that at this IRQL. If not, the caller
/// goes on to [`super::irql::refused`], with the routine's arguments.
///
/// Never inlined: its own frame leads to that of the routine.
#[inline(never)]
#[must_use]
pub fn enter(routine: &'static Routine) -> bool {
    CALLS.fetch_add(1, Ordering::Relaxed);
    let description = core::ptr::from_ref(routine).expose_provenance() as u64;
    trace::record(trace::Event::Call, description, callers_caller());
    let level = irql::current();
    if level > routine.highest || level < routine.lowest {
        return false;
    }
    if callers_caller() < KERNEL_BASE {
        stack::check(callers_frame());
    }
    // Drivers raise the IRQL without a call; the first one that they make tells.
    if level >= DISPATCH_LEVEL {
        pageable::trim();
    }
    noise::at_call();
    if super::breakpoint::any() {
        super::breakpoint::reached(routine.name, callers_caller());
    }
    true
}

/// Where the routine that called the one that calls this returns to.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the frame read is the caller's own")]
fn callers_caller() -> u64 {
    let address: u64;
    // SAFETY: reads the frame pointer of the caller's caller, and the return address that it
    // leads to; nthost is built with frame pointers.
    unsafe {
        core::arch::asm!("mov {0}, [rbp]", "mov {0}, [{0} + 8]", out(reg) address,
            options(nostack, readonly, preserves_flags));
    };
    address
}

/// Where the frame of the caller's caller is.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the frame read is the caller's own")]
fn callers_frame() -> u64 {
    let address: u64;
    // SAFETY: reads the frame pointer of the caller's caller.
    unsafe {
        core::arch::asm!("mov {0}, [rbp]", out(reg) address,
            options(nostack, readonly, preserves_flags));
    };
    address
}

/// Where the routine that calls this one returns to: the driver that called it.
///
/// To be called by an exported routine itself, not by what it calls.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the frame read is the caller's own")]
#[must_use]
pub fn caller() -> u64 {
    let address: u64;
    // SAFETY: reads the return address that the frame pointer leads to.
    unsafe {
        core::arch::asm!("mov {}, [rbp + 8]", out(reg) address,
            options(nostack, readonly, preserves_flags));
    };
    address
}

/// Where the driver that nthost works for at this moment called it: the first place on the stack
/// that is in a driver. Zero if there is none.
#[inline(never)]
#[must_use]
pub fn driver() -> u64 {
    let mut frame: u64;
    // SAFETY: reads the frame pointer.
    unsafe {
        core::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags));
    };
    while frame.is_multiple_of(8) && stack::contains(frame) && stack::contains(frame + 8) {
        // SAFETY: within the thread's stack.
        let address = unsafe { *((frame + 8) as *const u64) };
        if address < KERNEL_BASE {
            return crate::pe::module::find(address).map_or(0, |_| address);
        }
        // SAFETY: as above.
        frame = unsafe { *(frame as *const u64) };
    }
    0
}

/// An exception: whether a handler took care of it.
pub fn handle_exception(frame: &mut TrapFrame) -> bool {
    crate::ke::exception::handle_trap(frame)
}

/// The module that an address is in, and the offset in it.
#[must_use]
pub fn module_of(address: u64) -> (&'static str, u64) {
    match crate::pe::module::find(address) {
        Some(module) => (&module.name, address - module.base),
        None if address >= KERNEL_BASE => ("nthost", address),
        None => ("?", address),
    }
}

/// Walks a stack.
pub fn walk_stack(registers: Registers, visit: &mut dyn FnMut(usize, u64)) {
    crate::ke::exception::walk_stack(registers, visit);
}

/// What else a bugcheck tells.
pub fn report(port: &mut Port) {
    let _ = writeln!(port, "{} calls were checked", count());
    if let Some(seed) = noise::seed() {
        let _ = writeln!(port, "noise seed {seed:#x}");
    }
}
