//! Counters: for each processor its own, so that counting shares no cache line.
//!
//! A processor's counters fill cache lines of their own, in memory of its NUMA node, one behind the
//! other for all of the node's processors: a page holds those of sixteen. The sums are made when
//! somebody asks for them. Every counter is atomic with relaxed ordering: the numbers order
//! nothing, and a thread that is moved to another processor in the middle only counts on a
//! neighbour's.

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

/// What is counted on one processor: whole cache lines.
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

const _: () = assert!(size_of::<PerProcessor>() <= 256, "a page holds sixteen");

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
    /// Where each processor counts, in the order of their indices.
    places: PoolBox<[Place]>,
    /// The counters of each node's processors, one behind the other, and last of those whose node
    /// nobody knows. A node without processors has none.
    nodes: PoolBox<[Option<Contiguous<[PerProcessor]>>]>,
    /// Where a processor counts that was added since.
    others: PerProcessor,
}

/// Where a processor counts.
struct Place {
    processor: Processor,
    node: Option<u16>,
    /// Which of its node's counters are its own.
    slot: usize,
}

impl Place {
    /// Which of [`Statistics::nodes`] has its counters.
    fn node_index(&self, node_count: usize) -> usize {
        self.node.map_or(node_count, usize::from)
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
        let node_count = usize::from(numa::highest_node_number()) + 1;
        // So many processors each node has.
        let mut counts = PoolBox::slice(tags::STATISTICS, node_count + 1, |_| 0, irql)?;
        let place = |index: usize| {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let processor = Processor::from_index(index)?;
            let mut place = Place {
                processor,
                node: numa::node_of(processor),
                slot: 0,
            };
            if let Some(count) = counts.get_mut(place.node_index(node_count)) {
                place.slot = *count;
                *count += 1;
            }
            Ok(place)
        };
        let count = numa::active_processor_count() as usize;
        let places = PoolBox::try_slice(tags::STATISTICS, count, place, irql)?;
        let counters = |index: usize| {
            let node = u16::try_from(index).ok().filter(|_| index < node_count);
            match counts.get(index).copied().unwrap_or(0) {
                0 => Ok(None),
                count => Contiguous::slice(count, u64::MAX, node, irql).map(Some),
            }
        };
        let nodes = PoolBox::try_slice(tags::STATISTICS, node_count + 1, counters, irql)?;
        Ok(Self {
            places,
            nodes,
            others: PerProcessor::new_zeroed(),
        })
    }

    /// The counters of the processor that this runs on, which is named with them: its index over
    /// all groups.
    pub fn here(&self) -> (&PerProcessor, u32) {
        let index = numa::current_processor_index();
        let place = self.places.get(index as usize);
        let counters = place.and_then(|place| self.counters(place));
        (counters.unwrap_or(&self.others), index)
    }

    fn counters(&self, place: &Place) -> Option<&PerProcessor> {
        let node = self.nodes.get(place.node_index(self.nodes.len() - 1))?;
        node.as_ref()?.get(place.slot)
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
        self.places.len()
    }

    fn all(&self) -> impl Iterator<Item = &PerProcessor> {
        let of_nodes = self.nodes.iter().flatten().flat_map(|node| node.iter());
        of_nodes.chain([&self.others])
    }

    /// The sums of one queue over all processors.
    pub fn sum(&self, kind: QueueKind) -> statistics::Queue {
        let mut sum = statistics::Queue::default();
        for counters in self.all() {
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
        let place = self.places.get(index)?;
        let counters = self.counters(place)?;
        let over_queues = |counter: fn(&PerQueue) -> &Counter| {
            counters
                .queues
                .iter()
                .map(|queue| counter(queue).get())
                .sum::<u64>()
        };
        Some(statistics::Processor {
            group: place.processor.group,
            number: place.processor.number.into(),
            node: place.node.map_or(u32::MAX, Into::into),
            interrupts: counters.interrupts.get(),
            foreign_interrupts: counters.foreign_interrupts.get(),
            dpcs: counters.dpcs.get(),
            try_lock_misses: over_queues(|queue| &queue.try_lock_misses),
            completions: over_queues(|queue| &queue.completed),
            cancels: over_queues(|queue| &queue.canceled),
        })
    }
}
