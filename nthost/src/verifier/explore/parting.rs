//! A change between two instructions of a driver: a debug register stops the processor where the
//! driver goes on after a call, and the trap flag counts its instructions from there.
//!
//! One change is under way at a time. A call that comes back on another processor, or not at all,
//! takes its change with it: the next one takes its place.

use core::sync::atomic::{AtomicU64, Ordering};

use nthost_protocol::explore::Change;
use x86_64::{
    instructions::interrupts,
    registers::debug::{DebugAddressRegister, Dr0, Dr7},
};

use crate::{
    hook::DebugTrap,
    ke::{lock::HighLock, pcr},
    mm::paging::KERNEL_BASE,
};

/// "Single step": bit 14 of DR6.
const STEPPED: u64 = 1 << 14;
/// "Breakpoint of DR0": bit 0 of DR6.
const REACHED: u64 = 1;

/// What is under way.
#[derive(Clone, Copy)]
struct Parting {
    processor: u32,
    schedule: u64,
    change: Change,
}

static PARTING: HighLock<Option<Parting>> = HighLock::new(None);
/// How many instructions are left.
static LEFT: AtomicU64 = AtomicU64::new(0);

/// Has the change come after its instructions, counted from where the driver goes on.
pub fn arm(caller: u64, schedule: u64, change: Change) {
    let enabled = interrupts::are_enabled();
    interrupts::disable();
    *PARTING.lock() = Some(Parting {
        processor: pcr::current().number,
        schedule,
        change,
    });
    LEFT.store(change.instructions.into(), Ordering::Relaxed);
    Dr0::write(caller);
    // Local, exact, at execution.
    Dr7::write_raw(1 << 10 | 1 << 8 | 1);
    if enabled {
        interrupts::enable();
    }
}

/// A debug exception, with interrupts off: DR6 says why. `enabled` is whether they were on.
pub fn trap(rip: u64, why: u64, enabled: bool) -> DebugTrap {
    if why & (STEPPED | REACHED) == 0 {
        return DebugTrap::Unknown;
    }
    let here = pcr::current().number;
    if why & REACHED != 0 {
        Dr7::write_raw(1 << 10);
        let mine = PARTING
            .lock()
            .is_some_and(|parting| parting.processor == here);
        return if mine {
            DebugTrap::Step
        } else {
            DebugTrap::Run
        };
    }
    // A call of the kernel is the next step: the change comes before it.
    if rip < KERNEL_BASE && LEFT.fetch_sub(1, Ordering::Relaxed) > 1 {
        return DebugTrap::Step;
    }
    let parting = PARTING.lock().take();
    if let Some(Parting {
        schedule, change, ..
    }) = parting
    {
        if enabled {
            interrupts::enable();
        }
        super::part(schedule, change, rip);
        interrupts::disable();
    }
    DebugTrap::Run
}
