//! Which interrupts a device gets: messages, if it can send them and its registry key allows it,
//! or else the line of its pin.
//!
//! Sources: "Enabling Message-Signaled Interrupts in the Registry", "Interrupt Affinity and
//! Priority". Simplified: an MSI capability gets one message however many it could send;
//! MSI-X gets as many as its table holds, up to the registry's limit.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, Ordering};

use nthost_nt::status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES};

use super::{
    affinity::{Policy, Processor, choose},
    keys,
    line::{Lines, at_root, message_count},
    node::Node,
    pci::function::Function,
    resource::{Affinity, Interrupts, Resources, Vector},
    supply,
};
use crate::{
    hook,
    ke::{interrupt, lock::SpinLock, pcr},
};

/// The lines in use. A leaf.
static LINES: SpinLock<Lines> = SpinLock::new(Lines::new());
/// Spreads interrupts over the processors that may take them.
static TURN: AtomicU32 = AtomicU32::new(0);

fn processors() -> Vec<Processor> {
    pcr::all()
        .map(|pcr| Processor {
            index: pcr.number,
            group: pcr.group,
            number: pcr.group_number,
            node: pcr.node,
        })
        .collect()
}

fn affinity(node: &Node) -> Affinity {
    let policy = keys::device_parameter(
        node,
        r"Interrupt Management\Affinity Policy",
        "DevicePolicy",
    );
    let set = keys::device_set(
        node,
        r"Interrupt Management\Affinity Policy",
        "AssignmentSetOverride",
    );
    let policy = Policy::from_registry(policy.unwrap_or(0), set.unwrap_or(0));
    let fixed = hook::fixes_interrupts();
    let turn = if fixed {
        0
    } else {
        TURN.fetch_add(1, Ordering::Relaxed)
    };
    let affinity = choose(&processors(), policy, node.numa_node, turn);
    if fixed {
        pcr::of(affinity.target).reserve();
    }
    affinity
}

fn new_vector(node: &Node) -> Result<Vector, NTSTATUS> {
    let vector = interrupt::allocate_vector().ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let affinity = affinity(node);
    Ok(Vector { vector, affinity })
}

/// Assigns a device its resources: the ranges that its registers hold, and interrupts; or, on
/// another bus than PCI, what its requirements list says, if there is one.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES` if vectors run out, or something else that is needed.
pub fn assign(node: &'static Node, list: Option<&[u8]>) -> Result<Resources, NTSTATUS> {
    const KEY: &str = r"Interrupt Management\MessageSignaledInterruptProperties";
    let Some(function) = node.pci() else {
        return supply::assign(node, list);
    };
    let bars = super::pci::config::bars(&function.address, &function.header);
    let allowed = keys::device_parameter(node, KEY, "MSISupported") == Some(1);
    let interrupts = match (function.messages, function.header.pin) {
        (Some(capability), _) if allowed => {
            let limit = keys::device_parameter(node, KEY, "MessageNumberLimit");
            messages(node, message_count(capability, limit))?
        }
        (_, Some(pin)) => line(node, function, pin)?,
        _ => Interrupts::None,
    };
    Ok(Resources {
        bars,
        interrupts,
        ..Resources::none()
    })
}

/// The vector of a line that a device has.
#[must_use]
pub fn vector_of_line(line: u32) -> Option<Vector> {
    LINES.lock().vector(line)
}

fn messages(node: &Node, count: u16) -> Result<Interrupts, NTSTATUS> {
    let mut vectors = Vec::new();
    for _ in 0..count {
        match new_vector(node) {
            Ok(vector) => vectors.push(vector),
            // Fewer than the device could use are what it gets.
            Err(_) if !vectors.is_empty() => break,
            Err(status) => return Err(status),
        }
    }
    Ok(Interrupts::Messages(vectors))
}

fn line(node: &Node, function: &Function, pin: u8) -> Result<Interrupts, NTSTATUS> {
    let (device, pin) = at_root(&function.way.slots, pin);
    share_line(node, interrupt::line_of(device, pin))
}

/// Gives a device a line, which others may have, too.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES` if vectors run out.
pub fn share_line(node: &Node, line: u32) -> Result<Interrupts, NTSTATUS> {
    let known = LINES.lock().share(line);
    if let Some(vector) = known {
        return Ok(Interrupts::Line { line, vector });
    }
    let vector = new_vector(node)?;
    LINES.lock().begin(line, vector);
    Ok(Interrupts::Line { line, vector })
}

/// Takes back what a device was assigned.
pub fn release(resources: &Resources) {
    match &resources.interrupts {
        Interrupts::None => {}
        Interrupts::Messages(vectors) => {
            for vector in vectors {
                interrupt::free_vector(vector.vector);
            }
        }
        Interrupts::Line { line, .. } => {
            let unused = LINES.lock().release(*line);
            if let Some(vector) = unused {
                interrupt::free_vector(vector.vector);
            }
        }
    }
}
