//! Plug-and-play requests that the manager sends to a device's stack.

use alloc::vec::Vec;

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        file::FILE_OBJECT,
        irp::{IO_STATUS_BLOCK, IRP},
        major::{
            IRP_MJ_PNP, IRP_MN_FILTER_RESOURCE_REQUIREMENTS, IRP_MN_QUERY_CAPABILITIES,
            IRP_MN_QUERY_PNP_DEVICE_STATE, IRP_MN_QUERY_RESOURCE_REQUIREMENTS, IRP_MN_START_DEVICE,
        },
        pnp::DEVICE_CAPABILITIES,
        resource::CM_RESOURCE_LIST,
        stack::{IO_STACK_LOCATION, Parameters},
    },
    status::{NTSTATUS, STATUS_NO_SUCH_DEVICE, STATUS_NOT_SUPPORTED, nt_success},
};

use super::{
    node::Node,
    resource::{Resources, View},
};
use crate::{
    io::{device, request},
    mm::pool,
    ob::object,
};

/// Sends a request to the top of a device's stack and waits. PASSIVE_LEVEL.
pub fn send(
    node: &Node,
    minor: u8,
    information: usize,
    prepare: impl FnOnce(&mut Parameters),
) -> IO_STATUS_BLOCK {
    to(node.pdo(), minor, information, prepare)
}

/// Sends a request to the top of the stack of a physical device object, which may be null, and
/// waits. PASSIVE_LEVEL.
pub fn to(
    pdo: *mut DEVICE_OBJECT,
    minor: u8,
    information: usize,
    prepare: impl FnOnce(&mut Parameters),
) -> IO_STATUS_BLOCK {
    if pdo.is_null() {
        return IO_STATUS_BLOCK::new(STATUS_NO_SUCH_DEVICE, 0);
    }
    to_top(pdo, |irp, location| {
        irp.IoStatus = IO_STATUS_BLOCK::new(STATUS_NOT_SUPPORTED, information);
        location.MajorFunction = IRP_MJ_PNP;
        location.MinorFunction = minor;
        prepare(&mut location.Parameters);
    })
}

/// Sends a request about a file to the top of the stack that its device is in, and waits.
/// PASSIVE_LEVEL.
pub fn to_file(
    device: *mut DEVICE_OBJECT,
    file: *mut FILE_OBJECT,
    minor: u8,
    prepare: impl FnOnce(&mut Parameters),
) -> IO_STATUS_BLOCK {
    to_top(device, |irp, location| {
        irp.IoStatus = IO_STATUS_BLOCK::new(STATUS_NOT_SUPPORTED, 0);
        location.MajorFunction = IRP_MJ_PNP;
        location.MinorFunction = minor;
        location.FileObject = file;
        prepare(&mut location.Parameters);
    })
}

fn to_top(
    device: *mut DEVICE_OBJECT,
    prepare: impl FnOnce(&mut IRP, &mut IO_STACK_LOCATION),
) -> IO_STATUS_BLOCK {
    let top = device::highest(device);
    object::reference(top.cast());
    // SAFETY: the stack of a device that this manager alone changes.
    let result = unsafe { request::send(top, prepare) };
    object::dereference(top.cast());
    result
}

/// Sends a request without parameters; how it ended.
pub fn simple(node: &Node, minor: u8) -> NTSTATUS {
    send(node, minor, 0, |_| {}).status()
}

/// Bytes as words, so that what lies in them is aligned.
fn aligned(bytes: &[u8]) -> Vec<u64> {
    bytes
        .chunks(8)
        .map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        })
        .collect()
}

/// `IRP_MN_START_DEVICE` with these resources; null lists for a device without any.
pub fn start(node: &Node, resources: &Resources) -> NTSTATUS {
    let bus = node.pci().map_or(0, |function| function.address.bus);
    let mut lists = [View::Raw, View::Translated].map(|view| aligned(&resources.list(view, bus)));
    let empty = resources.descriptors(View::Raw).is_empty();
    let [raw, translated] = lists.each_mut().map(|list| -> *mut CM_RESOURCE_LIST {
        if empty {
            core::ptr::null_mut()
        } else {
            list.as_mut_ptr().cast()
        }
    });
    let result = send(node, IRP_MN_START_DEVICE, 0, |parameters| {
        let start = parameters.start_device_mut();
        start.AllocatedResources = raw;
        start.AllocatedResourcesTranslated = translated;
    });
    result.status()
}

/// The capabilities of a device, as its stack reports them.
///
/// # Errors
///
/// What the stack says.
pub fn query_capabilities(pdo: *mut DEVICE_OBJECT) -> Result<DEVICE_CAPABILITIES, NTSTATUS> {
    let mut capabilities = DEVICE_CAPABILITIES {
        Size: size_of::<DEVICE_CAPABILITIES>() as u16,
        Version: 1,
        Flags: 0,
        Address: u32::MAX,
        UINumber: u32::MAX,
        DeviceState: [0; 7],
        SystemWake: 0,
        DeviceWake: 0,
        D1Latency: 0,
        D2Latency: 0,
        D3Latency: 0,
    };
    let room = &raw mut capabilities;
    let result = to(pdo, IRP_MN_QUERY_CAPABILITIES, 0, |parameters| {
        parameters.device_capabilities_mut().Capabilities = room;
    });
    if nt_success(result.status()) {
        Ok(capabilities)
    } else {
        Err(result.status())
    }
}

/// The bytes of what a driver has answered with, as far as its pool goes.
#[must_use]
pub fn bytes(address: usize) -> Vec<u8> {
    let length = pool::find(address as u64).map_or(0, |(base, allocation)| {
        base + allocation.size - address as u64
    });
    let start: *const u8 = core::ptr::with_exposed_provenance(address);
    // SAFETY: the allocation is there, and a driver has given it away.
    unsafe { core::slice::from_raw_parts(start, length as usize) }.to_vec()
}

/// What the bus driver says that a device needs, as its function driver changes it: a requirements
/// list's bytes; none for a device that needs nothing. Simplified: of a PCI function nobody reads
/// it, for its bus has no alternatives to offer.
pub fn filter_requirements(node: &Node) -> Option<Vec<u8>> {
    let asked = send(node, IRP_MN_QUERY_RESOURCE_REQUIREMENTS, 0, |_| {});
    let list = if nt_success(asked.status()) {
        asked.Information
    } else {
        0
    };
    let result = send(
        node,
        IRP_MN_FILTER_RESOURCE_REQUIREMENTS,
        list,
        |parameters| {
            let pointer = core::ptr::with_exposed_provenance_mut(list);
            parameters
                .filter_resource_requirements_mut()
                .IoResourceRequirementList = pointer;
        },
    );
    if result.Information == 0 {
        return None;
    }
    let list = bytes(result.Information);
    pool::free(result.Information as u64, None);
    Some(list)
}

/// `IRP_MN_QUERY_PNP_DEVICE_STATE`: the device's own flags.
pub fn query_state(node: &Node) -> usize {
    let result = send(node, IRP_MN_QUERY_PNP_DEVICE_STATE, 0, |_| {});
    if nt_success(result.status()) {
        result.Information
    } else {
        0
    }
}
