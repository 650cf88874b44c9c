//! What the PCI bus driver answers to questions about a device.
//!
//! Sources: IRP_MN_QUERY_ID, IRP_MN_QUERY_DEVICE_TEXT, IRP_MN_QUERY_BUS_INFORMATION,
//! IRP_MN_QUERY_RESOURCES, IRP_MN_QUERY_RESOURCE_REQUIREMENTS, IRP_MN_QUERY_CAPABILITIES,
//! IRP_MN_QUERY_DEVICE_RELATIONS, IRP_MN_QUERY_INTERFACE, IRP_MN_READ_CONFIG,
//! IRP_MN_WRITE_CONFIG. What is answered in memory is in paged pool, and the asker frees it.
#![expect(
    non_upper_case_globals,
    reason = "constants have the reference's names"
)]

use alloc::vec::Vec;
use core::{ffi::c_void, mem::size_of};

use nthost_nt::{
    guid::GUID,
    io::{
        device::DEVICE_OBJECT,
        dma::{DEVICE_DESCRIPTION, DMA_ADAPTER},
        interface::{BUS_INTERFACE_STANDARD, GUID_BUS_INTERFACE_STANDARD, GUID_BUS_TYPE_PCI},
        irp::IO_STATUS_BLOCK,
        pnp::{
            BusQueryCompatibleIDs, BusQueryDeviceID, BusQueryHardwareIDs, BusQueryInstanceID,
            CAPABILITY_EJECT_SUPPORTED, CAPABILITY_REMOVABLE, DEVICE_CAPABILITIES,
            DEVICE_RELATIONS, DeviceTextDescription, DeviceTextLocationInformation, INTERFACE,
            PCI_WHICHSPACE_CONFIG, PNP_BUS_INFORMATION, TargetDeviceRelation,
        },
        resource::PCI_BUS,
        stack::{
            QueryCapabilities, QueryDeviceRelations, QueryDeviceText, QueryId, QueryInterface,
            ReadWriteConfig,
        },
    },
    po::{PowerDeviceD0, PowerDeviceD3, PowerDeviceUnspecified},
    status::{
        NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INSUFFICIENT_RESOURCES,
        STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED,
        STATUS_SUCCESS,
    },
};

use super::requirements as list;
use crate::{
    dma::adapter,
    hal::pci,
    hook,
    mm::pool::{self, flags},
    ob::object,
    pnp::{eject, node::Node, resource::View},
};

/// The tag of the bus driver's pool.
const TAG: u32 = u32::from_le_bytes(*b"Pci ");

/// Bytes in paged pool; their address.
fn in_pool(bytes: &[u8]) -> Result<usize, NTSTATUS> {
    let size = bytes.len() as u64;
    let address =
        pool::allocate(flags::PAGED, size, TAG, 0).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let memory: *mut u8 = core::ptr::with_exposed_provenance_mut(address as usize);
    // SAFETY: just allocated, and as large.
    unsafe { memory.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    Ok(address as usize)
}

/// A string with its NUL, or a list of strings with another.
fn text_in_pool<'a>(texts: impl Iterator<Item = &'a str>, list: bool) -> Result<usize, NTSTATUS> {
    let units = texts.flat_map(|text| text.encode_utf16().chain([0]));
    let units = units.chain(list.then_some(0));
    let bytes: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    in_pool(&bytes)
}

/// One of the device's identification strings.
pub fn id(node: &Node, query: QueryId) -> Result<usize, NTSTATUS> {
    let list = |ids: &[alloc::string::String]| text_in_pool(ids.iter().map(|id| &**id), true);
    match query.IdType {
        BusQueryDeviceID => text_in_pool(node.hardware_ids.iter().take(1).map(|id| &**id), false),
        BusQueryHardwareIDs => list(&node.hardware_ids),
        BusQueryCompatibleIDs => list(&node.compatible_ids),
        BusQueryInstanceID => {
            {
                // Behind the enumerator and the device's kind.
                let instance = node.instance.rsplit('\\').take(1);
                text_in_pool(instance, false)
            }
        }
        _ => Err(STATUS_NOT_SUPPORTED),
    }
}

/// A text for people.
pub fn text(node: &Node, query: &QueryDeviceText) -> Result<usize, NTSTATUS> {
    let text = match query.DeviceTextType {
        DeviceTextDescription => node.description(),
        DeviceTextLocationInformation => node.location(),
        _ => None,
    };
    let text = text.ok_or(STATUS_NOT_SUPPORTED)?;
    text_in_pool(core::iter::once(&*text), false)
}

/// Which bus it is.
pub fn bus_information(node: &Node) -> Result<usize, NTSTATUS> {
    let information = PNP_BUS_INFORMATION {
        BusTypeGuid: GUID_BUS_TYPE_PCI,
        LegacyBusType: PCI_BUS,
        BusNumber: node.function().address.bus.into(),
    };
    let start = (&raw const information).cast::<u8>();
    let length = size_of::<PNP_BUS_INFORMATION>();
    // SAFETY: a structure without gaps.
    in_pool(unsafe { core::slice::from_raw_parts(start, length) })
}

/// What the device decodes at present; nothing if it has no resources.
pub fn resources(node: &Node) -> Result<usize, NTSTATUS> {
    let Some(resources) = node.state().resources else {
        return Ok(0);
    };
    in_pool(&resources.list(View::Raw, node.function().address.bus))
}

/// What the device could do with.
pub fn requirements(node: &Node) -> Result<usize, NTSTATUS> {
    let list = list::of(node.function());
    if list.is_empty() {
        Ok(0)
    } else {
        in_pool(&list)
    }
}

/// What the device and its bus can do.
pub fn capabilities(node: &Node, query: &QueryCapabilities) -> Result<(), NTSTATUS> {
    // SAFETY: the asker's structure, which it keeps until the request is complete.
    let capabilities: &mut DEVICE_CAPABILITIES =
        unsafe { query.Capabilities.as_mut() }.ok_or(STATUS_INVALID_PARAMETER)?;
    if capabilities.Version != 1
        || usize::from(capabilities.Size) < size_of::<DEVICE_CAPABILITIES>()
    {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let address = node.function().address;
    capabilities.Address = u32::from(address.device) << 16 | u32::from(address.function);
    if eject::is_supported(node) {
        capabilities.Flags |= CAPABILITY_EJECT_SUPPORTED | CAPABILITY_REMOVABLE;
    }
    // Working is D0; each sleeping state, hibernation and shutdown are D3.
    capabilities.DeviceState = [PowerDeviceD3; 7];
    capabilities.DeviceState[0] = PowerDeviceUnspecified;
    capabilities.DeviceState[1] = PowerDeviceD0;
    Ok(())
}

/// The devices that are related to it: for `TargetDeviceRelation`, itself.
pub fn relations(
    pdo: *mut DEVICE_OBJECT,
    query: &QueryDeviceRelations,
    before: IO_STATUS_BLOCK,
) -> Result<(NTSTATUS, usize), NTSTATUS> {
    if query.Type != TargetDeviceRelation {
        return Ok((before.status(), before.Information));
    }
    object::reference(pdo.cast());
    // A count, and behind its padding the one device.
    let mut bytes = [0; size_of::<DEVICE_RELATIONS>()];
    bytes[..4].copy_from_slice(&1_u32.to_le_bytes());
    bytes[8..].copy_from_slice(&pdo.expose_provenance().to_le_bytes());
    let address = in_pool(&bytes).inspect_err(|_| {
        object::dereference(pdo.cast());
    })?;
    Ok((STATUS_SUCCESS, address))
}

/// The bus's interface.
pub fn interface(
    node: &'static Node,
    query: &QueryInterface,
    before: IO_STATUS_BLOCK,
) -> Result<(NTSTATUS, usize), NTSTATUS> {
    // SAFETY: null, or the asker's GUID.
    let wanted: Option<&GUID> = unsafe { query.InterfaceType.as_ref() };
    if wanted != Some(&GUID_BUS_INTERFACE_STANDARD) {
        return Ok((before.status(), before.Information));
    }
    if usize::from(query.Size) < size_of::<BUS_INTERFACE_STANDARD>() {
        return Err(STATUS_BUFFER_TOO_SMALL);
    }
    let context: *mut c_void = core::ptr::from_ref(node).cast_mut().cast();
    let interface = BUS_INTERFACE_STANDARD {
        Interface: INTERFACE {
            Size: size_of::<BUS_INTERFACE_STANDARD>() as u16,
            Version: 1,
            Context: context,
            InterfaceReference: Some(reference),
            InterfaceDereference: Some(dereference),
        },
        TranslateBusAddress: Some(translate),
        GetDmaAdapter: Some(get_dma_adapter),
        SetBusData: Some(set_data),
        GetBusData: Some(get_data),
    };
    // The asker gets it with a reference.
    object::reference(node.pdo().cast());
    let room: *mut BUS_INTERFACE_STANDARD = query.Interface.cast();
    // SAFETY: the asker's memory, as large as it says.
    unsafe { room.write(interface) };
    Ok((STATUS_SUCCESS, before.Information))
}

unsafe extern "win64" fn reference(context: *mut c_void) {
    // SAFETY: the context is a node, which stays.
    let node = unsafe { &*context.cast::<Node>() };
    object::reference(node.pdo().cast());
}

unsafe extern "win64" fn dereference(context: *mut c_void) {
    // SAFETY: the context is a node, which stays.
    let node = unsafe { &*context.cast::<Node>() };
    object::dereference(node.pdo().cast());
}

unsafe extern "win64" fn get_dma_adapter(
    context: *mut c_void,
    description: *mut DEVICE_DESCRIPTION,
    registers: *mut u32,
) -> *mut DMA_ADAPTER {
    let caller = crate::export::caller();
    // SAFETY: the context is a node, which stays.
    let node = unsafe { &*context.cast::<Node>() };
    // SAFETY: the caller's promise.
    unsafe { adapter::get(node.pdo(), description, registers, caller) }
}

/// The bus's addresses are the processor's.
unsafe extern "win64" fn translate(
    _context: *mut c_void,
    bus_address: i64,
    _length: u32,
    _address_space: *mut u32,
    translated: *mut i64,
) -> u8 {
    // SAFETY: the asker's variable.
    unsafe { translated.write(bus_address) };
    1
}

unsafe extern "win64" fn get_data(
    context: *mut c_void,
    space: u32,
    buffer: *mut c_void,
    offset: u32,
    length: u32,
) -> u32 {
    const DEVICE_ID: u32 = 2;
    let caller = crate::export::caller();
    // SAFETY: the context is a node, which stays.
    let node = unsafe { &*context.cast::<Node>() };
    // SAFETY: the caller's buffer, as long as it says.
    let buffer: &mut [u8] =
        unsafe { core::slice::from_raw_parts_mut(buffer.cast(), length as usize) };
    if space != PCI_WHICHSPACE_CONFIG {
        return 0;
    }
    let count = read(node, offset, buffer);
    let id = DEVICE_ID
        .checked_sub(offset)
        .and_then(|index| buffer.get_mut(index as usize));
    if let Some(id) = id
        && hook::device_exchanged(&node.instance, caller)
    {
        *id = id.wrapping_add(1);
    }
    count as u32
}

unsafe extern "win64" fn set_data(
    context: *mut c_void,
    space: u32,
    buffer: *mut c_void,
    offset: u32,
    length: u32,
) -> u32 {
    // SAFETY: the context is a node, which stays.
    let node = unsafe { &*context.cast::<Node>() };
    // SAFETY: the caller's buffer, as long as it says.
    let buffer = unsafe { core::slice::from_raw_parts(buffer.cast(), length as usize) };
    if space == PCI_WHICHSPACE_CONFIG {
        write(node, offset, buffer) as u32
    } else {
        0
    }
}

/// Reads configuration space; how many bytes. What lies beyond its 256 bytes is not there.
fn read(node: &Node, offset: u32, buffer: &mut [u8]) -> usize {
    let offsets = offset..256;
    let bytes = buffer.iter_mut().zip(offsets);
    bytes
        .map(|(byte, offset)| *byte = pci::read_u8(node.function().address, offset as u8))
        .count()
}

/// Writes configuration space, in pieces as wide as their alignment allows; how many bytes.
fn write(node: &Node, offset: u32, buffer: &[u8]) -> usize {
    let address = node.function().address;
    let (mut rest, mut at) = (buffer, offset);
    while at < 256 {
        let register = at as u8;
        let width = if let Some(four) = rest.first_chunk().filter(|_| at % 4 == 0) {
            // SAFETY: the device's own driver asks for it.
            unsafe { pci::write_u32(address, register, u32::from_le_bytes(*four)) };
            4
        } else if let Some(two) = rest.first_chunk().filter(|_| at % 2 == 0) {
            // SAFETY: as above.
            unsafe { pci::write_u16(address, register, u16::from_le_bytes(*two)) };
            2
        } else if let Some(&[one]) = rest.first_chunk() {
            // SAFETY: as above.
            unsafe { pci::write_u8(address, register, one) };
            1
        } else {
            break;
        };
        rest = &rest[width as usize..];
        at += width;
    }
    buffer.len() - rest.len()
}

/// IRP_MN_READ_CONFIG.
pub fn read_config(node: &Node, query: &ReadWriteConfig) -> Result<usize, NTSTATUS> {
    if query.WhichSpace != PCI_WHICHSPACE_CONFIG {
        return Err(STATUS_INVALID_DEVICE_REQUEST);
    }
    let length = query.Length as usize;
    // SAFETY: the asker's buffer, as long as it says.
    let buffer = unsafe { core::slice::from_raw_parts_mut(query.Buffer.cast(), length) };
    Ok(read(node, query.Offset, buffer))
}

/// IRP_MN_WRITE_CONFIG.
pub fn write_config(node: &Node, query: &ReadWriteConfig) -> Result<usize, NTSTATUS> {
    if query.WhichSpace != PCI_WHICHSPACE_CONFIG {
        return Err(STATUS_INVALID_DEVICE_REQUEST);
    }
    let length = query.Length as usize;
    // SAFETY: the asker's buffer, as long as it says.
    let buffer = unsafe { core::slice::from_raw_parts(query.Buffer.cast(), length) };
    Ok(write(node, query.Offset, buffer))
}
