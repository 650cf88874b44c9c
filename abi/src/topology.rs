//! Where a device, its interrupt and its memory are.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::Header;

/// [`Topology::device_node`]: the platform does not say which node the device is on.
pub const NODE_UNKNOWN: u32 = u32::MAX;

/// The answer to [`crate::Ioctl::Topology`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Topology {
    /// Size and version.
    pub header: Header,
    /// The device's NUMA node, or [`NODE_UNKNOWN`].
    pub device_node: u32,
    /// The interrupt vector (of the first message, if it has several).
    pub interrupt_vector: u32,
    /// The IRQL of its ISR.
    pub interrupt_irql: u32,
    /// The group of the processors that the interrupt is sent to.
    pub interrupt_group: u32,
    /// Those processors, a bit each.
    pub interrupt_affinity: u64,
    /// The processor that the DPC is targeted at, its index over all groups, or all ones.
    pub dpc_processor: u32,
    /// The node that the DMA buffers were asked from, or [`NODE_UNKNOWN`].
    pub buffer_node: u32,
    /// Logical address of the first page of the buffer for writes.
    pub write_buffer: u64,
    /// Logical address of the first page of the buffer for reads.
    pub read_buffer: u64,
    /// Physical address of the descriptor page.
    pub descriptor_page: u64,
    /// Physical address of BAR0.
    pub registers: u64,
    /// Processors in the system.
    pub processor_count: u32,
    /// Processor groups in the system.
    pub group_count: u32,
    /// Highest NUMA node number in the system.
    pub highest_node: u32,
    /// Zero.
    pub reserved: u32,
}
