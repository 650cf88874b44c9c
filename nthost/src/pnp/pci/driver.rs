//! The PCI bus driver: the dispatch routines of physical device objects.
//!
//! Sources: "Plug and Play Minor IRPs" (what bus drivers must do with each), IRP_MN_SET_POWER,
//! "PCI Bus Driver". A request that it does not know is completed with the status that it came
//! with.

use alloc::format;

use nthost_nt::{
    io::{
        device::{
            DEVICE_OBJECT, DO_BUS_ENUMERATED_DEVICE, DO_DEVICE_INITIALIZING,
            FILE_DEVICE_BUS_EXTENDER, FILE_DEVICE_SECURE_OPEN,
        },
        driver::DRIVER_OBJECT,
        irp::{IO_STATUS_BLOCK, IRP},
        major::{
            IRP_MJ_PNP, IRP_MJ_POWER, IRP_MJ_SYSTEM_CONTROL, IRP_MN_CANCEL_REMOVE_DEVICE,
            IRP_MN_CANCEL_STOP_DEVICE, IRP_MN_DEVICE_ENUMERATED, IRP_MN_DEVICE_USAGE_NOTIFICATION,
            IRP_MN_EJECT, IRP_MN_QUERY_BUS_INFORMATION, IRP_MN_QUERY_CAPABILITIES,
            IRP_MN_QUERY_DEVICE_RELATIONS, IRP_MN_QUERY_DEVICE_TEXT, IRP_MN_QUERY_ID,
            IRP_MN_QUERY_INTERFACE, IRP_MN_QUERY_PNP_DEVICE_STATE, IRP_MN_QUERY_POWER,
            IRP_MN_QUERY_REMOVE_DEVICE, IRP_MN_QUERY_RESOURCE_REQUIREMENTS, IRP_MN_QUERY_RESOURCES,
            IRP_MN_QUERY_STOP_DEVICE, IRP_MN_READ_CONFIG, IRP_MN_REMOVE_DEVICE, IRP_MN_SET_POWER,
            IRP_MN_START_DEVICE, IRP_MN_STOP_DEVICE, IRP_MN_SURPRISE_REMOVAL, IRP_MN_WRITE_CONFIG,
        },
        stack::IO_STACK_LOCATION,
    },
    po::DevicePowerState,
    status::{NTSTATUS, STATUS_NO_SUCH_DEVICE, STATUS_SUCCESS},
};

use super::{
    answer,
    config::{
        CAPABILITY_POWER, COMMAND, COMMAND_IO, COMMAND_MASTER, COMMAND_MEMORY, COMMAND_NO_INTX,
        Config,
    },
};
use crate::{
    io::{complete, device, driver, irp},
    ke::once::Once,
    pnp::{
        eject,
        node::{self, Node},
    },
};

struct DriverPointer(*mut DRIVER_OBJECT);

// SAFETY: the driver object stays as long as the system does.
unsafe impl Send for DriverPointer {}
// SAFETY: as above.
unsafe impl Sync for DriverPointer {}

static DRIVER: Once<DriverPointer> = Once::new();

/// Makes the driver object.
pub fn initialize() {
    let object = driver::create_builtin(
        "pci",
        &[
            (IRP_MJ_PNP, dispatch_pnp),
            (IRP_MJ_POWER, dispatch_power),
            (IRP_MJ_SYSTEM_CONTROL, dispatch_unchanged),
        ],
    );
    DRIVER.set(DriverPointer(object));
}

/// Makes the physical device object of a device.
///
/// # Errors
///
/// As IoCreateDevice.
pub fn create_pdo(node: &'static Node) -> Result<(), NTSTATUS> {
    let driver = DRIVER.get().ok_or(STATUS_NO_SUCH_DEVICE)?.0;
    let address = node.function().address;
    let name = format!(
        r"\Device\NTPNP_PCI{:02x}{:02x}{}",
        address.bus, address.device, address.function
    );
    let name: alloc::vec::Vec<u16> = name.encode_utf16().collect();
    // SAFETY: the driver object stays.
    let pdo = unsafe {
        device::create(
            driver,
            0,
            Some(&name),
            FILE_DEVICE_BUS_EXTENDER,
            FILE_DEVICE_SECURE_OPEN,
            false,
        )?
    };
    // SAFETY: just made.
    unsafe { device::extension(pdo) }.DeviceNode = core::ptr::from_ref(node).cast_mut().cast();
    // SAFETY: as above.
    let fields = unsafe { &mut *pdo };
    fields.Flags |= DO_BUS_ENUMERATED_DEVICE;
    fields.Flags &= !DO_DEVICE_INITIALIZING;
    node.update(|state| state.pdo = pdo);
    Ok(())
}

/// Completes an IRP with this status; gives the status.
///
/// # Safety
///
/// The IRP is the caller's.
unsafe fn complete(irp: *mut IRP, status: NTSTATUS, information: usize) -> NTSTATUS {
    // SAFETY: the caller's promise.
    unsafe { (*irp).IoStatus = IO_STATUS_BLOCK::new(status, information) };
    // SAFETY: as above.
    unsafe { complete::complete(irp, 0) };
    status
}

unsafe extern "win64" fn dispatch_unchanged(_pdo: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
    // SAFETY: the IRP is this routine's.
    let status = unsafe { (*irp).IoStatus.status() };
    // SAFETY: as above.
    unsafe { complete::complete(irp, 0) };
    status
}

unsafe extern "win64" fn dispatch_power(pdo: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
    // SAFETY: the IRP is this routine's.
    let location = unsafe { irp::current(irp) };
    match location.MinorFunction {
        IRP_MN_SET_POWER => {
            let power = location.Parameters.power();
            if power.Type == DevicePowerState
                && let Some(node) = node::of(pdo)
            {
                set_power(node, *power.State.state());
            }
        }
        IRP_MN_QUERY_POWER => {}
        // SAFETY: as above.
        _ => return unsafe { dispatch_unchanged(pdo, irp) },
    }
    // SAFETY: as above.
    unsafe { complete(irp, STATUS_SUCCESS, 0) }
}

/// Puts a device into a power state, if it has the capability.
fn set_power(node: &Node, state: i32) {
    node.update(|fields| fields.power = state);
    let config = &node.function().address;
    if let Some(offset) = node.function().header.capability(CAPABILITY_POWER) {
        let bits = u16::try_from(state - 1).unwrap_or(0) & 3;
        let control = config.read16(offset + 4) & !3;
        config.write16(offset + 4, control | bits);
    }
}

unsafe extern "win64" fn dispatch_pnp(pdo: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS {
    let Some(node) = node::of(pdo) else {
        // SAFETY: the IRP is this routine's.
        return unsafe { complete(irp, STATUS_NO_SUCH_DEVICE, 0) };
    };
    // SAFETY: the IRP is this routine's.
    let location = unsafe { irp::current(irp) };
    // SAFETY: as above.
    let before = unsafe { (*irp).IoStatus };
    let (status, information) =
        handle(node, pdo, location, before).unwrap_or_else(|status| (status, 0));
    // SAFETY: as above.
    unsafe { complete(irp, status, information) }
}

/// What the bus does about a plug-and-play request: status and information.
fn handle(
    node: &'static Node,
    pdo: *mut DEVICE_OBJECT,
    location: &mut IO_STACK_LOCATION,
    before: IO_STATUS_BLOCK,
) -> Result<(NTSTATUS, usize), NTSTATUS> {
    let done = |information| Ok((STATUS_SUCCESS, information));
    let parameters = &mut location.Parameters;
    match location.MinorFunction {
        IRP_MN_START_DEVICE => {
            start(node)?;
            done(0)
        }
        IRP_MN_STOP_DEVICE | IRP_MN_REMOVE_DEVICE => {
            stop(node);
            done(0)
        }
        IRP_MN_QUERY_STOP_DEVICE
        | IRP_MN_CANCEL_STOP_DEVICE
        | IRP_MN_QUERY_REMOVE_DEVICE
        | IRP_MN_CANCEL_REMOVE_DEVICE
        | IRP_MN_SURPRISE_REMOVAL
        | IRP_MN_DEVICE_USAGE_NOTIFICATION
        | IRP_MN_DEVICE_ENUMERATED
        | IRP_MN_QUERY_PNP_DEVICE_STATE => done(before.Information),
        IRP_MN_EJECT if eject::is_supported(node) => {
            eject::eject(node);
            done(0)
        }
        IRP_MN_QUERY_ID => done(answer::id(node, *parameters.query_id())?),
        IRP_MN_QUERY_DEVICE_TEXT => done(answer::text(node, parameters.query_device_text())?),
        IRP_MN_QUERY_BUS_INFORMATION => done(answer::bus_information(node)?),
        IRP_MN_QUERY_RESOURCES => done(answer::resources(node)?),
        IRP_MN_QUERY_RESOURCE_REQUIREMENTS => done(answer::requirements(node)?),
        IRP_MN_QUERY_CAPABILITIES => {
            answer::capabilities(node, parameters.device_capabilities())?;
            done(0)
        }
        IRP_MN_QUERY_DEVICE_RELATIONS => {
            answer::relations(pdo, parameters.query_device_relations(), before)
        }
        IRP_MN_QUERY_INTERFACE => answer::interface(node, parameters.query_interface(), before),
        IRP_MN_READ_CONFIG => done(answer::read_config(node, parameters.read_write_config())?),
        IRP_MN_WRITE_CONFIG => done(answer::write_config(node, parameters.read_write_config())?),
        _ => Ok((before.status(), before.Information)),
    }
}

/// Has a device decode what it was assigned.
fn start(node: &Node) -> Result<(), NTSTATUS> {
    let state = node.state();
    let resources = state.resources.ok_or(STATUS_NO_SUCH_DEVICE)?;
    let config = &node.function().address;
    if !node.function().is_present() {
        return Err(STATUS_NO_SUCH_DEVICE);
    }
    let off = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX;
    let command = config.read16(COMMAND) & !off;
    config.write_command(command);
    for mut bar in resources.bars {
        let address = bar.address;
        bar.assign(config, address);
    }
    config.write_command(command | COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER);
    set_power(node, nthost_nt::po::PowerDeviceD0);
    Ok(())
}

/// Has a device decode nothing any more.
fn stop(node: &Node) {
    let config = &node.function().address;
    if node.function().is_present() {
        let on = COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER;
        config.write_command(config.read16(COMMAND) & !on | COMMAND_NO_INTX);
    }
}
