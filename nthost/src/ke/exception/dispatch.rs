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
    ke::{thread, trap::TrapFrame},
    pe::{module, unwind::Registers},
};

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

/// A fault in a driver: looks for a handler. Says whether the frame is to be gone on from.
pub fn handle_trap(frame: &mut TrapFrame) -> bool {
    if module::find(frame.rip).is_none() {
        return false;
    }
    let mut registers = Registers {
        general: [
            frame.rax, frame.rcx, frame.rdx, frame.rbx, frame.rsp, frame.rbp, frame.rsi, frame.rdi,
            frame.r8, frame.r9, frame.r10, frame.r11, frame.r12, frame.r13, frame.r14, frame.r15,
        ],
        rip: frame.rip,
        xmm: [[0; 2]; 16],
    };
    read_vector_registers(&mut registers.xmm);
    registers.xmm[..6].copy_from_slice(&frame.xmm);
    let mut information = [0; PARAMETERS];
    let (code, parameter_count) = match frame.vector {
        0 => (0xc000_0094_u32.cast_signed(), 0),
        3 => (0x8000_0003_u32.cast_signed(), 0),
        6 => (0xc000_001d_u32.cast_signed(), 0),
        13 | 14 => {
            information[0] = u64::from(frame.error & 2 != 0);
            information[1] = x86_64::registers::control::Cr2::read_raw();
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
    if frame.rflags & 0x200 != 0 {
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
