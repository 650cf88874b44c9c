//! Devices that their drivers find by themselves: from before Plug and Play, or nothing but
//! software.
//!
//! Sources: IoReportDetectedDevice, IoReportRootDevice, IoReportResourceForDetection.

use alloc::{format, vec::Vec};
use core::ffi::c_void;

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        driver::DRIVER_OBJECT,
        resource::{CM_RESOURCE_LIST, CmResourceShareShared, IO_RESOURCE_REQUIREMENTS_LIST},
    },
    status::{
        NTSTATUS, STATUS_CONFLICTING_ADDRESSES, STATUS_OBJECT_NAME_COLLISION, STATUS_SUCCESS,
        STATUS_UNSUCCESSFUL,
    },
};
use nthost_protocol::host::DeviceState;

use super::{
    add,
    arbiter::{Given, Part},
    claim::{self, Claims, Kind, Owner, Range},
    manager,
    node::{self, Node},
    pci::config::{Bar, Space},
    resource::Interrupts,
    root::{self, Adding},
};
use crate::{
    io::{device, driver, verify},
    ke::lock::SpinLock,
    ob::object,
};

/// What has been claimed. A leaf.
static CLAIMS: SpinLock<Claims> = SpinLock::new(Claims::new());

/// A driver is unloaded: it claims nothing any more.
pub fn forget(service: &str) {
    CLAIMS.lock().forget(service);
}

/// What the devices of the buses have, or need.
fn used() -> Vec<Range> {
    let mut used = Vec::new();
    for node in node::all() {
        let resources = node.state().resources;
        if let Some(resources) = &resources {
            used.extend(resources.given.iter().filter_map(range_of_part));
        }
        let Some(function) = node.pci() else {
            continue;
        };
        let bars = resources
            .as_ref()
            .map_or(&function.bars, |resources| &resources.bars);
        used.extend(bars.iter().map(range_of));
        if let Some(Interrupts::Line { line, .. }) = resources.map(|found| found.interrupts) {
            used.push(Range {
                kind: Kind::Line,
                start: line.into(),
                length: 1,
                shared: true,
            });
        }
    }
    used
}

/// What a device of another bus has.
fn range_of_part(given: &Given) -> Option<Range> {
    let (kind, start, length) = match given.what {
        Part::Memory(start, length) => (Kind::Memory, start, length),
        Part::Ports(start, length) => (Kind::Port, start, length),
        Part::Line(line) => (Kind::Line, line.into(), 1),
        Part::Private(..) => return None,
    };
    Some(Range {
        kind,
        start,
        length,
        shared: given.share == CmResourceShareShared,
    })
}

const fn range_of(bar: &Bar) -> Range {
    Range {
        kind: if matches!(bar.space, Space::Io) {
            Kind::Port
        } else {
            Kind::Memory
        },
        start: bar.address,
        length: bar.size,
        shared: false,
    }
}

/// The bytes of a resource list, as long as it says itself.
///
/// # Safety
///
/// The list is one.
unsafe fn bytes(list: *const CM_RESOURCE_LIST) -> Vec<u8> {
    let start = list.cast::<u8>();
    let length = claim::length(|offset| {
        // SAFETY: within the list, as far as it has been looked at.
        let place = unsafe { start.add(offset) };
        // SAFETY: as above.
        unsafe { place.cast::<u32>().read_unaligned() }
    });
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(start, length) }.to_vec()
}

fn claim(owner: &Owner, list: &[u8]) -> Result<(), NTSTATUS> {
    let wanted = claim::ranges(list).ok_or(STATUS_UNSUCCESSFUL)?;
    let used = used();
    if CLAIMS.lock().replace(owner, &wanted, &used) {
        Ok(())
    } else {
        Err(STATUS_CONFLICTING_ADDRESSES)
    }
}

/// The name of an `INTERFACE_TYPE`.
const fn interface_name(interface: Option<i32>) -> &'static str {
    match interface {
        Some(1) => "Isa",
        Some(2) => "Eisa",
        Some(3) => "MicroChannel",
        Some(5) => "PCI",
        Some(8) => "PCMCIA",
        Some(14) => "PNPISA",
        _ => "Internal",
    }
}

/// Gives up what was claimed for a device that is gone.
pub fn give_up(service: &str, device: *mut DEVICE_OBJECT) {
    let owner = Owner {
        service: service.into(),
        device: device.addr(),
    };
    // Nothing conflicts with nothing.
    CLAIMS.lock().replace(&owner, &[], &[]);
}

/// Makes a detected device of this physical device object, started, and claims what it has. What
/// it has is not claimed if it is not made.
fn add_claimed(
    adding: &Adding,
    service: &str,
    list: Option<&[u8]>,
    assigned: bool,
    pdo: *mut DEVICE_OBJECT,
) -> Result<&'static Node, NTSTATUS> {
    let interface = interface_name(list.and_then(claim::interface));
    let compatible = [
        format!(r"DETECTED{interface}\{service}"),
        format!(r"DETECTED\{service}"),
    ];
    let hardware = format!(r"ROOT\{}", service.to_ascii_uppercase());
    let claimed = list.filter(|_| !assigned);
    if let Some(list) = claimed {
        let owner = Owner {
            service: service.into(),
            device: pdo.addr(),
        };
        claim(&owner, list)?;
    }
    let ids = Vec::from([hardware]);
    let made = root::add_next(adding, service, ids, compatible.into(), pdo);
    if made.is_err() && claimed.is_some() {
        give_up(service, pdo);
    }
    made
}

/// Makes a detected device, with the physical device object that its driver gives, or one that is
/// made for it.
fn detected(
    service: &str,
    list: Option<&[u8]>,
    assigned: bool,
    given: *mut DEVICE_OBJECT,
) -> Result<*mut DEVICE_OBJECT, NTSTATUS> {
    let adding = Adding::begin();
    if node::of(given).is_some() {
        return Err(STATUS_OBJECT_NAME_COLLISION);
    }
    let pdo = if given.is_null() {
        root::create_device()?
    } else {
        given
    };
    let node = match add_claimed(&adding, service, list, assigned, pdo) {
        Ok(node) => node,
        Err(status) => {
            if given.is_null() {
                // SAFETY: made above, and nobody knows it.
                unsafe { device::IoDeleteDevice(pdo) };
            }
            return Err(status);
        }
    };
    if !given.is_null() {
        object::reference(given.cast());
        node.update(|state| state.foreign = true);
    }
    Ok(pdo)
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Reports a device that the driver has found by itself. It counts as started: the caller
    /// attaches to the physical device object, its own or one that is made for it, and gets all
    /// later plug-and-play requests.
    ///
    /// Source: IoReportDetectedDevice.
    ///
    /// # Safety
    ///
    /// The driver object is the caller's; the list is null or one; `device` can be read and
    /// written.
    pub unsafe fn IoReportDetectedDevice(
        driver: *mut DRIVER_OBJECT,
        _bus_type: i32,
        _bus: u32,
        _slot: u32,
        list: *const CM_RESOURCE_LIST,
        _requirements: *const IO_RESOURCE_REQUIREMENTS_LIST,
        assigned: u8,
        device: *mut *mut DEVICE_OBJECT,
    ) -> NTSTATUS {
        let service = driver::service_name(driver);
        // SAFETY: the caller's promise.
        let list = (!list.is_null()).then(|| unsafe { bytes(list) });
        // SAFETY: the caller's promise.
        let given = unsafe { *device };
        match detected(&service, list.as_deref(), assigned != 0, given) {
            Ok(pdo) => {
                // SAFETY: as above.
                unsafe { *device = pdo };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Reports a device that no bus can: it becomes a root-enumerated device, one for a driver,
    /// and the driver's `AddDevice` is called for it.
    ///
    /// Source: IoReportRootDevice.
    ///
    /// # Safety
    ///
    /// The driver object is the caller's.
    pub unsafe fn IoReportRootDevice(driver: *mut DRIVER_OBJECT) -> NTSTATUS {
        let service = driver::service_name(driver);
        let id = format!(r"ROOT\{service}");
        match root::add(&service, Vec::from([id]), Vec::new()) {
            Ok(node) => {
                manager::start_later(node);
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Claims resources for a driver or one of its devices before it looks for the device there;
    /// they replace those that it claimed before. None are claimed if one is in use.
    ///
    /// Source: IoReportResourceForDetection.
    ///
    /// # Safety
    ///
    /// The lists are null or as long as is said; `conflict` can be written.
    pub unsafe fn IoReportResourceForDetection(
        driver: *mut DRIVER_OBJECT,
        driver_list: *const c_void,
        driver_length: u32,
        device: *mut DEVICE_OBJECT,
        device_list: *const c_void,
        device_length: u32,
        conflict: *mut u8,
    ) -> NTSTATUS {
        let (list, length) = if device_list.is_null() {
            (driver_list, driver_length)
        } else {
            (device_list, device_length)
        };
        if list.is_null() || (!device.is_null() && !verify::is_device(device)) {
            return STATUS_UNSUCCESSFUL;
        }
        let owner = Owner {
            service: driver::service_name(driver),
            device: if device_list.is_null() { 0 } else { device.addr() },
        };
        // SAFETY: the caller's promise.
        let list = unsafe { core::slice::from_raw_parts(list.cast::<u8>(), length as usize) };
        let result = claim(&owner, list);
        let conflicts = result == Err(STATUS_CONFLICTING_ADDRESSES);
        // SAFETY: the caller's promise.
        unsafe { conflict.write(conflicts.into()) };
        result.err().unwrap_or(STATUS_SUCCESS)
    }
}

/// Adds and starts a device, unless that was done. PASSIVE_LEVEL, with the plug-and-play lock
/// held.
pub fn start(node: &'static Node) {
    let is_new = matches!(
        node.state().state,
        DeviceState::NoDriver | DeviceState::Failed
    );
    if is_new && add::add(node).is_ok() {
        // The node says how it ended.
        let _ = add::start(node);
    }
}
