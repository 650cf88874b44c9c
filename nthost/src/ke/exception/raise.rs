//! Raising an exception in the driver that called.
//!
//! Sources: ExRaiseStatus, ExRaiseAccessViolation, ExRaiseDatatypeMisalignment.

use nthost_nt::status::{STATUS_ACCESS_VIOLATION, STATUS_DATATYPE_MISALIGNMENT};

use super::{
    context::{ExceptionRecord, NONCONTINUABLE, flags},
    dispatch::dispatch,
    own_frame,
};
use crate::{
    ke::bugcheck,
    pe::{module, unwind::Registers},
};

/// The registers of the driver that called nthost, after the call; those of nthost's outermost
/// frame if none did.
fn of_driver(mut registers: Registers) -> Registers {
    while module::find(registers.rip).is_none() && own_frame::unwind(&mut registers, true).is_some()
    {
    }
    registers
}

/// Raises a status in the driver that nthost works for. Does not return: a handler of the
/// driver's goes on, or the system ends. Nothing that nthost's frames own is released, so they
/// must hold no lock, and own nothing.
#[inline(never)]
pub fn raise(status: i32) -> ! {
    let registers = of_driver(Registers::here());
    let mut record = ExceptionRecord::new(status, NONCONTINUABLE, registers.rip);
    dispatch(&mut record, &registers, flags());
    unhandled(&record, &registers)
}

/// Ends the system with an exception that nobody handles.
pub(super) fn unhandled(record: &ExceptionRecord, registers: &Registers) -> ! {
    let [first, second, ..] = record.information;
    let code = i64::from(record.code).cast_unsigned();
    let parameters = [code, record.address, first, second];
    bugcheck::at_registers(bugcheck::exception_code(), parameters, registers)
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Raises a status in the caller.
    ///
    /// Source: ExRaiseStatus.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExRaiseStatus(status: i32) {
        raise(status)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Raises STATUS_ACCESS_VIOLATION in the caller.
    ///
    /// Source: ExRaiseAccessViolation.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExRaiseAccessViolation() {
        raise(STATUS_ACCESS_VIOLATION)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Raises STATUS_DATATYPE_MISALIGNMENT in the caller.
    ///
    /// Source: ExRaiseDatatypeMisalignment.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExRaiseDatatypeMisalignment() {
        raise(STATUS_DATATYPE_MISALIGNMENT)
    }
}
