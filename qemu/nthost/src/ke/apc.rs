//! Special kernel APCs: what a thread is to do for the kernel as soon as its IRQL is below
//! APC_LEVEL and it is in no guarded region.
//!
//! The I/O manager has a thread finish its requests so: a thread that waits for one at APC_LEVEL,
//! as with a fast mutex in hand, waits for ever. They come by an interrupt of IRQL 1, which the
//! local APIC holds back until the IRQL is lower, and interrupt waits, which go on afterwards.
//! Normal kernel APCs do not exist: no documented routine makes one. User APCs are only the end
//! of a wait ([`super::wait`]).
//!
//! Sources: "Types of APCs", "Waits and APCs", "Disabling APCs"; IoBuildDeviceIoControlRequest.

use alloc::boxed::Box;
use core::ptr::null_mut;

use super::{
    dispatcher,
    irql::Raised,
    thread::{self, State, Thread},
    wait,
};
use crate::{
    export::{APC_LEVEL, DISPATCH_LEVEL},
    hal::apic,
};

/// What one does.
pub type Routine = unsafe fn(argument: usize);

/// A special kernel APC.
#[derive(Debug)]
struct Apc {
    next: *mut Self,
    routine: Routine,
    argument: usize,
}

/// A thread's APCs, oldest first. The dispatcher lock protects it.
#[derive(Debug)]
pub struct Queue {
    first: *mut Apc,
    last: *mut Apc,
}

impl Queue {
    /// With none in it.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: null_mut(),
            last: null_mut(),
        }
    }

    /// Whether none is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    fn push(&mut self, apc: Box<Apc>) {
        let apc = Box::into_raw(apc);
        if self.first.is_null() {
            self.first = apc;
        } else {
            // SAFETY: what is in the queue exists, and is the queue's alone.
            unsafe { (*self.last).next = apc };
        }
        self.last = apc;
    }

    fn pop(&mut self) -> Option<Box<Apc>> {
        let first = self.first;
        if first.is_null() {
            return None;
        }
        // SAFETY: what is in the queue came from a box, and leaves the queue here.
        let apc = unsafe { Box::from_raw(first) };
        self.first = apc.next;
        Some(apc)
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self::new()
    }
}

impl Thread {
    /// Whether a special kernel APC can come to the thread at an IRQL.
    #[must_use]
    pub const fn admits_apcs(&self, level: u8) -> bool {
        level < APC_LEVEL && self.special_apc_disable == 0
    }
}

/// Has a thread call a routine at APC_LEVEL. It may have done so when this returns. IRQL up to
/// DISPATCH_LEVEL.
///
/// # Safety
///
/// The thread exists, and does not end before it has done so; the routine may be called there
/// with this argument.
pub unsafe fn queue(thread: *mut Thread, routine: Routine, argument: usize) {
    let apc = Box::new(Apc {
        next: null_mut(),
        routine,
        argument,
    });
    let mut guard = dispatcher::lock();
    // SAFETY: the caller's promise; the lock is held.
    let target = unsafe { &mut *thread };
    target.apcs.push(apc);
    if target.state == State::Waiting {
        wait::interrupt_for_apcs(&mut guard, thread);
    } else if thread == thread::current() {
        apic::interrupt_self(apic::APC_VECTOR);
    } else if target.state == State::Running {
        // If it is not there any more, it is told when it is switched to.
        apic::interrupt(target.last_processor, apic::APC_VECTOR);
    }
}

/// Runs the APCs of the thread that runs, unless it is in a guarded region. APC_LEVEL.
pub fn deliver() {
    loop {
        let guard = dispatcher::lock();
        // SAFETY: the thread that runs; the lock is held.
        let thread = unsafe { &mut *thread::current() };
        let apc = if thread.special_apc_disable == 0 {
            thread.apcs.pop()
        } else {
            None
        };
        drop(guard);
        let Some(apc) = apc else { return };
        // SAFETY: the promise of who queued it.
        unsafe { (apc.routine)(apc.argument) };
    }
}

/// A wait at an IRQL below APC_LEVEL was interrupted for APCs: they run.
pub(super) fn deliver_below(level: u8) {
    debug_assert!(level < APC_LEVEL);
    let _raised = Raised::to(APC_LEVEL);
    deliver();
}

/// The thread that runs may have left its outermost guarded region: what was held back comes as
/// soon as the IRQL lets it.
pub fn region_left() {
    let raised = Raised::to(DISPATCH_LEVEL);
    // SAFETY: the thread that runs exists. Whoever queues an APC to it now interrupts it.
    let thread = unsafe { &*thread::current() };
    if thread.special_apc_disable == 0 && !thread.apcs.is_empty() {
        apic::interrupt_self(apic::APC_VECTOR);
    }
    drop(raised);
}
