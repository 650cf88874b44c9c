//! Where a device, its interrupt and its memory are: processors and nodes, and no addresses. Those
//! of physical memory are nothing that a client could use, but much that an attacker can.

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
    /// The node that the DMA buffers were asked from, or [`NODE_UNKNOWN`].
    pub buffer_node: u32,
    /// Processors in the system.
    pub processor_count: u32,
    /// Processor groups in the system.
    pub group_count: u32,
    /// Highest NUMA node number in the system.
    pub highest_node: u32,
}
