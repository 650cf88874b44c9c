//! Scheduling noise: what may happen at any time is made to happen more often, at points that a
//! seed chooses. Off unless the manifest or the command line (`noise=SEED`) has a seed.
//!
//! Nothing happens that could not happen without it: a thread below DISPATCH_LEVEL may lose its
//! processor, a processor may be slow, an interrupt may come late, a DPC may wait behind
//! others, a timer may be late by a tick or two ("Timer Accuracy"), and of idle processors any
//! may be chosen.
//!
//! Each processor has a stream of numbers of its own, from the seed and its number. So with the
//! emulator's instruction counting, which makes one order of all that processors do, the same
//! seed gives the same run.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nthost_protocol::random::{STEP, mix};

use crate::{
    export::DISPATCH_LEVEL,
    hal::time as counter,
    ke::{
        dispatcher, dpc, irql,
        pcr::{self, MAXIMUM_PROCESSORS},
        thread, time,
        wait::{self, WaitType},
    },
};

/// Units of 100 ns in a microsecond.
const MICROSECOND: u64 = 10;

static ON: AtomicBool = AtomicBool::new(false);
static SEED: AtomicU64 = AtomicU64::new(0);
/// The state of each processor's stream.
static STATES: [AtomicU64; MAXIMUM_PROCESSORS] = [const { AtomicU64::new(0) }; MAXIMUM_PROCESSORS];

/// Begins. To be called before drivers run.
pub fn start(seed: u64) {
    for pcr in pcr::all() {
        let state = mix(seed ^ mix(u64::from(pcr.number)));
        STATES[pcr.number as usize].store(state, Ordering::Relaxed);
    }
    SEED.store(seed, Ordering::Relaxed);
    // Release: who sees that it is on sees the states.
    ON.store(true, Ordering::Release);
}

/// The seed; `None` without noise.
#[must_use]
pub fn seed() -> Option<u64> {
    ON.load(Ordering::Acquire)
        .then(|| SEED.load(Ordering::Relaxed))
}

/// The next number of this processor's stream; `None` without noise.
fn draw() -> Option<u64> {
    if !ON.load(Ordering::Acquire) {
        return None;
    }
    // One atomic step, so that an interrupt in between draws another number.
    let state = STATES[pcr::current().number as usize].fetch_add(STEP, Ordering::Relaxed);
    Some(mix(state))
}

/// A lock is about to be taken: whoever else wants it may come first.
pub fn before_lock() {
    if let Some(microseconds) = chance(16, 10) {
        counter::stall(microseconds);
    }
}

/// A number below `limit`, one time in `times`; else nothing happens.
fn chance(times: u64, limit: u64) -> Option<u64> {
    let number = draw()?;
    number
        .is_multiple_of(times)
        .then(|| (number / times) % limit)
}

/// A driver calls a routine, or comes back: its thread may lose the processor, or the processor
/// may be slow.
pub fn at_call() {
    if !ON.load(Ordering::Acquire) {
        return;
    }
    if irql::current() >= DISPATCH_LEVEL {
        if let Some(microseconds) = chance(32, 20) {
            counter::stall(microseconds);
        }
        return;
    }
    // SAFETY: the thread that runs; its own field. A wait that was announced is not to be made.
    if unsafe { (*thread::current()).wait_next }.is_some() {
        return;
    }
    if let Some(microseconds) = chance(64, 2000) {
        let due = time::interrupt_time() + microseconds * MICROSECOND;
        // SAFETY: there are no objects.
        unsafe { wait::wait(&[], WaitType::Any, Some(due)) };
    } else if chance(8, 1).is_some() {
        dispatcher::yield_now();
    }
}

/// An interrupt is about to be served: it may come late.
pub fn at_interrupt() {
    if let Some(microseconds) = chance(8, 20) {
        counter::stall(microseconds);
    }
}

/// By how much a timer is late, in units of 100 ns.
#[must_use]
pub fn timer_delay() -> u64 {
    chance(4, 2000 * MICROSECOND).unwrap_or(0)
}

/// Which of the processors is looked at first for a thread that is ready.
#[must_use]
pub fn first_processor() -> u32 {
    let count = pcr::count();
    draw().map_or(0, |number| (number % u64::from(count)) as u32)
}

/// Whether this processor leaves its DPCs for later: it is interrupted again, soon.
#[must_use]
pub fn postpones_dpcs() -> bool {
    let Some(microseconds) = chance(8, 1000) else {
        return false;
    };
    let due = time::interrupt_time() + microseconds * MICROSECOND;
    dpc::look_again(pcr::current(), due);
    true
}
