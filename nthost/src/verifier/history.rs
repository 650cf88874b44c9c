//! What each processor did last, for a bug check to tell: calls of drivers, interrupts, DPCs,
//! changes of threads.
//!
//! A race shows in what the *other* processors were doing. Each processor writes to a ring of its
//! own, which nobody else writes to; a bug check reads them when all others have stopped.

use core::{
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use super::trace::Event;
use crate::{
    export::Routine,
    hal::time,
    ke::pcr::{self, MAXIMUM_PROCESSORS},
    mm::paging::KERNEL_BASE,
    pe::module,
};

/// How many events of a processor are kept.
const KEPT: usize = 16;
/// How many are told of the processors that did not stop the system.
const TOLD_OF_OTHERS: usize = 8;

/// An event. All zero, it has not happened.
struct Slot {
    when: AtomicU64,
    event: AtomicU32,
    what: AtomicU64,
    /// Where a driver called.
    caller: AtomicU64,
}

struct Ring {
    next: AtomicU32,
    slots: [Slot; KEPT],
}

impl Ring {
    const fn new() -> Self {
        Self {
            next: AtomicU32::new(0),
            slots: [const {
                Slot {
                    when: AtomicU64::new(0),
                    event: AtomicU32::new(0),
                    what: AtomicU64::new(0),
                    caller: AtomicU64::new(0),
                }
            }; KEPT],
        }
    }
}

/// By processor. Relaxed throughout: a processor sees its own stores, and a bug check comes long
/// after those of the others.
static RINGS: [Ring; MAXIMUM_PROCESSORS] = [const { Ring::new() }; MAXIMUM_PROCESSORS];

/// Something happens on this processor. Any IRQL. What nthost calls of its own is no event.
pub fn record(event: Event, what: u64, caller: u64) {
    if caller >= KERNEL_BASE {
        return;
    }
    let Some(ring) = RINGS.get(pcr::current().number as usize) else {
        return;
    };
    // An interrupt in between takes the next slot.
    let next = ring.next.fetch_add(1, Ordering::Relaxed) as usize;
    let Some(slot) = ring.slots.get(next % KEPT) else {
        return;
    };
    slot.when.store(time::counter(), Ordering::Relaxed);
    slot.event.store(event as u32, Ordering::Relaxed);
    slot.what.store(what, Ordering::Relaxed);
    slot.caller.store(caller, Ordering::Relaxed);
}

/// Tells what each processor did last, the oldest first. All processors but this have stopped.
pub fn report(port: &mut dyn fmt::Write, here: u32) {
    let now = time::counter();
    for pcr in pcr::all() {
        let Some(ring) = RINGS.get(pcr.number as usize) else {
            continue;
        };
        let next = ring.next.load(Ordering::Relaxed) as usize;
        if next == 0 {
            let _ = writeln!(port, "event cpu{} nothing since it started", pcr.number);
        }
        let told = if pcr.number == here {
            KEPT
        } else {
            TOLD_OF_OTHERS
        };
        let first = next.saturating_sub(told.min(KEPT));
        for index in first..next {
            if let Some(slot) = ring.slots.get(index % KEPT) {
                tell(port, pcr.number, slot, now);
            }
        }
    }
}

fn tell(port: &mut dyn fmt::Write, processor: u32, slot: &Slot, now: u64) {
    let ago = now.saturating_sub(slot.when.load(Ordering::Relaxed));
    let microseconds = u128::from(ago) * 1_000_000 / u128::from(time::frequency().max(1));
    let what = slot.what.load(Ordering::Relaxed);
    let _ = write!(port, "event cpu{processor} {microseconds} us ago: ");
    let event = slot.event.load(Ordering::Relaxed);
    if event == Event::Call as u32 {
        // SAFETY: what `Event::Call` has with it is a routine's description, which is static.
        let routine = unsafe { &*core::ptr::with_exposed_provenance::<Routine>(what as usize) };
        let (module, offset) = module::module_of(slot.caller.load(Ordering::Relaxed));
        let _ = writeln!(port, "{} from {module} +{offset:#x}", routine.name);
    } else if event == Event::Interrupt as u32 {
        let _ = writeln!(port, "interrupt, vector {what:#x}");
    } else if event == Event::Dpc as u32 {
        let (module, offset) = module::module_of(what);
        let _ = writeln!(port, "DPC {module} +{offset:#x}");
    } else {
        let _ = writeln!(port, "thread {what}");
    }
}
