//! Page faults: what mends itself, what a driver may catch, and what ends the system.
//!
//! Only an invalid address of user space is an exception, and only below DISPATCH_LEVEL: a fault
//! in the kernel's half cannot be caught. Of the latter, pageable memory is made resident below
//! DISPATCH_LEVEL.
//!
//! Sources: "Access Violations" and bug checks 0x0A, 0x50, 0xBE, 0xCC, 0xCD, 0xD1, 0xD5, 0xD6
//! and 0xFC.

use super::{
    bugcheck::{self, bugcheck_at, code},
    irql,
    trap::TrapFrame,
};
use crate::{
    export::DISPATCH_LEVEL,
    hook,
    mm::{
        address_space::USER_PROBE_ADDRESS,
        guarded, pageable,
        pool::{self, Misuse},
    },
    pe::module::module_of,
};

/// Bits of the error code.
const PRESENT: u64 = 1;
const WRITE: u64 = 2;
const EXECUTE: u64 = 16;

/// What there is to do about a page fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The instruction can be tried again.
    Resolved,
    /// A handler may catch it.
    Exception,
    /// It is the end.
    Fatal,
}

/// The address that the last page fault on this processor was about.
#[must_use]
pub fn address() -> u64 {
    x86_64::registers::control::Cr2::read_raw()
}

/// What a fault was about, as the first parameter of STATUS_ACCESS_VIOLATION says it: 0 for a read,
/// 1 for a write, 8 for an instruction that may not be run.
///
/// Source: ns-winnt-exception_record.
#[must_use]
pub const fn operation(frame: &TrapFrame) -> u64 {
    match (frame.error & WRITE, frame.error & EXECUTE) {
        (_, EXECUTE) => 8,
        (WRITE, _) => 1,
        _ => 0,
    }
}

fn of_driver(frame: &TrapFrame) -> bool {
    module_of(frame.rip).0 != "nthost"
}

/// Mends a fault, or says whether it can be caught.
#[must_use]
pub fn resolve(frame: &TrapFrame) -> Outcome {
    let (address, level) = (address(), irql::current());
    // What nthost does for a driver at raised IRQL is not the driver's access.
    let may_page = level < DISPATCH_LEVEL || !of_driver(frame);
    let pages = frame.error & PRESENT == 0 && pageable::contains(address);
    let parameters = || [address, level.into(), operation(frame), frame.rip];
    if pages
        && (may_page || hook::pageable_touched(parameters()))
        && pageable::make_resident(address)
    {
        return Outcome::Resolved;
    }
    if address < USER_PROBE_ADDRESS && level < DISPATCH_LEVEL && frame.interrupts_enabled() {
        return Outcome::Exception;
    }
    Outcome::Fatal
}

/// Ends the system with what a page fault is called that nobody mends.
pub fn end(frame: &TrapFrame) -> ! {
    let address = address();
    // With interrupts off the level is that above all: nothing can be waited for.
    let level = if frame.interrupts_enabled() {
        u64::from(irql::current())
    } else {
        0xff
    };
    let (write, execute) = (frame.error & WRITE != 0, frame.error & EXECUTE != 0);
    let of_driver = of_driver(frame);
    if frame.error & PRESENT != 0 {
        let entry = crate::mm::paging::entry(address);
        if execute {
            let code = code::ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY;
            bugcheck_at(code, [address, entry, 0, 0], frame);
        }
        if write {
            let code = code::ATTEMPTED_WRITE_TO_READONLY_MEMORY;
            bugcheck_at(code, [address, entry, 0, 0], frame);
        }
    }
    if let Some(misuse) = pool::misuse(address).or_else(|| guarded::misuse(address)) {
        let code = match (misuse, of_driver) {
            (Misuse::Freed, false) => code::PAGE_FAULT_IN_FREED_SPECIAL_POOL,
            (Misuse::Freed, true) => code::DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL,
            (Misuse::Beside, false) => code::PAGE_FAULT_BEYOND_END_OF_ALLOCATION,
            (Misuse::Beside, true) => code::DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION,
        };
        bugcheck_at(code, [address, u64::from(write), frame.rip, 0], frame)
    }
    if level >= u64::from(DISPATCH_LEVEL) {
        let code = if of_driver {
            code::DRIVER_IRQL_NOT_LESS_OR_EQUAL
        } else {
            code::IRQL_NOT_LESS_OR_EQUAL
        };
        bugcheck_at(code, [address, level, operation(frame), frame.rip], frame)
    }
    if address < USER_PROBE_ADDRESS {
        bugcheck::unhandled_exception(bugcheck::ACCESS_VIOLATION, frame);
    }
    let operation = match (write, execute) {
        (_, true) => 0x10,
        (true, _) => 2,
        _ => 0,
    };
    bugcheck_at(
        code::PAGE_FAULT_IN_NONPAGED_AREA,
        [address, operation, frame.rip, 0],
        frame,
    )
}
