//! Idle threads: what a processor runs when there is nothing to do.

use alloc::boxed::Box;
use core::sync::atomic::Ordering;

use super::{State, Thread, end};
use crate::{
    hal::time,
    ke::{dispatcher, dpc, irql, pcr},
    ob::object::{self, Kind},
};

/// Bytes of the stack that the boot processor starts on; its idle thread keeps it.
pub const BOOT_STACK_SIZE: usize = 64 << 10;

/// Makes what runs on the boot processor its idle thread.
pub fn initialize_boot_processor() {
    unsafe extern "C" {
        static boot_stack: u8;
    }
    let limit = &raw const boot_stack as u64;
    adopt_idle(limit, limit + BOOT_STACK_SIZE as u64);
}

/// Makes what runs on this processor its idle thread.
pub fn adopt_idle(stack_limit: u64, stack_base: u64) {
    let mut thread = Thread::new("idle", stack_limit, stack_base);
    thread.state = State::Running;
    (thread.priority, thread.base_priority) = (0, 0);
    thread.last_processor = pcr::current().number;
    let thread = Box::into_raw(thread);
    // What a driver's DPC that interrupts it takes for the current thread.
    object::insert(thread.cast(), Kind::Thread, end::delete);
    pcr::current().idle_thread.store(thread, Ordering::Relaxed);
    pcr::current()
        .current_thread
        .store(thread, Ordering::Relaxed);
}

/// This processor has been interrupted: it is not halted any more. Interrupts are off.
#[inline]
pub fn interrupted() {
    let pcr = pcr::current();
    // Relaxed: the processor's own, as all of these.
    let since = pcr.halted.load(Ordering::Relaxed);
    if since != 0 {
        pcr.halted.store(0, Ordering::Relaxed);
        let idle = time::counter().saturating_sub(since);
        pcr.idle_counts.fetch_add(idle, Ordering::Relaxed);
    }
}

/// How long this processor has been halted since it was started, in counts.
#[must_use]
pub fn counts() -> u64 {
    pcr::current().idle_counts.load(Ordering::Relaxed)
}

/// What an idle thread does: it waits for interrupts, unless a DPC waits for it.
///
/// A DPC that may wait until its processor looks at its queue gets no interrupt while a thread
/// runs there: the idle thread is who looks. Whoever queues one after this look finds the
/// processor idle, and interrupts it; the halt begins with interrupts still held back, so that
/// this interrupt ends it.
pub fn idle() -> ! {
    irql::set(crate::export::PASSIVE_LEVEL);
    loop {
        x86_64::instructions::interrupts::disable();
        if dpc::is_waiting(pcr::current()) {
            x86_64::instructions::interrupts::enable();
            dispatcher::interrupt_processor(pcr::current());
            core::hint::spin_loop();
        } else {
            // Relaxed: the processor's own.
            let pcr = pcr::current();
            pcr.halted.store(time::counter(), Ordering::Relaxed);
            x86_64::instructions::interrupts::enable_and_hlt();
        }
    }
}
