//! The end: a stop code with its parameters, the stack, and the emulator's exit.
//!
//! The log gets a line `*** STOP: code (p1, p2, p3, p4) NAME` and one line a frame,
//! `frame N module +0xoffset`, from which the host makes names, files and lines.
//!
//! Source: "Bug Check Code Reference".

use core::{
    fmt::Write,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{ipi, irql, thread, trap::TrapFrame};
use crate::{
    hal::{exit, serial},
    hook,
    mm::{pageable, paging},
    pe::{module::module_of, unwind::Registers},
};

/// The emulator's exit codes; its status is twice as much and one.
pub mod exit_code {
    /// All is well.
    pub const SUCCESS: u8 = 0;
    /// A bugcheck that a driver caused.
    pub const BUGCHECK: u8 = 0x20;
    /// nthost itself is at fault.
    pub const INTERNAL: u8 = 0x21;
    /// A test of nthost's own kernel failed.
    pub const SELFTEST: u8 = 0x22;
}

/// Only the first bugcheck is reported.
static RUNNING: AtomicBool = AtomicBool::new(false);

fn report(code: u32, parameters: [u64; 4], start: &Registers) {
    // Relaxed would do: the first to come reports, the others stop.
    if RUNNING.swap(true, Ordering::SeqCst) {
        loop {
            x86_64::instructions::interrupts::disable();
            x86_64::instructions::hlt();
        }
    }
    let level = irql::current();
    x86_64::instructions::interrupts::disable();
    ipi::stop_others();
    // SAFETY: the other processors stop.
    let mut port = unsafe { serial::seize() };
    let [p1, p2, p3, p4] = parameters;
    let name = name(code);
    let _ = writeln!(
        port,
        "\n*** STOP: {code:#010x} ({p1:#x}, {p2:#x}, {p3:#x}, {p4:#x}) {name}"
    );
    let processor = super::pcr::number_or_zero();
    let thread = thread::current();
    if !thread.is_null() {
        // SAFETY: the thread that runs exists.
        let thread = unsafe { &*thread };
        let _ = writeln!(
            port,
            "processor {processor} irql {level} thread {} {}",
            thread.id, thread.name
        );
    }
    super::exception::walk_stack(*start, &mut |index, address| {
        let (module, offset) = module_of(address);
        let _ = writeln!(port, "frame {index} {module} +{offset:#x}");
    });
    hook::bugcheck_report(&mut port, processor);
    super::bugcheck_callback::run(&mut port);
    let _ = writeln!(port, "*** end");
}

/// Ends the system with a stop code.
pub fn bugcheck(code: u32, parameters: [u64; 4]) -> ! {
    report(code, parameters, &Registers::here());
    exit::exit(exit_code::BUGCHECK)
}

/// Ends the system with a stop code; the stack begins at the place that a trap interrupted.
pub fn bugcheck_at(code: u32, parameters: [u64; 4], frame: &TrapFrame) -> ! {
    report(code, parameters, &frame.registers());
    exit::exit(exit_code::BUGCHECK)
}

/// Ends the system with a stop code; the stack begins at these registers.
pub fn at_registers(code: u32, parameters: [u64; 4], registers: &Registers) -> ! {
    report(code, parameters, registers);
    exit::exit(exit_code::BUGCHECK)
}

/// Ends the system after a panic of nthost's own.
pub fn internal() -> ! {
    report(
        code::KERNEL_SECURITY_CHECK_FAILURE,
        [u64::MAX, 0, 0, 0],
        &Registers::here(),
    );
    exit::exit(exit_code::INTERNAL)
}

/// Stop codes.
pub mod code {
    /// A thread is in a process where it must not be.
    pub const INVALID_PROCESS_ATTACH_ATTEMPT: u32 = 0x05;
    /// A thread leaves a process that it is not in.
    pub const INVALID_PROCESS_DETACH_ATTEMPT: u32 = 0x06;
    /// The IRQL is too low or too high for the routine.
    pub const IRQL_NOT_DISPATCH_LEVEL: u32 = 0x08;
    /// The IRQL was raised to a lower one.
    pub const IRQL_NOT_GREATER_OR_EQUAL: u32 = 0x09;
    /// An invalid address, or pageable memory, at raised IRQL.
    pub const IRQL_NOT_LESS_OR_EQUAL: u32 = 0x0a;
    /// Too many objects in a wait.
    pub const MAXIMUM_WAIT_OBJECTS_EXCEEDED: u32 = 0x0c;
    /// A spin lock is taken by its holder.
    pub const SPIN_LOCK_ALREADY_OWNED: u32 = 0x0f;
    /// A spin lock is released by someone else.
    pub const SPIN_LOCK_NOT_OWNED: u32 = 0x10;
    /// An exception that nobody handled.
    pub const KMODE_EXCEPTION_NOT_HANDLED: u32 = 0x1e;
    /// There is no room for a mapping that must not fail.
    pub const NO_MORE_SYSTEM_PTES: u32 = 0x3f;
    /// What is known of a physical page is wrong.
    pub const PFN_LIST_CORRUPT: u32 = 0x4e;
    /// An exception in what a thread does for a process.
    pub const SYSTEM_SERVICE_EXCEPTION: u32 = 0x3b;
    /// More of the stack is in use than is granted.
    pub const PANIC_STACK_SWITCH: u32 = 0x2b;
    /// Memory that may only be read was written.
    pub const ATTEMPTED_WRITE_TO_READONLY_MEMORY: u32 = 0xbe;
    /// Memory that holds no code was run.
    pub const ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY: u32 = 0xfc;
    /// A page fault in memory that cannot be paged.
    pub const PAGE_FAULT_IN_NONPAGED_AREA: u32 = 0x50;
    /// A thread ends in a region that holds APCs back.
    pub const KERNEL_APC_PENDING_DURING_EXIT: u32 = 0x20;
    /// An exception in a system thread.
    pub const SYSTEM_THREAD_EXCEPTION_NOT_HANDLED: u32 = 0x7e;
    /// A nonmaskable interrupt that nobody handled.
    pub const NMI_HARDWARE_FAILURE: u32 = 0x80;
    /// A trap that the kernel cannot continue from.
    pub const UNEXPECTED_KERNEL_MODE_TRAP: u32 = 0x7f;
    /// A wait, or a switch of threads, from a DPC or with the dispatcher off.
    pub const ATTEMPTED_SWITCH_FROM_DPC: u32 = 0xb8;
    /// A driver is unloaded, and something of it is still in use.
    pub const DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS: u32 = 0xce;
    /// A power request was not completed in time.
    pub const DRIVER_POWER_STATE_FAILURE: u32 = 0x9f;
    /// A driver breaks a rule of power management.
    pub const INTERNAL_POWER_ERROR: u32 = 0xa0;
    /// Pool is used that was freed.
    pub const PAGE_FAULT_IN_FREED_SPECIAL_POOL: u32 = 0xcc;
    /// Memory beside an allocation is used.
    pub const PAGE_FAULT_BEYOND_END_OF_ALLOCATION: u32 = 0xcd;
    /// A driver uses pool that was freed.
    pub const DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL: u32 = 0xd5;
    /// A driver uses memory beside an allocation.
    pub const DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION: u32 = 0xd6;
    /// A driver touched an invalid address at raised IRQL.
    pub const DRIVER_IRQL_NOT_LESS_OR_EQUAL: u32 = 0xd1;
    /// Bytes beside an allocation were written.
    pub const SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION: u32 = 0xc1;
    /// The header of a pool allocation is damaged.
    pub const BAD_POOL_HEADER: u32 = 0x19;
    /// An MDL has no room for the pages of a range.
    pub const TARGET_MDL_TOO_SMALL: u32 = 0x40;
    /// A bad call of a pool routine.
    pub const BAD_POOL_CALLER: u32 = 0xc2;
    /// A timer or DPC is in memory that is freed.
    pub const TIMER_OR_DPC_INVALID: u32 = 0xc7;
    /// A handle that is none was closed.
    pub const INVALID_KERNEL_HANDLE: u32 = 0x93;
    /// A thread ends whose stack is to stay in memory.
    pub const KERNEL_STACK_LOCKED_AT_EXIT: u32 = 0x94;
    /// A process ends, and a driver has pages of it locked.
    pub const PROCESS_HAS_LOCKED_PAGES: u32 = 0x76;
    /// A driver left pages locked.
    pub const DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS: u32 = 0xcb;
    /// What the verifier finds.
    pub const DRIVER_VERIFIER_DETECTED_VIOLATION: u32 = 0xc4;
    /// A mapping is undone that was not made.
    pub const SYSTEM_PTE_MISUSE: u32 = 0xda;
    /// A crash that software asked for.
    pub const MANUALLY_INITIATED_CRASH1: u32 = 0xe2;
    /// A resource is released by a thread that does not have it.
    pub const RESOURCE_NOT_OWNED: u32 = 0xe3;
    /// A work item is used in a way that it cannot be.
    pub const WORKER_INVALID: u32 = 0xe4;
    /// A thread ends that owns a mutex.
    pub const THREAD_TERMINATE_HELD_MUTEX: u32 = 0x4000_008a;
    /// A routine, or a processor at DISPATCH_LEVEL or above, takes too long.
    pub const DPC_WATCHDOG_VIOLATION: u32 = 0x133;
    /// A structure of the kernel's is damaged.
    pub const KERNEL_SECURITY_CHECK_FAILURE: u32 = 0x139;
}

fn name(code: u32) -> &'static str {
    match code {
        code::INVALID_PROCESS_ATTACH_ATTEMPT => "INVALID_PROCESS_ATTACH_ATTEMPT",
        code::INVALID_PROCESS_DETACH_ATTEMPT => "INVALID_PROCESS_DETACH_ATTEMPT",
        code::IRQL_NOT_DISPATCH_LEVEL => "IRQL_NOT_DISPATCH_LEVEL",
        code::IRQL_NOT_GREATER_OR_EQUAL => "IRQL_NOT_GREATER_OR_EQUAL",
        code::IRQL_NOT_LESS_OR_EQUAL => "IRQL_NOT_LESS_OR_EQUAL",
        code::MAXIMUM_WAIT_OBJECTS_EXCEEDED => "MAXIMUM_WAIT_OBJECTS_EXCEEDED",
        code::SPIN_LOCK_ALREADY_OWNED => "SPIN_LOCK_ALREADY_OWNED",
        code::SPIN_LOCK_NOT_OWNED => "SPIN_LOCK_NOT_OWNED",
        code::KMODE_EXCEPTION_NOT_HANDLED => "KMODE_EXCEPTION_NOT_HANDLED",
        code::PANIC_STACK_SWITCH => "PANIC_STACK_SWITCH",
        code::NO_MORE_SYSTEM_PTES => "NO_MORE_SYSTEM_PTES",
        code::PFN_LIST_CORRUPT => "PFN_LIST_CORRUPT",
        code::PAGE_FAULT_IN_NONPAGED_AREA => "PAGE_FAULT_IN_NONPAGED_AREA",
        code::KERNEL_APC_PENDING_DURING_EXIT => "KERNEL_APC_PENDING_DURING_EXIT",
        code::SYSTEM_THREAD_EXCEPTION_NOT_HANDLED => "SYSTEM_THREAD_EXCEPTION_NOT_HANDLED",
        code::SYSTEM_SERVICE_EXCEPTION => "SYSTEM_SERVICE_EXCEPTION",
        code::ATTEMPTED_WRITE_TO_READONLY_MEMORY => "ATTEMPTED_WRITE_TO_READONLY_MEMORY",
        code::ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY => "ATTEMPTED_EXECUTE_OF_NOEXECUTE_MEMORY",
        code::NMI_HARDWARE_FAILURE => "NMI_HARDWARE_FAILURE",
        code::UNEXPECTED_KERNEL_MODE_TRAP => "UNEXPECTED_KERNEL_MODE_TRAP",
        code::ATTEMPTED_SWITCH_FROM_DPC => "ATTEMPTED_SWITCH_FROM_DPC",
        code::DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS => {
            "DRIVER_UNLOADED_WITHOUT_CANCELLING_PENDING_OPERATIONS"
        }
        code::PAGE_FAULT_IN_FREED_SPECIAL_POOL => "PAGE_FAULT_IN_FREED_SPECIAL_POOL",
        code::PAGE_FAULT_BEYOND_END_OF_ALLOCATION => "PAGE_FAULT_BEYOND_END_OF_ALLOCATION",
        code::DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL => "DRIVER_PAGE_FAULT_IN_FREED_SPECIAL_POOL",
        code::DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION => {
            "DRIVER_PAGE_FAULT_BEYOND_END_OF_ALLOCATION"
        }
        code::DRIVER_POWER_STATE_FAILURE => "DRIVER_POWER_STATE_FAILURE",
        code::INTERNAL_POWER_ERROR => "INTERNAL_POWER_ERROR",
        code::DRIVER_IRQL_NOT_LESS_OR_EQUAL => "DRIVER_IRQL_NOT_LESS_OR_EQUAL",
        code::SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION => "SPECIAL_POOL_DETECTED_MEMORY_CORRUPTION",
        code::BAD_POOL_HEADER => "BAD_POOL_HEADER",
        code::TARGET_MDL_TOO_SMALL => "TARGET_MDL_TOO_SMALL",
        code::BAD_POOL_CALLER => "BAD_POOL_CALLER",
        code::TIMER_OR_DPC_INVALID => "TIMER_OR_DPC_INVALID",
        code::DRIVER_VERIFIER_DETECTED_VIOLATION => "DRIVER_VERIFIER_DETECTED_VIOLATION",
        code::INVALID_KERNEL_HANDLE => "INVALID_KERNEL_HANDLE",
        code::KERNEL_STACK_LOCKED_AT_EXIT => "KERNEL_STACK_LOCKED_AT_EXIT",
        code::PROCESS_HAS_LOCKED_PAGES => "PROCESS_HAS_LOCKED_PAGES",
        code::DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS => "DRIVER_LEFT_LOCKED_PAGES_IN_PROCESS",
        code::SYSTEM_PTE_MISUSE => "SYSTEM_PTE_MISUSE",
        code::MANUALLY_INITIATED_CRASH1 => "MANUALLY_INITIATED_CRASH1",
        code::RESOURCE_NOT_OWNED => "RESOURCE_NOT_OWNED",
        code::WORKER_INVALID => "WORKER_INVALID",
        code::THREAD_TERMINATE_HELD_MUTEX => "THREAD_TERMINATE_HELD_MUTEX",
        code::DPC_WATCHDOG_VIOLATION => "DPC_WATCHDOG_VIOLATION",
        code::KERNEL_SECURITY_CHECK_FAILURE => "KERNEL_SECURITY_CHECK_FAILURE",
        _ => "",
    }
}

/// A trap that nobody handled.
pub fn from_trap(frame: &TrapFrame) -> ! {
    match frame.vector {
        14 => super::page_fault::end(frame),
        2 => bugcheck_at(code::NMI_HARDWARE_FAILURE, [0x4f_4454, 0, 0, 0], frame),
        8 => bugcheck_at(
            code::UNEXPECTED_KERNEL_MODE_TRAP,
            [8, 0, frame.rip, super::page_fault::address()],
            frame,
        ),
        vector => {
            let status = match vector {
                0 => 0xc000_0094_u32.cast_signed(),
                3 => 0x8000_0003_u32.cast_signed(),
                6 => 0xc000_001d_u32.cast_signed(),
                13 => ACCESS_VIOLATION,
                _ => 0xc000_0096_u32.cast_signed(),
            };
            unhandled_exception(status, frame)
        }
    }
}

/// STATUS_ACCESS_VIOLATION.
pub const ACCESS_VIOLATION: i32 = 0xc000_0005_u32.cast_signed();

/// An exception that nobody handled: which bug check it is says what kind of thread it was in,
/// and whether there was a thread.
pub fn unhandled_exception(status: i32, frame: &TrapFrame) -> ! {
    let code = exception_code();
    // As NTSTATUS is extended to an address' size.
    let status = i64::from(status).cast_unsigned();
    let place = core::ptr::from_ref(frame) as u64;
    bugcheck_at(code, [status, frame.rip, place, 0], frame)
}

/// The bug check that an exception here ends in, if nobody handles it.
#[must_use]
pub fn exception_code() -> u32 {
    let thread = thread::current();
    if thread.is_null() || irql::current() >= crate::export::DISPATCH_LEVEL {
        return code::KMODE_EXCEPTION_NOT_HANDLED;
    }
    // SAFETY: the thread that runs exists.
    if unsafe { (*thread).process }.is_null() {
        code::SYSTEM_THREAD_EXCEPTION_NOT_HANDLED
    } else {
        code::SYSTEM_SERVICE_EXCEPTION
    }
}

/// A lock is taken by the processor that holds it.
pub fn spin_lock_already_owned(lock: u64) -> ! {
    bugcheck(code::SPIN_LOCK_ALREADY_OWNED, [lock, 0, 0, 0])
}

/// A lock is released by a processor that does not hold it. A free build of Windows makes the lock
/// free, and looks at nothing.
pub fn spin_lock_not_owned(lock: u64) {
    hook::misuse_by(code::SPIN_LOCK_NOT_OWNED, [lock, 0, 0, 0]);
}

/// A lock is taken (or else released) as an ordinary spin lock and as a queued one: subcodes
/// 0x1008 and 0x1009 of bug check 0xC4.
pub fn lock_mismatch(taken: bool, lock: u64) {
    let subcode = if taken { 0x1008 } else { 0x1009 };
    hook::misuse([subcode, lock, 0, 0]);
}

/// A wait at DISPATCH_LEVEL or above. Outside the verifier this would end as a switch of
/// threads that cannot be made: bug check 0xB8.
pub fn wait_at_raised_irql(level: u8) -> ! {
    let thread = thread::current() as u64;
    bugcheck(
        code::ATTEMPTED_SWITCH_FROM_DPC,
        [thread, u64::from(level), 0, 0],
    )
}

/// More objects in a wait than there can be.
pub fn maximum_wait_objects_exceeded() -> ! {
    bugcheck(code::MAXIMUM_WAIT_OBJECTS_EXCEEDED, [0; 4])
}

/// Whether an address can be read without a fault.
#[must_use]
pub fn is_readable(address: u64) -> bool {
    pageable::make_resident(address) || paging::translate(address).is_some()
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Ends the system with a stop code and its parameters.
    ///
    /// Source: KeBugCheckEx.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeBugCheckEx(code: u32, p1: u64, p2: u64, p3: u64, p4: u64) -> ! {
        bugcheck(code, [p1, p2, p3, p4])
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Ends the system with a stop code.
    ///
    /// Source: KeBugCheck.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeBugCheck(code: u32) -> ! {
        bugcheck(code, [0; 4])
    }
}
