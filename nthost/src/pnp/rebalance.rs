//! Rebalancing: a device is stopped, gets other addresses, and is started again.
//!
//! Sources: "Stopping a Device to Rebalance Resources".

use alloc::vec::Vec;

use nthost_nt::status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES};

use super::{
    add, assign,
    node::{self, Node},
    pci::config::{Bar, Space},
    remove,
    resource::{Resources, free_place},
};

/// What reaches the devices of this machine's root buses: from the end of the configuration
/// window, below which low memory ends, to the interrupt controllers.
pub(super) const MEMORY: (u64, u64) = (0xc000_0000, 0xfec0_0000);
/// Where it puts their ports.
pub(super) const PORTS: (u64, u64) = (0xc000, 0x1_0000);

/// The whole sequence. PASSIVE_LEVEL, with the plug-and-play lock held.
///
/// # Errors
///
/// What the stack says to the stop or the start; `STATUS_INSUFFICIENT_RESOURCES` if there is
/// no other place, with the device started again where it was.
pub fn rebalance(node: &'static Node) -> Result<(), NTSTATUS> {
    remove::query_stop(node)?;
    let Some(before) = node.state().resources else {
        return remove::cancel_stop(node);
    };
    let moved = elsewhere(node, &before.bars);
    remove::stop(node)?;
    // What another bus's driver has reported is given what it needs when it is started.
    if node.pci().is_some() {
        let mut resources = assign::assign(node, None)?;
        if let Some(bars) = &moved {
            resources.bars.clone_from(bars);
        }
        node.update(|state| state.resources = Some(resources));
    }
    add::start(node)?;
    moved.map(drop).ok_or(STATUS_INSUFFICIENT_RESOURCES)
}

/// Other places for a device's ranges.
fn elsewhere(node: &Node, bars: &[Bar]) -> Option<Vec<Bar>> {
    let mut used: Vec<Bar> = node::all()
        .into_iter()
        .filter(|other| !core::ptr::eq(*other, node))
        .flat_map(|other| {
            let assigned = other.state().resources;
            assigned.map_or_else(
                || {
                    other
                        .pci()
                        .map_or_else(Vec::new, |function| function.bars.clone())
                },
                |Resources { bars, .. }| bars,
            )
        })
        .collect();
    // Nor where it is now.
    used.extend_from_slice(bars);
    let mut moved = Vec::new();
    for bar in bars {
        let window = if bar.space == Space::Io {
            PORTS
        } else {
            window(node)
        };
        let same = |other: &&Bar| (other.space == Space::Io) == (bar.space == Space::Io);
        let ranges: Vec<_> = used
            .iter()
            .filter(same)
            .map(|other| (other.address, other.size))
            .collect();
        let address = free_place(window, &ranges, bar.size)?;
        let bar = Bar { address, ..*bar };
        used.push(bar);
        moved.push(bar);
    }
    Some(moved)
}

/// The memory that reaches a device: on a root bus all of it, behind a bridge the bridge's
/// window.
fn window(node: &Node) -> (u64, u64) {
    let bus = node.pci().map(|function| function.address.bus);
    let bridge = node::all()
        .into_iter()
        .filter_map(Node::pci)
        .find(|other| bus.is_some() && other.header.secondary_bus == bus);
    bridge.map_or_else(
        || MEMORY,
        |bridge| {
            use crate::pnp::pci::config::Config;
            // Memory base and limit, in units of 1 MiB, in the upper bits of 16.
            let register = bridge.address.read(0x20);
            let base = u64::from(register & 0xfff0) << 16;
            let limit = u64::from(register & 0xfff0_0000) | 0xf_ffff;
            (base, limit + 1)
        },
    )
}
