//! The physical pages of this machine: which are free, and on which node each is.
//!
//! Sources: MmAllocatePagesForMdlEx, MmAllocateContiguousMemorySpecifyCacheNode.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arrayvec::ArrayVec;

pub use super::free_pages::{NodeRange, Request};
use super::{PAGE_SIZE, PhysicalRange, free_pages::FreePages};
use crate::{
    hal::acpi::Srat,
    ke::{lock::HighLock, once::Once},
    mm::{
        paging::{KERNEL_BASE, physical},
        start_info::BootInfo,
    },
};

/// Below this the firmware, the loader and the processors' start have their places.
const LOW_MEMORY: u64 = 1 << 20;

/// Protects the bitmap.
static PAGES: HighLock<Option<FreePages<'static>>> = HighLock::new(None);
/// The ranges of memory.
static MEMORY: Once<ArrayVec<PhysicalRange, 64>> = Once::new();
/// Written once at the start, before the other processors run.
static NODES: AtomicUsize = AtomicUsize::new(1);
/// Likewise.
static TOTAL: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    static kernel_end: u8;
}

/// Learns from the loader which memory there is.
///
/// # Panics
///
/// If there is no room for the bitmap.
pub fn initialize(info: &BootInfo) {
    let top = info
        .memory
        .iter()
        .map(|range| range.end())
        .max()
        .unwrap_or(0);
    let image_end = (&raw const kernel_end as u64) - KERNEL_BASE;
    let words = top.div_ceil(PAGE_SIZE * 64);
    let bytes = words * 8;
    // The bitmap goes behind whatever of the image and the archive is in the same range.
    let place = info
        .memory
        .iter()
        .filter(|range| range.end() > LOW_MEMORY)
        .find_map(|range| {
            let mut start = range.start.max(LOW_MEMORY);
            for used in [
                PhysicalRange {
                    start: 0,
                    length: image_end,
                },
                info.archive,
            ] {
                if start < used.end() && used.start < start + bytes {
                    start = used.end();
                }
            }
            start = start.next_multiple_of(PAGE_SIZE);
            (start + bytes <= range.end()).then_some(start)
        })
        .expect("memory for the bitmap of pages");
    let bitmap = physical(place).cast::<u64>();
    // SAFETY: nobody else uses this memory: it is neither the image nor the archive, and
    // it is never freed.
    let bitmap = unsafe { core::slice::from_raw_parts_mut(bitmap, words as usize) };
    let mut pages = FreePages::new(bitmap);
    for range in &info.memory {
        let start = range.start.max(LOW_MEMORY).next_multiple_of(PAGE_SIZE);
        let end = range.end() / PAGE_SIZE * PAGE_SIZE;
        if start < end {
            pages.free(start, (end - start) / PAGE_SIZE);
        }
    }
    MEMORY.set(info.memory.clone());
    TOTAL.store(pages.free_pages() * PAGE_SIZE, Ordering::Relaxed);
    pages.reserve(PhysicalRange {
        start: 0,
        length: image_end,
    });
    pages.reserve(info.archive);
    pages.reserve(PhysicalRange {
        start: place,
        length: bytes,
    });
    *PAGES.lock() = Some(pages);
}

/// Learns from the firmware which node each page is on.
pub fn assign_nodes(srat: &Srat) {
    let nodes: Vec<_> = srat
        .memory
        .iter()
        .map(|memory| NodeRange {
            node: srat.node_of_domain(memory.domain),
            range: memory.range,
        })
        .collect();
    NODES.store(srat.node_count(), Ordering::Relaxed);
    with(|pages| pages.set_nodes(nodes));
}

fn with<T>(operation: impl FnOnce(&mut FreePages<'static>) -> T) -> T {
    operation(PAGES.lock().as_mut().expect("physical memory is known"))
}

/// Takes pages; gives the physical address of the first. Any IRQL.
#[must_use]
pub fn allocate(request: &Request) -> Option<u64> {
    with(|pages| pages.allocate(request))
}

/// Gives pages back. Any IRQL.
///
/// # Safety
///
/// They were allocated, and nothing refers to them any more.
pub unsafe fn free(address: u64, count: u64) {
    with(|pages| pages.free(address, count));
}

/// The node that a physical address is on.
#[must_use]
pub fn node_of(address: u64) -> u16 {
    with(|pages| pages.node_of(address))
}

/// Whether an address is that of memory, which the loader told of, and not of a device.
#[must_use]
pub fn is_memory(address: u64) -> bool {
    MEMORY.get().is_some_and(|ranges| {
        ranges
            .iter()
            .any(|range| (range.start..range.end()).contains(&address))
    })
}

/// All memory that the loader told of.
#[must_use]
pub fn ranges() -> &'static [PhysicalRange] {
    MEMORY.get().map_or(&[], ArrayVec::as_slice)
}

/// How many pages are free.
#[must_use]
pub fn free_pages() -> u64 {
    with(|pages| pages.free_pages())
}

/// How many nodes there are.
#[must_use]
pub fn node_count() -> usize {
    NODES.load(Ordering::Relaxed)
}

/// Bytes of memory, in use or not.
#[must_use]
pub fn total_bytes() -> u64 {
    TOTAL.load(Ordering::Relaxed)
}

/// Bytes of memory on a node.
#[must_use]
pub fn node_bytes(node: u16) -> u64 {
    with(|pages| {
        if pages.nodes.is_empty() {
            return total_bytes();
        }
        let of_node = pages.nodes.iter().filter(|range| range.node == node);
        of_node.map(|range| range.range.length).sum()
    })
}
