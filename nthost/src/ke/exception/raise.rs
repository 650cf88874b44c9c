//! Raising an exception in the driver that called.
//!
//! Sources: ExRaiseStatus, ExRaiseAccessViolation, ExRaiseDatatypeMisalignment.

use nthost_nt::status::{STATUS_ACCESS_VIOLATION, STATUS_DATATYPE_MISALIGNMENT};

use super::{
    CallerFrame,
    context::{ExceptionRecord, NONCONTINUABLE, flags},
    dispatch::dispatch,
};
use crate::{
    ke::bugcheck,
    pe::unwind::{RSP, Registers},
};

/// Raises a status in the driver that called a routine of nthost's. Does not return there: a
/// handler of the driver's goes on, or the system ends.
pub fn raise_from(caller: &CallerFrame, status: i32) -> ! {
    let registers = caller.registers();
    let mut record = ExceptionRecord::new(status, NONCONTINUABLE, registers.rip);
    dispatch(&mut record, &registers, flags());
    unhandled(&record, &registers)
}

pub(super) fn unhandled(record: &ExceptionRecord, registers: &Registers) -> ! {
    let [first, second, ..] = record.information;
    let code = i64::from(record.code).cast_unsigned();
    bugcheck::at_registers(
        bugcheck::exception_code(),
        [code, record.address, first, second],
        registers.rip,
        registers.general[RSP],
        registers.general[5],
    )
}

crate::raising_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Raises a status in the caller.
    ///
    /// Source: ExRaiseStatus.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExRaiseStatus(status: i32, _second: u64, _third: u64; caller) {
        raise_from(caller, status)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Raises STATUS_ACCESS_VIOLATION in the caller.
    ///
    /// Source: ExRaiseAccessViolation.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExRaiseAccessViolation(_first: u64, _second: u64, _third: u64; caller) {
        raise_from(caller, STATUS_ACCESS_VIOLATION)
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Raises STATUS_DATATYPE_MISALIGNMENT in the caller.
    ///
    /// Source: ExRaiseDatatypeMisalignment.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ExRaiseDatatypeMisalignment(_first: u64, _second: u64, _third: u64; caller) {
        raise_from(caller, STATUS_DATATYPE_MISALIGNMENT)
    }
}
