//! Timers.

use core::{
    ffi::c_void,
    sync::atomic::{AtomicU32, Ordering},
};

use nthost_nt::{
    ke::KDPC,
    status::{STATUS_SUCCESS, STATUS_TIMEOUT},
};

use super::{
    Outcome, Test, ensure, ensure_eq,
    object::{Dpc, Timer},
};
use crate::{
    hal::cmos,
    ke::{calendar, dpc_flush::flush_queued_dpcs, time},
    verifier::noise,
};

/// The tests.
pub const TESTS: &[Test] = &[
    ("timer: it is never early", never_early),
    ("timer: those due first are signalled first", order),
    ("timer: one that is taken back is not signalled", taken_back),
    (
        "timer: one that is set again forgets its first time",
        set_again,
    ),
    (
        "timer: a periodic one goes on until it is taken back",
        periodic,
    ),
    (
        "timer: either it is taken back or its DPC runs",
        cancel_or_run,
    ),
    (
        "timer: system time is what the real-time clock says",
        real_time,
    ),
];

/// A minute, in units of 100 ns: the two are read one after the other, and may be a second
/// apart from the start; they differ by years if one has nothing to do with the other.
const MINUTE: u64 = 600_000_000;

fn real_time() -> Outcome {
    let date = cmos::now().ok_or("there is no clock")?;
    let clock = calendar::from_fields(&date).ok_or("the clock says no date")?;
    let difference = time::system_time().abs_diff(clock.cast_unsigned());
    ensure!(difference < MINUTE, "they are {difference} apart");
    Ok(())
}

static NEXT: AtomicU32 = AtomicU32::new(0);

unsafe extern "win64" fn count(
    _dpc: *mut KDPC,
    context: *mut c_void,
    _argument1: *mut c_void,
    _argument2: *mut c_void,
) {
    // SAFETY: the test's own, which waits for the DPC.
    let counter = unsafe { &*context.cast::<AtomicU32>() };
    counter.fetch_add(1, Ordering::AcqRel);
}

unsafe extern "win64" fn place(
    _dpc: *mut KDPC,
    context: *mut c_void,
    _argument1: *mut c_void,
    _argument2: *mut c_void,
) {
    // SAFETY: the test's own, which waits for the DPC.
    let place = unsafe { &*context.cast::<AtomicU32>() };
    place.store(NEXT.fetch_add(1, Ordering::AcqRel), Ordering::Release);
}

fn never_early() -> Outcome {
    for synchronization in [false, true] {
        let timer = Timer::timer(synchronization);
        let begun = time::interrupt_time();
        ensure!(!timer.start(3, 0, None), "a new timer is set");
        ensure_eq!(timer.wait(None), STATUS_SUCCESS);
        let waited = time::interrupt_time() - begun;
        ensure!(waited >= 30_000, "after {waited} units of 30000");
        let again = if synchronization {
            STATUS_TIMEOUT
        } else {
            STATUS_SUCCESS
        };
        ensure_eq!(timer.wait(Some(0)), again);
        ensure!(!timer.cancel(), "it is still set");
    }
    Ok(())
}

fn order() -> Outcome {
    if noise::seed().is_some() {
        // Any of them may be late then.
        return Ok(());
    }
    NEXT.store(0, Ordering::Release);
    let places = [const { AtomicU32::new(0) }; 3];
    let dpcs = places.each_ref().map(|own| Dpc::ordinary(place, own));
    let timers: [_; 3] = core::array::from_fn(|_| Timer::timer(false));
    // So far apart that the emulator may leave a processor standing between two of the calls.
    for (index, milliseconds) in [900, 300, 600].into_iter().enumerate() {
        timers[index].start(milliseconds, 0, Some(&dpcs[index]));
    }
    for timer in &timers {
        timer.wait(None);
    }
    flush_queued_dpcs();
    let order = places.each_ref().map(|place| place.load(Ordering::Acquire));
    ensure_eq!(order, [2, 0, 1]);
    Ok(())
}

fn taken_back() -> Outcome {
    let counter = AtomicU32::new(0);
    let dpc = Dpc::ordinary(count, &counter);
    let timer = Timer::timer(false);
    timer.start(2, 0, Some(&dpc));
    ensure!(timer.cancel(), "it was not set");
    ensure!(!timer.cancel(), "it is set still");
    ensure_eq!(timer.wait(Some(6)), STATUS_TIMEOUT);
    flush_queued_dpcs();
    ensure_eq!(counter.load(Ordering::Acquire), 0);
    Ok(())
}

fn set_again() -> Outcome {
    let counter = AtomicU32::new(0);
    let dpc = Dpc::ordinary(count, &counter);
    let timer = Timer::timer(false);
    timer.start(60_000, 0, Some(&dpc));
    ensure!(timer.start(2, 0, Some(&dpc)), "it was not set");
    timer.wait(None);
    flush_queued_dpcs();
    ensure_eq!(counter.load(Ordering::Acquire), 1);
    ensure!(!timer.cancel(), "it is set still");
    Ok(())
}

fn periodic() -> Outcome {
    let counter = AtomicU32::new(0);
    let dpc = Dpc::ordinary(count, &counter);
    let timer = Timer::timer(true);
    timer.start(1, 2, Some(&dpc));
    for _ in 0..4 {
        ensure_eq!(timer.wait(None), STATUS_SUCCESS);
    }
    ensure!(timer.cancel(), "a periodic timer is not set");
    flush_queued_dpcs();
    let runs = counter.load(Ordering::Acquire);
    ensure!(runs > 0, "the DPC never ran");
    // It may have been due once more before it was taken back.
    timer.wait(Some(0));
    ensure_eq!(timer.wait(Some(8)), STATUS_TIMEOUT);
    flush_queued_dpcs();
    ensure_eq!(counter.load(Ordering::Acquire), runs);
    Ok(())
}

/// A driver that is told that a timer was not set any more waits for its DPC: it must come.
fn cancel_or_run() -> Outcome {
    for round in 0..40 {
        let counter = AtomicU32::new(0);
        let dpc = Dpc::ordinary(count, &counter);
        let timer = Timer::timer(false);
        timer.start(1, 0, Some(&dpc));
        // Around the time at which it is due.
        crate::hal::time::stall(900 + 20 * round);
        let canceled = timer.cancel();
        flush_queued_dpcs();
        let runs = counter.load(Ordering::Acquire);
        ensure!(
            runs == u32::from(!canceled),
            "taken back: {canceled}, and its DPC ran {runs} times"
        );
    }
    Ok(())
}
