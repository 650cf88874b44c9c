//! NUMA nodes as drivers see them.
//!
//! Sources: KeQueryHighestNodeNumber, KeGetCurrentNodeNumber, KeQueryNodeActiveAffinity,
//! KeQueryNodeActiveAffinity2, KeQueryNodeActiveProcessorCount, KeQueryNodeMaximumProcessorCount.

use alloc::vec::Vec;

use nthost_nt::{
    ke::GROUP_AFFINITY,
    status::{NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_SUCCESS},
};

use super::{pcr, processor};
use crate::mm::phys;

/// The processors of a node, by groups that have any.
fn affinities_of(node: u16) -> Vec<GROUP_AFFINITY> {
    let mask = |group| {
        pcr::all()
            .filter(|pcr| pcr.node == node && pcr.group == group)
            .fold(0, |mask, pcr| mask | 1 << pcr.group_number)
    };
    (0..processor::groups())
        .map(|group| GROUP_AFFINITY {
            Mask: mask(group),
            Group: group,
            Reserved: [0; 3],
        })
        .filter(|affinity| affinity.Mask != 0)
        .collect()
}

nt_export! {
    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The highest node's number.
    ///
    /// Source: KeQueryHighestNodeNumber.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryHighestNodeNumber() -> u16 {
        (phys::node_count() - 1) as u16
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The node of this processor.
    ///
    /// Source: KeGetCurrentNodeNumber.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeGetCurrentNodeNumber() -> u16 {
        pcr::current().node
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The processors of a node, in the group that has most of them.
    ///
    /// Source: KeQueryNodeActiveAffinity.
    ///
    /// # Safety
    ///
    /// Both are null or where the values go.
    pub unsafe fn KeQueryNodeActiveAffinity(
        node: u16,
        affinity: *mut GROUP_AFFINITY,
        count: *mut u16,
    ) {
        let affinities = affinities_of(node);
        // The group that has most of them; the lowest, of equals.
        let primary = affinities.iter().rev().max_by_key(|affinity| affinity.Mask.count_ones());
        let primary = primary.copied().unwrap_or_default();
        if !affinity.is_null() {
            // SAFETY: the caller's promise.
            unsafe { affinity.write(primary) };
        }
        if !count.is_null() {
            // SAFETY: the caller's promise.
            unsafe { count.write(primary.Mask.count_ones() as u16) };
        }
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The processors of a node, an entry for each group that has any.
    ///
    /// Source: KeQueryNodeActiveAffinity2.
    ///
    /// # Safety
    ///
    /// `affinities` can hold `count` entries; `required` is where their number goes.
    pub unsafe fn KeQueryNodeActiveAffinity2(
        node: u16,
        affinities: *mut GROUP_AFFINITY,
        count: u16,
        required: *mut u16,
    ) -> NTSTATUS {
        if usize::from(node) >= phys::node_count() {
            return STATUS_INVALID_PARAMETER;
        }
        let found = affinities_of(node);
        // SAFETY: the caller's promise.
        unsafe { required.write(found.len() as u16) };
        if found.len() > usize::from(count) {
            return STATUS_BUFFER_TOO_SMALL;
        }
        // SAFETY: the caller's promise.
        unsafe { affinities.copy_from_nonoverlapping(found.as_ptr(), found.len()) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// Active processors of a node, in all groups.
    ///
    /// Source: KeQueryNodeActiveProcessorCount.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryNodeActiveProcessorCount(node: u16) -> u32 {
        pcr::all().filter(|pcr| pcr.node == node).count() as u32
    }

    irql: PASSIVE_LEVEL..=HIGH_LEVEL;
    /// The most processors that a node can have. None are added later.
    ///
    /// Source: KeQueryNodeMaximumProcessorCount.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn KeQueryNodeMaximumProcessorCount(node: u16) -> u16 {
        pcr::all().filter(|pcr| pcr.node == node).count() as u16
    }
}
