//! The standard interface of a bus, and the ids of interfaces.

use core::ffi::c_void;

use super::{
    dma::{DEVICE_DESCRIPTION, DMA_ADAPTER},
    pnp::INTERFACE,
};
use crate::guid::GUID;

/// Reads or writes a device's configuration (nc-wdm-get_set_device_data): how many bytes were.
pub type GET_SET_DEVICE_DATA = unsafe extern "win64" fn(
    context: *mut c_void,
    data_type: u32,
    buffer: *mut c_void,
    offset: u32,
    length: u32,
) -> u32;
/// Translates a bus address (nc-wdm-translate_bus_address).
pub type TRANSLATE_BUS_ADDRESS = unsafe extern "win64" fn(
    context: *mut c_void,
    bus_address: i64,
    length: u32,
    address_space: *mut u32,
    translated: *mut i64,
) -> u8;
/// The bus's own `IoGetDmaAdapter` (nc-wdm-get_dma_adapter).
pub type GET_DMA_ADAPTER = unsafe extern "win64" fn(
    context: *mut c_void,
    description: *mut DEVICE_DESCRIPTION,
    map_registers: *mut u32,
) -> *mut DMA_ADAPTER;

/// What a bus offers the drivers of its devices (ns-wdm-_bus_interface_standard).
#[repr(C)]
pub struct BUS_INTERFACE_STANDARD {
    /// The head.
    pub Interface: INTERFACE,
    /// See [`TRANSLATE_BUS_ADDRESS`].
    pub TranslateBusAddress: Option<TRANSLATE_BUS_ADDRESS>,
    /// See [`GET_DMA_ADAPTER`].
    pub GetDmaAdapter: Option<GET_DMA_ADAPTER>,
    /// Writes configuration.
    pub SetBusData: Option<GET_SET_DEVICE_DATA>,
    /// Reads configuration.
    pub GetBusData: Option<GET_SET_DEVICE_DATA>,
}

/// `GUID_BUS_INTERFACE_STANDARD`.
pub const GUID_BUS_INTERFACE_STANDARD: GUID = GUID {
    Data1: 0x496b_8280,
    Data2: 0x6f25,
    Data3: 0x11d0,
    Data4: [0xbe, 0xaf, 0x08, 0x00, 0x2b, 0xe2, 0x09, 0x2f],
};
/// `GUID_BUS_TYPE_INTERNAL`.
pub const GUID_BUS_TYPE_INTERNAL: GUID = GUID {
    Data1: 0x1530_ea73,
    Data2: 0x086b,
    Data3: 0x11d1,
    Data4: [0xa0, 0x9f, 0x00, 0xc0, 0x4f, 0xc3, 0x40, 0xb1],
};
/// `GUID_BUS_TYPE_PCI`.
pub const GUID_BUS_TYPE_PCI: GUID = GUID {
    Data1: 0xc8eb_dfb0,
    Data2: 0xb510,
    Data3: 0x11d0,
    Data4: [0x80, 0xe5, 0x00, 0xa0, 0xc9, 0x25, 0x42, 0xe3],
};
