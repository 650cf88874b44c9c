//! Dispatching an exception: the handlers of the frames are asked, innermost first.
//!
//! Source: "x64 exception handling".

use nthost_nt::status::STATUS_ACCESS_VIOLATION;

use super::{
    context::{
        Context, ExceptionRecord, NONCONTINUABLE, PARAMETERS, read_vector_registers, restore,
    },
    handler::{CONTINUE_EXECUTION, DispatcherContext, walk},
    raise::unhandled,
};
use crate::{
    export::DISPATCH_LEVEL,
    ke::{irql, page_fault, thread, trap::TrapFrame},
    pe::{module, unwind::Registers},
};

/// The vectors of faults that an address causes.
const GENERAL_PROTECTION: u64 = 13;
const PAGE_FAULT: u64 = 14;

/// `STATUS_NONCONTINUABLE_EXCEPTION`.
const NONCONTINUABLE_EXCEPTION: i32 = 0xc000_0025_u32.cast_signed();

/// An exception that is being dispatched on a thread: unwinding begins at its registers.
pub struct Dispatch {
    pub(super) registers: Registers,
    /// The frame whose termination handler runs, while one does.
    pub(super) leaving: Option<Leaving>,
    pub(super) outer: *mut Self,
}

/// A frame that is being left: an exception of its termination handler goes on from here, past
/// the scopes that have been left.
#[derive(Clone, Copy)]
pub(super) struct Leaving {
    pub(super) registers: Registers,
    pub(super) dispatcher: *const DispatcherContext,
}

/// Whether a fault of nthost's can be an exception of the driver that called: it is about an
/// address that the driver gave, and nthost holds nothing that would stay locked. All its locks are
/// held at DISPATCH_LEVEL at the least, or with interrupts off.
fn is_callers(frame: &TrapFrame) -> bool {
    matches!(frame.vector, GENERAL_PROTECTION | PAGE_FAULT)
        && irql::current() < DISPATCH_LEVEL
        && frame.interrupts_enabled()
}

/// A fault in a driver, or in a routine of nthost's that it called: looks for a handler. Says
/// whether the frame is to be gone on from.
pub fn handle_trap(frame: &mut TrapFrame) -> bool {
    if module::find(frame.rip).is_none() && !is_callers(frame) {
        return false;
    }
    let mut registers = frame.registers();
    read_vector_registers(&mut registers.xmm);
    registers.xmm[..6].copy_from_slice(&frame.xmm);
    let mut information = [0; PARAMETERS];
    let (code, parameter_count) = match frame.vector {
        0 => (0xc000_0094_u32.cast_signed(), 0),
        3 => (0x8000_0003_u32.cast_signed(), 0),
        6 => (0xc000_001d_u32.cast_signed(), 0),
        // No address of 64 bits that is not canonical is told: a read of what is nowhere.
        GENERAL_PROTECTION => {
            information[1] = u64::MAX;
            (STATUS_ACCESS_VIOLATION, 2)
        }
        PAGE_FAULT => {
            information[0] = page_fault::operation(frame);
            information[1] = page_fault::address();
            (STATUS_ACCESS_VIOLATION, 2)
        }
        _ => return false,
    };
    let mut record = ExceptionRecord {
        code,
        flags: 0,
        next: core::ptr::null_mut(),
        address: frame.rip,
        parameter_count,
        information,
    };
    // Handlers run as the driver does, with interrupts as they were.
    if frame.interrupts_enabled() {
        x86_64::instructions::interrupts::enable();
    }
    let handled = dispatch(&mut record, &registers, frame.rflags as u32);
    x86_64::instructions::interrupts::disable();
    handled
}

/// Asks the handlers of the frames, innermost first. One that handles the exception unwinds and
/// does not come back; one that mends its cause has execution go on. Returns false otherwise.
///
/// Nobody can go on from an exception that is not continuable: who tries raises another.
pub(super) fn dispatch(record: &mut ExceptionRecord, registers: &Registers, eflags: u32) -> bool {
    let thread = thread::current();
    // SAFETY: the thread that runs; only it uses this field.
    let outer = unsafe { (*thread).dispatch };
    let mut current = Dispatch {
        registers: *registers,
        leaving: None,
        outer,
    };
    // SAFETY: as above.
    unsafe { (*thread).dispatch = &raw mut current };
    let mut context = Context::of(registers, eflags);
    let handled = walk(*registers, outer, |visited| {
        let called = visited.call(|handler| handler.for_exceptions)?;
        let answer = called.run(record, &raw mut context, 0, |_| ());
        (answer == CONTINUE_EXECUTION).then_some(())
    })
    .is_some();
    // SAFETY: as above.
    unsafe { (*thread).dispatch = current.outer };
    if handled && record.flags & NONCONTINUABLE != 0 {
        if record.code == NONCONTINUABLE_EXCEPTION {
            return false;
        }
        let mut another = ExceptionRecord {
            code: NONCONTINUABLE_EXCEPTION,
            next: record,
            parameter_count: 0,
            ..*record
        };
        dispatch(&mut another, registers, eflags);
        unhandled(&another, registers);
    }
    if handled {
        // SAFETY: the handler says that the thread can go on with this context.
        unsafe { restore(&context) };
    }
    false
}
