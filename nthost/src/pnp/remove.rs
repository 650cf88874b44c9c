//! Stopping and removing devices: what hangs below a device in the tree is asked and goes
//! before it.
//!
//! Sources: IRP_MN_QUERY_STOP_DEVICE, IRP_MN_STOP_DEVICE, IRP_MN_QUERY_REMOVE_DEVICE,
//! IRP_MN_REMOVE_DEVICE, IRP_MN_SURPRISE_REMOVAL, "State Transitions for PnP Devices",
//! "Handling an IRP_MN_QUERY_REMOVE_DEVICE Request".

use alloc::vec::Vec;

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        major::{
            IRP_MN_CANCEL_REMOVE_DEVICE, IRP_MN_CANCEL_STOP_DEVICE, IRP_MN_QUERY_REMOVE_DEVICE,
            IRP_MN_QUERY_STOP_DEVICE, IRP_MN_REMOVE_DEVICE, IRP_MN_STOP_DEVICE,
            IRP_MN_SURPRISE_REMOVAL,
        },
        pnp::{PNP_DEVICE_NOT_DISABLEABLE, RemovalRelations},
    },
    status::{NTSTATUS, STATUS_PLUGPLAY_QUERY_VETOED, STATUS_SUCCESS, nt_success},
};
use nthost_protocol::host::DeviceState;

use super::{
    assign, detect, manager,
    node::{self, Node},
    relations, send,
};
use crate::{
    io::{device, interface, notify_target, verify},
    ob::object,
    pe::module::module_of,
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

/// May the device be stopped, and before it those below it? If not, those that were asked are
/// told that they are not.
///
/// # Errors
///
/// What one of the stacks says.
pub fn query_stop(node: &'static Node) -> Result<(), NTSTATUS> {
    for device in node.leaves_first() {
        if !core::ptr::eq(device, node) && device.state().state != DeviceState::Started {
            continue;
        }
        let status = send::simple(device, IRP_MN_QUERY_STOP_DEVICE);
        if nt_success(status) {
            device.enter(DeviceState::StopPending, status);
            continue;
        }
        send::simple(device, IRP_MN_CANCEL_STOP_DEVICE);
        // What they must not say is told there.
        let _ = cancel_stop(node);
        return Err(status);
    }
    Ok(())
}

/// The devices are not stopped after all.
///
/// # Errors
///
/// What a stack says, which it must not.
pub fn cancel_stop(node: &'static Node) -> Result<(), NTSTATUS> {
    for device in node.leaves_first().into_iter().rev() {
        if device.state().state == DeviceState::StopPending {
            let status = send::simple(device, IRP_MN_CANCEL_STOP_DEVICE);
            unfailable(device, status)?;
            device.enter(DeviceState::Started, status);
        }
    }
    Ok(())
}

/// Stops the device, and before it those below it.
///
/// # Errors
///
/// What a stack says, which it must not.
pub fn stop(node: &'static Node) -> Result<(), NTSTATUS> {
    for device in node.leaves_first() {
        if device.state().state == DeviceState::StopPending {
            let status = send::simple(device, IRP_MN_STOP_DEVICE);
            unfailable(device, status)?;
            release_resources(device);
            device.enter(DeviceState::Stopped, status);
        }
    }
    Ok(())
}

/// Whether a device's drivers have a say in its removal.
const fn is_asked(state: DeviceState) -> bool {
    matches!(
        state,
        DeviceState::Added | DeviceState::Started | DeviceState::StopPending | DeviceState::Stopped
    )
}

/// Whether a device's drivers are told that it is gone before it is removed.
#[must_use]
pub const fn is_told(state: DeviceState) -> bool {
    is_asked(state) || matches!(state, DeviceState::RemovePending)
}

/// May the device be removed, and before it those below it and those that have to go with them?
///
/// # Errors
///
/// As [`query_remove_all`].
pub fn query_remove(node: &'static Node) -> Result<(), NTSTATUS> {
    query_remove_all(node, relations::going_with(node, &[RemovalRelations]))
}

/// May these be removed, the first first, for the sake of one of them? Not while one is open. Who
/// has registered is asked first, then the drivers; if one is against it, those that were asked
/// are told that nothing is removed.
///
/// # Errors
///
/// What a stack says; `STATUS_PLUGPLAY_QUERY_VETOED` while a device is open, if a driver that
/// has registered for it is against it, or if a stack has said that it must not be disabled.
pub fn query_remove_all(node: &'static Node, all: Vec<&'static Node>) -> Result<(), NTSTATUS> {
    let is_needed = |device: &&'static Node| {
        let state = device.state();
        state.flags & PNP_DEVICE_NOT_DISABLEABLE != 0 || state.state == DeviceState::SurpriseRemoved
    };
    if all.iter().any(is_needed) {
        return Err(STATUS_PLUGPLAY_QUERY_VETOED);
    }
    let asked: Vec<_> = all
        .iter()
        .copied()
        .filter(|device| is_asked(device.state().state))
        .collect();
    for (index, device) in asked.iter().enumerate() {
        if notify_target::query_remove(device.pdo()).is_err() {
            for told in &asked[..index] {
                notify_target::remove_canceled(told.pdo());
            }
            return Err(STATUS_PLUGPLAY_QUERY_VETOED);
        }
    }
    for device in &asked {
        let status = send::simple(device, IRP_MN_QUERY_REMOVE_DEVICE);
        let vetoed = is_open(device);
        if nt_success(status) && !vetoed {
            device.update(|state| state.before_remove = state.state);
            device.enter(DeviceState::RemovePending, status);
            continue;
        }
        send::simple(device, IRP_MN_CANCEL_REMOVE_DEVICE);
        // What they must not say is told there.
        let _ = take_back(&asked);
        for told in &asked {
            notify_target::remove_canceled(told.pdo());
        }
        return Err(if nt_success(status) {
            STATUS_PLUGPLAY_QUERY_VETOED
        } else {
            status
        });
    }
    node.update(|state| state.removed_with = all);
    Ok(())
}

/// Tells the drivers of those that agreed to be removed that they are not; which ones.
fn take_back(asked: &[&'static Node]) -> Result<Vec<&'static Node>, NTSTATUS> {
    let mut told = Vec::new();
    for &device in asked.iter().rev() {
        if device.state().state == DeviceState::RemovePending {
            let status = send::simple(device, IRP_MN_CANCEL_REMOVE_DEVICE);
            unfailable(device, status)?;
            device.enter(device.state().before_remove, status);
            told.push(device);
        }
    }
    Ok(told)
}

/// The device is not removed after all, nor those that were asked with it.
///
/// # Errors
///
/// What a stack says, which it must not.
pub fn cancel_remove(node: &'static Node) -> Result<(), NTSTATUS> {
    let mut asked = node.update(|state| core::mem::take(&mut state.removed_with));
    if asked.is_empty() {
        asked.push(node);
    }
    for device in take_back(&asked)? {
        notify_target::remove_canceled(device.pdo());
    }
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
    let drivers: Vec<_> = node.stack().into_iter().map(image_of).collect();
    log!("verifier", "its drivers: {}", drivers.join(", "));
    verify::io_violation(verify::FAILED_UNFAILABLE, node.pdo().addr(), 0, 0);
    Err(status)
}

/// The image of a device's driver. The device exists.
#[must_use]
pub fn image_of(device: *mut DEVICE_OBJECT) -> &'static str {
    // SAFETY: the caller's promise.
    let driver = unsafe { (*device).DriverObject };
    // SAFETY: a device's driver object outlives it.
    module_of(unsafe { (*driver).DriverStart } as u64).0
}

/// Something is wrong with a device of a stack after a request. No stack leads to its driver any
/// more.
fn blame(device: *mut DEVICE_OBJECT, code: usize) {
    log!(
        "verifier",
        "the device {:#x} is one of {}",
        device.addr(),
        image_of(device)
    );
    verify::io_violation(code, 0, 0, device.addr());
}

/// Sends the surprise removal request, at which the stack must stay as it is.
fn send_surprise_removal(node: &Node) -> NTSTATUS {
    let stack = node.stack();
    // The lowest is attached to nothing.
    let attached: Vec<_> = stack.iter().map(|&device| is_attached(device)).collect();
    for &device in &stack {
        object::reference(device.cast());
    }
    let status = send::simple(node, IRP_MN_SURPRISE_REMOVAL);
    for (&device, was_attached) in stack.iter().zip(attached) {
        if node::is_deleted(device) {
            blame(device, verify::DELETED_AT_SURPRISE);
        } else if was_attached && !is_attached(device) {
            blame(device, verify::DETACHED_AT_SURPRISE);
        }
        object::dereference(device.cast());
    }
    status
}

fn is_attached(device: *mut DEVICE_OBJECT) -> bool {
    // SAFETY: a device of a stack, of which the caller makes sure.
    !unsafe { device::extension(device) }.AttachedTo.is_null()
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
        if is_attached(device) {
            blame(device, verify::NOT_DETACHED);
        } else if !node::is_deleted(device) {
            blame(device, verify::NOT_DELETED);
        }
        object::dereference(device.cast());
    }
    interface::removed(node.pdo());
}

/// Removes the device, and those that were asked with it.
pub fn remove_asked(node: &'static Node) {
    for device in node.update(|state| core::mem::take(&mut state.removed_with)) {
        if device.state().state == DeviceState::RemovePending {
            remove(device);
        }
    }
    if node.state().state != DeviceState::Removed {
        remove(node);
    }
}

/// Removes the device, and before it those below it, whose device objects go with it.
pub fn remove(node: &'static Node) {
    for child in node.children() {
        if child.state().state != DeviceState::Removed {
            remove(child);
        }
    }
    send_remove(node);
    release_resources(node);
    node.update(|state| {
        state.flags = 0;
        state.missed.clear();
        state.powered_by.clear();
    });
    node.enter(DeviceState::Removed, STATUS_SUCCESS);
    for child in node.children() {
        delete(child);
    }
    if !node.state().present {
        delete(node);
    }
}

/// Gives up the device object of a device that is gone.
pub fn delete(node: &'static Node) {
    let pdo = node.take_pdo();
    if pdo.is_null() {
        return;
    }
    let Some(bus) = node.parent else {
        detect::give_up(&node.state().service, pdo);
        if node.update(|state| core::mem::take(&mut state.foreign)) {
            object::dereference(pdo.cast());
        } else {
            // SAFETY: a device object of nthost's own; its device is gone.
            unsafe { device::IoDeleteDevice(pdo) };
        }
        return;
    };
    // It is its bus driver's to delete.
    object::dereference(pdo.cast());
    if node.update(|state| core::mem::take(&mut state.succeeded)) {
        manager::later(|| {
            if bus.state().state == DeviceState::Started {
                relations::enumerate(bus);
            }
        });
    }
}

/// The device is gone. It is removed once nobody has it open.
pub fn surprise(node: &'static Node) {
    node.update(|state| state.present = false);
    failed(node);
}

/// The device cannot be used any more, as if it were gone, and neither can those below it and
/// those that have to go with them. They are removed once nobody has them open.
pub fn failed(node: &'static Node) {
    let all = relations::going_with(node, &[RemovalRelations]);
    for device in &all {
        if is_told(device.state().state) {
            let status = send_surprise_removal(device);
            // What a driver says is of no consequence: the device is gone.
            let _ = unfailable(device, status);
            interface::removed(device.pdo());
            device.enter(DeviceState::SurpriseRemoved, STATUS_SUCCESS);
            notify_target::remove_complete(device.pdo());
        }
    }
    for device in all {
        remove_if_unused(device);
    }
}

/// Removes a device that is gone, unless it or one below it is still open.
pub fn remove_if_unused(node: &'static Node) {
    let is_gone = |node: &&'static Node| node.state().state == DeviceState::SurpriseRemoved;
    if is_gone(&node) && !is_open(node) && !node.children().iter().any(is_gone) {
        remove(node);
    }
}
