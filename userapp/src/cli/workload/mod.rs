//! Work for the device whose every answer is known beforehand: what `stress` and `cancel-storm`
//! are made of.

mod idle;
mod operation;

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use eductl::{Edu, Error};
use fastrand::Rng;

use self::operation::{InFlight, Region};
pub use self::{
    idle::Before,
    operation::{Mix, Operation, Outcome},
};

/// How much is done at once.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Threads, all on one handle.
    pub threads: u32,
    /// Requests that each of them keeps outstanding.
    pub depth: usize,
    /// What all choices follow from.
    pub seed: u64,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    done: [u64; Operation::ALL.len()],
    /// Requests that were canceled before they were done.
    pub canceled: u64,
}

impl Tally {
    /// How often an operation was done.
    pub const fn done(&self, operation: Operation) -> u64 {
        self.done[operation as usize]
    }

    /// How much was done in all.
    pub fn total(&self) -> u64 {
        self.done.iter().sum()
    }

    fn add(&mut self, operation: Operation, outcome: Outcome) {
        self.done[operation as usize] += 1;
        if outcome == Outcome::Canceled {
            self.canceled += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        for (sum, more) in self.done.iter_mut().zip(&other.done) {
            *sum += more;
        }
        self.canceled += other.canceled;
    }
}

/// Does operations of a mix on all threads until `more` says that it is enough, which it is
/// asked before each, and checks every answer. The first fault ends it.
///
/// # Errors
///
/// The first fault.
pub fn run(
    edu: &Edu,
    load: Load,
    mix: &Mix,
    more: &(dyn Fn() -> bool + Sync),
) -> Result<Tally, Error> {
    let length = edu.identify()?.buffer_length;
    let fault = Mutex::new(None);
    let failed = AtomicBool::new(false);
    let tally = thread::scope(|scope| {
        let workers: Vec<_> = (0..load.threads)
            .map(|number| {
                let worker = Worker {
                    edu,
                    region: Region::of(number, load.threads, length),
                    // Each thread makes choices of its own, the same ones each time.
                    rng: Rng::with_seed(load.seed ^ u64::from(number).rotate_right(16)),
                    depth: load.depth,
                    tally: Tally::default(),
                };
                let (fault, failed) = (&fault, &failed);
                scope.spawn(move || {
                    // Only that it ends soon matters, not when another thread sees what.
                    let more = || !failed.load(Ordering::Relaxed) && more();
                    worker.run(mix, &more).unwrap_or_else(|error| {
                        failed.store(true, Ordering::Relaxed);
                        let mut fault = fault.lock().unwrap_or_else(PoisonError::into_inner);
                        fault.get_or_insert(error);
                        drop(fault);
                        Tally::default()
                    })
                })
            })
            .collect();
        let mut tally = Tally::default();
        for worker in workers {
            match worker.join() {
                Ok(part) => tally.merge(&part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        tally
    });
    let fault = fault.into_inner().unwrap_or_else(PoisonError::into_inner);
    fault.map_or(Ok(tally), Err)
}

struct Worker<'a> {
    edu: &'a Edu,
    region: Region,
    rng: Rng,
    depth: usize,
    tally: Tally,
}

impl Worker<'_> {
    fn run(mut self, mix: &Mix, more: &dyn Fn() -> bool) -> Result<Tally, Error> {
        let mut outstanding: VecDeque<InFlight> = VecDeque::new();
        while more() {
            if outstanding.len() >= self.depth
                && let Some(oldest) = outstanding.pop_front()
            {
                self.finish(oldest)?;
            }
            let operation = mix.choose(&mut self.rng);
            let begun = operation.begin(self.edu, self.region, &mut self.rng)?;
            outstanding.push_back(begun);
        }
        for request in outstanding {
            self.finish(request)?;
        }
        Ok(self.tally)
    }

    fn finish(&mut self, request: InFlight) -> Result<(), Error> {
        let operation = request.operation();
        let outcome = request.finish()?;
        self.tally.add(operation, outcome);
        Ok(())
    }
}
