//! The DPC watchdog: a processor must not stay at DISPATCH_LEVEL or above for long, and no DPC's
//! or interrupt's routine may take long.
//!
//! What is counted is ticks of the processor's own clock that found it there, and these come one
//! by one, each when the last was served: a processor that the host keeps waiting counts none
//! meanwhile. So the limits stand for what the guest does, however slow the host is. Nothing is
//! counted while a processor is stopped at a breakpoint.
//!
//! Sources: bug check 0x133; KeQueryDpcWatchdogInformation, KDPC_WATCHDOG_INFORMATION.

use core::sync::atomic::{AtomicU32, Ordering};

use nthost_nt::ke::KDPC_WATCHDOG_INFORMATION;

use super::{
    bugcheck::{self, code},
    clock,
    pcr::{self, Pcr},
    stack,
    trap::TrapFrame,
};
use crate::export::DISPATCH_LEVEL;

/// Ticks (of 15 ms) that a single routine may take. The documentation asks for 100 microseconds
/// of a DPC and 25 of an interrupt, and says that the limits are much higher.
const SINGLE_LIMIT: u32 = 200;
/// Ticks that a processor may stay at DISPATCH_LEVEL or above.
const PERIOD: u32 = 400;

/// What a processor counts. Only the processor itself touches it: relaxed everywhere.
#[derive(Debug, Default)]
pub struct Watchdog {
    /// Ticks since the IRQL was last seen below DISPATCH_LEVEL.
    raised: AtomicU32,
    /// One, and the ticks since the routine that runs was called; zero if none runs.
    routine: AtomicU32,
}

impl Watchdog {
    /// Nothing counted yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            raised: AtomicU32::new(0),
            routine: AtomicU32::new(0),
        }
    }

    /// The IRQL was below DISPATCH_LEVEL just now.
    pub fn reset(&self) {
        self.raised.store(0, Ordering::Relaxed);
    }

    /// What is left of the limits.
    #[must_use]
    pub fn information(&self) -> KDPC_WATCHDOG_INFORMATION {
        let routine = self.routine.load(Ordering::Relaxed).saturating_sub(1);
        let raised = self.raised.load(Ordering::Relaxed);
        KDPC_WATCHDOG_INFORMATION {
            DpcTimeLimit: SINGLE_LIMIT,
            DpcTimeCount: SINGLE_LIMIT.saturating_sub(routine),
            DpcWatchdogLimit: PERIOD,
            DpcWatchdogCount: PERIOD.saturating_sub(raised),
            Reserved: 0,
        }
    }
}

/// A DPC's or an interrupt's routine runs on this processor, until this is dropped.
#[derive(Debug)]
pub struct Routine {
    pcr: &'static Pcr,
    /// The count of the routine that it interrupts.
    interrupted: u32,
    /// Where the stack of that begins.
    stack: u64,
}

impl Routine {
    /// Its time begins. DISPATCH_LEVEL or above.
    #[must_use]
    pub fn begin() -> Self {
        let pcr = pcr::current();
        if pcr.current_thread.load(Ordering::Relaxed) == pcr.idle_thread.load(Ordering::Relaxed) {
            // An idle processor has no clock.
            clock::arm(false);
        }
        let interrupted = pcr.watchdog.routine.swap(1, Ordering::Relaxed);
        // On NT, DPCs and interrupts have a stack that all of them share.
        let stack = pcr.routine_stack.load(Ordering::Relaxed);
        if stack == 0 {
            pcr.routine_stack.store(stack::here(), Ordering::Relaxed);
        }
        Self {
            pcr,
            interrupted,
            stack,
        }
    }
}

impl Drop for Routine {
    fn drop(&mut self) {
        let routine = &self.pcr.watchdog.routine;
        routine.store(self.interrupted, Ordering::Relaxed);
        self.pcr.routine_stack.store(self.stack, Ordering::Relaxed);
    }
}

/// A tick found the processor at this IRQL, at the place of the frame; whether it is to have
/// another soon. CLOCK_LEVEL.
#[must_use]
pub fn tick(pcr: &Pcr, level: u8, frame: &TrapFrame) -> bool {
    let watchdog = &pcr.watchdog;
    if level < DISPATCH_LEVEL {
        watchdog.reset();
        return false;
    }
    let raised = watchdog.raised.fetch_add(1, Ordering::Relaxed) + 1;
    let mut routine = watchdog.routine.load(Ordering::Relaxed);
    if routine != 0 {
        routine += 1;
        watchdog.routine.store(routine, Ordering::Relaxed);
    }
    let taken = routine.saturating_sub(1);
    if raised <= PERIOD && taken <= SINGLE_LIMIT {
        return true;
    }
    // Whoever stops a processor at a breakpoint lets others wait for it.
    if pcr::all().any(|pcr| pcr.stopped.load(Ordering::Relaxed)) {
        watchdog.reset();
        watchdog.routine.store(routine.min(1), Ordering::Relaxed);
        return true;
    }
    let parameters = if taken > SINGLE_LIMIT {
        [0, taken.into(), SINGLE_LIMIT.into(), 0]
    } else {
        [1, PERIOD.into(), 0, 0]
    };
    bugcheck::bugcheck_at(code::DPC_WATCHDOG_VIOLATION, parameters, frame)
}
