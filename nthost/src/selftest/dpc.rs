//! Deferred procedure calls.

use core::{
    ffi::c_void,
    sync::atomic::{AtomicU32, Ordering},
};

use nthost_nt::ke::{KDPC, KDPC_WATCHDOG_INFORMATION, PROCESSOR_NUMBER};

use super::{
    Outcome, Test, ensure, ensure_eq,
    object::{Dpc, Object},
};
use crate::{
    export::{DISPATCH_LEVEL, PASSIVE_LEVEL},
    hal::time,
    ke::{
        dpc::{
            KeIsExecutingDpc, KeQueryDpcWatchdogInformation, KeSetImportanceDpc,
            KeSetTargetProcessorDpcEx,
        },
        dpc_flush::KeFlushQueuedDpcs,
        irql::{self, Raised},
        pcr,
        processor::KeGetProcessorNumberFromIndex,
    },
    verifier::noise,
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "dpc: it runs on its target processor, at DISPATCH_LEVEL",
        target,
    ),
    (
        "dpc: it is queued once, and runs when the IRQL is lowered",
        once,
    ),
    ("dpc: one that is taken back does not run", taken_back),
    ("dpc: high importance goes first", importance),
    (
        "dpc: a threaded one runs at PASSIVE_LEVEL on its processor",
        threaded,
    ),
    ("dpc: a flush waits for DPCs of low importance", flush),
    (
        "dpc: the watchdog's clock ticks while one runs, on idle processors too",
        watchdog,
    ),
];

/// Where and how a DPC ran.
#[derive(Default)]
struct Seen {
    count: AtomicU32,
    processor: AtomicU32,
    level: AtomicU32,
    in_dpc: AtomicU32,
}

unsafe extern "win64" fn note(
    _dpc: *mut KDPC,
    context: *mut c_void,
    _argument1: *mut c_void,
    _argument2: *mut c_void,
) {
    // SAFETY: the test's own, which waits for the DPC.
    let seen = unsafe { &*context.cast::<Seen>() };
    let level = irql::current();
    seen.processor
        .store(pcr::current().number, Ordering::Relaxed);
    seen.level.store(u32::from(level), Ordering::Relaxed);
    if level == DISPATCH_LEVEL {
        // SAFETY: the routine only reads.
        let in_dpc = unsafe { KeIsExecutingDpc() };
        seen.in_dpc.store(in_dpc, Ordering::Relaxed);
    }
    seen.count.fetch_add(1, Ordering::Release);
}

fn set_target(dpc: &Dpc, processor: u32) -> i32 {
    let mut number = PROCESSOR_NUMBER {
        Group: 0,
        Number: 0,
        Reserved: 0,
    };
    // SAFETY: the number can be written.
    unsafe { KeGetProcessorNumberFromIndex(processor, &raw mut number) };
    // SAFETY: an initialized DPC, and a number.
    unsafe { KeSetTargetProcessorDpcEx(dpc.get(), &raw const number) }
}

fn flush_all() {
    // SAFETY: PASSIVE_LEVEL.
    unsafe { KeFlushQueuedDpcs() };
}

fn target() -> Outcome {
    for processor in 0..pcr::count() {
        let seen = Seen::default();
        let dpc = Dpc::ordinary(note, &seen);
        ensure_eq!(set_target(&dpc, processor), 0);
        ensure!(dpc.queue(), "a new DPC is in a queue");
        flush_all();
        ensure_eq!(seen.count.load(Ordering::Acquire), 1);
        ensure_eq!(seen.processor.load(Ordering::Relaxed), processor);
        ensure_eq!(
            seen.level.load(Ordering::Relaxed),
            u32::from(DISPATCH_LEVEL)
        );
        ensure!(
            seen.in_dpc.load(Ordering::Relaxed) != 0,
            "no DPC is executed"
        );
    }
    Ok(())
}

fn once() -> Outcome {
    let seen = Seen::default();
    let dpc = Dpc::ordinary(note, &seen);
    let raised = Raised::to(DISPATCH_LEVEL);
    let (first, second) = (dpc.queue(), dpc.queue());
    let early = seen.count.load(Ordering::Acquire);
    drop(raised);
    // With noise, the processor may leave it for later.
    let at_once = seen.count.load(Ordering::Acquire);
    flush_all();
    ensure!(first && !second, "queued: {first}, {second}");
    ensure_eq!(early, 0);
    ensure!(
        at_once == 1 || noise::seed().is_some(),
        "it did not run at once"
    );
    ensure_eq!(seen.count.load(Ordering::Acquire), 1);
    ensure!(dpc.queue(), "it is still in a queue");
    flush_all();
    ensure_eq!(seen.count.load(Ordering::Acquire), 2);
    Ok(())
}

fn taken_back() -> Outcome {
    let seen = Seen::default();
    let dpc = Dpc::ordinary(note, &seen);
    let raised = Raised::to(DISPATCH_LEVEL);
    dpc.queue();
    let (first, second) = (dpc.remove(), dpc.remove());
    drop(raised);
    flush_all();
    ensure!(first && !second, "taken back: {first}, {second}");
    ensure_eq!(seen.count.load(Ordering::Acquire), 0);
    Ok(())
}

fn importance() -> Outcome {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    unsafe extern "win64" fn order(
        _dpc: *mut KDPC,
        context: *mut c_void,
        _argument1: *mut c_void,
        _argument2: *mut c_void,
    ) {
        // SAFETY: the test's own, which waits for the DPC.
        let place = unsafe { &*context.cast::<AtomicU32>() };
        place.store(NEXT.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }
    NEXT.store(0, Ordering::Relaxed);
    let places = [const { AtomicU32::new(0) }; 3];
    let dpcs = places.each_ref().map(|place| Dpc::ordinary(order, place));
    // SAFETY: an initialized DPC; 2 is HighImportance.
    unsafe { KeSetImportanceDpc(dpcs[2].get(), 2) };
    let raised = Raised::to(DISPATCH_LEVEL);
    for dpc in &dpcs {
        dpc.queue();
    }
    drop(raised);
    flush_all();
    let order = places.each_ref().map(|place| place.load(Ordering::Relaxed));
    ensure_eq!(order, [1, 2, 0]);
    Ok(())
}

fn threaded() -> Outcome {
    for processor in 0..pcr::count() {
        let seen = Seen::default();
        let dpc = Dpc::threaded(note, &seen);
        ensure_eq!(set_target(&dpc, processor), 0);
        dpc.queue();
        flush_all();
        ensure_eq!(seen.count.load(Ordering::Acquire), 1);
        ensure_eq!(seen.processor.load(Ordering::Relaxed), processor);
        ensure_eq!(seen.level.load(Ordering::Relaxed), u32::from(PASSIVE_LEVEL));
    }
    Ok(())
}

fn flush() -> Outcome {
    let seen = Seen::default();
    let dpcs: [Object<KDPC>; 3] = core::array::from_fn(|_| Dpc::ordinary(note, &seen));
    for dpc in &dpcs {
        // SAFETY: an initialized DPC; 0 is LowImportance.
        unsafe { KeSetImportanceDpc(dpc.get(), 0) };
        set_target(dpc, pcr::count() - 1);
        dpc.queue();
    }
    flush_all();
    ensure_eq!(seen.count.load(Ordering::Acquire), 3);
    Ok(())
}

/// What is left to a DPC of its time; nothing, if nobody says.
fn left() -> u32 {
    let mut information = KDPC_WATCHDOG_INFORMATION::default();
    // SAFETY: it can be written.
    let status = unsafe { KeQueryDpcWatchdogInformation(&raw mut information) };
    if status == 0 && information.DpcTimeLimit != 0 {
        information.DpcTimeCount
    } else {
        0
    }
}

/// Runs until its clock has ticked twice.
unsafe extern "win64" fn stay(
    _dpc: *mut KDPC,
    context: *mut c_void,
    _argument1: *mut c_void,
    _argument2: *mut c_void,
) {
    // SAFETY: the test's own, which waits for the DPC.
    let ticks = unsafe { &*context.cast::<AtomicU32>() };
    let first = left();
    // Without ticks, it ends as well, having counted none.
    for _ in 0..30_000 {
        ticks.store(first - left(), Ordering::Release);
        if ticks.load(Ordering::Relaxed) == 2 {
            return;
        }
        time::stall(1000);
    }
}

fn watchdog() -> Outcome {
    for processor in 0..pcr::count() {
        let ticks = AtomicU32::new(0);
        let dpc = Dpc::ordinary(stay, &ticks);
        ensure_eq!(set_target(&dpc, processor), 0);
        dpc.queue();
        flush_all();
        ensure_eq!(ticks.load(Ordering::Acquire), 2);
    }
    Ok(())
}
