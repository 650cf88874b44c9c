//! Which processor is in which group.
//!
//! Source: "Processor Groups": a group has 64 processors at the most, and the processors of a
//! node are in one group if they fit.

use alloc::vec::Vec;

/// Processors in a group at the most.
pub const GROUP_SIZE: u32 = 64;

/// A processor's group, and its number in the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The group.
    pub group: u16,
    /// The number in the group.
    pub number: u8,
}

/// The places of processors, given the nodes of each in the order of their indices. The
/// processors of a node follow each other.
#[must_use]
pub fn assign(nodes: &[u16]) -> Vec<Place> {
    let mut places = Vec::with_capacity(nodes.len());
    let (mut group, mut used) = (0_u16, 0_u32);
    for node in nodes.chunk_by(|left, right| left == right) {
        let size = node.len() as u32;
        // A node that a group has no room left for begins another, unless it fits in none.
        if used > 0 && used + size > GROUP_SIZE && size <= GROUP_SIZE {
            (group, used) = (group + 1, 0);
        }
        for _ in node {
            if used == GROUP_SIZE {
                (group, used) = (group + 1, 0);
            }
            places.push(Place {
                group,
                number: used as u8,
            });
            used += 1;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn nodes(sizes: &[usize]) -> Vec<u16> {
        let nodes = (0_u16..).zip(sizes);
        nodes.flat_map(|(node, &size)| vec![node; size]).collect()
    }

    #[test]
    fn small_nodes_share_a_group() {
        let places = assign(&nodes(&[2, 2]));
        let numbers: Vec<_> = places
            .iter()
            .map(|place| (place.group, place.number))
            .collect();
        assert_eq!(numbers, [(0, 0), (0, 1), (0, 2), (0, 3)]);
    }

    #[test]
    fn a_node_that_does_not_fit_any_more_begins_a_group() {
        let places = assign(&nodes(&[40, 40]));
        assert!(places[..40].iter().all(|place| place.group == 0));
        assert!(places[40..].iter().all(|place| place.group == 1));
        assert_eq!(places[40].number, 0);
    }

    #[test]
    fn a_node_of_more_than_64_processors_is_in_several_groups() {
        let places = assign(&nodes(&[100]));
        assert_eq!((places[63].group, places[64].group), (0, 1));
        assert_eq!((places[63].number, places[64].number), (63, 0));
    }

    proptest! {
        #[test]
        fn no_two_processors_have_one_place_and_groups_have_no_gaps(
            sizes in prop::collection::vec(1_usize..100, 1..6)
        ) {
            let places = assign(&nodes(&sizes));
            for pair in places.windows(2) {
                let next = if pair[1].group == pair[0].group {
                    pair[0].number + 1
                } else {
                    prop_assert_eq!(pair[1].group, pair[0].group + 1);
                    0
                };
                prop_assert_eq!(pair[1].number, next);
                prop_assert!(u32::from(pair[1].number) < GROUP_SIZE);
            }
        }
    }
}
