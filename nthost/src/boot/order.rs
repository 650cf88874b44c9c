//! In which order processors are started, and numbered by it.
//!
//! Source: "Processor Groups": the processors of a node are in one group if they fit, for which
//! they need neighbouring numbers. The boot processor has number 0, and its node comes first.

use alloc::vec::Vec;

/// The APIC ids of all processors but the boot processor's, in the order of their numbers.
#[must_use]
pub fn behind_boot_processor(
    boot: u32,
    ids: impl IntoIterator<Item = u32>,
    node_of: impl Fn(u32) -> u16,
) -> Vec<u32> {
    let mut others: Vec<_> = ids.into_iter().filter(|&id| id != boot).collect();
    let boot_node = node_of(boot);
    others.sort_by_key(|&id| (node_of(id) != boot_node, node_of(id), id));
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_of_a_node_follow_each_other_the_boot_processors_first() {
        // Nodes by the lowest bit, the boot processor on node 1.
        let node_of = |id| (id & 1) as u16;
        let order = behind_boot_processor(5, 0..8, node_of);
        assert_eq!(order, [1, 3, 7, 0, 2, 4, 6]);
    }

    #[test]
    fn the_boot_processor_is_not_started_again() {
        assert_eq!(behind_boot_processor(0, [0], |_| 0), [0_u32; 0]);
        assert_eq!(behind_boot_processor(2, [0, 2, 1], |_| 0), [0, 1]);
    }
}
