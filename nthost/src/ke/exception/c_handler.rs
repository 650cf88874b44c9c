//! The language handler of C's `__try`, `__except` and `__finally`.
//!
//! Source: `__C_specific_handler`.

use core::ffi::c_void;

use super::{
    context::{Context, ExceptionRecord, TARGET_UNWIND, UNWINDING},
    handler::{CONTINUE_EXECUTION, CONTINUE_SEARCH, DispatcherContext},
    unwind::unwind_to,
};

/// A scope of a function with `__try` (`SCOPE_TABLE_AMD64`).
#[derive(Clone, Copy)]
#[repr(C)]
struct Scope {
    begin: u32,
    end: u32,
    handler: u32,
    target: u32,
}

/// An exception and its context, for filters (ns-winnt-exception_pointers).
#[repr(C)]
struct ExceptionPointers {
    record: *mut ExceptionRecord,
    context: *mut Context,
}

type Filter = unsafe extern "win64" fn(pointers: *mut ExceptionPointers, establisher: u64) -> i32;
type Termination = unsafe extern "win64" fn(abnormal: u8, establisher: u64);

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The language handler of C's `__try`.
    ///
    /// # Safety
    ///
    /// Called for a frame whose handler data is a scope table.
    pub unsafe fn __C_specific_handler(
        record: *mut ExceptionRecord,
        establisher: u64,
        context: *mut Context,
        dispatcher: *mut c_void,
    ) -> i32 {
        let dispatcher = dispatcher.cast::<DispatcherContext>();
        // SAFETY: the caller's promise.
        let about = unsafe { &mut *dispatcher };
        // SAFETY: the record is the dispatcher's.
        let flags = unsafe { (*record).flags };
        let base = about.image_base;
        let place = (about.control_pc - base) as u32;
        let table = about.handler_data;
        // SAFETY: the handler data is a scope table: a count, and so many scopes.
        let count = unsafe { table.cast::<u32>().read_unaligned() };
        while about.scope_index < count {
            let index = about.scope_index as usize;
            about.scope_index += 1;
            // SAFETY: as above: within the table.
            let scope = unsafe { table.add(4 + index * size_of::<Scope>()) }.cast::<Scope>();
            // SAFETY: as above.
            let scope = unsafe { scope.read_unaligned() };
            if !(scope.begin..scope.end).contains(&place) {
                continue;
            }
            if flags & UNWINDING != 0 {
                if flags & TARGET_UNWIND != 0 && base + u64::from(scope.target) == about.target_ip {
                    // The scopes further out are not left.
                    break;
                }
                if scope.target == 0 {
                    let address = (base + u64::from(scope.handler)) as *const ();
                    // SAFETY: the table says that a termination handler is there.
                    let routine = unsafe { core::mem::transmute::<*const (), Termination>(address) };
                    // SAFETY: what it is called with.
                    unsafe { routine(1, establisher) };
                }
                continue;
            }
            if scope.target == 0 {
                continue;
            }
            let choice = if scope.handler == 1 {
                1
            } else {
                let mut pointers = ExceptionPointers { record, context };
                let address = (base + u64::from(scope.handler)) as *const ();
                // SAFETY: the table says that a filter is there.
                let filter = unsafe { core::mem::transmute::<*const (), Filter>(address) };
                // SAFETY: what it is called with.
                unsafe { filter(&raw mut pointers, establisher) }
            };
            if choice < 0 {
                return CONTINUE_EXECUTION;
            }
            if choice > 0 {
                // SAFETY: the record is the dispatcher's.
                let code = unsafe { (*record).code };
                let target = base + u64::from(scope.target);
                // SAFETY: this is a language handler, called for the exception.
                unsafe { unwind_to(establisher, target, record, u64::from(code.cast_unsigned())) };
            }
        }
        CONTINUE_SEARCH
    }
}
