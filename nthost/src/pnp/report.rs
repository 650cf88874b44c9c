//! What a bus driver says of a device that it has reported: the answers to the questions that
//! the plug-and-play manager asks about each new device.
//!
//! Sources: "Adding a PnP Device to a Running System", IRP_MN_QUERY_ID,
//! IRP_MN_QUERY_CAPABILITIES, IRP_MN_QUERY_DEVICE_TEXT, IRP_MN_QUERY_BUS_INFORMATION.

use alloc::{string::String, vec::Vec};

use nthost_nt::{
    guid::GUID,
    io::{
        device::DEVICE_OBJECT,
        major::{
            IRP_MN_QUERY_BUS_INFORMATION, IRP_MN_QUERY_DEVICE_TEXT, IRP_MN_QUERY_ID,
            IRP_MN_QUERY_RESOURCES,
        },
        pnp::{
            BusQueryCompatibleIDs, BusQueryContainerID, BusQueryDeviceID, BusQueryHardwareIDs,
            BusQueryInstanceID, DeviceTextDescription, DeviceTextLocationInformation,
            PNP_BUS_INFORMATION,
        },
    },
    status::{NTSTATUS, STATUS_NO_SUCH_DEVICE, nt_success},
};

use super::{
    id_text,
    invalidate::PNP_DETECTED_FATAL_ERROR,
    requirements::{self, Requirements},
    send,
};
use crate::{ke::bugcheck, mm::pool};

/// `LOCALE_NEUTRAL` would be 0; texts are asked for in the system's language.
const ENGLISH: u32 = 0x409;

/// What was said of a device.
#[derive(Clone, Debug)]
pub struct Report {
    /// Names the kind of device, with its enumerator: `BUS\KIND`.
    pub device_id: String,
    /// Tells it from others of its kind, on its bus or everywhere.
    pub instance_id: String,
    /// Most specific first.
    pub hardware_ids: Vec<String>,
    /// Most specific first.
    pub compatible_ids: Vec<String>,
    /// For people.
    pub description: Option<String>,
    /// For people: where it is.
    pub location: Option<String>,
    /// `BusTypeGuid`, `LegacyBusType` and `BusNumber`.
    pub bus: Option<(GUID, i32, u32)>,
    /// `CAPABILITY_…`.
    pub capabilities: u32,
    /// Where it is on its bus.
    pub address: u32,
    /// A number for people.
    pub ui_number: u32,
    /// What it has been set up with.
    pub resources: Option<Requirements>,
}

/// The units of a string in pool, as far as its allocation goes.
fn units(address: usize) -> Vec<u16> {
    let start: *const u16 = core::ptr::with_exposed_provenance(address);
    let length = pool::find(address as u64).map_or(0, |(base, allocation)| {
        (base + allocation.size).saturating_sub(address as u64) as usize / size_of::<u16>()
    });
    // SAFETY: within the allocation, which the driver has filled and given away.
    unsafe { core::slice::from_raw_parts(start, length) }.to_vec()
}

/// What a request that ends in pool memory gave, made into a value and freed.
fn answer<T>(
    pdo: *mut DEVICE_OBJECT,
    minor: u8,
    prepare: impl FnOnce(&mut nthost_nt::io::stack::Parameters),
    read: impl FnOnce(usize) -> T,
) -> Option<T> {
    let result = send::to(pdo, minor, 0, prepare);
    if !nt_success(result.status()) || result.Information == 0 {
        return None;
    }
    let value = read(result.Information);
    pool::free(result.Information as u64, None);
    Some(value)
}

/// Asks for one kind of identification; `what` is bug check 0xCA's number of it, for an id that
/// is none.
fn id<T>(
    pdo: *mut DEVICE_OBJECT,
    kind: i32,
    what: u64,
    parse: impl FnOnce(&[u16]) -> Option<T>,
) -> Option<T> {
    const INVALID_ID: u64 = 3;
    answer(
        pdo,
        IRP_MN_QUERY_ID,
        |parameters| parameters.query_id_mut().IdType = kind,
        |address| {
            parse(&units(address)).unwrap_or_else(|| {
                let fields = [INVALID_ID, pdo.addr() as u64, address as u64, what];
                bugcheck::bugcheck(PNP_DETECTED_FATAL_ERROR, fields)
            })
        },
    )
}

fn text(pdo: *mut DEVICE_OBJECT, kind: i32) -> Option<String> {
    answer(
        pdo,
        IRP_MN_QUERY_DEVICE_TEXT,
        |parameters| {
            let query = parameters.query_device_text_mut();
            query.DeviceTextType = kind;
            query.LocaleId = ENGLISH;
        },
        |address| {
            let units = units(address);
            let text = units.split(|&unit| unit == 0).next().unwrap_or(&[]);
            String::from_utf16_lossy(text)
        },
    )
}

fn bus_information(pdo: *mut DEVICE_OBJECT) -> Option<(GUID, i32, u32)> {
    answer(
        pdo,
        IRP_MN_QUERY_BUS_INFORMATION,
        |_| {},
        |address| {
            let information: *const PNP_BUS_INFORMATION =
                core::ptr::with_exposed_provenance(address);
            // SAFETY: a driver answered with one.
            let information = unsafe { information.read() };
            (
                information.BusTypeGuid,
                information.LegacyBusType,
                information.BusNumber,
            )
        },
    )
}

/// Asks all there is to ask about a device that was just reported. PASSIVE_LEVEL.
///
/// # Errors
///
/// `STATUS_NO_SUCH_DEVICE` if it does not say what it is: every device must.
pub fn query(pdo: *mut DEVICE_OBJECT) -> Result<Report, NTSTATUS> {
    let device_id = id(pdo, BusQueryDeviceID, 1, id_text::one).ok_or(STATUS_NO_SUCH_DEVICE)?;
    let capabilities = send::query_capabilities(pdo);
    let instance_id = id(pdo, BusQueryInstanceID, 2, id_text::one).unwrap_or_default();
    let hardware_ids = id(pdo, BusQueryHardwareIDs, 3, id_text::list);
    let compatible_ids = id(pdo, BusQueryCompatibleIDs, 4, id_text::list);
    // No use is made of the container.
    let _ = id(pdo, BusQueryContainerID, 0, |_| Some(()));
    Ok(Report {
        hardware_ids: hardware_ids.unwrap_or_else(|| Vec::from([device_id.clone()])),
        device_id,
        instance_id,
        compatible_ids: compatible_ids.unwrap_or_default(),
        description: text(pdo, DeviceTextDescription),
        location: text(pdo, DeviceTextLocationInformation),
        bus: bus_information(pdo),
        capabilities: capabilities.map_or(0, |capabilities| capabilities.Flags),
        address: capabilities.map_or(u32::MAX, |capabilities| capabilities.Address),
        ui_number: capabilities.map_or(u32::MAX, |capabilities| capabilities.UINumber),
        resources: answer(
            pdo,
            IRP_MN_QUERY_RESOURCES,
            |_| {},
            |address| requirements::of_resources(&send::bytes(address)),
        )
        .flatten(),
    })
}
