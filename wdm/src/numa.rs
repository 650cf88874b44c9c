//! Processors, their groups and NUMA nodes.
//!
//! The rule of the kernel this stands for: a system may have more than 64 processors, in groups;
//! a processor is a group and a number, or an index over all groups, never a bit of one mask.
//! ("Processor Groups", "Supporting Systems That Have More Than 64 Processors".)
//!
//! # Example
//!
//! ```
//! use wdm::{device::PhysicalDevice, irql::Passive, numa};
//!
//! /// The processors of the device's node: their group, and which of it.
//! fn near(physical: PhysicalDevice<'_>, irql: &Passive) -> Option<(u16, u64)> {
//!     numa::device_node(physical, irql).map(numa::node_affinity)
//! }
//! ```

use wdk_sys::{
    GROUP_AFFINITY, PROCESSOR_NUMBER,
    ntddk::{
        IoGetDeviceNumaNode, KeGetCurrentProcessorNumberEx, KeGetProcessorIndexFromNumber,
        KeGetProcessorNumberFromIndex, KeQueryActiveGroupCount, KeQueryActiveProcessorCountEx,
        KeQueryHighestNodeNumber, KeQueryNodeActiveAffinity,
    },
};

use crate::{
    Result, Status, constants::ALL_PROCESSOR_GROUPS, device::PhysicalDevice, irql::Passive,
};

/// A processor, by its group and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processor {
    /// The group.
    pub group: u16,
    /// The number in the group.
    pub number: u8,
}

impl Processor {
    /// The processor that this runs on. Below DISPATCH_LEVEL it may be another right afterwards.
    ///
    /// Source: nf-wdm-kegetcurrentprocessornumberex.
    #[must_use]
    pub fn current() -> Self {
        let mut number = PROCESSOR_NUMBER::default();
        // SAFETY: callable at any IRQL; fills in what it is given.
        unsafe { KeGetCurrentProcessorNumberEx(&raw mut number) };
        Self::from_raw(number)
    }

    /// The processor with this index over all groups.
    ///
    /// Source: nf-wdm-kegetprocessornumberfromindex.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if there is none.
    pub fn from_index(index: u32) -> Result<Self> {
        let mut number = PROCESSOR_NUMBER::default();
        // SAFETY: callable at any IRQL; fills in what it is given.
        let status = unsafe { KeGetProcessorNumberFromIndex(index, &raw mut number) };
        Status::check(status)?;
        Ok(Self::from_raw(number))
    }

    /// The index over all groups.
    ///
    /// Source: nf-wdm-kegetprocessorindexfromnumber.
    #[must_use]
    pub fn index(self) -> u32 {
        let mut number = self.to_raw();
        // SAFETY: callable at any IRQL; an unknown processor gives INVALID_PROCESSOR_INDEX.
        unsafe { KeGetProcessorIndexFromNumber(&raw mut number) }
    }

    const fn from_raw(number: PROCESSOR_NUMBER) -> Self {
        Self {
            group: number.Group,
            number: number.Number,
        }
    }

    pub(crate) const fn to_raw(self) -> PROCESSOR_NUMBER {
        PROCESSOR_NUMBER {
            Group: self.group,
            Number: self.number,
            Reserved: 0,
        }
    }
}

/// The index, over all groups, of the processor that this runs on.
///
/// Source: nf-wdm-kegetcurrentprocessornumberex.
#[must_use]
pub fn current_processor_index() -> u32 {
    // SAFETY: callable at any IRQL; the number itself is not asked for.
    unsafe { KeGetCurrentProcessorNumberEx(core::ptr::null_mut()) }
}

/// How many processors are active, in all groups.
///
/// Source: nf-wdm-kequeryactiveprocessorcountex.
#[must_use]
pub fn active_processor_count() -> u32 {
    // SAFETY: callable at any IRQL.
    unsafe { KeQueryActiveProcessorCountEx(ALL_PROCESSOR_GROUPS) }
}

/// How many processor groups are active.
///
/// Source: nf-wdm-kequeryactivegroupcount.
#[must_use]
pub fn active_group_count() -> u16 {
    // SAFETY: callable at any IRQL.
    unsafe { KeQueryActiveGroupCount() }
}

/// The highest number that a NUMA node has.
///
/// Source: nf-wdm-kequeryhighestnodenumber.
#[must_use]
pub fn highest_node_number() -> u16 {
    // SAFETY: callable at any IRQL.
    unsafe { KeQueryHighestNodeNumber() }
}

/// The processors of a node, in the group where it has most of them, a bit each.
///
/// Source: nf-wdm-kequerynodeactiveaffinity.
#[must_use]
pub fn node_affinity(node: u16) -> (u16, u64) {
    let mut affinity = GROUP_AFFINITY::default();
    // SAFETY: callable at any IRQL; fills in what it is given; a node that does not exist has no
    // processors.
    unsafe { KeQueryNodeActiveAffinity(node, &raw mut affinity, core::ptr::null_mut()) };
    (affinity.Group, affinity.Mask)
}

/// The node of a processor, where the system tells it for the processor's group.
#[must_use]
pub fn node_of(processor: Processor) -> Option<u16> {
    (0..=highest_node_number()).find(|&node| {
        let (group, mask) = node_affinity(node);
        group == processor.group && mask >> processor.number & 1 != 0
    })
}

/// The node that a device is on, if the platform says so.
///
/// Source: nf-wdm-iogetdevicenumanode.
#[must_use]
pub fn device_node(physical: PhysicalDevice<'_>, _irql: &Passive) -> Option<u16> {
    let mut node = 0;
    // SAFETY: a PDO, at PASSIVE_LEVEL.
    let status = unsafe { IoGetDeviceNumaNode(physical.as_ptr(), &raw mut node) };
    Status::check(status).ok().map(|()| node)
}
