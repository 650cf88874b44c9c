//! Language handlers: the frames of a driver that have one, and calling it.
//!
//! The frames of nthost between those of drivers are passed over: they have no handlers, and
//! nothing in them is released. That is why a fault in nthost reaches a handler only if it holds
//! nothing (see [`handle_trap`](super::handle_trap)).
//!
//! Sources: "x64 exception handling" ("Language-specific handler"), `EXCEPTION_DISPOSITION`, "Bug
//! Check 0x139: KERNEL_SECURITY_CHECK_FAILURE".

use core::ffi::c_void;

use super::{
    Dispatch,
    context::{Context, ExceptionRecord},
    own_frame,
};
use crate::{
    hook,
    ke::bugcheck::{self, code},
    mm::paging::KERNEL_BASE,
    pe::{
        module::{self, Module},
        unwind::{self, RSP, Registers},
    },
};

/// Frames that a walk visits at the most.
pub(super) const MAXIMUM_FRAMES: usize = 512;

/// What a language handler is told about the frame (ns-winnt-dispatcher_context).
#[repr(C)]
pub(super) struct DispatcherContext {
    pub(super) control_pc: u64,
    pub(super) image_base: u64,
    function: *const [u32; 3],
    establisher: u64,
    pub(super) target_ip: u64,
    context: *mut Context,
    handler: Option<LanguageHandler>,
    pub(super) handler_data: *const u8,
    history: *mut c_void,
    pub(super) scope_index: u32,
    fill: u32,
}

/// A language-specific handler.
type LanguageHandler = unsafe extern "win64" fn(
    record: *mut ExceptionRecord,
    establisher: u64,
    context: *mut Context,
    dispatcher: *mut DispatcherContext,
) -> i32;

/// Bug check 0x139's first parameter: "Indirect call guard check detected invalid control transfer".
const INVALID_CONTROL_TRANSFER: u64 = 10;

/// `EXCEPTION_DISPOSITION`.
pub(super) const CONTINUE_EXECUTION: i32 = 0;
pub(super) const CONTINUE_SEARCH: i32 = 1;

/// A frame that a walk is at.
pub(super) struct Visited<'a> {
    module: &'static Module,
    function: Option<unwind::RuntimeFunction>,
    pub(super) frame: unwind::Frame,
    /// The registers in it.
    pub(super) registers: &'a Registers,
    /// How many scopes of it have been left before.
    scope_index: u32,
    /// The innermost dispatch that the walk has not gone past.
    pub(super) dispatch: *mut Dispatch,
}

impl Visited<'_> {
    /// Its handler, if it has a wanted one.
    pub(super) fn call(&self, wanted: impl FnOnce(&unwind::Handler) -> bool) -> Option<Call> {
        Some(Call {
            module: self.module,
            control: self.registers.rip,
            function: self.function,
            handler: self.frame.handler.filter(wanted)?,
            establisher: self.frame.establisher,
            scope_index: self.scope_index,
        })
    }
}

/// Goes on to the caller of a frame of nthost's, unless that frame is of the dispatcher, which
/// works for an exception that came before. A call of what is no code has left nothing but its
/// return address.
fn pass_own_frame(registers: &mut Registers, returned_to: bool, outer: *const Dispatch) -> bool {
    if !returned_to && registers.rip < KERNEL_BASE {
        return own_frame::leave_leaf(registers);
    }
    let mut caller = *registers;
    let bottom = registers.general[RSP];
    match own_frame::unwind(&mut caller, returned_to) {
        Some(top) if !(bottom..top).contains(&(outer as u64)) => {
            *registers = caller;
            true
        }
        _ => false,
    }
}

/// Visits the frames of drivers from these registers outward, as long as `visit` gives nothing.
/// Where a filter or a termination handler was called for an exception before, the way leads on
/// to the frames of that one: all of them from a filter, those that are not left yet from a
/// termination handler.
pub(super) fn walk<T>(
    mut registers: Registers,
    mut outer: *mut Dispatch,
    mut visit: impl FnMut(&Visited<'_>) -> Option<T>,
) -> Option<T> {
    let mut scope_index = 0;
    // The first place is one that has been reached; the others are where calls return to.
    let mut returned_to = false;
    for _ in 0..MAXIMUM_FRAMES {
        let Some(module) = module::find(registers.rip) else {
            if pass_own_frame(&mut registers, returned_to, outer) {
                returned_to = true;
                continue;
            }
            if outer.is_null() {
                return None;
            }
            returned_to = false;
            // SAFETY: it lies on this thread's stack, further up.
            let before = unsafe { &*outer };
            outer = before.outer;
            (registers, scope_index) = before.leaving.map_or((before.registers, 0), |leaving| {
                // SAFETY: as above: its handler has not returned.
                let scope_index = unsafe { (*leaving.dispatcher).scope_index };
                (leaving.registers, scope_index)
            });
            continue;
        };
        let function = module.function(registers.rip);
        let before = registers;
        let frame = unwind::unwind(module, module.base, function, &mut registers).ok()?;
        let visited = Visited {
            module,
            function,
            frame,
            registers: &before,
            scope_index,
            dispatch: outer,
        };
        if let Some(result) = visit(&visited) {
            return Some(result);
        }
        scope_index = 0;
        returned_to = true;
    }
    None
}

/// A language handler that is to be called.
pub(super) struct Call {
    module: &'static Module,
    control: u64,
    function: Option<unwind::RuntimeFunction>,
    handler: unwind::Handler,
    establisher: u64,
    scope_index: u32,
}

impl Call {
    /// Calls it, and gives its `EXCEPTION_DISPOSITION`; `entered` is told what it is called with.
    pub(super) fn run(
        &self,
        record: *mut ExceptionRecord,
        context: *mut Context,
        target_ip: u64,
        entered: impl FnOnce(*const DispatcherContext),
    ) -> i32 {
        let base = self.module.base;
        let function = self.function.map_or([0; 3], |function| {
            [function.begin, function.end, function.info]
        });
        let mut dispatcher = DispatcherContext {
            control_pc: self.control,
            image_base: base,
            function: &raw const function,
            establisher: self.establisher,
            target_ip,
            context,
            handler: None,
            handler_data: (base + u64::from(self.handler.data)) as *const u8,
            history: core::ptr::null_mut(),
            scope_index: self.scope_index,
            fill: 0,
        };
        let address = (base + u64::from(self.handler.routine)) as *const ();
        // The system calls it by a pointer, which Control Flow Guard looks at where hypervisor-protected
        // code integrity is on.
        if hook::enforces_code_integrity() && !self.module.may_be_called(self.handler.routine) {
            let parameters = [INVALID_CONTROL_TRANSFER, context as u64, record as u64, 0];
            bugcheck::bugcheck(code::KERNEL_SECURITY_CHECK_FAILURE, parameters);
        }
        // SAFETY: the image says that a language handler is there.
        let routine = unsafe { core::mem::transmute::<*const (), LanguageHandler>(address) };
        dispatcher.handler = Some(routine);
        let dispatcher = &raw mut dispatcher;
        entered(dispatcher);
        // SAFETY: what a language handler is called with.
        unsafe { routine(record, self.establisher, context, dispatcher) }
    }
}
