//! Stopping and removing devices.
//!
//! Sources: IRP_MN_QUERY_STOP_DEVICE, IRP_MN_STOP_DEVICE, IRP_MN_QUERY_REMOVE_DEVICE,
//! IRP_MN_REMOVE_DEVICE, IRP_MN_SURPRISE_REMOVAL, "State Transitions for PnP Devices".

use nthost_nt::{
    io::{
        major::{
            IRP_MN_CANCEL_REMOVE_DEVICE, IRP_MN_CANCEL_STOP_DEVICE, IRP_MN_QUERY_REMOVE_DEVICE,
            IRP_MN_QUERY_STOP_DEVICE, IRP_MN_REMOVE_DEVICE, IRP_MN_STOP_DEVICE,
            IRP_MN_SURPRISE_REMOVAL,
        },
        pnp::PNP_DEVICE_NOT_DISABLEABLE,
    },
    status::{NTSTATUS, STATUS_PLUGPLAY_QUERY_VETOED, STATUS_SUCCESS, nt_success},
};
use nthost_protocol::host::DeviceState;

use super::{
    assign,
    node::{self, Node},
    send,
};
use crate::{
    io::{device, interface, notify_target, verify},
    ob::object,
};

/// Whether any device object of the stack is open.
#[must_use]
pub fn is_open(node: &Node) -> bool {
    let pdo = node.pdo();
    !pdo.is_null()
        && node
            .stack()
            .into_iter()
            .chain([pdo])
            .any(|device| device::open_count(device) > 0)
}

/// Takes back a device's resources.
pub fn release_resources(node: &Node) {
    if let Some(resources) = node.update(|state| state.resources.take()) {
        assign::release(&resources);
    }
}

/// May the device be stopped? If not, its stack is told that it is not.
///
/// # Errors
///
/// What its stack says.
pub fn query_stop(node: &Node) -> Result<(), NTSTATUS> {
    let status = send::simple(node, IRP_MN_QUERY_STOP_DEVICE);
    if nt_success(status) {
        node.enter(DeviceState::StopPending, status);
        return Ok(());
    }
    send::simple(node, IRP_MN_CANCEL_STOP_DEVICE);
    Err(status)
}

/// The device is not stopped after all.
///
/// # Errors
///
/// What its stack says, which it must not.
pub fn cancel_stop(node: &Node) -> Result<(), NTSTATUS> {
    let status = send::simple(node, IRP_MN_CANCEL_STOP_DEVICE);
    unfailable(node, status)?;
    node.enter(DeviceState::Started, status);
    Ok(())
}

/// Stops the device.
///
/// # Errors
///
/// What its stack says, which it must not.
pub fn stop(node: &Node) -> Result<(), NTSTATUS> {
    let status = send::simple(node, IRP_MN_STOP_DEVICE);
    unfailable(node, status)?;
    release_resources(node);
    node.enter(DeviceState::Stopped, status);
    Ok(())
}

/// May the device be removed? Not while it is open.
///
/// # Errors
///
/// What its stack says; `STATUS_PLUGPLAY_QUERY_VETOED` while it is open, if a driver that has
/// registered for it is against it, or if its stack has said that it must not be disabled.
pub fn query_remove(node: &Node) -> Result<(), NTSTATUS> {
    let pdo = node.pdo();
    if node.state().flags & PNP_DEVICE_NOT_DISABLEABLE != 0 {
        return Err(STATUS_PLUGPLAY_QUERY_VETOED);
    }
    notify_target::query_remove(pdo).map_err(|_| STATUS_PLUGPLAY_QUERY_VETOED)?;
    let status = send::simple(node, IRP_MN_QUERY_REMOVE_DEVICE);
    let vetoed = is_open(node);
    if nt_success(status) && !vetoed {
        node.update(|state| state.before_remove = state.state);
        node.enter(DeviceState::RemovePending, status);
        return Ok(());
    }
    send::simple(node, IRP_MN_CANCEL_REMOVE_DEVICE);
    notify_target::remove_cancelled(pdo);
    if nt_success(status) {
        Err(STATUS_PLUGPLAY_QUERY_VETOED)
    } else {
        Err(status)
    }
}

/// The device is not removed after all.
///
/// # Errors
///
/// What its stack says, which it must not.
pub fn cancel_remove(node: &Node) -> Result<(), NTSTATUS> {
    let status = send::simple(node, IRP_MN_CANCEL_REMOVE_DEVICE);
    unfailable(node, status)?;
    notify_target::remove_cancelled(node.pdo());
    node.enter(node.state().before_remove, status);
    Ok(())
}

/// A request that a driver must not fail.
fn unfailable(node: &Node, status: NTSTATUS) -> Result<(), NTSTATUS> {
    if nt_success(status) {
        return Ok(());
    }
    log!(
        "pnp",
        "{}: a request that cannot fail ended in {status:#010x}",
        node.instance
    );
    verify::io_violation(verify::FAILED_UNFAILABLE, node.pdo().addr(), 0, 0);
    Err(status)
}

/// Sends the remove request, and looks whether the stack is taken down.
pub fn send_remove(node: &Node) {
    // Who watches a device that was pulled out has been told then.
    if node.state().state != DeviceState::SurpriseRemoved {
        notify_target::remove_complete(node.pdo());
    }
    let stack = node.stack();
    for &device in &stack {
        object::reference(device.cast());
    }
    send::simple(node, IRP_MN_REMOVE_DEVICE);
    for &device in &stack {
        // SAFETY: the reference keeps it.
        let attached = unsafe { device::extension(device) }.AttachedTo;
        if !attached.is_null() {
            verify::io_violation(verify::NOT_DETACHED, 0, 0, device.addr());
        } else if !node::is_deleted(device) {
            verify::io_violation(verify::NOT_DELETED, 0, 0, device.addr());
        }
        object::dereference(device.cast());
    }
    interface::removed(node.pdo());
}

/// Removes the device.
pub fn remove(node: &Node) {
    send_remove(node);
    release_resources(node);
    node.enter(DeviceState::Removed, STATUS_SUCCESS);
    if !node.state().present {
        delete(node);
    }
}

/// Deletes the device object of a device that is gone.
pub fn delete(node: &Node) {
    let pdo = node.update(|state| {
        state.present = false;
        core::mem::replace(&mut state.pdo, core::ptr::null_mut())
    });
    if !pdo.is_null() {
        // SAFETY: the bus's own device object; its device is gone.
        unsafe { device::IoDeleteDevice(pdo) };
    }
}

/// The device is gone. It is removed once nobody has it open.
pub fn surprise(node: &Node) {
    node.update(|state| state.present = false);
    failed(node);
}

/// The device cannot be used any more, as if it were gone. It is removed once nobody has it
/// open.
pub fn failed(node: &Node) {
    let status = send::simple(node, IRP_MN_SURPRISE_REMOVAL);
    // What a driver says is of no consequence: the device is gone.
    let _ = unfailable(node, status);
    interface::removed(node.pdo());
    node.enter(DeviceState::SurpriseRemoved, STATUS_SUCCESS);
    notify_target::remove_complete(node.pdo());
    if !is_open(node) {
        remove(node);
    }
}
