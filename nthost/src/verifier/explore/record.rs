//! The schedule that was run, for a bug check to tell: the last steps of all runners in their order,
//! and where runners gave way.

use core::{
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
};

use crate::{export::Routine, ke::pcr, pe::module};

/// How many events are kept, and told.
const KEPT: usize = 64;

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A call of the routine whose description is at this address.
    Call = 1,
    /// A lock is taken.
    Lock = 2,
    /// This vector's interrupt.
    Interrupt = 3,
    /// The driver's routine at this address begins.
    Routine = 4,
    /// No step: the runner gives way, with this priority.
    Change = 5,
}

/// An event. All zero, it has not happened. All is relaxed: a bug check reads when all processors
/// but its own have stopped.
struct Event {
    kind: AtomicU32,
    processor: AtomicU32,
    step: AtomicU64,
    runner: AtomicU64,
    what: AtomicU64,
    address: AtomicU64,
}

static NEXT: AtomicU64 = AtomicU64::new(0);
static LAST_STEP: AtomicU64 = AtomicU64::new(0);
static EVENTS: [Event; KEPT] = [const {
    Event {
        kind: AtomicU32::new(0),
        processor: AtomicU32::new(0),
        step: AtomicU64::new(0),
        runner: AtomicU64::new(0),
        what: AtomicU64::new(0),
        address: AtomicU64::new(0),
    }
}; KEPT];

fn put(step: u64, kind: Kind, what: u64, address: u64, runner: u64) {
    let index = NEXT.fetch_add(1, Ordering::Relaxed) as usize % KEPT;
    let event = &EVENTS[index];
    event.kind.store(kind as u32, Ordering::Relaxed);
    let processor = pcr::current().number;
    event.processor.store(processor, Ordering::Relaxed);
    event.step.store(step, Ordering::Relaxed);
    event.runner.store(runner, Ordering::Relaxed);
    event.what.store(what, Ordering::Relaxed);
    event.address.store(address, Ordering::Relaxed);
}

/// A step, before its runner waits.
pub fn step(step: u64, kind: Kind, what: u64, address: u64, runner: u64) {
    LAST_STEP.store(step, Ordering::Relaxed);
    put(step, kind, what, address, runner);
}

/// A runner gives way at this address of a driver, or with zero where no driver runs.
pub fn change(priority: u64, address: u64, runner: u64) {
    let step = LAST_STEP.load(Ordering::Relaxed);
    put(step, Kind::Change, priority, address, runner);
}

/// Tells all that is kept, the oldest first.
pub fn report(port: &mut dyn fmt::Write) {
    let next = NEXT.load(Ordering::Relaxed) as usize;
    for index in next.saturating_sub(KEPT)..next {
        tell(port, &EVENTS[index % KEPT]);
    }
}

fn tell(port: &mut dyn fmt::Write, event: &Event) {
    let load = |field: &AtomicU64| field.load(Ordering::Relaxed);
    let (runner, what, address) = (load(&event.runner), load(&event.what), load(&event.address));
    let processor = event.processor.load(Ordering::Relaxed);
    let _ = write!(port, "step {} cpu{processor} ", load(&event.step));
    let _ = match runner >> 32 {
        1 => write!(port, "interrupt or DPC: "),
        _ => write!(port, "thread {}: ", runner & 0xffff_ffff),
    };
    let (module, offset) = module::module_of(address);
    let kind = event.kind.load(Ordering::Relaxed);
    let _ = if kind == Kind::Call as u32 {
        // SAFETY: what a call has with it is a routine's description, which is static.
        let routine = unsafe { &*core::ptr::with_exposed_provenance::<Routine>(what as usize) };
        writeln!(port, "{} from {module} +{offset:#x}", routine.name)
    } else if kind == Kind::Lock as u32 {
        writeln!(port, "takes a lock")
    } else if kind == Kind::Interrupt as u32 {
        writeln!(port, "vector {what:#x}")
    } else if kind == Kind::Routine as u32 {
        let (module, offset) = module::module_of(what);
        writeln!(port, "begins {module} +{offset:#x}")
    } else if address == 0 {
        writeln!(port, "GIVES WAY to all of priority above {what}")
    } else {
        writeln!(
            port,
            "GIVES WAY to all of priority above {what} at {module} +{offset:#x}"
        )
    };
}
