//! The gate up: what a driver's routine must leave as it found it. That is the IRQL, and what holds
//! the thread's APCs back.
//!
//! Source: bug check 0xC4, subcodes 0x31, 0xC1, 0xC5, 0xFA, 0xFB and 0x111; bug check 0xC7, 4.

use nthost_nt::io::irp::IRP;
use nthost_protocol::manifest::VerifierOption;

use x86_64::instructions::interrupts;

use super::{explore, found, irp::DISPATCH_CHANGED_IRQL, is_on, late_dpc, trace};
use crate::{
    driver_routine::{Before, Call, Gate, Kind},
    io::irp,
    ke::{bugcheck::code, irql, thread},
    mm::pageable,
    pe::module::module_of,
};

/// DRIVER_VERIFIER_IOMANAGER_VIOLATION.
const IOMANAGER_VIOLATION: u32 = 0xc9;

/// What is looked at before and after each call of a driver's routine.
pub static GATE: Gate = Gate { enter, leave };

fn apcs() -> i32 {
    // SAFETY: the thread that runs exists.
    let thread = unsafe { &*thread::current() };
    thread.kernel_apc_disable + thread.special_apc_disable
}

fn violation(call: &Call, parameters: [u64; 4]) {
    found::report_at(
        call.routine,
        code::DRIVER_VERIFIER_DETECTED_VIOLATION,
        parameters,
    );
}

fn count(apcs: i32) -> u64 {
    u64::from(apcs.cast_unsigned())
}

/// A driver's routine is about to be called.
fn enter(call: &Call) -> Before {
    if matches!(call.kind, Kind::Interrupt | Kind::Dpc) {
        pageable::trim();
    }
    let mut before = Before {
        level: irql::current(),
        apcs: apcs(),
        device: 0,
    };
    if call.kind == Kind::Cancel {
        let packet = core::ptr::with_exposed_provenance_mut::<IRP>(call.object as usize);
        // It gives the cancel spin lock back, and with it the IRQL from before that was taken.
        // SAFETY: the IRP is about to be given to its cancel routine.
        before.level = unsafe { (*packet).CancelIrql };
        // SAFETY: as above.
        before.device = unsafe { irp::current_device(packet) }.addr() as u64;
    }
    if call.kind == Kind::Dpc {
        late_dpc::runs(call.object);
        trace::record(trace::Event::Dpc, call.routine, 0);
    }
    explore::enters(call);
    before
}

/// A driver's routine has returned.
fn leave(call: &Call, before: Before) {
    explore::leaves(call);
    match call.kind {
        Kind::Dispatch => after_dispatch(call, before),
        Kind::Completion => after_completion(call, before),
        Kind::Cancel => after_cancel(call, before),
        Kind::Dpc => after_dpc(call, before),
        Kind::Interrupt => after_interrupt(call, before),
        _ => {}
    }
}

/// The routine has returned, so that no stack names it.
fn blame(call: &Call, what: &str) {
    let (module, offset) = module_of(call.routine);
    log!(
        "verifier",
        "the routine at {module}+{offset:#x} changed {what}"
    );
}

fn after_dispatch(call: &Call, before: Before) {
    let (level, apcs) = (irql::current(), apcs());
    if !is_on(VerifierOption::IoVerification) {
        return;
    }
    if !interrupts::are_enabled() {
        blame(call, "whether interrupts are enabled");
        violation(call, [0xc1, call.routine, 0, 0]);
    }
    if apcs != before.apcs {
        blame(call, "what holds APCs back");
        violation(call, [0xc5, call.routine, count(apcs), count(before.apcs)]);
    }
    if level != before.level {
        blame(call, "the IRQL");
        let parameters = [
            DISPATCH_CHANGED_IRQL as u64,
            call.object,
            before.level.into(),
            level.into(),
        ];
        found::report_at(call.routine, IOMANAGER_VIOLATION, parameters);
    }
}

fn after_completion(call: &Call, before: Before) {
    let (level, apcs) = (irql::current(), apcs());
    if !is_on(VerifierOption::IoVerification) {
        return;
    }
    if level != before.level {
        blame(call, "the IRQL");
        violation(
            call,
            [0xfa, call.routine, before.level.into(), level.into()],
        );
    }
    if apcs != before.apcs {
        blame(call, "what holds APCs back");
        violation(call, [0xfb, call.routine, count(apcs), count(before.apcs)]);
    }
}

fn after_cancel(call: &Call, before: Before) {
    let level = irql::current();
    if level != before.level && is_on(VerifierOption::IoVerification) {
        blame(call, "the IRQL");
        let parameters = [
            DISPATCH_CHANGED_IRQL as u64,
            before.device,
            before.level.into(),
            level.into(),
        ];
        found::report_at(call.routine, IOMANAGER_VIOLATION, parameters);
        irql::set(before.level);
    }
}

fn after_dpc(call: &Call, before: Before) {
    let (level, apcs) = (irql::current(), apcs());
    if !is_on(VerifierOption::MiscellaneousChecks) {
        return;
    }
    if level != before.level {
        blame(call, "the IRQL");
    }
    if apcs != before.apcs {
        blame(call, "what holds APCs back");
    }
    if level < before.level {
        // Parameter 4: 1 for a level that is not allowed inside a DPC's routine.
        violation(call, [0x31, before.level.into(), level.into(), 1]);
    }
    if level > before.level {
        violation(call, [0x30, level.into(), before.level.into(), 0]);
    }
    if level != before.level {
        irql::set(before.level);
    }
    if apcs != before.apcs {
        let parameters = [4, call.routine, count(before.apcs), count(apcs)];
        found::report_at(call.routine, code::TIMER_OR_DPC_INVALID, parameters);
    }
}

fn after_interrupt(call: &Call, before: Before) {
    let level = irql::current();
    if level != before.level && is_on(VerifierOption::MiscellaneousChecks) {
        blame(call, "the IRQL");
        violation(
            call,
            [0x111, call.routine, before.level.into(), level.into()],
        );
    }
}
