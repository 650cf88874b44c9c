//! Power as the host asks for it: of one device, or of the whole system.

use alloc::vec::Vec;

use nthost_nt::{
    io::major::{IRP_MN_QUERY_POWER, IRP_MN_SET_POWER},
    po::{
        PowerActionNone, PowerActionShutdown, PowerActionSleep, PowerDeviceD0, PowerSystemShutdown,
        PowerSystemSleeping3, PowerSystemWorking,
    },
    status::{
        NTSTATUS, STATUS_INVALID_DEVICE_STATE, STATUS_INVALID_PARAMETER, STATUS_NO_SUCH_DEVICE,
        STATUS_SUCCESS, nt_success,
    },
};
use nthost_protocol::host::DeviceState;

use super::{
    exports,
    irp::{State, send},
};
use crate::{
    ob::callback,
    pnp::node::{self, Node},
};

/// Whether a device takes power requests.
fn is_started(node: &Node) -> bool {
    matches!(
        node.state().state,
        DeviceState::Started | DeviceState::StopPending | DeviceState::Stopped
    )
}

/// Puts a device into a power state, 0 for D0 to 3 for D3, as its power policy would.
#[must_use]
pub fn device_power(instance: &str, state: u8) -> NTSTATUS {
    let Some(node) = node::find(instance) else {
        return STATUS_NO_SUCH_DEVICE;
    };
    if state > 3 {
        return STATUS_INVALID_PARAMETER;
    }
    if !is_started(node) {
        return STATUS_INVALID_DEVICE_STATE;
    }
    let state = State::Device(PowerDeviceD0 + i32::from(state));
    let status = send(node.pdo(), IRP_MN_SET_POWER, state);
    log!(
        "power",
        "{}: {state:?} ended in {status:#010x}",
        node.instance
    );
    status
}

/// Takes the system to another state: 0 working, 3 sleeping, 5 shutdown. All devices are asked
/// first; if one is against it, all are told that the system stays as it is.
#[must_use]
pub fn system_power(state: u8) -> NTSTATUS {
    let (target, action) = match state {
        // To wake is the other end of the sleep.
        0 => (PowerSystemWorking, PowerActionSleep),
        3 => (PowerSystemSleeping3, PowerActionSleep),
        5 => (PowerSystemShutdown, PowerActionShutdown),
        _ => return STATUS_INVALID_PARAMETER,
    };
    if target == PowerSystemSleeping3 {
        for node in in_order(target) {
            let status = send_system(node, IRP_MN_QUERY_POWER, target, action);
            if !nt_success(status) {
                log!(
                    "power",
                    "{} is against sleep: {status:#010x}",
                    node.instance
                );
                set_all(PowerSystemWorking, PowerActionNone);
                return status;
            }
        }
    }
    if target == PowerSystemShutdown {
        exports::notify_shutdown();
    }
    if target != PowerSystemWorking {
        super::power_request::tell();
        callback::notify_power_state(false);
    }
    let status = set_all(target, action);
    if target == PowerSystemWorking {
        callback::notify_power_state(true);
    }
    status
}

/// The devices that take power requests, in the order in which they come to a system state:
/// those that others hang from, or want to have power before them, come to the working state
/// first, and to others last.
fn in_order(target: i32) -> Vec<&'static Node> {
    let mut order = Vec::new();
    for node in node::all() {
        visit(node, &mut order);
    }
    if target != PowerSystemWorking {
        order.reverse();
    }
    order.retain(|node| is_started(node));
    order
}

/// Puts a device into the order behind those that need power before it. What needs each other
/// comes in any order.
fn visit(node: &'static Node, order: &mut Vec<&'static Node>) {
    fn enter(node: &'static Node, open: &mut Vec<usize>, order: &mut Vec<&'static Node>) {
        let address = core::ptr::from_ref(node).addr();
        if open.contains(&address) || order.iter().any(|known| core::ptr::eq(*known, node)) {
            return;
        }
        open.push(address);
        for before in node.parent.into_iter().chain(node.state().powered_by) {
            enter(before, open, order);
        }
        order.push(node);
    }
    enter(node, &mut Vec::new(), order);
}

/// Sends a system power request, which tells which one was before it.
fn send_system(node: &Node, minor: u8, target: i32, action: i32) -> NTSTATUS {
    let before = node.update(|state| core::mem::replace(&mut state.system_state, target));
    let state = State::System(target, action, before);
    send(node.pdo(), minor, state)
}

/// Sends a state to all devices; the first error, if there is any.
fn set_all(target: i32, action: i32) -> NTSTATUS {
    let mut result = STATUS_SUCCESS;
    for node in in_order(target) {
        if target == PowerSystemWorking {
            super::fx::run::resume(node.pdo());
        } else {
            super::fx::run::suspend(node.pdo());
        }
        let status = send_system(node, IRP_MN_SET_POWER, target, action);
        if target == PowerSystemWorking {
            super::fx::run::resumed(node.pdo());
        }
        log!(
            "power",
            "{}: S{} ended in {status:#010x}",
            node.instance,
            target - PowerSystemWorking
        );
        if nt_success(result) && !nt_success(status) {
            result = status;
        }
    }
    result
}
