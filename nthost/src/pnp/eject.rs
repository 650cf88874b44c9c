//! Pulling a device out of the machine: by the chip set's hot-plug registers where its slot has
//! them, or else by having it decode nothing any more.
//!
//! The registers are those of the firmware's `_EJ0` methods on this machine: a bus is selected,
//! then a bit is written for the slot. Buses are numbered in the order in which the emulator
//! finds them, the root bus having none.

use super::{
    node::{self, Node},
    pci::{
        config::{COMMAND, COMMAND_IO, COMMAND_MASTER, COMMAND_MEMORY, Config},
        function::Function,
    },
};
use crate::hal::port;

/// The registers of the ICH9 machine.
const BASE: u16 = 0x0cc0;
const EJECT: u16 = BASE + 0x08;
const SELECT: u16 = BASE + 0x10;
/// How many buses are tried.
const BUSES: u32 = 32;

/// Whether the machine can push a device out of its slot.
#[must_use]
pub fn is_supported(node: &Node) -> bool {
    let Some(function) = node.pci() else {
        return false;
    };
    let bus = function.address.bus;
    node::all()
        .into_iter()
        .filter_map(Node::pci)
        .any(|other| other.header.secondary_bus == Some(bus))
}

/// Has a device of the PCI bus gone. When this returns it answers nothing any more.
pub fn eject(node: &Node) {
    let Some(function) = node.pci() else {
        return;
    };
    let config = &function.address;
    let slot = 1_u32 << config.device;
    if is_supported(node) {
        // The other slots of this number stay: theirs are buses with other devices in them.
        for bus in buses_of(function) {
            // SAFETY: the chip set's register, which selects a bus.
            unsafe { port::write_u32(SELECT, bus) };
            // SAFETY: the chip set's register, which ejects the slot of that bus.
            unsafe { port::write_u32(EJECT, slot) };
        }
    }
    if function.is_present() {
        let on = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER;
        config.write_command(config.read16(COMMAND) & !on);
        log!("pnp", "{} stays in its slot, switched off", node.instance);
    } else {
        log!("pnp", "{} was pulled out of its slot", node.instance);
    }
}

/// The selectors to try for a device's bus: its place among the buses behind bridges.
fn buses_of(function: &Function) -> impl Iterator<Item = u32> {
    let bus = function.address.bus;
    let buses = node::all()
        .into_iter()
        .filter_map(|other| other.pci()?.header.secondary_bus);
    let place = buses.filter(|&other| other < bus).count();
    u32::try_from(place)
        .ok()
        .filter(|&place| place < BUSES)
        .into_iter()
}
