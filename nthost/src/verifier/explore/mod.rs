//! A controlled scheduler: which processor and thread goes on is chosen at every step of a driver,
//! by [the method](nthost_protocol::explore) that the protocol describes.
//!
//! Nothing happens that could not happen without it: a thread below DISPATCH_LEVEL may lose its
//! processor, and a processor may be slow. A runner holds still at a step while one of a higher
//! priority makes steps, and goes on when that one has made none for a while: it is idle, waits, or
//! spins for a lock that this runner has. So no runner needs to know what another waits for, and
//! none is held for ever.

mod parting;
mod record;
mod runners;

use core::{
    fmt,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};

use nthost_protocol::explore::{Change, Explore};
use x86_64::instructions::interrupts;

use self::{record::Kind, runners::Runner};
use crate::{
    driver_routine::{Call, Kind as RoutineKind},
    export::{DISPATCH_LEVEL, Routine},
    hal::time as counter,
    hook::register,
    ke::{
        bugcheck::{self, code},
        irql,
        once::Once,
        pcr::{self, MAXIMUM_PROCESSORS},
        thread::{self, spawn},
        time,
        wait::{self, WaitType},
    },
    mm::paging::KERNEL_BASE,
};

/// A runner that has made no step for so many microseconds is not waited for any longer.
const STALE: u64 = 100;
/// A runner is held at a step for at most so many microseconds, below DISPATCH_LEVEL and from there
/// on: another may make steps for ever in a loop that only this one ends.
const LONGEST: [u64; 2] = [50_000, 5_000];
/// For how long nobody makes a step in a driver that hangs, in units of 100 ns.
const HANG: u64 = 20 * 10_000_000;
/// Between two looks at the others, below DISPATCH_LEVEL, in units of 100 ns.
const LOOK: u64 = 200;

static ON: AtomicBool = AtomicBool::new(false);
static EXPLORE: Once<Explore> = Once::new();
static STEPS: AtomicU64 = AtomicU64::new(0);
static CHANGES: AtomicU64 = AtomicU64::new(0);
/// Holds that came to their limit.
static LIMITS: AtomicU64 = AtomicU64::new(0);
/// How many interrupts and DPCs a processor serves, one within the other.
static SERVES: [AtomicU32; MAXIMUM_PROCESSORS] = [const { AtomicU32::new(0) }; MAXIMUM_PROCESSORS];

/// Begins. To be called before drivers run.
pub fn start(explore: Explore) {
    EXPLORE.set(explore);
    register::debug_trap(parting::trap);
    // Release: who sees that it is on sees what is explored.
    ON.store(true, Ordering::Release);
}

/// Ends the system if nobody makes a step any more before exploring ends: somebody waits for what
/// does not come. PASSIVE_LEVEL, once threads can be made.
pub fn watch_for_hangs() {
    if !is_on() {
        return;
    }
    spawn("explore: hangs", || {
        let mut before = STEPS.load(Ordering::Relaxed);
        while is_on() {
            let due = time::interrupt_time() + HANG;
            // SAFETY: there are no objects.
            unsafe { wait::wait(&[], WaitType::Any, Some(due)) };
            let now = STEPS.load(Ordering::Relaxed);
            if now == before && is_on() {
                log!("explore", "no driver has done anything for 20 s");
                bugcheck::bugcheck(code::MANUALLY_INITIATED_CRASH1, [u64::MAX, now, 0, 0]);
            }
            before = now;
        }
    });
}

/// Whether schedules are explored.
#[inline]
pub fn is_on() -> bool {
    ON.load(Ordering::Acquire)
}

fn explore() -> Option<&'static Explore> {
    if is_on() { EXPLORE.get() } else { None }
}

/// Ends, and says what there was; nothing without it.
pub fn end() {
    let Some(explore) = explore() else { return };
    ON.store(false, Ordering::Release);
    let steps = STEPS.load(Ordering::Relaxed);
    let schedules = explore.schedule(steps);
    let changes = CHANGES.load(Ordering::Relaxed);
    let limits = LIMITS.load(Ordering::Relaxed);
    log!(
        "explore",
        "{steps} steps, {schedules} whole schedules, {changes} changes, {limits} holds to the limit"
    );
}

/// A driver calls a routine, which returns to `caller`.
pub fn at_call(routine: &'static Routine, caller: u64) {
    let Some(explore) = explore() else { return };
    if caller >= KERNEL_BASE {
        return;
    }
    let what = core::ptr::from_ref(routine).expose_provenance() as u64;
    step(explore, Kind::Call, what, caller);
}

/// A lock is about to be taken.
pub fn at_lock() {
    if let Some(explore) = explore() {
        step(explore, Kind::Lock, 0, 0);
    }
}

/// A device's interrupt has come.
pub fn at_interrupt(vector: u8) {
    if let Some(explore) = explore() {
        step(explore, Kind::Interrupt, vector.into(), 0);
    }
}

fn serves(call: &Call) -> bool {
    matches!(call.kind, RoutineKind::Interrupt | RoutineKind::Dpc)
}

/// A driver's routine is about to be called.
pub fn enters(call: &Call) {
    let Some(explore) = explore() else { return };
    if serves(call) {
        SERVES[pcr::current().number as usize].fetch_add(1, Ordering::Relaxed);
    }
    step(explore, Kind::Routine, call.routine, 0);
}

/// It has returned.
pub fn leaves(call: &Call) {
    if is_on() && serves(call) {
        let count = &SERVES[pcr::current().number as usize];
        // Exploring may have begun within it.
        let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            count.checked_sub(1)
        });
    }
}

/// What runs here: the thread, or the processor if that serves an interrupt or a DPC.
fn runner() -> Option<&'static Runner> {
    let number = pcr::current().number;
    let id = if SERVES[number as usize].load(Ordering::Relaxed) != 0 {
        runners::processor(number)
    } else {
        // SAFETY: the thread that runs exists.
        runners::thread(unsafe { (*thread::current()).id })
    };
    runners::find(id)
}

/// The one that runs here makes a step: it may give way, and it waits while a better one runs.
fn step(explore: &Explore, kind: Kind, what: u64, caller: u64) {
    let number = STEPS.fetch_add(1, Ordering::Relaxed);
    if explore.length == 0 {
        return;
    }
    let Some(runner) = runner() else { return };
    let schedule = explore.schedule(number);
    record::step(number, kind, what, caller, runner.id());
    match explore.change(number) {
        Some(change) if change.instructions == 0 || caller == 0 => {
            change_here(runner, schedule, change, caller);
        }
        Some(change) => parting::arm(caller, schedule, change),
        None => {}
    }
    give_way(explore, runner, schedule);
}

/// The runner gives way from here on, at this address of a driver.
fn change_here(runner: &Runner, schedule: u64, change: Change, address: u64) {
    CHANGES.fetch_add(1, Ordering::Relaxed);
    runner.demote(schedule, change.priority);
    record::change(change.priority, address, runner.id());
}

/// The instructions behind a step are done, and what runs here gives way. Interrupts are as they
/// were at `address`.
fn part(schedule: u64, change: Change, address: u64) {
    let (Some(explore), Some(runner)) = (explore(), runner()) else {
        return;
    };
    change_here(runner, schedule, change, address);
    give_way(explore, runner, schedule);
}

/// Waits while a runner of a higher priority makes steps.
fn give_way(explore: &Explore, runner: &Runner, schedule: u64) {
    let per_microsecond = counter::frequency() / 1_000_000;
    let begun = counter::counter();
    // SAFETY: the thread that runs; its own field.
    let waits = unsafe { (*thread::current()).wait_next }.is_none()
        && irql::current() < DISPATCH_LEVEL
        && interrupts::are_enabled();
    let longest = LONGEST[usize::from(!waits)] * per_microsecond;
    // What is spun for here, nobody else could do.
    if waits || pcr::count() > 1 {
        runner.holds();
        let own = runner.priority(explore, schedule);
        let can_go = |now: u64| {
            let since = now.saturating_sub(STALE * per_microsecond);
            !runners::better_runs(explore, schedule, own, since)
        };
        loop {
            let now = counter::counter();
            if can_go(now) {
                break;
            }
            if now.saturating_sub(begun) >= longest {
                LIMITS.fetch_add(1, Ordering::Relaxed);
                break;
            }
            if waits {
                // SAFETY: there are no objects.
                unsafe { wait::wait(&[], WaitType::Any, Some(time::interrupt_time() + LOOK)) };
            } else {
                core::hint::spin_loop();
            }
        }
    }
    runner.goes_on(counter::counter());
}

/// What a bug check tells: the schedule's changes and its last steps.
pub fn report(port: &mut dyn fmt::Write) {
    let Some(explore) = EXPLORE.get() else { return };
    let steps = STEPS.load(Ordering::Relaxed);
    let _ = writeln!(
        port,
        "explored: seed {:#x}, depth {}, length {}, schedule {} after {steps} steps",
        explore.seed,
        explore.depth,
        explore.length,
        explore.schedule(steps),
    );
    if explore.length != 0 {
        record::report(port);
    }
}
