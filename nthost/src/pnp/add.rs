//! Finding a device's drivers, having them attach, and starting it.
//!
//! Sources: nc-wdm-driver_add_device, "Adding a PnP Device to a Running System",
//! IRP_MN_START_DEVICE.

use alloc::{sync::Arc, vec::Vec};

use nthost_nt::{
    io::device::{DEVICE_OBJECT, DO_BUFFERED_IO, DO_DEVICE_INITIALIZING, DO_DIRECT_IO},
    status::{NTSTATUS, STATUS_NO_SUCH_DEVICE, STATUS_SUCCESS, nt_success},
};
use nthost_protocol::{host::DeviceState, manifest::Role};

use super::{
    assign, invalidate, keys,
    node::{Node, Origin},
    pci, relations, remove, root, send,
};
use crate::{
    io::{
        driver::{self, Driver},
        interface, verify,
    },
    se::{self, sddl},
};

/// The drivers of a device, in the order in which they attach.
struct Drivers {
    lower: Vec<Arc<Driver>>,
    function: Arc<Driver>,
    upper: Vec<Arc<Driver>>,
}

/// The drivers that match a device: of the function drivers the one with the most specific id.
fn find(node: &Node) -> Option<Drivers> {
    let loaded: Vec<_> = driver::all()
        .into_iter()
        .filter(|driver| driver.is_loaded())
        .collect();
    let has = |driver: &Arc<Driver>, id: &str| {
        let mut ids = driver.image.hardware_ids.iter();
        ids.any(|known| known.eq_ignore_ascii_case(id))
    };
    let mut ids = node.hardware_ids.iter().chain(&node.compatible_ids);
    let function = ids.find_map(|id| {
        let mut functions = loaded
            .iter()
            .filter(|driver| driver.image.role == Role::Function);
        functions.find(|driver| has(driver, id))
    })?;
    let filters = |role| {
        let of_role = loaded.iter().filter(|driver| driver.image.role == role);
        of_role
            .filter(|driver| {
                let mut ids = node.hardware_ids.iter().chain(&node.compatible_ids);
                ids.any(|id| has(driver, id))
            })
            .cloned()
            .collect()
    };
    Some(Drivers {
        lower: filters(Role::LowerFilter),
        function: function.clone(),
        upper: filters(Role::UpperFilter),
    })
}

/// Has a device's drivers attach to it. PASSIVE_LEVEL, with the plug-and-play lock held.
///
/// # Errors
///
/// `STATUS_NO_SUCH_DEVICE` if no driver matches or the device is gone, and what `AddDevice`
/// returns.
pub fn add(node: &'static Node) -> Result<(), NTSTATUS> {
    if let Some(function) = node.pci() {
        if !function.is_present() {
            return Err(STATUS_NO_SUCH_DEVICE);
        }
        if node.pdo().is_null() {
            pci::driver::create_pdo(node)?;
            node.update(|state| state.present = true);
        }
    }
    if node.pdo().is_null() && matches!(node.origin, Origin::Root) {
        root::create_pdo(node)?;
    }
    if node.pdo().is_null() {
        return Err(STATUS_NO_SUCH_DEVICE);
    }
    let Some(drivers) = find(node) else {
        if node.is_raw() {
            node.enter(DeviceState::Added, STATUS_SUCCESS);
            return Ok(());
        }
        node.enter(DeviceState::NoDriver, STATUS_NO_SUCH_DEVICE);
        return Err(STATUS_NO_SUCH_DEVICE);
    };
    keys::write_device(node, Some(&drivers.function.image))?;
    node.update(|state| state.service.clone_from(&drivers.function.image.service));
    let order = drivers
        .lower
        .iter()
        .chain([&drivers.function])
        .chain(&drivers.upper);
    for driver in order {
        if let Err(status) = add_device(node, driver) {
            if node.has_stack() {
                remove::send_remove(node);
            }
            node.enter(DeviceState::Failed, status);
            return Err(status);
        }
    }
    secure(node, &drivers.function);
    node.enter(DeviceState::Added, STATUS_SUCCESS);
    Ok(())
}

/// Calls a driver's `AddDevice`, and looks at what it made.
fn add_device(node: &Node, driver: &Driver) -> Result<(), NTSTATUS> {
    let pdo = node.pdo();
    let before = node.stack().len();
    // SAFETY: a loaded driver's object exists.
    let extension = unsafe { (*driver.object).DriverExtension };
    // SAFETY: as its extension.
    let Some(routine) = (unsafe { (*extension).AddDevice }) else {
        log!("pnp", "{} has no AddDevice", driver.image.service);
        return Err(STATUS_NO_SUCH_DEVICE);
    };
    // SAFETY: the driver's own routine, with its object and the device's.
    let status = unsafe { routine(driver.object, pdo) };
    log!(
        "pnp",
        "AddDevice of {} for {} returned {status:#010x}",
        driver.image.service,
        node.instance
    );
    if !nt_success(status) {
        return Err(status);
    }
    for device in node.stack().into_iter().skip(before) {
        check_added(device, pdo, routine as usize, driver.image.role);
    }
    Ok(())
}

/// The rules of what `AddDevice` leaves.
fn check_added(device: *mut DEVICE_OBJECT, pdo: *mut DEVICE_OBJECT, routine: usize, role: Role) {
    // SAFETY: a device of the stack.
    let flags = unsafe { (*device).Flags };
    if flags & DO_DEVICE_INITIALIZING != 0 {
        verify::io_violation(verify::STILL_INITIALIZING, routine, device.addr(), 0);
    }
    let both = DO_BUFFERED_IO | DO_DIRECT_IO;
    if flags & both == both {
        verify::io_violation(verify::BOTH_IO_FLAGS, routine, device.addr(), 0);
    }
    // SAFETY: as above.
    let below = unsafe { crate::io::device::extension(device) }.AttachedTo;
    if role == Role::UpperFilter && below != pdo {
        // SAFETY: what a device is attached to exists.
        let expected = unsafe { (*below).Flags } & both;
        if flags & both != expected {
            verify::io_violation(verify::IO_FLAGS_NOT_COPIED, routine, device.addr(), 0);
        }
    }
}

/// Gives all device objects of a stack the security that the function driver's INF asks for.
fn secure(node: &Node, driver: &Driver) {
    let Some(text) = &driver.image.security else {
        return;
    };
    match sddl::parse(text) {
        Ok(descriptor) => {
            let descriptor: Arc<[u8]> = descriptor.into();
            for device in node.stack().into_iter().chain([node.pdo()]) {
                se::object::set(device.cast(), descriptor.clone());
            }
        }
        Err(_) => log!(
            "pnp",
            "{}: the security {text:?} is no SDDL",
            driver.image.service
        ),
    }
}

/// Starts a device that was added or stopped. PASSIVE_LEVEL, with the plug-and-play lock held.
/// A device that fails to start is removed.
///
/// # Errors
///
/// What its stack says.
pub fn start(node: &'static Node) -> Result<(), NTSTATUS> {
    let again = node.state().state == DeviceState::Stopped;
    let list = send::filter_requirements(node);
    let assigned = match node.state().resources {
        Some(resources) => Ok(resources),
        None => assign::assign(node, list.as_deref()),
    };
    let resources = match assigned {
        Ok(resources) => resources,
        Err(status) => return Err(fail(node, again, status)),
    };
    node.update(|state| state.resources = Some(resources.clone()));
    for line in resources.lines() {
        log!("pnp", "{}: {line}", node.instance);
    }
    let status = send::start(node, &resources);
    log!("pnp", "start of {} ended in {status:#010x}", node.instance);
    if !nt_success(status) {
        return Err(fail(node, again, status));
    }
    node.enter(DeviceState::Started, status);
    interface::started(node.pdo());
    if let Err(status) = send::query_capabilities(node.pdo()) {
        log!("pnp", "{}: no capabilities: {status:#010x}", node.instance);
    }
    // Not after a stop for rebalancing.
    if !again {
        invalidate::query_state(node);
    }
    if node.state().state != DeviceState::Started {
        return Ok(());
    }
    relations::enumerate(node);
    for child in node.children() {
        // They were stopped before their bus. What fails says so itself.
        if child.state().state == DeviceState::Stopped {
            let _ = start(child);
        }
    }
    Ok(())
}

/// A start failed: the stack is removed. After a stop it may be open, and is told first that the
/// device is gone. ("Stopping a Device to Rebalance Resources".)
fn fail(node: &'static Node, again: bool, status: NTSTATUS) -> NTSTATUS {
    if again {
        remove::failed(node);
        return status;
    }
    remove::send_remove(node);
    remove::release_resources(node);
    node.enter(DeviceState::Failed, status);
    status
}
