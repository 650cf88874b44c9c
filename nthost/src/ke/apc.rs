//! Special kernel APCs: what a thread is to do for the kernel as soon as its IRQL is below
//! APC_LEVEL and it is in no guarded region.
//!
//! The I/O manager has a thread finish its requests so: a thread that waits for one at APC_LEVEL,
//! as with a fast mutex in hand, waits for ever. They come by an interrupt of IRQL 1, which the
//! local APIC holds back until the IRQL is lower, and interrupt waits, which go on afterwards.
//! An APC belongs to the process that the thread was in when the request was made, and waits
//! until it is there again. Normal kernel APCs do not exist: no documented routine makes one. User APCs are only the end
//! of a wait ([`super::wait`]).
//!
//! Sources: "Types of APCs", "Waits and APCs", "Disabling APCs"; IoBuildDeviceIoControlRequest.

use alloc::boxed::Box;
use core::ffi::c_void;

pub use super::apc_queue::{Apc, Queue, Routine};

use super::{
    dispatcher,
    irql::{self, Raised},
    pcr,
    thread::{self, State, Thread},
    wait,
};
use crate::{
    export::{APC_LEVEL, DISPATCH_LEVEL, PASSIVE_LEVEL},
    hal::apic,
};

impl Thread {
    /// Whether special kernel APCs have come that can run at an IRQL. The caller holds the
    /// dispatcher lock, or it is the thread that runs.
    #[must_use]
    pub fn has_apcs(&self, level: u8) -> bool {
        level < APC_LEVEL && self.special_apc_disable == 0 && self.apcs.has(self.place().addr())
    }
}

/// Has a thread call a routine at APC_LEVEL, while it is in a process. It may have done so when
/// this returns. IRQL up to DISPATCH_LEVEL.
///
/// # Safety
///
/// The thread exists, and does not end before it has done so; the routine may be called there
/// with this argument.
pub unsafe fn queue(thread: *mut Thread, process: *mut c_void, routine: Routine, argument: usize) {
    let apc = Box::new(Apc::new(process.addr(), routine, argument));
    let level = irql::current();
    let mut guard = dispatcher::lock();
    // SAFETY: the caller's promise; the lock is held.
    let target = unsafe { &mut *thread };
    target.apcs.push(apc);
    if target.state == State::Waiting {
        wait::interrupt_for_apcs(&mut guard, thread);
    } else if thread == thread::current() && level < APC_LEVEL {
        // The interrupt would come at once.
        drop(guard);
        deliver_below(level);
    } else if thread == thread::current() {
        apic::interrupt_self(apic::APC_VECTOR);
    } else if target.state == State::Running {
        // If it is not there any more, it is told when it is switched to.
        apic::interrupt(pcr::of(target.last_processor).apic_id, apic::APC_VECTOR);
    }
}

/// Runs the APCs of the thread that runs, unless it is in a guarded region. APC_LEVEL.
pub fn deliver() {
    loop {
        let guard = dispatcher::lock();
        // SAFETY: the thread that runs; the lock is held.
        let thread = unsafe { &mut *thread::current() };
        let apc = if thread.special_apc_disable == 0 {
            thread.apcs.pop(thread.place().addr())
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
    assert!(level < APC_LEVEL);
    let _raised = Raised::to(APC_LEVEL);
    deliver();
}

/// The thread that runs may have left its outermost guarded region, or come into another process:
/// what was held back comes as soon as the IRQL lets it.
pub fn may_come() {
    let raised = Raised::to(DISPATCH_LEVEL);
    // SAFETY: the thread that runs exists. Whoever queues an APC to it now interrupts it.
    let thread = unsafe { &*thread::current() };
    if thread.has_apcs(PASSIVE_LEVEL) {
        apic::interrupt_self(apic::APC_VECTOR);
    }
    drop(raised);
}
