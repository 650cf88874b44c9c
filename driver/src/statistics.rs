//! Counters: for each processor its own, so that counting shares no cache line.
//!
//! A processor counts in a page of its own NUMA node. The sums are made when somebody asks for
//! them. Every counter is atomic with relaxed ordering: the numbers order nothing, and a thread
//! that is moved to another processor in the middle only counts on a neighbour's page.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use eduwdm_abi::statistics::{self, QueueKind};
use wdm::{
    Result,
    contiguous::Contiguous,
    irql::Passive,
    numa::{self, Processor},
    pool::PoolBox,
};
use zerocopy::FromZeros;

use crate::tags;

/// What is counted on one processor.
#[derive(FromZeros)]
#[repr(C, align(64))]
pub struct PerProcessor {
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
    /// Requests cancelled.
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
pub struct Statistics {
    /// The first processor's. There always is one, so a processor that is not known of has
    /// somewhere to count.
    first: OnProcessor,
    /// Those of the others, in the order of their indices, if there are any.
    others: Option<PoolBox<[OnProcessor]>>,
}

struct OnProcessor {
    processor: Processor,
    node: Option<u16>,
    counters: Contiguous<PerProcessor>,
}

impl OnProcessor {
    fn new(index: u32, irql: &Passive) -> Result<Self> {
        let processor = Processor::from_index(index)?;
        let node = numa::node_of(processor);
        Ok(Self {
            processor,
            node,
            counters: Contiguous::new(u64::MAX, node, irql)?,
        })
    }
}

/// How a request ended, for the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With success.
    Completed,
    /// With an error, a time-out or a removal.
    Failed,
    /// Cancelled.
    Canceled,
}

impl Statistics {
    /// Counters for the processors that are active now.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(irql: &Passive) -> Result<Self> {
        let make = |index: usize| {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            OnProcessor::new(index.saturating_add(1), irql)
        };
        let others = match numa::active_processor_count() {
            0 | 1 => None,
            count => {
                let count = count as usize - 1;
                Some(PoolBox::try_slice(tags::STATISTICS, count, make, irql)?)
            }
        };
        Ok(Self {
            first: OnProcessor::new(0, irql)?,
            others,
        })
    }

    /// The counters of the processor that this runs on, which is named with them: its index over
    /// all groups. A processor that was added since counts on another's.
    pub fn here(&self) -> (&PerProcessor, u32) {
        let index = numa::current_processor_index();
        let on = self.on(index as usize).unwrap_or(&self.first);
        (&on.counters, index)
    }

    /// The counters of one queue on the processor that this runs on.
    pub fn queue(&self, kind: QueueKind) -> &PerQueue {
        let (here, _) = self.here();
        &here.queues[kind as usize]
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
        self.others().len() + 1
    }

    fn others(&self) -> &[OnProcessor] {
        self.others.as_deref().unwrap_or_default()
    }

    fn on(&self, index: usize) -> Option<&OnProcessor> {
        index
            .checked_sub(1)
            .map_or(Some(&self.first), |index| self.others().get(index))
    }

    fn all(&self) -> impl Iterator<Item = &OnProcessor> {
        core::iter::once(&self.first).chain(self.others())
    }

    /// The sums of one queue over all processors.
    pub fn sum(&self, kind: QueueKind) -> statistics::Queue {
        let mut sum = statistics::Queue::default();
        for on in self.all() {
            let queue = &on.counters.queues[kind as usize];
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
        let on = self.on(index)?;
        let counters = &*on.counters;
        let over_queues = |counter: fn(&PerQueue) -> &Counter| {
            counters
                .queues
                .iter()
                .map(|queue| counter(queue).get())
                .sum::<u64>()
        };
        Some(statistics::Processor {
            group: on.processor.group,
            number: on.processor.number.into(),
            node: on.node.map_or(u32::MAX, Into::into),
            interrupts: counters.interrupts.get(),
            foreign_interrupts: counters.foreign_interrupts.get(),
            dpcs: counters.dpcs.get(),
            try_lock_misses: over_queues(|queue| &queue.try_lock_misses),
            completions: over_queues(|queue| &queue.completed),
            cancels: over_queues(|queue| &queue.canceled),
        })
    }
}
