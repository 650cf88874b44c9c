//! A fingerprint of a run: every call of a driver, every interrupt of a device and every change
//! of threads, with the processor and the time-stamp counter at which it was. With time counted
//! in instructions, two runs with the same fingerprint were the same to the instruction.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nthost_protocol::random::mix;

use super::history;
use crate::{hal::time, ke::pcr};

static ON: AtomicBool = AtomicBool::new(false);
/// How many events there were, by kind.
static EVENTS: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];
static HASH: AtomicU64 = AtomicU64::new(0);

/// What has happened, in the fingerprint.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A driver calls the routine whose description is at this address.
    Call = 1,
    /// This vector's interrupt.
    Interrupt = 2,
    /// This thread runs now.
    Thread = 3,
    /// The DPC with the routine at this address runs.
    Dpc = 4,
}

/// Begins. Without instructions counted, a fingerprint says nothing.
pub fn start() {
    ON.store(true, Ordering::Relaxed);
}

/// Whether there is one.
#[must_use]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Ends, and gives how many events of each kind there were, in the order of [`Event`], and their
/// fingerprint.
#[must_use]
pub fn end() -> ([u64; 4], u64) {
    ON.store(false, Ordering::Relaxed);
    let events = EVENTS.each_ref().map(|count| count.load(Ordering::Relaxed));
    (events, HASH.load(Ordering::Relaxed))
}

/// Something happens. Any IRQL. Relaxed: where it matters, the emulator has made one order of all.
pub fn record(event: Event, what: u64, caller: u64) {
    history::record(event, what, caller);
    if !ON.load(Ordering::Relaxed) {
        return;
    }
    EVENTS[event as usize - 1].fetch_add(1, Ordering::Relaxed);
    let processor = u64::from(pcr::current().number);
    let words = [event as u64, what, processor, time::counter()];
    let add = |hash| words.iter().fold(hash, |hash, word| mix(hash ^ mix(*word)));
    let mut hash = HASH.load(Ordering::Relaxed);
    while let Err(other) =
        HASH.compare_exchange_weak(hash, add(hash), Ordering::Relaxed, Ordering::Relaxed)
    {
        hash = other;
    }
}
