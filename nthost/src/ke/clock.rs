//! The clock. On the boot processor it ticks every millisecond, keeps the time and looks for
//! timers that are due; on the others it only ends the turn of a thread that others wait for,
//! and counts for the watchdog.

use core::sync::atomic::Ordering;

use super::{dispatcher, pcr, time, timer, trap::TrapFrame, watchdog};
use crate::hal::{apic, time as counter};

/// A thread's turn, in milliseconds.
const QUANTUM_MS: u32 = 15;

/// Starts the clock of the boot processor.
pub fn initialize() {
    apic::set_periodic_clock(counter::apic_counts_per_ms());
}

/// A thread's turn begins on this processor; nobody's, if it is idle.
pub fn arm(idle: bool) {
    if pcr::current().number != 0 {
        let counts = if idle {
            0
        } else {
            QUANTUM_MS * counter::apic_counts_per_ms()
        };
        apic::set_clock_once(counts);
    }
}

/// The clock's interrupt, which found the processor at this IRQL, at the place of the frame.
/// CLOCK_LEVEL.
pub fn interrupt(level: u8, frame: &TrapFrame) {
    let pcr = pcr::current();
    let thread = pcr.current_thread.load(Ordering::Relaxed);
    let idle = thread == pcr.idle_thread.load(Ordering::Relaxed);
    if pcr.number == 0 {
        time::update();
        if timer::is_due() {
            dispatcher::interrupt_processor(timer_processor());
        }
        let ticks = pcr.clock_ticks.fetch_add(1, Ordering::Relaxed);
        if !ticks.is_multiple_of(QUANTUM_MS) {
            return;
        }
    }
    if watchdog::tick(pcr, level, frame) {
        arm(false);
        // It comes when the IRQL falls: whoever stays at DISPATCH_LEVEL is told from whoever
        // comes back to it.
        dispatcher::interrupt_processor(pcr);
    }
    if !idle && !thread.is_null() {
        // SAFETY: it is the thread that runs here; only its own processor touches this field.
        unsafe { (*thread).quantum_ended = true };
        pcr.reschedule.store(true, Ordering::Release);
        dispatcher::interrupt_processor(pcr);
    }
}

/// Whose dispatch interrupt sees to timers: that of the boot processor, which has the clock,
/// unless it is stopped at a breakpoint and so holds its dispatch interrupt back.
pub fn timer_processor() -> &'static pcr::Pcr {
    let stopped = |pcr: &&'static pcr::Pcr| !pcr.stopped.load(Ordering::Relaxed);
    pcr::all().find(stopped).unwrap_or_else(pcr::current)
}
