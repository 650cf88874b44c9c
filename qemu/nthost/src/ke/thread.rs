//! Threads: what runs, with a stack of its own.

use alloc::{boxed::Box, string::String};
use core::{ptr::null_mut, sync::atomic::Ordering};

use nthost_nt::{
    ke::{DISPATCHER_HEADER, LIST_ENTRY},
    status::{NTSTATUS, STATUS_PENDING, STATUS_SUCCESS},
};

use super::{
    dispatcher::{self, SWITCH_FRAME},
    pcr,
    wait::{self, MAXIMUM_WAIT_OBJECTS, WaitBlock, WaitMode},
};
use crate::{
    export::DISPATCH_LEVEL,
    mm::{
        PAGE_SIZE,
        address_space::{self, AddressSpace},
        paging::{self, Access},
        phys::{self, Request},
    },
    ob::{
        client_id,
        object::{self, Kind},
    },
};

/// Bytes of a thread's stack. NT's have 24 KiB on amd64, which the verifier checks; the rest is
/// for nthost's own routines, which need more than NT's.
pub const STACK_SIZE: u64 = 64 << 10;
/// The priority that threads begin with (`LOW_PRIORITY` is 0, `HIGH_PRIORITY` 31).
pub const NORMAL_PRIORITY: usize = 8;
/// The lowest priority of those that are never boosted (`LOW_REALTIME_PRIORITY`).
pub const LOW_REALTIME_PRIORITY: usize = 16;
/// The highest priority (`HIGH_PRIORITY`).
pub const HIGH_PRIORITY: usize = 31;
/// The type of a thread in its dispatcher header.
const THREAD_OBJECT: u8 = 6;

/// What a thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Made, but not ready yet.
    Initialized,
    /// It can run, and waits for a processor.
    Ready,
    /// It runs.
    Running,
    /// It ran, and another is preferred.
    Preempted,
    /// It waits for objects.
    Waiting,
    /// It is an idle thread that does not run.
    Idle,
    /// It has ended.
    Terminated,
}

/// Which processors a thread may run on: those of one group, or any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affinity {
    /// The group; `None` for any processor.
    pub group: Option<u16>,
    /// The processors of that group, a bit each.
    pub mask: u64,
}

impl Affinity {
    /// Any processor.
    pub const ANY: Self = Self {
        group: None,
        mask: u64::MAX,
    };

    /// Whether a processor is among them.
    #[must_use]
    pub const fn contains(self, group: u16, number: u8) -> bool {
        match self.group {
            None => true,
            Some(own) => own == group && self.mask & (1 << number) != 0,
        }
    }
}

/// A thread. Everything but the stack pointer is protected by the dispatcher lock.
#[repr(C)]
pub struct Thread {
    /// Signalled when the thread has ended.
    pub header: DISPATCHER_HEADER,
    /// Where its registers are saved while it does not run.
    pub stack_pointer: u64,
    /// The lowest address of its stack.
    pub stack_limit: u64,
    /// The address behind its stack.
    pub stack_base: u64,
    /// What it does.
    pub state: State,
    /// How urgent it is at this moment.
    pub priority: usize,
    /// How urgent it is when no wait has just ended.
    pub base_priority: usize,
    /// Where it may run.
    pub affinity: Affinity,
    /// Where it could run before a driver restricted it; none, if none has.
    pub original_affinity: Option<Affinity>,
    /// Where it ran last.
    pub last_processor: u32,
    /// Its turn is over.
    pub quantum_ended: bool,
    /// How its wait ended.
    pub wait_status: i32,
    /// The objects it waits for.
    pub wait_blocks: [WaitBlock; MAXIMUM_WAIT_OBJECTS + 1],
    /// How many of the blocks are in use.
    pub wait_count: usize,
    /// It waits for all of the objects, not for any.
    pub wait_all: bool,
    /// What may end its wait early.
    pub wait_mode: WaitMode,
    /// The IRQL before a signal that a wait is to follow: the wait restores it.
    pub wait_next: Option<u8>,
    /// It has been alerted, by mode: kernel, user.
    pub alerted: [bool; 2],
    /// It is to end: waits in the name of user mode end.
    pub terminating: bool,
    /// The mutexes that it owns.
    pub mutants: LIST_ENTRY,
    /// Counts of the time-stamp counter that it ran for, up to when it was last switched to.
    pub cycles: u64,
    /// The time-stamp counter when it was last switched to.
    pub running_since: u64,
    /// When it was made, in system time.
    pub created: u64,
    /// How it ended; `STATUS_PENDING` as long as it has not.
    pub exit_status: NTSTATUS,
    /// When its wait ends without the objects: a key of the timers; none, if zero.
    pub wait_timer: (u64, u64),
    /// Its id; zero for idle threads.
    pub id: u64,
    /// A name for people.
    pub name: String,
    /// The process whose addresses it uses; none, for a system thread.
    pub address_space: *const AddressSpace,
    /// Whom it works for, as the I/O manager sees it. It has a reference to the process.
    pub process: *mut u8,
    /// The other process that it is in, if it is.
    pub attached: *mut core::ffi::c_void,
    /// A driver made it, and ends it.
    pub of_driver: bool,
    /// Nesting of calls on stack segments other than its own.
    pub expansions: u32,
    /// The larger stack that it runs on for a call, if it does.
    pub segment: core::ops::Range<u64>,
    /// Nesting of `KeEnterCriticalRegion`, counted down.
    pub kernel_apc_disable: i32,
    /// Nesting of guarded regions, counted down.
    pub special_apc_disable: i32,
    /// The exception that is being dispatched on it.
    pub dispatch: *mut super::exception::Dispatch,
    entry: Option<Box<dyn FnOnce() + Send>>,
}

impl Thread {
    fn new(name: &str, stack_limit: u64, stack_base: u64) -> Box<Self> {
        let mut thread = Box::new(Self {
            header: DISPATCHER_HEADER {
                Type: THREAD_OBJECT,
                Signalling: 0,
                Size: 0,
                Reserved1: 0,
                SignalState: 0,
                WaitListHead: LIST_ENTRY {
                    Flink: null_mut(),
                    Blink: null_mut(),
                },
            },
            stack_pointer: 0,
            stack_limit,
            stack_base,
            state: State::Initialized,
            priority: NORMAL_PRIORITY,
            base_priority: NORMAL_PRIORITY,
            affinity: Affinity::ANY,
            original_affinity: None,
            last_processor: 0,
            quantum_ended: false,
            wait_status: 0,
            wait_blocks: [const { WaitBlock::new() }; MAXIMUM_WAIT_OBJECTS + 1],
            wait_count: 0,
            wait_all: false,
            wait_mode: WaitMode::default(),
            wait_next: None,
            alerted: [false; 2],
            terminating: false,
            mutants: LIST_ENTRY {
                Flink: null_mut(),
                Blink: null_mut(),
            },
            cycles: 0,
            running_since: 0,
            created: super::time::system_time(),
            exit_status: STATUS_PENDING,
            wait_timer: (0, 0),
            id: 0,
            name: name.into(),
            address_space: core::ptr::null(),
            process: null_mut(),
            attached: null_mut(),
            of_driver: false,
            expansions: 0,
            segment: 0..0,
            kernel_apc_disable: 0,
            special_apc_disable: 0,
            dispatch: null_mut(),
            entry: None,
        });
        wait::initialize_list(&raw mut thread.header.WaitListHead);
        wait::initialize_list(&raw mut thread.mutants);
        thread
    }

    /// A wait has ended: for a while the thread is more urgent by this much, unless it has a
    /// priority that is never boosted ("Priority Boosts" of the SDK's scheduling pages).
    pub fn boost(&mut self, increment: i32) {
        if self.base_priority < LOW_REALTIME_PRIORITY {
            let increment = usize::try_from(increment).unwrap_or(0);
            let boosted = (self.base_priority + increment).min(LOW_REALTIME_PRIORITY - 1);
            self.priority = self.priority.max(boosted);
        }
    }

    /// A turn has ended: a boost wears off, a level with each turn.
    pub fn decay(&mut self) {
        if self.base_priority < LOW_REALTIME_PRIORITY && self.priority > self.base_priority {
            self.priority -= 1;
        }
    }

    /// Whether user APCs, and with them the thread's termination, are held back.
    #[must_use]
    pub const fn holds_apcs_back(&self) -> bool {
        self.kernel_apc_disable != 0 || self.special_apc_disable != 0
    }

    /// Switches the processor to the thread's addresses.
    pub fn enter_address_space(&self) {
        if self.address_space.is_null() {
            address_space::enter_kernel();
        } else {
            // SAFETY: a process outlives its threads.
            unsafe { &*self.address_space }.enter();
        }
    }
}

/// The thread that runs.
#[must_use]
pub fn current() -> *mut Thread {
    let thread: *mut Thread;
    // SAFETY: GS points at the processor's region, where the thread is at a fixed offset. One
    // instruction, so that a switch between two cannot mix processors up.
    unsafe {
        core::arch::asm!("mov {}, gs:[0x188]", out(reg) thread,
            options(nostack, readonly, preserves_flags));
    };
    thread
}

/// Makes what runs on the boot processor its idle thread.
pub fn initialize_boot_processor() {
    unsafe extern "C" {
        static boot_stack: u8;
    }
    let limit = &raw const boot_stack as u64;
    adopt_idle(limit, limit + crate::boot::pvh::BOOT_STACK_SIZE as u64);
}

/// Makes what runs on this processor its idle thread.
pub fn adopt_idle(stack_limit: u64, stack_base: u64) {
    let mut thread = Thread::new("idle", stack_limit, stack_base);
    thread.state = State::Running;
    (thread.priority, thread.base_priority) = (0, 0);
    thread.last_processor = pcr::current().number;
    let thread = Box::into_raw(thread);
    // What a driver's DPC that interrupts it takes for the current thread.
    object::insert(thread.cast(), Kind::Thread, delete);
    pcr::current().idle_thread.store(thread, Ordering::Relaxed);
    pcr::current()
        .current_thread
        .store(thread, Ordering::Relaxed);
}

/// What an idle thread does: it waits for interrupts, unless a DPC waits for it.
///
/// A DPC that may wait until its processor looks at its queue gets no interrupt while a thread
/// runs there: the idle thread is who looks. Whoever queues one after this look finds the
/// processor idle, and interrupts it; the halt begins with interrupts still held back, so that
/// this interrupt ends it.
pub fn idle() -> ! {
    super::irql::set(crate::export::PASSIVE_LEVEL);
    loop {
        x86_64::instructions::interrupts::disable();
        if super::dpc::is_waiting(super::pcr::current()) {
            x86_64::instructions::interrupts::enable();
            super::dispatcher::interrupt_processor(super::pcr::current());
            core::hint::spin_loop();
        } else {
            x86_64::instructions::interrupts::enable_and_hlt();
        }
    }
}

/// Allocates a stack with a guard page on either side; gives its lowest address.
#[must_use]
pub fn allocate_stack() -> Option<u64> {
    let count = STACK_SIZE / PAGE_SIZE;
    let base = phys::allocate(&Request::any(count))?;
    let frames = (0..count as usize).map(|index| base + index as u64 * PAGE_SIZE);
    // SAFETY: the pages are ours.
    let mapped = unsafe { paging::map_range(frames, Access::WRITE) };
    if mapped.is_none() {
        // SAFETY: nobody has seen them.
        unsafe { phys::free(base, count) };
    }
    mapped
}

/// Frees a stack.
///
/// # Safety
///
/// It came from [`allocate_stack`], and nobody runs on it.
pub unsafe fn free_stack(limit: u64) {
    let frame = paging::translate(limit).map(|(address, _)| address);
    // SAFETY: the caller's promise.
    unsafe { paging::unmap_range(limit, STACK_SIZE / PAGE_SIZE) };
    if let Some(frame) = frame {
        // SAFETY: the pages of a stack are contiguous, as they were allocated.
        unsafe { phys::free(frame, STACK_SIZE / PAGE_SIZE) };
    }
}

/// How a thread is made.
#[derive(Debug)]
pub struct Attributes {
    /// How urgent it is.
    pub priority: usize,
    /// Where it may run.
    pub affinity: Affinity,
    /// The process whose addresses it uses.
    pub address_space: *const AddressSpace,
    /// Whom it works for. The thread takes over a reference to the process, if there is one: it
    /// runs in the process's addresses until it has ended.
    pub process: *mut u8,
    /// A driver makes it.
    pub of_driver: bool,
}

impl Default for Attributes {
    fn default() -> Self {
        Self {
            priority: NORMAL_PRIORITY,
            affinity: Affinity::ANY,
            address_space: core::ptr::null(),
            process: null_mut(),
            of_driver: false,
        }
    }
}

/// Starts a system thread. IRQL below DISPATCH_LEVEL.
///
/// # Panics
///
/// If there is no memory for its stack.
pub fn spawn(name: &str, entry: impl FnOnce() + Send + 'static) -> *mut Thread {
    spawn_with(name, &Attributes::default(), entry).expect("memory for a thread's stack")
}

/// Starts a thread; `None` if there is no memory for its stack. The caller has a reference to
/// the thread object, to be given back by [`release`]; another goes when the thread ends.
pub fn spawn_with(
    name: &str,
    attributes: &Attributes,
    entry: impl FnOnce() + Send + 'static,
) -> Option<*mut Thread> {
    let limit = allocate_stack()?;
    let base = limit + STACK_SIZE;
    let mut thread = Thread::new(name, limit, base);
    (thread.priority, thread.base_priority) = (attributes.priority, attributes.priority);
    thread.affinity = attributes.affinity;
    thread.address_space = attributes.address_space;
    thread.process = attributes.process;
    thread.of_driver = attributes.of_driver;
    // A driver's thread begins in a critical region (PsCreateSystemThread).
    thread.kernel_apc_disable = -i32::from(attributes.of_driver);
    thread.id = client_id::allocate();
    let id = thread.id;
    thread.entry = Some(Box::new(entry));
    // The registers that `swap_stacks` restores are zero but for the floating-point control,
    // and it returns to `thread_start`, with the stack aligned as after a call: drivers rely on
    // it. The return address of that is zero, so that a stack walk ends there.
    // SAFETY: within the new stack.
    unsafe { ((base - 8) as *mut u64).write(0) };
    let entry = base - 16;
    // SAFETY: within the new stack.
    unsafe { (entry as *mut u64).write(thread_start as *const () as u64) };
    let saved = entry - SWITCH_FRAME as u64;
    // SAFETY: within the new stack.
    unsafe { (saved as *mut u8).write_bytes(0, SWITCH_FRAME) };
    // SAFETY: within the new stack.
    unsafe { ((saved + 160) as *mut u32).write(0x1f80) };
    thread.stack_pointer = saved;
    let thread = Box::into_raw(thread);
    object::insert(thread.cast(), Kind::Thread, delete);
    // The thread's own, until it ends.
    object::reference(thread.cast());
    client_id::insert(id, thread.cast());
    dispatcher::lock().make_ready(thread, false);
    Some(thread)
}

extern "C" fn thread_start() -> ! {
    dispatcher::begin_thread();
    let thread = current();
    // SAFETY: the thread's own entry, which nobody else takes.
    let entry = unsafe { (*thread).entry.take() };
    if let Some(entry) = entry {
        entry();
    }
    exit(STATUS_SUCCESS)
}

/// Has the thread that runs run on these processors only, from when this returns.
/// PASSIVE_LEVEL.
pub fn bind(affinity: Affinity) {
    {
        let _guard = dispatcher::lock();
        // SAFETY: the dispatcher lock is held; it is the thread that runs.
        unsafe { (*current()).affinity = affinity };
    }
    // Whoever comes out of a wait goes where it may run.
    let due = super::time::interrupt_time() + 1;
    // SAFETY: there are no objects.
    let _ = unsafe { super::wait::wait(&[], super::wait::WaitType::Any, Some(due)) };
}

/// Ends the thread that runs. PASSIVE_LEVEL. A thread that still owns a mutex ends in bug check
/// 0x4000008A, as on Windows.
pub fn exit(status: NTSTATUS) -> ! {
    crate::io::thread_end::end_requests();
    let thread = current();
    // SAFETY: the thread that runs exists.
    let mutants = unsafe { (*thread).mutants };
    // SAFETY: as above.
    if mutants.Flink != unsafe { &raw mut (*thread).mutants } {
        super::bugcheck::bugcheck(
            super::bugcheck::code::THREAD_TERMINATE_HELD_MUTEX,
            [thread as u64, mutants.Flink as u64, 0, 0],
        );
    }
    // SAFETY: the thread that runs exists.
    client_id::remove(unsafe { (*thread).id });
    // The thread's own reference goes here. If it is the last, the object is deleted by a thread
    // of its own, because of the raised IRQL, and not before this one has left its stack.
    let raised = super::irql::Raised::to(DISPATCH_LEVEL);
    object::dereference(thread.cast());
    let mut guard = dispatcher::lock();
    // SAFETY: the deletion waits for the state that is set below.
    let ended = unsafe { &mut *thread };
    ended.exit_status = status;
    wait::signal(&mut guard, &raw mut ended.header, 1);
    ended.state = State::Terminated;
    guard.switch();
    drop(raised);
    unreachable!("a thread that has ended was chosen to run")
}

/// Gives a reference to a thread object back. It is freed with the last, when the thread has
/// ended: at PASSIVE_LEVEL this may wait for the end. IRQL up to DISPATCH_LEVEL.
///
/// # Safety
///
/// The caller has a reference, and does not use it any more.
pub unsafe fn release(thread: *mut Thread) {
    object::dereference(thread.cast());
}

/// Frees a thread object that nobody refers to. PASSIVE_LEVEL.
fn delete(thread: *mut core::ffi::c_void) {
    let thread = thread.cast::<Thread>();
    loop {
        let guard = dispatcher::lock();
        // SAFETY: the thread exists until it is freed below.
        let ended = unsafe { (*thread).state } == State::Terminated;
        let running = pcr::all().any(|pcr| pcr.current_thread.load(Ordering::Relaxed) == thread);
        drop(guard);
        if ended && !running {
            break;
        }
        dispatcher::yield_now();
    }
    // SAFETY: nobody refers to it any more.
    let thread = unsafe { Box::from_raw(thread) };
    // SAFETY: the thread has left its stack: it ended, and another runs on its processor.
    unsafe { free_stack(thread.stack_limit) };
    // It may be the last, and the process's page tables go with it: no processor uses them.
    if !thread.process.is_null() {
        object::dereference(thread.process.cast());
    }
}
