//! Registers that a thread finds as it left them, whatever ran in between.

use alloc::vec::Vec;

use alloc::sync::Arc;
use core::{
    arch::asm,
    sync::atomic::{AtomicU32, Ordering},
};

use super::{Outcome, Test, ensure_eq, object::Worker};
use crate::ke::{
    dispatcher,
    extended_state::{KeRestoreExtendedProcessorState, KeSaveExtendedProcessorState, Save},
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "registers: a switch of threads keeps the nonvolatile vector registers",
        switches,
    ),
    (
        "registers: an interrupt keeps the volatile vector registers",
        interrupts,
    ),
    ("registers: what is saved is restored", saved),
];

// nthost itself uses no vector registers, so that what a test puts there stays until the test
// looks, unless the kernel fails to keep it.

fn write_nonvolatile(value: u64) {
    // SAFETY: registers that nothing here uses.
    unsafe { asm!("movq xmm6, {0}", "movq xmm15, {0}", in(reg) value, options(nostack)) };
}

fn read_nonvolatile() -> (u64, u64) {
    let (first, last): (u64, u64);
    // SAFETY: reads two registers.
    unsafe {
        asm!("movq {0}, xmm6", "movq {1}, xmm15", out(reg) first, out(reg) last,
            options(nostack));
    };
    (first, last)
}

fn write_volatile(value: u64) {
    // SAFETY: registers that nothing here uses.
    unsafe { asm!("movq xmm0, {0}", "movq xmm5, {0}", in(reg) value, options(nostack)) };
}

fn read_volatile() -> (u64, u64) {
    let (first, last): (u64, u64);
    // SAFETY: reads two registers.
    unsafe {
        asm!("movq {0}, xmm0", "movq {1}, xmm5", out(reg) first, out(reg) last,
            options(nostack));
    };
    (first, last)
}

fn switches() -> Outcome {
    let wrong = Arc::new(AtomicU32::new(0));
    let workers: Vec<_> = (1..=3_u64)
        .map(|value| {
            let wrong = wrong.clone();
            Worker::new(move || {
                for round in 0..100 {
                    let value = value << 32 | round;
                    write_nonvolatile(value);
                    dispatcher::yield_now();
                    if read_nonvolatile() != (value, value) {
                        wrong.fetch_add(1, Ordering::AcqRel);
                    }
                }
            })
        })
        .collect();
    drop(workers);
    ensure_eq!(wrong.load(Ordering::Acquire), 0);
    Ok(())
}

fn interrupts() -> Outcome {
    // Long enough for the clock to have come several times, on the processor that has it.
    let end = crate::ke::time::interrupt_time() + 50_000;
    let mut round = 0_u64;
    while crate::ke::time::interrupt_time() < end {
        round += 1;
        write_volatile(round);
        for _ in 0..100 {
            core::hint::spin_loop();
        }
        ensure_eq!(read_volatile(), (round, round));
    }
    Ok(())
}

fn saved() -> Outcome {
    let mut save = core::mem::MaybeUninit::<Save>::uninit();
    write_nonvolatile(7);
    // SAFETY: it can be written.
    let status = unsafe { KeSaveExtendedProcessorState(3, save.as_mut_ptr()) };
    ensure_eq!(status, 0);
    write_nonvolatile(8);
    // SAFETY: it was filled above.
    unsafe { KeRestoreExtendedProcessorState(save.as_mut_ptr()) };
    ensure_eq!(read_nonvolatile(), (7, 7));
    Ok(())
}
