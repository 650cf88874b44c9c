//! Counters: for each processor its own, so that counting shares no cache line.
//!
//! A processor's counters fill cache lines of their own, in memory of its NUMA node, one behind the
//! other for all of the node's processors: a page holds those of sixteen. The sums are made when
//! somebody asks for them. Every counter is atomic with relaxed ordering: the numbers order
//! nothing, and a thread that is moved to another processor in the middle only counts on a
//! neighbour's.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use eduwdm_abi::statistics::{self, QueueKind};
use wdm::{Result, irql::Passive, numa, per_processor::PerProcessor};
use zerocopy::FromZeros;

use crate::tags;

/// What is counted on one processor: whole cache lines.
#[derive(FromZeros)]
#[repr(C, align(64))]
pub struct Counters {
    /// Interrupts that the device had raised.
    pub interrupts: Counter,
    /// Interrupts on a shared line that it had not raised.
    pub foreign_interrupts: Counter,
    /// DPCs run.
    pub dpcs: Counter,
    /// One for each queue.
    queues: [PerQueue; QueueKind::ALL.len()],
    /// Up to a whole number of cache lines.
    _rest: [u64; 5],
}

const _: () = assert!(size_of::<Counters>() <= 256, "a page holds sixteen");

/// What is counted for one queue on one processor.
#[derive(FromZeros)]
#[repr(C)]
pub struct PerQueue {
    /// Requests inserted.
    pub inserted: Counter,
    /// Requests completed with success.
    pub completed: Counter,
    /// Requests completed with an error.
    pub failed: Counter,
    /// Requests canceled.
    pub canceled: Counter,
    /// Visits that found the lock held.
    pub try_lock_misses: Counter,
    /// The longest time from arrival to completion, in units of 100 ns.
    pub longest_100ns: Counter,
}

/// A number that one processor writes, most of the time, and anybody reads.
#[derive(FromZeros)]
#[repr(transparent)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one more.
    pub fn increment(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// Keeps the greatest.
    fn raise_to(&self, value: u64) {
        self.0.fetch_max(value, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters of a device.
pub struct Statistics(PerProcessor<Counters>);

/// How a request ended, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With success.
    Completed,
    /// With an error, a time-out or a removal.
    Failed,
    /// Canceled.
    Canceled,
}

impl Statistics {
    /// Counters for the processors that are active now.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(irql: &Passive) -> Result<Self> {
        PerProcessor::new(tags::STATISTICS, irql).map(Self)
    }

    /// The counters of the processor that this runs on, which is named with them: its index over
    /// all groups.
    #[inline]
    pub fn here(&self) -> (&Counters, u32) {
        let index = numa::current_processor_index();
        (self.0.of_index(index), index)
    }

    /// The counters of one queue on the processor that this runs on.
    pub fn queue(&self, kind: QueueKind) -> &PerQueue {
        &self.0.here().queues[kind as usize]
    }

    /// Counts a request that is over.
    pub fn ended(&self, kind: QueueKind, outcome: Outcome, elapsed_100ns: u64) {
        let queue = self.queue(kind);
        match outcome {
            Outcome::Completed => queue.completed.increment(),
            Outcome::Failed => queue.failed.increment(),
            Outcome::Canceled => queue.canceled.increment(),
        }
        queue.longest_100ns.raise_to(elapsed_100ns);
    }

    /// How many processors are counted for.
    pub fn processor_count(&self) -> usize {
        self.0.processor_count()
    }

    /// The sums of one queue over all processors.
    pub fn sum(&self, kind: QueueKind) -> statistics::Queue {
        let mut sum = statistics::Queue::default();
        for counters in self.0.iter() {
            let queue = &counters.queues[kind as usize];
            sum.inserted += queue.inserted.get();
            sum.completed += queue.completed.get();
            sum.failed += queue.failed.get();
            sum.canceled += queue.canceled.get();
            sum.try_lock_misses += queue.try_lock_misses.get();
            sum.longest_100ns = sum.longest_100ns.max(queue.longest_100ns.get());
        }
        // What was counted while this added up may be in the one sum and not yet in the other.
        sum.depth = sum
            .inserted
            .saturating_sub(sum.completed + sum.failed + sum.canceled);
        sum
    }

    /// What was counted on one processor.
    pub fn processor(&self, index: usize) -> Option<statistics::Processor> {
        let (processor, node, counters) = self.0.processor(index)?;
        let over_queues = |counter: fn(&PerQueue) -> &Counter| {
            counters
                .queues
                .iter()
                .map(|queue| counter(queue).get())
                .sum::<u64>()
        };
        Some(statistics::Processor {
            group: processor.group,
            number: processor.number.into(),
            node: node.map_or(u32::MAX, Into::into),
            interrupts: counters.interrupts.get(),
            foreign_interrupts: counters.foreign_interrupts.get(),
            dpcs: counters.dpcs.get(),
            try_lock_misses: over_queues(|queue| &queue.try_lock_misses),
            completions: over_queues(|queue| &queue.completed),
            cancels: over_queues(|queue| &queue.canceled),
        })
    }
}
