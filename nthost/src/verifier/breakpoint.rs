//! Breakpoints at the routines that drivers call: a processor stops there, at its IRQL, until the
//! host tells it to go on.
//!
//! What a driver must get right is what happens between two of its steps; a breakpoint makes
//! room there for whatever a test wants to happen first, on the other processors.

use alloc::{borrow::ToOwned, vec::Vec};
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nthost_nt::status::{
    NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_NOT_FOUND, STATUS_NOT_SUPPORTED,
    STATUS_PROCEDURE_NOT_FOUND, STATUS_SUCCESS,
};
use nthost_protocol::breakpoint::{BreakpointRequest, Stop};

use crate::{
    export::{self, CLOCK_LEVEL, DISPATCH_LEVEL},
    ke::{
        dispatcher, irql,
        lock::{self, HighLock},
        pcr,
        thread::{self, Affinity},
    },
    pe::module::module_of,
};

/// How many breakpoints there may be at a time, and how many stopped processors.
const MAXIMUM: usize = 16;

#[derive(Clone, Copy)]
struct Breakpoint {
    routine: &'static str,
    skip: u32,
    processor: Option<u32>,
}

#[derive(Clone, Copy)]
struct Stopped {
    id: u32,
    routine: &'static str,
    processor: u32,
    irql: u8,
    caller: u64,
}

/// Fixed in size, for it is used at any IRQL, where nothing can be allocated.
struct Table {
    set: [Option<Breakpoint>; MAXIMUM],
    stopped: [Option<Stopped>; MAXIMUM],
    /// Of the next stop.
    next_id: u32,
}

static TABLE: HighLock<Table> = HighLock::new(Table {
    set: [None; MAXIMUM],
    stopped: [None; MAXIMUM],
    next_id: 1,
});

/// How many breakpoints are set, for calls to look at without the lock. Relaxed: a breakpoint
/// holds for the calls that begin after the host was answered, which is ordered by the console.
static SET: AtomicU32 = AtomicU32::new(0);

/// Breakpoints can be set.
static ENABLED: AtomicBool = AtomicBool::new(false);

/// Whether breakpoints can be set: the processors that stop for interrupts are kept free then.
pub fn are_enabled() -> bool {
    ENABLED.load(Ordering::Relaxed)
}

/// Whether there is any breakpoint.
#[inline]
pub fn any() -> bool {
    SET.load(Ordering::Relaxed) != 0
}

/// A routine is called from `caller`: stops here if there is a breakpoint for it. The caller need
/// not be in a driver: a callback whose last call this is jumps here, and leaves its own caller's
/// address.
#[cold]
pub fn reached(routine: &'static str, caller: u64) {
    if !x86_64::instructions::interrupts::are_enabled() {
        return;
    }
    let level = irql::current();
    // A processor that holds the clock or other processors' requests back would stop them all.
    if level >= CLOCK_LEVEL {
        return;
    }
    let Some(id) = stop(routine, caller, level) else {
        return;
    };
    let here = pcr::current();
    // The thread may go on elsewhere after a stop that lets the dispatcher run.
    let number = here.number;
    // An interrupt may stop above a DPC that is stopped: the processor is one still, after it.
    let was_stopped = here.stopped.load(Ordering::Relaxed);
    if level >= DISPATCH_LEVEL {
        here.stopped.store(true, Ordering::Relaxed);
        // What was to run here next, others may choose.
        for other in pcr::all().filter(|other| other.number != number) {
            dispatcher::request(other);
        }
    }
    while is_stopped(id) {
        if level < DISPATCH_LEVEL {
            dispatcher::yield_now();
        } else {
            core::hint::spin_loop();
        }
    }
    if level >= DISPATCH_LEVEL {
        here.stopped.store(was_stopped, Ordering::Relaxed);
    }
}

/// Finds the breakpoint and takes it away, for the stop that it leads to.
fn stop(routine: &'static str, caller: u64, irql: u8) -> Option<u32> {
    let processor = pcr::current().number;
    let mut table = TABLE.lock();
    let slot = table.set.iter_mut().find(|slot| {
        slot.is_some_and(|set| {
            set.routine == routine && set.processor.is_none_or(|wanted| wanted == processor)
        })
    })?;
    if let Some(set) = slot
        && set.skip > 0
    {
        set.skip -= 1;
        return None;
    }
    *slot = None;
    SET.fetch_sub(1, Ordering::Relaxed);
    let id = table.next_id;
    let stopped = Stopped {
        id,
        routine,
        processor,
        irql,
        caller,
    };
    let slot = table.stopped.iter_mut().find(|slot| slot.is_none())?;
    *slot = Some(stopped);
    table.next_id += 1;
    Some(id)
}

/// Lets breakpoints be set: no thread but the one that calls this, which is to speak with the
/// host, is to be under what stops for a timer or an interrupt. PASSIVE_LEVEL.
pub fn enable() {
    if pcr::count() < 4 {
        log!(
            "verifier",
            "there are no breakpoints on less than four processors"
        );
        return;
    }
    ENABLED.store(true, Ordering::Relaxed);
    lock::hold_above_devices();
    pcr::of(0).reserve();
    let last = pcr::of(pcr::count() - 1);
    last.reserve();
    thread::bind(Affinity {
        group: Some(last.group),
        mask: 1 << last.group_number,
    });
}

fn is_stopped(id: u32) -> bool {
    let table = TABLE.lock();
    table
        .stopped
        .iter()
        .flatten()
        .any(|stopped| stopped.id == id)
}

/// Does what the host asks; [`BreakpointRequest::List`] is [`stops`].
pub fn request(request: &BreakpointRequest) -> NTSTATUS {
    match request {
        BreakpointRequest::Set {
            routine,
            skip,
            processor,
        } => {
            if !are_enabled() {
                return STATUS_NOT_SUPPORTED;
            }
            let Some(export) = export::all().iter().find(|export| export.name == routine) else {
                return STATUS_PROCEDURE_NOT_FOUND;
            };
            let mut table = TABLE.lock();
            let Some(slot) = table.set.iter_mut().find(|slot| slot.is_none()) else {
                return STATUS_INSUFFICIENT_RESOURCES;
            };
            *slot = Some(Breakpoint {
                routine: export.name,
                skip: *skip,
                processor: *processor,
            });
            SET.fetch_add(1, Ordering::Relaxed);
            STATUS_SUCCESS
        }
        BreakpointRequest::List => STATUS_SUCCESS,
        BreakpointRequest::Continue { id } => {
            let mut table = TABLE.lock();
            let slot = table
                .stopped
                .iter_mut()
                .find(|slot| slot.is_some_and(|stopped| stopped.id == *id));
            slot.map_or(STATUS_NOT_FOUND, |slot| {
                *slot = None;
                STATUS_SUCCESS
            })
        }
        BreakpointRequest::Clear => {
            let mut table = TABLE.lock();
            table.set = [None; MAXIMUM];
            table.stopped = [None; MAXIMUM];
            SET.store(0, Ordering::Relaxed);
            STATUS_SUCCESS
        }
    }
}

/// The processors that are stopped.
#[must_use]
pub fn stops() -> Vec<Stop> {
    let stopped = TABLE.lock().stopped;
    let describe = |stopped: &Stopped| {
        let (module, offset) = module_of(stopped.caller);
        Stop {
            id: stopped.id,
            processor: stopped.processor,
            irql: stopped.irql,
            routine: stopped.routine.to_owned(),
            module: module.to_owned(),
            offset,
        }
    };
    stopped.iter().flatten().map(describe).collect()
}
