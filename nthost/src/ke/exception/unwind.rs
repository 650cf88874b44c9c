//! Unwinding to a handler: the frames up to its own are left, and their termination handlers
//! called on the way.
//!
//! Sources: RtlUnwindEx, RtlUnwind, RtlLookupFunctionEntry.

use core::ffi::c_void;

use super::{
    context::{Context, ExceptionRecord, TARGET_UNWIND, UNWINDING, flags, restore},
    dispatch::Leaving,
    handler::walk,
};
use crate::{
    ke::{bugcheck, thread},
    pe::module,
};

/// `STATUS_UNWIND`.
const STATUS_UNWIND: i32 = 0xc000_0027_u32.cast_signed();

/// Leaves the frames up to a target, whose termination handlers are called on the way, and goes
/// on at a place in the target's function.
///
/// # Safety
///
/// Called by a language handler, for the exception that is being dispatched.
pub(super) unsafe fn unwind_to(
    target_frame: u64,
    target_ip: u64,
    record: *mut ExceptionRecord,
    return_value: u64,
) -> ! {
    let thread = thread::current();
    // SAFETY: the thread that runs; only it uses this field.
    let dispatch = unsafe { (*thread).dispatch };
    if dispatch.is_null() {
        bugcheck::bugcheck(
            bugcheck::code::KMODE_EXCEPTION_NOT_HANDLED,
            [0xc000_0029, 0, 0, 0],
        );
    }
    // SAFETY: it lies on this thread's stack, further up.
    let registers = unsafe { (*dispatch).registers };
    let mut own = ExceptionRecord::new(STATUS_UNWIND, 0, target_ip);
    let record = if record.is_null() {
        &raw mut own
    } else {
        record
    };
    // SAFETY: as above.
    let outer = unsafe { (*dispatch).outer };
    let target = walk(registers, outer, |visited| {
        let at_target = visited.frame.establisher == target_frame;
        if let Some(called) = visited.call(|handler| handler.for_unwind) {
            // SAFETY: the record lies on this thread's stack.
            unsafe { (*record).flags |= UNWINDING | if at_target { TARGET_UNWIND } else { 0 } };
            let mut context = Context::of(visited.registers, flags());
            called.run(record, &raw mut context, target_ip, |dispatcher| {
                let leaving = Leaving {
                    registers: *visited.registers,
                    dispatcher,
                };
                // SAFETY: as above.
                unsafe { (*dispatch).leaving = Some(leaving) };
            });
            // SAFETY: as above.
            unsafe { (*dispatch).leaving = None };
        }
        at_target.then_some((*visited.registers, visited.dispatch))
    });
    let Some((mut registers, outer)) = target else {
        bugcheck::bugcheck(
            bugcheck::code::KMODE_EXCEPTION_NOT_HANDLED,
            [0xc000_0028, target_frame, target_ip, 0],
        );
    };
    // SAFETY: as above: this dispatch is over, and those that the way led past are, too.
    unsafe { (*thread).dispatch = outer };
    registers.rip = target_ip;
    registers.general[0] = return_value;
    // SAFETY: the registers are those of the target's frame, the place is the handler's choice.
    unsafe { restore(&Context::of(&registers, flags())) }
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Unwinds to a frame and goes on at a place in its function, with a value in RAX. The
    /// history table is not used.
    ///
    /// Source: RtlUnwindEx.
    ///
    /// # Safety
    ///
    /// Called by a language handler, for the exception that is being dispatched.
    pub unsafe fn RtlUnwindEx(
        target_frame: u64,
        target_ip: u64,
        record: *mut ExceptionRecord,
        return_value: u64,
        _context: *mut Context,
        _history: *mut c_void,
    ) {
        // SAFETY: the caller's promise.
        unsafe { unwind_to(target_frame, target_ip, record, return_value) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// As RtlUnwindEx.
    ///
    /// Source: RtlUnwind.
    ///
    /// # Safety
    ///
    /// As RtlUnwindEx.
    pub unsafe fn RtlUnwind(
        target_frame: u64,
        target_ip: u64,
        record: *mut ExceptionRecord,
        return_value: u64,
    ) {
        // SAFETY: the caller's promise.
        unsafe { unwind_to(target_frame, target_ip, record, return_value) }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The table entry of the function that an address is in, and the base of its image.
    ///
    /// Source: RtlLookupFunctionEntry.
    ///
    /// # Safety
    ///
    /// `image_base` is where the base goes.
    pub unsafe fn RtlLookupFunctionEntry(
        address: u64,
        image_base: *mut u64,
        _history: *mut c_void,
    ) -> u64 {
        let Some(module) = module::find(address) else { return 0 };
        // SAFETY: the caller's promise.
        unsafe { image_base.write(module.base) };
        module.function_entry(address).unwrap_or(0)
    }
}
