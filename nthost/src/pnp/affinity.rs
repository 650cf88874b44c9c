//! Which processors may take a device's interrupts, by its affinity policy.
//!
//! Sources: "Interrupt Affinity and Priority", ne-wdm-_irq_device_policy.

use super::resource::Affinity;

/// `IRQ_DEVICE_POLICY`, as far as it makes a difference here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// `IrqPolicyMachineDefault`, `IrqPolicyAllCloseProcessors`, `IrqPolicyOneCloseProcessor`:
    /// the processors of the device's node.
    #[default]
    Close,
    /// `IrqPolicyAllProcessorsInMachine`, `IrqPolicySpreadMessagesAcrossAllProcessors`.
    All,
    /// `IrqPolicySpecifiedProcessors`: of group 0.
    Specified(u64),
}

impl Policy {
    /// From the registry's `DevicePolicy` and `AssignmentSetOverride`.
    #[must_use]
    pub const fn from_registry(policy: u32, set: u64) -> Self {
        match policy {
            3 | 5 => Self::All,
            4 => Self::Specified(set),
            _ => Self::Close,
        }
    }
}

/// A processor, as far as this choice goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Processor {
    /// Its index among all.
    pub index: u32,
    /// Its group.
    pub group: u16,
    /// Its number in the group.
    pub number: u8,
    /// Its node.
    pub node: u16,
}

/// The processors that may take an interrupt, and the one that does: the `turn`-th of them, so
/// that several interrupts are spread. They are of one group. A policy that leaves none is the
/// machine's default.
#[must_use]
pub fn choose(processors: &[Processor], policy: Policy, node: Option<u16>, turn: u32) -> Affinity {
    let wanted = |processor: &&Processor| match policy {
        Policy::Close => node.is_none_or(|node| processor.node == node),
        Policy::All => true,
        Policy::Specified(set) => processor.group == 0 && set >> processor.number & 1 != 0,
    };
    let suits = |processor: &&Processor| {
        wanted(processor) || !processors.iter().any(|other| wanted(&other))
    };
    let group = processors.iter().find(suits).map_or(0, |first| first.group);
    let set = || {
        processors
            .iter()
            .filter(move |processor| processor.group == group)
            .filter(suits)
    };
    let count = u32::try_from(set().count()).unwrap_or(1).max(1);
    let target = set().nth((turn % count) as usize);
    Affinity {
        group,
        mask: set().fold(0, |mask, processor| mask | 1 << processor.number),
        target: target.map_or(0, |processor| processor.index),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four processors on two nodes, and two more in another group.
    fn processors() -> [Processor; 6] {
        core::array::from_fn(|index| Processor {
            index: index as u32,
            group: u16::from(index >= 4),
            number: (index % 4) as u8,
            node: (index / 2) as u16,
        })
    }

    #[test]
    fn a_device_is_served_on_its_node_in_turn() {
        let chosen = |turn| choose(&processors(), Policy::Close, Some(1), turn);
        assert_eq!((chosen(0).mask, chosen(0).target), (0b1100, 2));
        assert_eq!(chosen(1).target, 3);
        assert_eq!(chosen(2).target, 2);
    }

    #[test]
    fn a_node_of_another_group_gives_that_group() {
        let chosen = choose(&processors(), Policy::Close, Some(2), 1);
        assert_eq!((chosen.group, chosen.mask, chosen.target), (1, 0b11, 5));
    }

    #[test]
    fn without_a_node_the_first_group_serves() {
        let chosen = choose(&processors(), Policy::Close, None, 0);
        assert_eq!((chosen.group, chosen.mask), (0, 0b1111));
        let all = choose(&processors(), Policy::All, Some(1), 0);
        assert_eq!((all.group, all.mask), (0, 0b1111));
    }

    #[test]
    fn specified_processors_are_taken_if_there_are_any() {
        let policy = Policy::from_registry(4, 0b1000);
        let chosen = choose(&processors(), policy, Some(0), 5);
        assert_eq!((chosen.mask, chosen.target), (0b1000, 3));
        let none = choose(&processors(), Policy::Specified(0), None, 0);
        assert_eq!(none.mask, 0b1111);
    }
}
