//! What plug-and-play IRPs carry.

use core::ffi::c_void;

use super::device::DEVICE_OBJECT;
use crate::guid::GUID;

/// What a device and its bus can do (ns-wdm-_device_capabilities).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DEVICE_CAPABILITIES {
    /// Bytes of this structure.
    pub Size: u16,
    /// 1.
    pub Version: u16,
    /// `CAPABILITY_…`: a bit field in the header.
    pub Flags: u32,
    /// By bus: for PCI, the device in the upper, the function in the lower 16 bits.
    pub Address: u32,
    /// A number for people.
    pub UINumber: u32,
    /// For each system power state the device's highest.
    pub DeviceState: [i32; 7],
    /// The lowest system state from which it wakes the system.
    pub SystemWake: i32,
    /// The lowest device state from which it does so.
    pub DeviceWake: i32,
    /// From D1 to D0, in 100 µs.
    pub D1Latency: u32,
    /// From D2 to D0.
    pub D2Latency: u32,
    /// From D3 to D0.
    pub D3Latency: u32,
}

/// `DEVICE_CAPABILITIES::Flags`: its bus can push it out.
pub const CAPABILITY_EJECT_SUPPORTED: u32 = 1 << 3;
/// `DEVICE_CAPABILITIES::Flags`: it can be removed while the system runs.
pub const CAPABILITY_REMOVABLE: u32 = 1 << 4;
/// `DEVICE_CAPABILITIES::Flags`: its instance id is unique in the whole system.
pub const CAPABILITY_UNIQUE_ID: u32 = 1 << 6;
/// `DEVICE_CAPABILITIES::Flags`: nobody is asked anything when it is installed.
pub const CAPABILITY_SILENT_INSTALL: u32 = 1 << 7;
/// `DEVICE_CAPABILITIES::Flags`: it can be used without a function driver.
pub const CAPABILITY_RAW_DEVICE_OK: u32 = 1 << 8;
/// `DEVICE_CAPABILITIES::Flags`: nobody needs to be told when it is pulled.
pub const CAPABILITY_SURPRISE_REMOVAL_OK: u32 = 1 << 9;

/// The head of every interface (ns-wdm-_interface).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct INTERFACE {
    /// Bytes of the whole interface.
    pub Size: u16,
    /// Its version.
    pub Version: u16,
    /// For its routines.
    pub Context: *mut c_void,
    /// Takes a reference.
    pub InterfaceReference: Option<unsafe extern "win64" fn(context: *mut c_void)>,
    /// Gives it back.
    pub InterfaceDereference: Option<unsafe extern "win64" fn(context: *mut c_void)>,
}

/// Devices that are related to one (ns-wdm-_device_relations). Allocated from paged pool by who
/// answers, freed by who asked.
#[repr(C)]
pub struct DEVICE_RELATIONS {
    /// How many.
    pub Count: u32,
    /// The first; each is referenced.
    pub Objects: [*mut DEVICE_OBJECT; 1],
}

/// `IRP_MN_QUERY_BUS_INFORMATION` (ns-wdm-_pnp_bus_information).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PNP_BUS_INFORMATION {
    /// `GUID_BUS_TYPE_…`.
    pub BusTypeGuid: GUID,
    /// `INTERFACE_TYPE`.
    pub LegacyBusType: i32,
    /// Which bus.
    pub BusNumber: u32,
}

/// `DEVICE_RELATION_TYPE::BusRelations`.
pub const BusRelations: i32 = 0;
/// `DEVICE_RELATION_TYPE::EjectionRelations`.
pub const EjectionRelations: i32 = 1;
/// `DEVICE_RELATION_TYPE::PowerRelations`.
pub const PowerRelations: i32 = 2;
/// `DEVICE_RELATION_TYPE::RemovalRelations`.
pub const RemovalRelations: i32 = 3;
/// `DEVICE_RELATION_TYPE::TargetDeviceRelation`.
pub const TargetDeviceRelation: i32 = 4;

/// `BUS_QUERY_ID_TYPE::BusQueryDeviceID`.
pub const BusQueryDeviceID: i32 = 0;
/// `BUS_QUERY_ID_TYPE::BusQueryHardwareIDs`.
pub const BusQueryHardwareIDs: i32 = 1;
/// `BUS_QUERY_ID_TYPE::BusQueryCompatibleIDs`.
pub const BusQueryCompatibleIDs: i32 = 2;
/// `BUS_QUERY_ID_TYPE::BusQueryInstanceID`.
pub const BusQueryInstanceID: i32 = 3;
/// `BUS_QUERY_ID_TYPE::BusQueryContainerID`.
pub const BusQueryContainerID: i32 = 5;

/// `DEVICE_TEXT_TYPE::DeviceTextDescription`.
pub const DeviceTextDescription: i32 = 0;
/// `DEVICE_TEXT_TYPE::DeviceTextLocationInformation`.
pub const DeviceTextLocationInformation: i32 = 1;

/// `PNP_DEVICE_STATE`: the device is there, and switched off.
pub const PNP_DEVICE_DISABLED: usize = 0x01;
/// `PNP_DEVICE_STATE`: nobody is to be shown the device.
pub const PNP_DEVICE_DONT_DISPLAY_IN_UI: usize = 0x02;
/// `PNP_DEVICE_STATE`: the device has failed.
pub const PNP_DEVICE_FAILED: usize = 0x04;
/// `PNP_DEVICE_STATE`: the device was removed.
pub const PNP_DEVICE_REMOVED: usize = 0x08;
/// `PNP_DEVICE_STATE`: the device needs other resources.
pub const PNP_DEVICE_RESOURCE_REQUIREMENTS_CHANGED: usize = 0x10;
/// `PNP_DEVICE_STATE`: the device must not be stopped or removed.
pub const PNP_DEVICE_NOT_DISABLEABLE: usize = 0x20;

/// `ReadWriteConfig::WhichSpace`: the configuration space.
pub const PCI_WHICHSPACE_CONFIG: u32 = 0;
