//! Who runs: threads, and processors while they serve interrupts and DPCs; each with its priority
//! and the time of its last step.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nthost_protocol::explore::Explore;

/// How many runners are known at a time. Whoever comes later is not held, and holds nobody.
const MAXIMUM: usize = 64;

/// A runner's number, from a processor's.
pub const fn processor(number: u32) -> u64 {
    1 << 32 | number as u64
}

/// A runner's number, from a thread's.
pub const fn thread(id: u64) -> u64 {
    2 << 32 | id & 0xffff_ffff
}

/// What runs. All is relaxed: each field stands for itself, and a value that is late by a moment
/// is what a slow processor would see.
#[derive(Debug)]
pub struct Runner {
    /// Zero, while it is nobody's.
    id: AtomicU64,
    /// The last schedule in which it gave way, and one.
    gave_way: AtomicU64,
    /// Its priority in that schedule.
    priority: AtomicU64,
    stepped: AtomicU64,
    /// It waits at a step for a better one.
    held: AtomicBool,
}

static RUNNERS: [Runner; MAXIMUM] = [const {
    Runner {
        id: AtomicU64::new(0),
        gave_way: AtomicU64::new(0),
        priority: AtomicU64::new(0),
        stepped: AtomicU64::new(0),
        held: AtomicBool::new(false),
    }
}; MAXIMUM];

/// The runner of this number; `None` if there are too many.
pub fn find(id: u64) -> Option<&'static Runner> {
    RUNNERS.iter().find(|runner| {
        let taken = runner
            .id
            .compare_exchange(0, id, Ordering::Relaxed, Ordering::Relaxed);
        taken.is_ok() || taken == Err(id)
    })
}

/// Whether a runner of a higher priority can go on: it is held itself, or has made a step since then.
pub fn better_runs(explore: &Explore, schedule: u64, priority: u64, since: u64) -> bool {
    let known = RUNNERS
        .iter()
        .take_while(|runner| runner.id.load(Ordering::Relaxed) != 0);
    known.into_iter().any(|runner| {
        let runs =
            runner.held.load(Ordering::Relaxed) || runner.stepped.load(Ordering::Relaxed) > since;
        runs && runner.priority(explore, schedule) > priority
    })
}

impl Runner {
    /// Its number.
    pub fn id(&self) -> u64 {
        self.id.load(Ordering::Relaxed)
    }

    /// Its priority in this schedule.
    pub fn priority(&self, explore: &Explore, schedule: u64) -> u64 {
        if self.gave_way.load(Ordering::Relaxed) == schedule + 1 {
            self.priority.load(Ordering::Relaxed)
        } else {
            explore.priority(schedule, self.id())
        }
    }

    /// It gives way, for the rest of this schedule.
    pub fn demote(&self, schedule: u64, priority: u64) {
        self.priority.store(priority, Ordering::Relaxed);
        self.gave_way.store(schedule + 1, Ordering::Relaxed);
    }

    /// It comes to a step, and waits there while a better one runs.
    pub fn holds(&self) {
        self.held.store(true, Ordering::Relaxed);
    }

    /// It goes on, at this count.
    pub fn goes_on(&self, when: u64) {
        self.stepped.store(when, Ordering::Relaxed);
        self.held.store(false, Ordering::Relaxed);
    }
}
