//! The dispatcher: which thread runs on which processor.
//!
//! One lock protects everything that decides it: ready queues, the state of every thread, wait
//! lists and timers. The choice is made in the dispatch interrupt (IRQL 2), which is asked for
//! by a software interrupt that waits until the IRQL is low enough; so code at DISPATCH_LEVEL
//! is never switched away from. A switch is made with the lock held, and whoever runs next
//! releases it.
//!
//! Source: "Introduction to Thread Objects"; the documentation's rules for DISPATCH_LEVEL.

use core::{
    cell::UnsafeCell,
    mem::offset_of,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    clock, dpc,
    irql::{self, Raised},
    pcr::{self, Pcr},
    ready::ReadyQueues,
    thread::{State, Thread},
    timer,
};
use crate::{
    export::{DISPATCH_LEVEL, PASSIVE_LEVEL},
    hal::{apic, time as counter},
    hook,
};

/// What the dispatcher lock protects.
#[derive(Debug)]
pub struct Dispatcher {
    ready: ReadyQueues<ThreadPointer>,
    /// The timers that are set.
    pub timers: timer::Timers,
}

/// A thread in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ThreadPointer(*mut Thread);

// SAFETY: threads are reached through the dispatcher lock.
unsafe impl Send for ThreadPointer {}

struct DispatcherLock {
    held: AtomicBool,
    data: UnsafeCell<Dispatcher>,
}

// SAFETY: the flag lets one processor at a time to the data.
unsafe impl Sync for DispatcherLock {}

static DISPATCHER: DispatcherLock = DispatcherLock {
    held: AtomicBool::new(false),
    data: UnsafeCell::new(Dispatcher {
        ready: ReadyQueues::new(),
        timers: timer::Timers::new(),
    }),
};

/// The dispatcher lock is held, and the IRQL is [`super::lock::level`], until this is dropped.
#[derive(Debug)]
pub struct Guard {
    raised: Option<Raised>,
}

/// Takes the dispatcher lock. IRQL up to DISPATCH_LEVEL.
#[must_use]
pub fn lock() -> Guard {
    let raised = Raised::to(super::lock::level());
    acquire();
    Guard {
        raised: Some(raised),
    }
}

#[inline]
fn acquire() {
    // Acquire: what the last holder changed is seen.
    while DISPATCHER
        .held
        .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
        .is_err()
    {
        core::hint::spin_loop();
    }
}

#[inline]
fn release() {
    // Release: the next holder sees the changes.
    DISPATCHER.held.store(false, Ordering::Release);
}

impl Guard {
    /// The protected data.
    pub fn dispatcher(&mut self) -> &mut Dispatcher {
        // SAFETY: the guard stands for the lock.
        unsafe { &mut *DISPATCHER.data.get() }
    }

    /// Makes a thread ready, and has a processor take notice: an idle one if there is one,
    /// else one that runs something less urgent.
    ///
    /// # Panics
    ///
    /// If it is ready, or runs.
    pub fn make_ready(&mut self, thread: *mut Thread, preempted: bool) {
        // SAFETY: the dispatcher lock is held; the thread exists, for it is to run.
        let state = unsafe { &mut *thread };
        assert!(state.state != State::Ready && state.state != State::Running);
        state.state = State::Ready;
        let priority = state.priority;
        let affinity = state.affinity;
        self.dispatcher()
            .ready
            .insert(ThreadPointer(thread), priority, preempted);
        let mut target: Option<(&Pcr, usize)> = None;
        let first = hook::first_processor();
        for processor in pcr::all_from(first) {
            if !processor.suits(affinity) || processor.stopped.load(Ordering::Relaxed) {
                continue;
            }
            let running = processor.current_thread.load(Ordering::Relaxed);
            let idle = running == processor.idle_thread.load(Ordering::Relaxed);
            // SAFETY: what runs on a processor exists, and the lock is held.
            let own_priority = unsafe { (*running).priority };
            let running_priority = if idle { 0 } else { own_priority + 1 };
            // A processor that was asked already will take another thread from the queue.
            let asked = processor.reschedule.load(Ordering::Relaxed);
            if idle && !asked {
                target = Some((processor, 0));
                break;
            }
            if running_priority <= priority
                && !asked
                && target.is_none_or(|(_, lowest)| running_priority < lowest)
            {
                target = Some((processor, running_priority));
            }
        }
        if let Some((processor, _)) = target {
            request(processor);
        }
    }

    /// Changes how urgent a thread is, whatever it does.
    pub fn set_priority(&mut self, thread: *mut Thread, priority: usize, base: usize) {
        // SAFETY: the caller has a reference to the thread; the lock is held.
        let fields = unsafe { &mut *thread };
        let before = fields.priority;
        (fields.priority, fields.base_priority) = (priority, base);
        match fields.state {
            State::Ready => {
                self.dispatcher()
                    .ready
                    .remove(&ThreadPointer(thread), before);
                fields.state = State::Initialized;
                self.make_ready(thread, false);
            }
            // Another may be more urgent now.
            State::Running if priority < before => request(pcr::of(fields.last_processor)),
            _ => {}
        }
    }

    /// Gives the processor to another thread; returns when this one is chosen again. The caller
    /// has set the state of its thread to something other than running.
    pub fn switch(&mut self) {
        let pcr = pcr::current();
        let old = pcr.current_thread.load(Ordering::Relaxed);
        let new = self
            .choose(pcr, 0)
            .unwrap_or_else(|| pcr.idle_thread.load(Ordering::Relaxed));
        if old == new {
            // SAFETY: the lock is held; it is the thread that runs.
            unsafe { (*old).state = State::Running };
            return;
        }
        switch_to(pcr, old, new);
    }

    fn choose(&mut self, pcr: &Pcr, lowest: usize) -> Option<*mut Thread> {
        let suits = |thread: &ThreadPointer| {
            // SAFETY: a thread that is ready exists, and the lock is held.
            pcr.suits(unsafe { (*thread.0).affinity })
        };
        self.dispatcher()
            .ready
            .take(lowest, suits)
            .map(|thread| thread.0)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        release();
        drop(self.raised.take());
    }
}

/// Has a processor choose again.
pub fn request(processor: &Pcr) {
    processor.reschedule.store(true, Ordering::Release);
    interrupt_processor(processor);
}

/// Sends the dispatch interrupt to a processor.
pub fn interrupt_processor(processor: &Pcr) {
    let _raised = Raised::to(DISPATCH_LEVEL);
    if processor.number == pcr::current().number {
        apic::interrupt_self(apic::DISPATCH_VECTOR);
    } else {
        apic::interrupt(processor.apic_id, apic::DISPATCH_VECTOR);
    }
}

fn switch_to(pcr: &Pcr, old: *mut Thread, new: *mut Thread) {
    // SAFETY: the dispatcher lock is held, which protects the state of threads.
    unsafe { (*new).state = State::Running };
    // SAFETY: likewise.
    unsafe { (*new).last_processor = pcr.number };
    let now = counter::counter();
    // SAFETY: likewise.
    unsafe { (*new).running_since = now };
    // SAFETY: likewise.
    let left = unsafe { &mut *old };
    left.cycles += now.saturating_sub(left.running_since);
    // SAFETY: likewise.
    hook::thread_runs(unsafe { (*new).id });
    pcr.current_thread.store(new, Ordering::Relaxed);
    // SAFETY: a thread that is chosen exists.
    unsafe { (*new).enter_address_space() };
    clock::arm(new == pcr.idle_thread.load(Ordering::Relaxed));
    // SAFETY: the lock is held.
    if !unsafe { (*new).apcs.is_empty() } {
        // It comes when the thread's IRQL lets it.
        apic::interrupt_self(apic::APC_VECTOR);
    }
    // SAFETY: both have stacks of their own; the one that runs next releases the lock.
    unsafe { swap_stacks(old, new) };
}

naked! {
    /// Saves the nonvolatile registers (by the rules of both calling conventions) on the stack of
    /// one thread, and restores those of the other.
    ///
    /// # Safety
    ///
    /// The dispatcher lock is held. `old` runs, `new` was left by this routine or is new.
    unsafe extern "C" fn swap_stacks(old: *mut Thread, new: *mut Thread) {
        "push rbp", "push rbx", "push rsi", "push rdi",
        "push r12", "push r13", "push r14", "push r15",
        "sub rsp, 168",
        "movups [rsp], xmm6", "movups [rsp + 16], xmm7",
        "movups [rsp + 32], xmm8", "movups [rsp + 48], xmm9",
        "movups [rsp + 64], xmm10", "movups [rsp + 80], xmm11",
        "movups [rsp + 96], xmm12", "movups [rsp + 112], xmm13",
        "movups [rsp + 128], xmm14", "movups [rsp + 144], xmm15",
        "stmxcsr [rsp + 160]",
        "mov [rdi + {stack}], rsp",
        "mov rsp, [rsi + {stack}]",
        "movups xmm6, [rsp]", "movups xmm7, [rsp + 16]",
        "movups xmm8, [rsp + 32]", "movups xmm9, [rsp + 48]",
        "movups xmm10, [rsp + 64]", "movups xmm11, [rsp + 80]",
        "movups xmm12, [rsp + 96]", "movups xmm13, [rsp + 112]",
        "movups xmm14, [rsp + 128]", "movups xmm15, [rsp + 144]",
        "ldmxcsr [rsp + 160]",
        "add rsp, 168",
        "pop r15", "pop r14", "pop r13", "pop r12",
        "pop rdi", "pop rsi", "pop rbx", "pop rbp",
        "ret",
        stack = const offset_of!(Thread, stack_pointer),
    }
}

/// Bytes that [`swap_stacks`] takes off a stack below the return address.
pub const SWITCH_FRAME: usize = 168 + 8 * 8;

/// The first thing that a new thread does: it was switched to with the lock held.
pub fn begin_thread() {
    release();
    irql::set(PASSIVE_LEVEL);
}

/// The dispatch interrupt: expired timers, DPCs, and another thread if one is due. IRQL 2.
pub fn interrupt() {
    let pcr = pcr::current();
    if core::ptr::eq(pcr, clock::timer_processor()) {
        timer::expire();
    }
    dpc::drain(pcr);
    // Acquire: what made the request (a thread that is ready) is seen.
    if !pcr.reschedule.swap(false, Ordering::Acquire) {
        return;
    }
    let mut guard = lock();
    let old = pcr.current_thread.load(Ordering::Relaxed);
    let idle = pcr.idle_thread.load(Ordering::Relaxed);
    // SAFETY: the thread that runs exists, and the lock is held.
    let running = unsafe { &mut *old };
    let misplaced = old != idle && !running.affinity.contains(pcr.group, pcr.group_number);
    let ended = core::mem::take(&mut running.quantum_ended);
    if ended {
        running.decay();
    }
    // At the end of its quantum a thread gives way to its equals, else only to its betters; one
    // that may not run here any more gives way to all.
    let lowest = match ended {
        _ if old == idle || misplaced => 0,
        true => running.priority,
        false => running.priority + 1,
    };
    if lowest >= super::ready::PRIORITIES {
        return;
    }
    let new = match guard.choose(pcr, lowest) {
        Some(new) => new,
        None if misplaced => idle,
        None => {
            clock::arm(old == idle);
            return;
        }
    };
    if old == idle {
        running.state = State::Idle;
    } else {
        running.state = State::Preempted;
        guard.make_ready(old, !ended);
    }
    switch_to(pcr, old, new);
}

/// Gives way to the other ready threads of this thread's priority.
pub fn yield_now() {
    let raised = Raised::to(DISPATCH_LEVEL);
    let pcr = pcr::current();
    let thread = pcr.current_thread.load(Ordering::Relaxed);
    // SAFETY: it is the thread that runs; only its own processor touches this field.
    unsafe { (*thread).quantum_ended = true };
    request(pcr);
    drop(raised);
    // Who yields waits for others. An emulator that runs processors in turns goes on to the next.
    core::hint::spin_loop();
}
