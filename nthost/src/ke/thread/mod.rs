//! Threads: what runs, with a stack of its own.

pub mod describe;
mod end;
pub mod idle;
mod stack;
mod start;

use alloc::{boxed::Box, string::String};
use core::ptr::null_mut;

use nthost_nt::{
    ke::{DISPATCHER_HEADER, LIST_ENTRY},
    status::{NTSTATUS, STATUS_PENDING},
};

use super::{
    apc, dispatcher,
    wait::{self, MAXIMUM_WAIT_OBJECTS, WaitBlock, WaitMode},
};
pub use {
    end::{exit, release},
    idle::{BOOT_STACK_SIZE, adopt_idle, idle, initialize_boot_processor},
    stack::{allocate_stack, free_stack},
    start::{Attributes, spawn, spawn_with},
};

use crate::mm::address_space::{self, AddressSpace};

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
    /// The routine of the driver that made it and ends it; zero for nthost's own threads.
    pub driver_routine: u64,
    /// A driver made it, and ends it.
    pub of_driver: bool,
    /// What it is busy with, for traces. Its own: nobody else reads or writes it.
    pub activity: nthost_nt::guid::GUID,
    /// Nesting of calls on stack segments other than its own.
    pub expansions: u32,
    /// The larger stack that it runs on for a call, if it does.
    pub segment: core::ops::Range<u64>,
    /// Its stack stays in memory while it waits in the name of user mode
    /// (`KeSetKernelStackSwapEnable`).
    pub stack_resident: bool,
    /// Nesting of `KeEnterCriticalRegion`, counted down.
    pub kernel_apc_disable: i32,
    /// Nesting of guarded regions, counted down.
    pub special_apc_disable: i32,
    /// Special kernel APCs that it has not run yet. The dispatcher lock protects them.
    pub apcs: apc::Queue,
    /// The IRPs that the I/O manager has made in it for drivers; null pointers as long as there was
    /// none. A leaf.
    pub requests: super::lock::SpinLock<LIST_ENTRY>,
    /// The IRQL at which it waits.
    pub wait_level: u8,
    /// What a driver has set as its top-level IRP.
    pub top_level_irp: *mut nthost_nt::io::irp::IRP,
    /// A driver has switched off that hard errors of its are told.
    pub hard_errors_disabled: bool,
    /// The device whose medium it should verify.
    pub device_to_verify: *mut nthost_nt::io::device::DEVICE_OBJECT,
    /// The exception that is being dispatched on it.
    pub dispatch: *mut super::exception::Dispatch,
    /// The queue that it takes from.
    pub queue: super::queue::Membership,
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
            driver_routine: 0,
            of_driver: false,
            activity: nthost_nt::guid::GUID::default(),
            expansions: 0,
            segment: 0..0,
            stack_resident: false,
            kernel_apc_disable: 0,
            special_apc_disable: 0,
            apcs: apc::Queue::new(),
            requests: super::lock::SpinLock::new(LIST_ENTRY {
                Flink: null_mut(),
                Blink: null_mut(),
            }),
            wait_level: 0,
            top_level_irp: null_mut(),
            hard_errors_disabled: false,
            device_to_verify: null_mut(),
            dispatch: null_mut(),
            queue: super::queue::Membership::new(),
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
#[inline]
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
