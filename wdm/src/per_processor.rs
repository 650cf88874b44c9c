//! A value for each processor, so that what is changed often shares no cache line.
//!
//! The rule of the kernel this stands for: a processor is found by its index over all groups; a
//! thread below DISPATCH_LEVEL may be on another processor at any moment, and processors may be added
//! while the system runs. ("Processor Groups", nf-wdm-kegetcurrentprocessornumberex.) So a value here
//! is one that every processor may touch, such as counters that are atomic: a thread that is moved in the
//! middle touches a neighbour's.
//!
//! # Example
//!
//! ```
//! use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
//! use wdm::{Result, irql::Passive, per_processor::PerProcessor, pool::Tag};
//!
//! /// What is changed often is of a type that is aligned to 64 bytes, in place of this one.
//! fn count(irql: &Passive) -> Result<u64> {
//!     let interrupts = PerProcessor::<AtomicU64>::new(Tag::new(*b"Exmp"), irql)?;
//!     interrupts.here().fetch_add(1, Relaxed);
//!     Ok(interrupts.iter().map(|one| one.load(Relaxed)).sum())
//! }
//! ```

use core::ptr::NonNull;

use zerocopy::FromZeros;

use crate::{
    Result, Status,
    contiguous::Contiguous,
    irql::Passive,
    numa::{self, Processor},
    pool::{PoolBox, Tag},
};

/// A value for each processor, in memory of its NUMA node as far as possible. The values of a node's
/// processors are one behind the other; it is their type that says whether each fills cache lines of
/// its own.
pub struct PerProcessor<T> {
    /// In the order of the processors' indices. Their values are in `nodes`.
    places: PoolBox<[Place<T>]>,
    /// The values of each node's processors, and last of those whose node nobody knows. A node
    /// without processors has none.
    nodes: PoolBox<[Option<Contiguous<[T]>>]>,
    /// For processors that were added since.
    others: PoolBox<T>,
}

/// A processor, and where its value is.
struct Place<T> {
    processor: Processor,
    node: Option<u16>,
    value: NonNull<T>,
}

// SAFETY: a shared reference to a value, as far as threads are concerned.
unsafe impl<T: Send + Sync> Send for Place<T> {}
// SAFETY: likewise.
unsafe impl<T: Send + Sync> Sync for Place<T> {}

impl<T: FromZeros + Sync> PerProcessor<T> {
    /// Zeroed values for the processors that are active now.
    ///
    /// Source: nf-wdm-mmallocatecontiguousnodememory, nf-wdm-kequeryactiveprocessorcountex.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(tag: Tag, irql: &Passive) -> Result<Self> {
        let node_count = usize::from(numa::highest_node_number()) + 1;
        let index_of = |node: Option<u16>| node.map_or(node_count, usize::from).min(node_count);
        let count = numa::active_processor_count() as usize;
        // So many processors each node has.
        let mut counts = PoolBox::slice(tag, node_count + 1, |_| 0_usize, irql)?;
        let processor = |index: usize| {
            let processor = Processor::from_index(u32::try_from(index).unwrap_or(u32::MAX))?;
            let node = numa::node_of(processor);
            if let Some(count) = counts.get_mut(index_of(node)) {
                *count += 1;
            }
            Ok((processor, node))
        };
        let processors = PoolBox::try_slice(tag, count, processor, irql)?;
        let values = |index: usize| match counts.get(index).copied().unwrap_or(0) {
            0 => Ok(None),
            count => {
                let node = u16::try_from(index).ok().filter(|_| index < node_count);
                Contiguous::slice(count, u64::MAX, node, irql).map(Some)
            }
        };
        let nodes = PoolBox::try_slice(tag, node_count + 1, values, irql)?;
        let others = PoolBox::new(tag, T::new_zeroed(), irql)?;
        // From here on, how many values of a node have no processor yet.
        let mut next = |node: Option<u16>| {
            let left = counts.get_mut(index_of(node))?;
            *left = left.checked_sub(1)?;
            nodes.get(index_of(node))?.as_deref()?.get(*left)
        };
        let place = |index: usize| {
            let &(processor, node) = processors.get(index).ok_or(Status::INTERNAL_ERROR)?;
            let value = NonNull::from(next(node).unwrap_or(&*others));
            Ok(Place {
                processor,
                node,
                value,
            })
        };
        let places = PoolBox::try_slice(tag, count, place, irql)?;
        Ok(Self {
            places,
            nodes,
            others,
        })
    }
}

impl<T> PerProcessor<T> {
    /// The value of the processor that this runs on. Callable at any IRQL.
    #[must_use]
    #[inline]
    pub fn here(&self) -> &T {
        self.of_index(numa::current_processor_index())
    }

    // ANCHOR: of_index
    /// The value of the processor with this index over all groups; that of all others if it was
    /// added since.
    #[must_use]
    #[inline]
    pub fn of_index(&self, index: u32) -> &T {
        match self.places.get(index as usize) {
            // SAFETY: in `nodes`, which is not changed and lives as long as `self`.
            Some(place) => unsafe { place.value.as_ref() },
            None => &self.others,
        }
    }
    // ANCHOR_END: of_index

    /// How many processors have a value of their own.
    #[must_use]
    pub fn processor_count(&self) -> usize {
        self.places.len()
    }

    /// The processor with this index, its node, and its value.
    #[must_use]
    pub fn processor(&self, index: usize) -> Option<(Processor, Option<u16>, &T)> {
        let place = self.places.get(index)?;
        // SAFETY: as in `of_index`.
        let value = unsafe { place.value.as_ref() };
        Some((place.processor, place.node, value))
    }

    /// All values, also that of processors that were added since.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        let of_nodes = self.nodes.iter().flatten().flat_map(|node| node.iter());
        of_nodes.chain([&*self.others])
    }
}
