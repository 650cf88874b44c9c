//! Power as the host asks for it: of one device, or of the whole system.

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
    ex::callback,
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
    let nodes = || node::all().into_iter().filter(|node| is_started(node));
    if target == PowerSystemSleeping3 {
        for node in nodes() {
            let status = send(
                node.pdo(),
                IRP_MN_QUERY_POWER,
                State::System(target, action),
            );
            if !nt_success(status) {
                log!(
                    "power",
                    "{} is against sleep: {status:#010x}",
                    node.instance
                );
                set_all(State::System(PowerSystemWorking, PowerActionNone));
                return status;
            }
        }
    }
    if target == PowerSystemShutdown {
        exports::notify_shutdown();
    }
    if target != PowerSystemWorking {
        callback::notify_power_state(false);
    }
    let status = set_all(State::System(target, action));
    if target == PowerSystemWorking {
        callback::notify_power_state(true);
    }
    status
}

/// Sends a state to all devices; the first error, if there is any.
fn set_all(state: State) -> NTSTATUS {
    let mut result = STATUS_SUCCESS;
    for node in node::all().into_iter().filter(|node| is_started(node)) {
        let status = send(node.pdo(), IRP_MN_SET_POWER, state);
        log!(
            "power",
            "{}: {state:?} ended in {status:#010x}",
            node.instance
        );
        if nt_success(result) && !nt_success(status) {
            result = status;
        }
    }
    result
}
