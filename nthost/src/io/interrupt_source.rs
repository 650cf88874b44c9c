//! The hardware side of a device's interrupts: its line or its messages are switched on and
//! off.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::{
    ke::{interrupt, lock::SpinLock},
    mm::paging,
    pnp::{
        node::Node,
        pci::{
            config::{COMMAND, COMMAND_NO_INTX, Config},
            msi::{Capability, Message},
        },
        resource::{Interrupts, Resources, Vector},
    },
};

/// Lines in use: how many devices have them switched on. A leaf.
static LINES: SpinLock<BTreeMap<u32, u32>> = SpinLock::new(BTreeMap::new());
/// Which devices are switched on, by their addresses. A leaf.
static ENABLED: SpinLock<BTreeSet<usize>> = SpinLock::new(BTreeSet::new());

/// The device may interrupt. A second call changes nothing.
pub fn enable(node: &'static Node) {
    let key = core::ptr::from_ref(node).addr();
    if !ENABLED.lock().insert(key) {
        return;
    }
    let Some(resources) = node.state().resources else {
        return;
    };
    match &resources.interrupts {
        Interrupts::None => {}
        Interrupts::Line { line, vector } => {
            let mut lines = LINES.lock();
            let users = lines.entry(*line).or_insert(0);
            *users += 1;
            if *users == 1 {
                let target = vector.affinity.target;
                if !interrupt::route_line(*line, vector.vector, target, true) {
                    log!("pnp", "{}: there is no line {line}", node.instance);
                }
            }
        }
        Interrupts::Messages(vectors) => enable_messages(node, &resources, vectors),
    }
}

/// The device may interrupt no more. A second call changes nothing.
pub fn disable(node: &'static Node) {
    let key = core::ptr::from_ref(node).addr();
    if !ENABLED.lock().remove(&key) {
        return;
    }
    match node.state().resources.map(|resources| resources.interrupts) {
        None | Some(Interrupts::None) => {}
        Some(Interrupts::Line { line, .. }) => {
            let mut lines = LINES.lock();
            let Some(users) = lines.get_mut(&line) else {
                return;
            };
            *users -= 1;
            if *users == 0 {
                lines.remove(&line);
                interrupt::mask_line(line);
            }
        }
        Some(Interrupts::Messages(_)) => {
            if let Some(function) = node.pci()
                && let Some(capability) = function.messages
            {
                capability.enable(&function.address, false, 1);
            }
        }
    }
}

fn enable_messages(node: &Node, resources: &Resources, vectors: &[Vector]) {
    let Some(function) = node.pci() else {
        return;
    };
    let Some(capability) = function.messages else {
        return;
    };
    let config = &function.address;
    for (index, vector) in (0_u32..).zip(vectors) {
        let (address, data) = interrupt::message(vector.vector, vector.affinity.target);
        let message = Message { address, data };
        match capability {
            Capability::Msi { .. } => capability.set_message(config, message),
            Capability::MsiX { bar, table, .. } => {
                let range = resources.bars.iter().find(|range| range.index == bar);
                if let Some(range) = range {
                    write_entry(range.address + u64::from(table), index, message);
                }
            }
        }
    }
    // A function that sends messages must not use its pin.
    config.write_command(config.read16(COMMAND) | COMMAND_NO_INTX);
    capability.enable(config, true, 1);
}

/// Writes an entry of a table of messages, and unmasks it.
fn write_entry(table: u64, index: u32, message: Message) {
    let entry = paging::physical(table + u64::from(index) * 16).cast::<u32>();
    let words = [
        message.address as u32,
        (message.address >> 32) as u32,
        message.data,
        0,
    ];
    for (offset, word) in words.into_iter().enumerate() {
        // SAFETY: within the table of a device below 4 GiB, which the physical map covers.
        let register = unsafe { entry.add(offset) };
        // SAFETY: as above.
        unsafe { register.write_volatile(word) };
    }
}
