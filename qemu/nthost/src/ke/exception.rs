//! Structured exceptions of drivers: raising, looking for a handler, unwinding to it.
//!
//! Drivers' frames are walked by the tables in their images. nthost's own frames have no such
//! tables: the routines that may raise note the registers of their caller on entry (see
//! [`raising_export!`](crate::raising_export)), and the walk begins there.
//!
//! Sources: "x64 exception handling", RtlUnwindEx, RtlVirtualUnwind, ExRaiseStatus,
//! `__C_specific_handler`, "Handling Exceptions".

use core::{arch::asm, ffi::c_void, mem::offset_of};

use super::{bugcheck, thread, trap::TrapFrame};
use crate::{
    mm::paging::KERNEL_BASE,
    pe::{
        module::{self, Module},
        unwind::{self, RSP, Registers},
    },
};

/// A parameter of an exception that has that many.
const PARAMETERS: usize = 15;
/// `EXCEPTION_NONCONTINUABLE`.
const NONCONTINUABLE: u32 = 1;
/// `EXCEPTION_UNWINDING`.
const UNWINDING: u32 = 2;
/// `EXCEPTION_TARGET_UNWIND`.
const TARGET_UNWIND: u32 = 0x20;
/// `STATUS_ACCESS_VIOLATION`.
const ACCESS_VIOLATION: i32 = 0xc000_0005_u32.cast_signed();
/// `STATUS_DATATYPE_MISALIGNMENT`.
const DATATYPE_MISALIGNMENT: i32 = 0x8000_0002_u32.cast_signed();
/// `STATUS_UNWIND`.
const STATUS_UNWIND: i32 = 0xc000_0027_u32.cast_signed();
/// `STATUS_NONCONTINUABLE_EXCEPTION`.
const NONCONTINUABLE_EXCEPTION: i32 = 0xc000_0025_u32.cast_signed();
/// Frames that a walk visits at the most.
const MAXIMUM_FRAMES: usize = 256;

/// An exception (ns-winnt-exception_record).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
#[expect(missing_docs, reason = "the fields are the documentation's")]
pub struct ExceptionRecord {
    pub code: i32,
    pub flags: u32,
    pub next: *mut Self,
    pub address: u64,
    pub parameter_count: u32,
    pub information: [u64; PARAMETERS],
}

/// The registers of a thread (ns-winnt-context, for x64).
#[derive(Clone, Copy)]
#[repr(C, align(16))]
pub struct Context {
    homes: [u64; 6],
    flags: u32,
    mxcsr: u32,
    segments: [u16; 6],
    eflags: u32,
    debug: [u64; 6],
    /// By the numbers of unwind codes.
    general: [u64; 16],
    rip: u64,
    float_header: [u8; 160],
    xmm: [[u64; 2]; 16],
    float_rest: [u8; 96],
    vector: [[u64; 2]; 26],
    vector_control: u64,
    last_branch: [u64; 5],
}

const _: () = {
    assert!(size_of::<Context>() == 1232);
    assert!(offset_of!(Context, flags) == 0x30);
    assert!(offset_of!(Context, general) == 0x78);
    assert!(offset_of!(Context, rip) == 0xf8);
    assert!(offset_of!(Context, xmm) == 0x1a0);
};

/// What a language handler is told about the frame (ns-winnt-dispatcher_context).
#[repr(C)]
struct DispatcherContext {
    control_pc: u64,
    image_base: u64,
    function: *const [u32; 3],
    establisher: u64,
    target_ip: u64,
    context: *mut Context,
    handler: Option<LanguageHandler>,
    handler_data: *const u8,
    history: *mut c_void,
    scope_index: u32,
    fill: u32,
}

/// A language-specific handler.
type LanguageHandler = unsafe extern "win64" fn(
    record: *mut ExceptionRecord,
    establisher: u64,
    context: *mut Context,
    dispatcher: *mut DispatcherContext,
) -> i32;

/// `EXCEPTION_DISPOSITION`.
const CONTINUE_EXECUTION: i32 = 0;
const CONTINUE_SEARCH: i32 = 1;

/// An exception that is being dispatched on a thread: unwinding begins at its registers.
pub struct Dispatch {
    registers: Registers,
    /// The frame whose termination handler runs, while one does.
    leaving: Option<Leaving>,
    outer: *mut Self,
}

/// A frame that is being left: an exception of its termination handler goes on from here, past
/// the scopes that have been left.
#[derive(Clone, Copy)]
struct Leaving {
    registers: Registers,
    dispatcher: *const DispatcherContext,
}

impl Context {
    fn of(registers: &Registers, eflags: u32) -> Self {
        Self {
            homes: [0; 6],
            // CONTEXT_AMD64 with control, integer and floating-point parts.
            flags: 0x0010_000b,
            mxcsr: 0x1f80,
            segments: [8, 16, 16, 0, 0, 16],
            eflags,
            debug: [0; 6],
            general: registers.general,
            rip: registers.rip,
            float_header: [0; 160],
            xmm: registers.xmm,
            float_rest: [0; 96],
            vector: [[0; 2]; 26],
            vector_control: 0,
            last_branch: [0; 5],
        }
    }
}

/// The registers that a raising routine noted on entry: its caller's.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct CallerFrame {
    r15: u64,
    r14: u64,
    r13: u64,
    r12: u64,
    rdi: u64,
    rsi: u64,
    rbx: u64,
    rbp: u64,
    return_address: u64,
}

impl CallerFrame {
    /// Where the call returns to.
    #[must_use]
    pub const fn return_address(&self) -> u64 {
        self.return_address
    }

    /// An argument that the caller left on its stack: the fifth is number 4.
    ///
    /// # Safety
    ///
    /// The routine has that many.
    #[must_use]
    pub unsafe fn stack_argument(&self, number: usize) -> u64 {
        // SAFETY: the caller's stack is behind its registers: the home space of the four
        // arguments in registers, then the others.
        let behind = unsafe { core::ptr::from_ref(self).add(1) }.cast::<u64>();
        // SAFETY: as above.
        let argument = unsafe { behind.add(number) };
        // SAFETY: as above.
        unsafe { argument.read() }
    }

    /// The caller's registers after the call.
    fn registers(&self) -> Registers {
        let behind = core::ptr::from_ref(self) as u64 + size_of::<Self>() as u64;
        let mut registers = Registers {
            rip: self.return_address,
            ..Registers::default()
        };
        registers.general[3] = self.rbx;
        registers.general[RSP] = behind;
        registers.general[5] = self.rbp;
        registers.general[6] = self.rsi;
        registers.general[7] = self.rdi;
        registers.general[12] = self.r12;
        registers.general[13] = self.r13;
        registers.general[14] = self.r14;
        registers.general[15] = self.r15;
        read_vector_registers(&mut registers.xmm);
        registers
    }
}

/// The vector registers as they are: nthost does not use them, so that they are those of the
/// driver that called it, or that a trap interrupted.
fn read_vector_registers(xmm: &mut [[u64; 2]; 16]) {
    // SAFETY: stores sixteen registers of 16 bytes in an array of that size.
    unsafe {
        asm!(
            "movups [{0}], xmm0", "movups [{0} + 16], xmm1", "movups [{0} + 32], xmm2",
            "movups [{0} + 48], xmm3", "movups [{0} + 64], xmm4", "movups [{0} + 80], xmm5",
            "movups [{0} + 96], xmm6", "movups [{0} + 112], xmm7", "movups [{0} + 128], xmm8",
            "movups [{0} + 144], xmm9", "movups [{0} + 160], xmm10", "movups [{0} + 176], xmm11",
            "movups [{0} + 192], xmm12", "movups [{0} + 208], xmm13", "movups [{0} + 224], xmm14",
            "movups [{0} + 240], xmm15",
            in(reg) xmm.as_mut_ptr(),
            options(nostack, preserves_flags)
        );
    }
}

/// Defines a routine that drivers can import and that may raise an exception. It has three or
/// four arguments (those that it does not need are ignored), and gets its caller's registers,
/// which [`raise_from`] takes.
#[macro_export]
macro_rules! raising_export {
    ($(
        irql: $lowest:ident..=$highest:ident;
        $(#[$meta:meta])*
        pub unsafe fn $name:ident(
            $first:ident: $first_type:ty, $second:ident: $second_type:ty,
            $third:ident: $third_type:ty $(, $fourth:ident: $fourth_type:ty)?
            $(=> $($more:ident: $more_type:ty),+)?; $caller:ident
        ) $(-> $return:ty)? $body:block
    )*) => { $(
        naked! {
            $(#[$meta])*
            #[allow(non_snake_case, reason = "the kernel's own name")]
            pub unsafe extern "win64" fn $name(
                $first: $first_type, $second: $second_type, $third: $third_type,
                $($fourth: $fourth_type,)?
                $($($more: $more_type,)+)?
            ) $(-> $return)? {
                "push rbp", "push rbx", "push rsi", "push rdi",
                "push r12", "push r13", "push r14", "push r15",
                // The last argument: the registers just pushed.
                $crate::raising_export!(@caller $($fourth)?),
                "lea rbp, [rsp + 56]",
                // Shadow space, and a fifth argument, which aligns the stack too.
                "sub rsp, 40",
                "mov [rsp + 32], rax",
                "call {body}",
                "add rsp, 40",
                "pop r15", "pop r14", "pop r13", "pop r12",
                "pop rdi", "pop rsi", "pop rbx", "pop rbp",
                "ret",
                body = sym <$name>::body,
            }
        }

        /// Holds the body of the routine of the same name.
        enum $name {}

        impl $name {
            unsafe extern "win64" fn body(
                $first: $first_type, $second: $second_type, $third: $third_type,
                $($fourth: $fourth_type,)?
                $caller: &$crate::ke::exception::CallerFrame,
            ) $(-> $return)? {
                static ROUTINE: $crate::export::Routine = $crate::export::Routine {
                    name: stringify!($name),
                    lowest: $crate::export::$lowest,
                    highest: $crate::export::$highest,
                };
                if !$crate::verifier::call::enter(&ROUTINE) {
                    let arguments = [
                        $crate::export::word(&$first),
                        $crate::export::word(&$second),
                        $crate::export::word(&$third),
                    ];
                    $crate::verifier::irql::refused(&ROUTINE, &arguments);
                }
                $body
            }
        }

        $crate::nt_export_data!($name = $name);
    )* };
    // Which register has the body's last argument, or holds it until the stack does.
    (@caller) => { "mov r9, rsp" };
    (@caller $fourth:ident) => { "mov rax, rsp" };
}

/// Raises a status in the driver that called a routine of nthost's. Does not return there: a
/// handler of the driver's goes on, or the system ends.
pub fn raise_from(caller: &CallerFrame, status: i32) -> ! {
    let registers = caller.registers();
    let mut record = ExceptionRecord {
        code: status,
        flags: NONCONTINUABLE,
        next: core::ptr::null_mut(),
        address: registers.rip,
        parameter_count: 0,
        information: [0; PARAMETERS],
    };
    dispatch(&mut record, &registers, flags());
    unhandled(&record, &registers)
}

/// The processor's flags, which say whether interrupts are on.
fn flags() -> u32 {
    x86_64::registers::rflags::read_raw() as u32
}

fn unhandled(record: &ExceptionRecord, registers: &Registers) -> ! {
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
            (ACCESS_VIOLATION, 2)
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
fn dispatch(record: &mut ExceptionRecord, registers: &Registers, eflags: u32) -> bool {
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

/// A frame that a walk is at.
struct Visited<'a> {
    module: &'static Module,
    function: Option<unwind::RuntimeFunction>,
    frame: unwind::Frame,
    /// The registers in it.
    registers: &'a Registers,
    /// How many scopes of it have been left before.
    scope_index: u32,
    /// The innermost dispatch that the walk has not gone past.
    dispatch: *mut Dispatch,
}

impl Visited<'_> {
    /// Its handler, if it has a wanted one.
    fn call(&self, wanted: impl FnOnce(&unwind::Handler) -> bool) -> Option<Call> {
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

/// Visits the frames of drivers from these registers outward, as long as `visit` gives nothing.
/// Where a filter or a termination handler was called for an exception before, the way leads on
/// to the frames of that one: all of them from a filter, those that are not left yet from a
/// termination handler.
fn walk<T>(
    mut registers: Registers,
    mut outer: *mut Dispatch,
    mut visit: impl FnMut(&Visited<'_>) -> Option<T>,
) -> Option<T> {
    let mut scope_index = 0;
    for _ in 0..MAXIMUM_FRAMES {
        let Some(module) = module::find(registers.rip) else {
            if outer.is_null() {
                return None;
            }
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
    }
    None
}

/// A language handler that is to be called.
struct Call {
    module: &'static Module,
    control: u64,
    function: Option<unwind::RuntimeFunction>,
    handler: unwind::Handler,
    establisher: u64,
    scope_index: u32,
}

impl Call {
    /// Calls it; `entered` is told what it is called with.
    fn run(
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
        // SAFETY: the image says that a language handler is there.
        let routine = unsafe { core::mem::transmute::<*const (), LanguageHandler>(address) };
        dispatcher.handler = Some(routine);
        let dispatcher = &raw mut dispatcher;
        entered(dispatcher);
        // SAFETY: what a language handler is called with.
        unsafe { routine(record, self.establisher, context, dispatcher) }
    }
}

/// Goes on with these registers.
///
/// # Safety
///
/// They describe a place at which this thread can go on.
unsafe fn restore(context: &Context) -> ! {
    // The vector registers that a trap frame does not have: nobody else sets them.
    // SAFETY: loads ten nonvolatile registers from an array of sixteen.
    unsafe {
        asm!(
            "movups xmm6, [{0} + 96]", "movups xmm7, [{0} + 112]", "movups xmm8, [{0} + 128]",
            "movups xmm9, [{0} + 144]", "movups xmm10, [{0} + 160]",
            "movups xmm11, [{0} + 176]", "movups xmm12, [{0} + 192]",
            "movups xmm13, [{0} + 208]", "movups xmm14, [{0} + 224]",
            "movups xmm15, [{0} + 240]",
            in(reg) context.xmm.as_ptr(),
            options(nostack, readonly, preserves_flags)
        );
    }
    let general = &context.general;
    let mut xmm = [[0; 2]; 6];
    xmm.copy_from_slice(&context.xmm[..6]);
    let frame = TrapFrame {
        xmm,
        mxcsr: u64::from(context.mxcsr),
        r15: general[15],
        r14: general[14],
        r13: general[13],
        r12: general[12],
        r11: general[11],
        r10: general[10],
        r9: general[9],
        r8: general[8],
        rdi: general[7],
        rsi: general[6],
        rbp: general[5],
        rbx: general[3],
        rdx: general[2],
        rcx: general[1],
        rax: general[0],
        vector: 0,
        error: 0,
        rip: context.rip,
        cs: 0x08,
        rflags: u64::from(context.eflags) | 2,
        rsp: general[RSP],
        ss: 0x10,
    };
    // SAFETY: the caller's promise.
    unsafe { super::trap::resume(&raw const frame) }
}

/// Leaves the frames up to a target, whose termination handlers are called on the way, and goes
/// on at a place in the target's function.
///
/// # Safety
///
/// Called by a language handler, for the exception that is being dispatched.
unsafe fn unwind_to(
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
    let mut own = ExceptionRecord {
        code: STATUS_UNWIND,
        flags: 0,
        next: core::ptr::null_mut(),
        address: target_ip,
        parameter_count: 0,
        information: [0; PARAMETERS],
    };
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
        raise_from(caller, ACCESS_VIOLATION)
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
        raise_from(caller, DATATYPE_MISALIGNMENT)
    }
}

/// Visits the places of a stack, innermost first: drivers' frames by their tables, nthost's by
/// their frame pointers. For bugchecks: it reads nothing that cannot be read.
pub fn walk_stack(rip: u64, rsp: u64, rbp: u64, visit: &mut dyn FnMut(usize, u64)) {
    let mut registers = Registers {
        rip,
        ..Registers::default()
    };
    registers.general[RSP] = rsp;
    registers.general[5] = rbp;
    for index in 0..64 {
        visit(index, registers.rip);
        if let Some(module) = module::find(registers.rip) {
            let function = module.function(registers.rip);
            if unwind::unwind(module, module.base, function, &mut registers).is_err() {
                return;
            }
        } else {
            let readable = |address| super::bugcheck::is_readable(address);
            let top = registers.general[RSP];
            if index == 0 && registers.rip < KERNEL_BASE && top.is_multiple_of(8) && readable(top) {
                // A call of what is no code: it has left but its return address.
                // SAFETY: the word can be read; what it means is for the next round to doubt.
                registers.rip = unsafe { *(top as *const u64) };
                registers.general[RSP] = top + 8;
                continue;
            }
            let frame = registers.general[5];
            // From a stack that was made for a call, the way leads back to the thread's own.
            let onward = frame >= rsp || super::stack::contains(frame);
            if frame & 7 != 0 || !onward || !readable(frame) || !readable(frame + 8) {
                return;
            }
            // SAFETY: both words can be read; what they mean is for the next round to doubt.
            let [next, address] = unsafe { *(frame as *const [u64; 2]) };
            registers.rip = address;
            registers.general[5] = next;
            registers.general[RSP] = frame + 16;
        }
        if registers.rip == 0 {
            return;
        }
    }
}

naked! {
    /// Captures the registers of the caller.
    ///
    /// Source: RtlCaptureContext.
    ///
    /// # Safety
    ///
    /// `context` is memory for a context.
    #[allow(non_snake_case, reason = "the kernel's own name")]
    pub unsafe extern "win64" fn RtlCaptureContext(context: *mut Context) {
        "mov dword ptr [rcx + 0x30], 0x10000b",
        "mov [rcx + 0x78], rax",
        "mov [rcx + 0x80], rcx",
        "mov [rcx + 0x88], rdx",
        "mov [rcx + 0x90], rbx",
        "mov [rcx + 0xa0], rbp",
        "mov [rcx + 0xa8], rsi",
        "mov [rcx + 0xb0], rdi",
        "mov [rcx + 0xb8], r8",
        "mov [rcx + 0xc0], r9",
        "mov [rcx + 0xc8], r10",
        "mov [rcx + 0xd0], r11",
        "mov [rcx + 0xd8], r12",
        "mov [rcx + 0xe0], r13",
        "mov [rcx + 0xe8], r14",
        "mov [rcx + 0xf0], r15",
        "lea rax, [rsp + 8]",
        "mov [rcx + 0x98], rax",
        "mov rax, [rsp]",
        "mov [rcx + 0xf8], rax",
        "stmxcsr [rcx + 0x34]",
        "pushfq",
        "pop rax",
        "mov [rcx + 0x44], eax",
        "movups [rcx + 0x1a0], xmm0",
        "movups [rcx + 0x1b0], xmm1",
        "movups [rcx + 0x1c0], xmm2",
        "movups [rcx + 0x1d0], xmm3",
        "movups [rcx + 0x1e0], xmm4",
        "movups [rcx + 0x1f0], xmm5",
        "movups [rcx + 0x200], xmm6",
        "movups [rcx + 0x210], xmm7",
        "movups [rcx + 0x220], xmm8",
        "movups [rcx + 0x230], xmm9",
        "movups [rcx + 0x240], xmm10",
        "movups [rcx + 0x250], xmm11",
        "movups [rcx + 0x260], xmm12",
        "movups [rcx + 0x270], xmm13",
        "movups [rcx + 0x280], xmm14",
        "movups [rcx + 0x290], xmm15",
        "mov rax, [rcx + 0x78]",
        "ret",
    }
}
nt_export_data!(RtlCaptureContext = RtlCaptureContext);
