//! The gate down: what happens when a driver calls a routine of the kernel, before the routine
//! itself does.
//!
//! The loader binds an import of a driver that is watched to the routine's checked entry, and
//! that jumps here. What is looked at is looked at in [`enter`]; then the routine runs as if the
//! driver had called it directly, with the same registers and the same stack. A driver that
//! nobody watches is bound to the routines themselves, and never comes here.

use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{apcs, breakpoint, explore, fault, history, irql as irql_rule, noise, options, trace};
use crate::{
    export::{self, Check, DISPATCH_LEVEL, GATE, Routine},
    hook,
    ke::{irql, stack},
    mm::{pageable, paging::KERNEL_BASE},
};

/// Calls that passed the gate.
static CALLS: AtomicU64 = AtomicU64::new(0);

/// How many calls have passed the gate.
#[must_use]
pub fn count() -> u64 {
    CALLS.load(Ordering::Relaxed)
}

/// Opens the gate: from here on, drivers can be bound to checked entries.
pub fn open() {
    // Relaxed: drivers are loaded long after.
    GATE.store(down as *mut (), Ordering::Relaxed);
    hook::register::bugcheck_report(report);
    super::binding::watch_processors();
    for (name, check) in apcs::CHECKS {
        attach(name, *check);
    }
}

/// Has a rule looked at before the routine of this name.
fn attach(name: &str, check: Check) {
    let mut exports = export::all().iter();
    let found = exports.find(|export| export.name == name);
    let routine = found.and_then(|export| export.routine);
    debug_assert!(routine.is_some(), "{name} is no routine");
    if let Some(routine) = routine {
        // Relaxed: no driver is loaded yet.
        routine.check.store(check as *mut (), Ordering::Relaxed);
    }
}

/// What a call left on the stack when it came: its frame, made by [`down`].
#[derive(Debug)]
#[repr(C)]
struct Frame {
    /// The frame pointer of the caller.
    _saved: u64,
    /// Where the call returns to.
    caller: u64,
    /// The home space of the first four arguments, which [`down`] filled; the others lie behind.
    arguments: [u64; 4],
}

impl Frame {
    /// The arguments of a call of this routine.
    fn arguments(&self, routine: &Routine) -> &[u64] {
        // SAFETY: the caller laid out as many as the routine has, in a row with the home space.
        unsafe { core::slice::from_raw_parts(self.arguments.as_ptr(), routine.arguments) }
    }
}

naked! {
    /// Where the checked entries jump to: `rax` is the address of the [`Routine`], all else is as
    /// the driver left it. A caller on amd64 leaves 32 bytes of home space for the arguments in
    /// registers ("x64 calling convention"); there they survive. No routine takes floating-point
    /// numbers, and nthost itself has none in registers.
    unsafe extern "C" fn down() {
        "push rbp",
        "mov rbp, rsp",
        "mov [rbp + 16], rcx",
        "mov [rbp + 24], rdx",
        "mov [rbp + 32], r8",
        "mov [rbp + 40], r9",
        // Shadow space; the stack stays aligned.
        "sub rsp, 32",
        "mov rcx, rax",
        "mov rdx, rbp",
        "call {enter}",
        "mov rcx, [rbp + 16]",
        "mov rdx, [rbp + 24]",
        "mov r8, [rbp + 32]",
        "mov r9, [rbp + 40]",
        "leave",
        "jmp rax",
        enter = sym enter,
    }
}

/// A driver calls a routine. What is to run is at the address that this returns: the routine, or
/// what fails in its place.
unsafe extern "win64" fn enter(routine: &'static Routine, frame: &Frame) -> *const () {
    let caller = frame.caller;
    CALLS.fetch_add(1, Ordering::Relaxed);
    let description = core::ptr::from_ref(routine).expose_provenance() as u64;
    trace::record(trace::Event::Call, description, caller);
    if options::is_any_on_at(caller) {
        let level = irql::current();
        if level > routine.highest || level < routine.lowest {
            irql_rule::refused(routine, frame.arguments(routine));
        }
        if caller < KERNEL_BASE {
            stack::check(core::ptr::from_ref(frame) as u64);
        }
        // Drivers raise the IRQL without a call; the first one that they make tells.
        if level >= DISPATCH_LEVEL {
            pageable::trim();
        }
    }
    noise::at_call();
    explore::at_call(routine, caller);
    if breakpoint::any() {
        breakpoint::reached(routine.name, caller);
    }
    let check = routine.check.load(Ordering::Relaxed);
    if !check.is_null() && options::is_any_on_at(caller) {
        // SAFETY: `attach` puts nothing but this type there.
        let check = unsafe { core::mem::transmute::<*mut (), Check>(check) };
        check(routine, frame.arguments(routine));
    }
    if !routine.failure.is_null() && fault::strikes(routine.name, caller) {
        return routine.failure;
    }
    routine.address
}

/// What else a bug check tells.
fn report(port: &mut dyn fmt::Write, processor: u32) {
    history::report(port, processor);
    explore::report(port);
    let _ = writeln!(port, "{} calls were checked", count());
    if let Some(seed) = noise::seed() {
        let _ = writeln!(port, "noise seed {seed:#x}");
    }
}
