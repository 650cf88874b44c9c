//! What the system knows of a device besides its driver.
//!
//! Sources: IoGetDeviceProperty, ne-wdm-device_registry_property, IoGetDeviceNumaNode.

use alloc::{string::String, vec::Vec};
use core::ffi::c_void;

use nthost_nt::{
    io::device::DEVICE_OBJECT,
    status::{
        NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER,
        STATUS_INVALID_PARAMETER_2, STATUS_NOT_FOUND, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS,
    },
};

use super::device;
use crate::{
    mm::phys,
    pnp::node::{self, Node},
};

/// `DEVICE_REGISTRY_PROPERTY`.
mod kind {
    pub const DESCRIPTION: i32 = 0;
    pub const HARDWARE_ID: i32 = 1;
    pub const COMPATIBLE_IDS: i32 = 2;
    pub const ENUMERATOR_NAME: i32 = 15;
    pub const BUS_NUMBER: i32 = 14;
    pub const LOCATION: i32 = 10;
    pub const OBJECT_NAME: i32 = 11;
    pub const BUS_TYPE_GUID: i32 = 12;
    pub const LEGACY_BUS_TYPE: i32 = 13;
    pub const ADDRESS: i32 = 16;
    pub const UI_NUMBER: i32 = 17;
    pub const INSTALL_STATE: i32 = 18;
    pub const HIGHEST: i32 = 23;
}

/// `InstallStateInstalled`.
const INSTALLED: u32 = 0;

fn text(value: &str) -> Vec<u8> {
    value
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect()
}

fn texts(values: &[String]) -> Vec<u8> {
    let mut bytes: Vec<u8> = values.iter().flat_map(|value| text(value)).collect();
    bytes.extend([0, 0]);
    bytes
}

fn value(node: &Node, property: i32) -> Result<Vec<u8>, NTSTATUS> {
    let (bus, legacy, number) = node.bus();
    let report = node.report();
    let said = |what: Option<String>| {
        what.map(|text| self::text(&text))
            .ok_or(STATUS_OBJECT_NAME_NOT_FOUND)
    };
    Ok(match property {
        kind::HARDWARE_ID => texts(&node.hardware_ids),
        kind::COMPATIBLE_IDS => texts(&node.compatible_ids),
        kind::ENUMERATOR_NAME => text(node.enumerator()),
        kind::BUS_NUMBER => number.to_le_bytes().to_vec(),
        kind::LEGACY_BUS_TYPE => legacy.to_le_bytes().to_vec(),
        kind::ADDRESS => node.address().to_le_bytes().to_vec(),
        kind::BUS_TYPE_GUID => bus.to_bytes().to_vec(),
        kind::DESCRIPTION => {
            // Of a device that its bus says nothing of, the installation does.
            let service = || Some(node.state().service).filter(|service| !service.is_empty());
            said(node.description().or_else(service))?
        }
        kind::OBJECT_NAME => text(&device::name(node.pdo())),
        kind::UI_NUMBER => {
            let number = report.map(|report| report.ui_number);
            let known = number.filter(|&number| number != u32::MAX);
            let known = known.ok_or(STATUS_OBJECT_NAME_NOT_FOUND)?;
            known.to_le_bytes().to_vec()
        }
        kind::LOCATION => said(node.location())?,
        // It has a driver: nothing is left to be installed.
        kind::INSTALL_STATE if !node.state().service.is_empty() => INSTALLED.to_le_bytes().to_vec(),
        // Known properties that no INF or bus driver has given this device.
        known if (0..=kind::HIGHEST).contains(&known) => return Err(STATUS_OBJECT_NAME_NOT_FOUND),
        _ => return Err(STATUS_INVALID_PARAMETER_2),
    })
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Copies a property of a device; STATUS_BUFFER_TOO_SMALL, and the length that is needed, if
    /// the buffer is too small for it.
    ///
    /// Source: IoGetDeviceProperty.
    ///
    /// # Safety
    ///
    /// `device` is a physical device object; `buffer` has `length` bytes, `needed` is where the
    /// length goes.
    pub unsafe fn IoGetDeviceProperty(
        device: *mut DEVICE_OBJECT,
        property: i32,
        length: u32,
        buffer: *mut c_void,
        needed: *mut u32,
    ) -> NTSTATUS {
        let Some(node) = node::of(device) else { return STATUS_INVALID_DEVICE_REQUEST };
        let value = match value(node, property) {
            Ok(value) => value,
            Err(status) => return status,
        };
        // SAFETY: the caller's promise.
        unsafe { needed.write(value.len() as u32) };
        if value.len() > length as usize {
            return STATUS_BUFFER_TOO_SMALL;
        }
        // SAFETY: the caller's promise; it fits.
        unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(value.as_ptr(), value.len()) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells the NUMA node of a device: as the firmware's tables say, or the only one that there
    /// is.
    ///
    /// Source: IoGetDeviceNumaNode.
    ///
    /// # Safety
    ///
    /// `device` is null or a device object; `number` can be written.
    pub unsafe fn IoGetDeviceNumaNode(device: *mut DEVICE_OBJECT, number: *mut u16) -> NTSTATUS {
        let Some(device) = node::of(device) else { return STATUS_INVALID_PARAMETER };
        let only = (phys::node_count() == 1).then_some(0);
        let Some(known) = device.numa_node.or(only) else { return STATUS_NOT_FOUND };
        // SAFETY: the caller's promise.
        unsafe { number.write(known) };
        STATUS_SUCCESS
    }
}
