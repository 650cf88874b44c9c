//! What there is to give to a device that a bus driver has reported: what its bus has, or else the
//! nearest bus above that has something of the kind, or else the machine.
//!
//! Source: "Hardware Resources for Kernel-Mode Drivers".

use alloc::vec::Vec;

use nthost_nt::{
    io::resource::{CmResourceShareDeviceExclusive, CmResourceShareShared},
    status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES},
};

use super::{
    arbiter::{self, Given, Part, Supply},
    assign,
    node::{self, Node},
    pci::config::{Bar, Space},
    rebalance::{MEMORY, PORTS},
    requirements,
    resource::{Interrupts, Resources},
};

/// The lines of the machine's oldest devices that none of its own has: the timers, the clock and the
/// system control interrupt are not among them.
const FREE_LINES: [u32; 9] = [3, 5, 6, 7, 10, 11, 12, 14, 15];

const fn part_of(bar: &Bar) -> Part {
    match bar.space {
        Space::Io => Part::Ports(bar.address, bar.size),
        Space::Memory { .. } => Part::Memory(bar.address, bar.size),
    }
}

fn parts(resources: &Resources) -> impl Iterator<Item = Part> {
    let given = resources.given.iter().map(|given| given.what);
    resources.bars.iter().map(part_of).chain(given)
}

/// What the devices of the PCI buses have, or need.
fn of_pci(node: &Node) -> Vec<Given> {
    let Some(function) = node.pci() else {
        return Vec::new();
    };
    let resources = node.state().resources;
    let bars = resources.as_ref().map_or(&function.bars, |it| &it.bars);
    let mut taken: Vec<_> = bars
        .iter()
        .map(|bar| Given {
            share: CmResourceShareDeviceExclusive,
            flags: 0,
            what: part_of(bar),
        })
        .collect();
    if let Some(Interrupts::Line { line, .. }) = resources.map(|it| it.interrupts) {
        taken.push(Given {
            share: CmResourceShareShared,
            flags: 0,
            what: Part::Line(line),
        });
    }
    taken
}

/// What there is for a device, and what others have of it.
fn of(node: &'static Node) -> Supply {
    let above: Vec<_> = core::iter::successors(node.parent, |node| node.parent).collect();
    let is_own = |other: &Node| {
        let own = above.iter().any(|bus| core::ptr::eq(*bus, other));
        own || core::ptr::eq(node, other)
    };
    let mut supply = Supply::default();
    for bus in &above {
        let Some(resources) = bus.state().resources else {
            continue;
        };
        let parts: Vec<_> = parts(&resources).collect();
        let ranges = |own: fn(&Part) -> Option<(u64, u64)>| {
            let ranges = parts.iter().filter_map(own);
            ranges
                .map(|(start, length)| (start, start + length))
                .collect::<Vec<_>>()
        };
        if supply.memory.is_empty() {
            supply.memory = ranges(|part| match *part {
                Part::Memory(start, length) => Some((start, length)),
                _ => None,
            });
        }
        if supply.ports.is_empty() {
            supply.ports = ranges(|part| match *part {
                Part::Ports(start, length) => Some((start, length)),
                _ => None,
            });
        }
        if let (true, Interrupts::Line { line, .. }) =
            (supply.lines.is_empty(), &resources.interrupts)
        {
            supply.lines.push((*line, true));
        }
    }
    let of_machine = supply.memory.is_empty() || supply.ports.is_empty() || supply.lines.is_empty();
    if supply.memory.is_empty() {
        supply.memory.push(MEMORY);
    }
    if supply.ports.is_empty() {
        supply.ports.push(PORTS);
    }
    if supply.lines.is_empty() {
        supply.lines = FREE_LINES.map(|line| (line, false)).to_vec();
    }
    for other in node::all().into_iter().filter(|other| !is_own(other)) {
        if let Some(resources) = other.state().resources {
            supply.taken.extend_from_slice(&resources.given);
        }
        if of_machine {
            supply.taken.extend(of_pci(other));
        }
    }
    supply
}

/// Gives a device what its bus driver and its function driver say that it needs (a requirements list's
/// bytes), or without that what its bus driver says that it has.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES` if that is not there.
pub fn assign(node: &'static Node, list: Option<&[u8]>) -> Result<Resources, NTSTATUS> {
    let wanted = list.and_then(requirements::parse);
    let has = || node.report().and_then(|report| report.resources.clone());
    let Some(wanted) = wanted.or_else(has) else {
        return Ok(Resources::none());
    };
    let given = arbiter::satisfy(&wanted, &of(node)).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let mut lines = given.iter().filter_map(|given| match given.what {
        Part::Line(line) => Some(line),
        _ => None,
    });
    let line = lines.next();
    // Simplified: a device has one line.
    if lines.next().is_some() {
        return Err(STATUS_INSUFFICIENT_RESOURCES);
    }
    let interrupts = match line {
        Some(line) => assign::share_line(node, line)?,
        None => Interrupts::None,
    };
    Ok(Resources {
        bars: Vec::new(),
        interrupts,
        given,
        bus: Some(wanted.bus),
    })
}
