//! What drivers tell the plug-and-play manager of their own: that a device's state or relations
//! have changed, or that it is to be ejected. It is done later, in a system thread.
//!
//! Sources: IoInvalidateDeviceState, IoInvalidateDeviceRelations, IoRequestDeviceEject,
//! IRP_MN_QUERY_PNP_DEVICE_STATE, IRP_MN_EJECT, "About PNP_DEVICE_STATE".

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        major::IRP_MN_EJECT,
        pnp::{
            BusRelations, CAPABILITY_EJECT_SUPPORTED, EjectionRelations, PNP_DEVICE_DISABLED,
            PNP_DEVICE_FAILED, PNP_DEVICE_REMOVED, PNP_DEVICE_RESOURCE_REQUIREMENTS_CHANGED,
            PowerRelations, RemovalRelations,
        },
    },
    status::nt_success,
};
use nthost_protocol::host::DeviceState;

use super::{
    manager,
    node::{self, Node},
    rebalance, relations, remove, send,
};
use crate::ke::bugcheck;

/// Bug check PNP_DETECTED_FATAL_ERROR.
pub const PNP_DETECTED_FATAL_ERROR: u32 = 0xca;
/// Its first parameter for a routine that was called with what is no physical device object.
const INVALID_PDO: u64 = 2;

/// The device of a physical device object; bug check 0xCA for anything else.
fn node_of(pdo: *mut DEVICE_OBJECT) -> &'static Node {
    node::of(pdo).unwrap_or_else(|| {
        bugcheck::bugcheck(
            PNP_DETECTED_FATAL_ERROR,
            [INVALID_PDO, pdo.addr() as u64, 0, 0],
        )
    })
}

/// Does something with a device later, with the plug-and-play lock, if it has the same device
/// object then and is started.
fn later(pdo: *mut DEVICE_OBJECT, work: fn(&'static Node)) {
    let node = node_of(pdo);
    let address = pdo.addr();
    manager::later(move || {
        let state = node.state();
        if state.pdo.addr() == address && state.state == DeviceState::Started {
            work(node);
        }
    });
}

/// What a driver can say to have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its `PNP_DEVICE_STATE`.
    State,
    /// The devices on its bus.
    BusRelations,
    /// The devices that it needs to have power.
    PowerRelations,
}

/// Sees later to what has changed: at once if the device is started then; when it is started
/// again if it is about to be stopped or removed, for nothing is asked of it meanwhile. IRQL up
/// to DISPATCH_LEVEL.
pub fn changed(pdo: *mut DEVICE_OBJECT, change: Change) {
    let node = node_of(pdo);
    let address = pdo.addr();
    manager::later(move || {
        let state = node.state();
        if state.pdo.addr() != address {
            return;
        }
        match (state.state, change) {
            (DeviceState::Started, Change::State) => query_state(node),
            (DeviceState::Started, Change::BusRelations) => relations::enumerate(node),
            (DeviceState::Started, Change::PowerRelations) => relations::query_power(node),
            (
                DeviceState::StopPending | DeviceState::Stopped | DeviceState::RemovePending,
                change,
            ) => {
                log!("pnp", "{}: {change:?} has to wait", node.instance);
                if !state.missed.contains(&change) {
                    node.update(|state| state.missed.push(change));
                }
            }
            _ => {}
        }
    });
}

/// Asks a device's stack for its state, and acts on it. PASSIVE_LEVEL, with the plug-and-play
/// lock held.
pub fn query_state(node: &'static Node) {
    let flags = send::query_state(node);
    node.update(|state| state.flags = flags);
    if flags != 0 {
        log!("pnp", "{}: device state {flags:#x}", node.instance);
    }
    let has = |flag| flags & flag != 0;
    if has(PNP_DEVICE_REMOVED) {
        remove::surprise(node);
    } else if has(PNP_DEVICE_DISABLED) {
        remove::failed(node);
    } else if has(PNP_DEVICE_RESOURCE_REQUIREMENTS_CHANGED) {
        // With PNP_DEVICE_FAILED as well, it has to be stopped for that: here it always is.
        if let Err(status) = rebalance::rebalance(node) {
            log!("pnp", "{}: not rebalanced: {status:#010x}", node.instance);
        }
    } else if has(PNP_DEVICE_FAILED) {
        remove::failed(node);
    }
}

/// Ejects a device whose stack agrees: its bus pushes it out if it can, and otherwise it counts
/// as gone until somebody puts it back.
fn eject(node: &'static Node) {
    // The stack is asked while it is there: its drivers may add to what the bus says.
    let capabilities = send::query_capabilities(node.pdo());
    let going = relations::going_with(node, &[RemovalRelations, EjectionRelations]);
    if let Err(status) = remove::query_remove_all(node, going) {
        log!("pnp", "{}: not ejected: {status:#010x}", node.instance);
        return;
    }
    remove::remove_asked(node);
    let supported =
        capabilities.is_ok_and(|capabilities| capabilities.Flags & CAPABILITY_EJECT_SUPPORTED != 0);
    if supported {
        let status = send::simple(node, IRP_MN_EJECT);
        if !nt_success(status) {
            log!("pnp", "{}: IRP_MN_EJECT: {status:#010x}", node.instance);
            return;
        }
    }
    log!("pnp", "{} is ejected", node.instance);
    match node.parent {
        // Its bus driver does not report it any more.
        Some(bus) => relations::enumerate(bus),
        None => remove::delete(node),
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Has the plug-and-play manager ask a device's stack for its state once more, and act on
    /// it.
    ///
    /// Source: IoInvalidateDeviceState.
    ///
    /// # Safety
    ///
    /// None: what is no physical device object ends in bug check 0xCA.
    pub unsafe fn IoInvalidateDeviceState(pdo: *mut DEVICE_OBJECT) {
        changed(pdo, Change::State);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Tells that a device's relations have changed. Bus and power relations are asked for at
    /// once, the others when they are needed.
    ///
    /// Source: IoInvalidateDeviceRelations.
    ///
    /// # Safety
    ///
    /// None: what is no physical device object ends in bug check 0xCA.
    pub unsafe fn IoInvalidateDeviceRelations(pdo: *mut DEVICE_OBJECT, kind: i32) {
        if kind == BusRelations {
            changed(pdo, Change::BusRelations);
        } else if kind == PowerRelations {
            changed(pdo, Change::PowerRelations);
        } else {
            node_of(pdo);
        }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Has the plug-and-play manager eject a device: it is removed if nobody objects, and its
    /// bus pushes it out if it can.
    ///
    /// Source: IoRequestDeviceEject.
    ///
    /// # Safety
    ///
    /// None: what is no physical device object ends in bug check 0xCA.
    pub unsafe fn IoRequestDeviceEject(pdo: *mut DEVICE_OBJECT) {
        later(pdo, eject);
    }
}
