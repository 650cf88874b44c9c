//! Properties and keys of devices and interfaces, on the first device of the machine's PCI bus.

use alloc::{string::ToString, vec::Vec};
use core::{
    ffi::c_void,
    ptr::{null, null_mut},
    sync::atomic::{AtomicBool, Ordering},
};

use nthost_nt::{
    guid::GUID,
    io::{
        device::DEVICE_OBJECT,
        property::{
            DEVPROP_TYPE_BOOLEAN, DEVPROP_TYPE_STRING_LIST, DEVPROP_TYPE_UINT32, DEVPROPKEY,
        },
    },
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_ACCESS_DENIED, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER,
        STATUS_OBJECT_NAME_EXISTS, STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS,
    },
};

use super::{Outcome, Test, ensure, ensure_eq};
use crate::{
    io::{
        interface::{
            IoGetDeviceInterfaceAlias, IoOpenDeviceInterfaceRegistryKey, IoRegisterDeviceInterface,
            IoSetDeviceInterfaceState, text,
        },
        property::IoGetDeviceProperty,
        property_data::{
            IoGetDeviceInterfacePropertyData, IoGetDevicePropertyData,
            IoSetDeviceInterfacePropertyData, IoSetDevicePropertyData,
        },
    },
    ob::handle,
    pnp::{manager, node},
    rtl::owned::RtlFreeUnicodeString,
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "property: what the system knows of a device can be read and not be set",
        known,
    ),
    (
        "property: what a bus driver tells people of a device is there to be read",
        for_people,
    ),
    (
        "property: what a driver sets comes back in its language until it is deleted",
        set_and_deleted,
    ),
    (
        "property: an interface has its own, and says whether it is enabled",
        of_interface,
    ),
    (
        "property: an interface has an alias of another class of the same device",
        alias,
    ),
    (
        "property: an interface has a key, and only if it was registered",
        interface_key,
    ),
];

/// A property of the tests' own.
const OWN: DEVPROPKEY = DEVPROPKEY {
    fmtid: CLASS,
    pid: 2,
};
const CLASS: GUID = GUID {
    Data1: 0x5e1f_7e57,
    Data2: 1,
    Data3: 2,
    Data4: [3; 8],
};
/// `DEVPKEY_Device_HardwareIds`.
const HARDWARE_IDS: DEVPROPKEY = DEVPROPKEY {
    fmtid: GUID {
        Data1: 0xa45c_254e,
        Data2: 0xdf1c,
        Data3: 0x4efd,
        Data4: [0x80, 0x20, 0x67, 0xd1, 0x46, 0xa8, 0x50, 0xe0],
    },
    pid: 3,
};
/// `DEVPKEY_DeviceInterface_Enabled`.
const ENABLED: DEVPROPKEY = DEVPROPKEY {
    fmtid: GUID {
        Data1: 0x026e_516e,
        Data2: 0xb814,
        Data3: 0x414b,
        Data4: [0x83, 0xcd, 0x85, 0x6d, 0x6f, 0xef, 0x48, 0x22],
    },
    pid: 3,
};

/// The first device of the machine, and its device object.
fn device() -> Result<(&'static node::Node, *mut DEVICE_OBJECT), alloc::string::String> {
    static FOUND: AtomicBool = AtomicBool::new(false);
    if !FOUND.swap(true, Ordering::AcqRel) {
        manager::initialize();
    }
    let first = node::all().into_iter().next();
    let first = first.ok_or_else(|| "the machine has no devices".to_string())?;
    Ok((first, first.pdo()))
}

/// Status, type, needed length, and data that fit into so many bytes.
type Answer = (NTSTATUS, u32, u32, Vec<u8>);

fn read(room: usize, get: impl FnOnce(*mut c_void, *mut u32, *mut u32) -> NTSTATUS) -> Answer {
    let mut data = alloc::vec![0xee; room];
    let (mut needed, mut kind) = (0, 0);
    let status = get(data.as_mut_ptr().cast(), &raw mut needed, &raw mut kind);
    data.truncate(needed as usize);
    (status, kind, needed, data)
}

fn get(pdo: *mut DEVICE_OBJECT, key: DEVPROPKEY, locale: u32, room: usize) -> Answer {
    // SAFETY: a physical device object, and buffers of the test's own.
    read(room, |data, needed, kind| unsafe {
        IoGetDevicePropertyData(
            pdo,
            &raw const key,
            locale,
            0,
            room as u32,
            data,
            needed,
            kind,
        )
    })
}

/// A driver asks for the length, and then for the text: both end in a NUL.
fn for_people() -> Outcome {
    // DevicePropertyDeviceDescription, DevicePropertyLocationInformation.
    for property in [0, 10] {
        let (_, pdo) = device()?;
        let mut needed = 0;
        // SAFETY: a physical device object; no bytes are written.
        let status = unsafe { IoGetDeviceProperty(pdo, property, 0, null_mut(), &raw mut needed) };
        ensure_eq!(status, STATUS_BUFFER_TOO_SMALL);
        ensure!(needed > 2, "there is no text {property}");
        let mut units = alloc::vec![0xeeee_u16; needed as usize / 2];
        let buffer = units.as_mut_ptr().cast();
        // SAFETY: as above; the buffer has so many bytes.
        let status = unsafe { IoGetDeviceProperty(pdo, property, needed, buffer, &raw mut needed) };
        ensure_eq!(status, STATUS_SUCCESS);
        ensure_eq!(
            units.iter().position(|&unit| unit == 0),
            Some(units.len() - 1)
        );
    }
    Ok(())
}

fn set(
    pdo: *mut DEVICE_OBJECT,
    key: DEVPROPKEY,
    locale: u32,
    kind: u32,
    data: Option<&[u8]>,
) -> NTSTATUS {
    let length = data.map_or(0, <[u8]>::len) as u32;
    let data = data.map_or(null(), |data| data.as_ptr().cast());
    // SAFETY: a physical device object, and a buffer of the test's own.
    unsafe { IoSetDevicePropertyData(pdo, &raw const key, locale, 0, kind, length, data) }
}

fn known() -> Outcome {
    let (node, pdo) = device()?;
    let (status, _, needed, _) = get(pdo, HARDWARE_IDS, 0, 1);
    ensure_eq!(status, STATUS_BUFFER_TOO_SMALL);
    let (status, kind, length, data) = get(pdo, HARDWARE_IDS, 0, needed as usize);
    ensure_eq!(status, STATUS_SUCCESS);
    ensure_eq!((kind, length), (DEVPROP_TYPE_STRING_LIST, needed));
    let first: Vec<u8> = node.hardware_ids[0]
        .encode_utf16()
        .chain([0])
        .flat_map(u16::to_le_bytes)
        .collect();
    ensure!(data.starts_with(&first), "the hardware ids are {data:x?}");
    let denied = set(
        pdo,
        HARDWARE_IDS,
        0,
        DEVPROP_TYPE_STRING_LIST,
        Some(&[0; 4]),
    );
    ensure_eq!(denied, STATUS_ACCESS_DENIED);
    Ok(())
}

fn set_and_deleted() -> Outcome {
    let (_, pdo) = device()?;
    let bad = set(pdo, OWN, 0, DEVPROP_TYPE_UINT32, Some(&[1, 2, 3]));
    ensure_eq!(bad, STATUS_INVALID_PARAMETER);
    for (locale, value) in [(0, 7_u8), (0x407, 8)] {
        let data = [value, 0, 0, 0];
        let status = set(pdo, OWN, locale, DEVPROP_TYPE_UINT32, Some(&data));
        ensure_eq!(status, STATUS_SUCCESS);
    }
    let (status, kind, _, data) = get(pdo, OWN, 0x407, 4);
    ensure_eq!((status, kind), (STATUS_SUCCESS, DEVPROP_TYPE_UINT32));
    ensure_eq!(data, [8, 0, 0, 0]);
    ensure_eq!(set(pdo, OWN, 0x407, 0, None), STATUS_SUCCESS);
    ensure_eq!(get(pdo, OWN, 0x407, 4).0, STATUS_OBJECT_NAME_NOT_FOUND);
    ensure_eq!(get(pdo, OWN, 0, 4).3, [7, 0, 0, 0]);
    // LOCALE_USER_DEFAULT.
    ensure_eq!(get(pdo, OWN, 0x400, 4).0, STATUS_INVALID_PARAMETER);
    ensure_eq!(set(pdo, OWN, 0, 0, None), STATUS_SUCCESS);
    Ok(())
}

/// Registers an interface of the first device, which stays.
fn register() -> Result<UNICODE_STRING, alloc::string::String> {
    let (_, pdo) = device()?;
    let mut link = UNICODE_STRING {
        Length: 0,
        MaximumLength: 0,
        Buffer: null_mut(),
    };
    // SAFETY: a physical device object, and a string to be written.
    let status = unsafe { IoRegisterDeviceInterface(pdo, &CLASS, null(), &raw mut link) };
    ensure!(
        [STATUS_SUCCESS, STATUS_OBJECT_NAME_EXISTS].contains(&status),
        "the registration ends with {status:#x}"
    );
    Ok(link)
}

fn of_interface() -> Outcome {
    let link = register()?;
    let read_key = |key: DEVPROPKEY| {
        // SAFETY: a string, and buffers of the test's own.
        read(16, |data, needed, kind| unsafe {
            let link = &raw const link;
            IoGetDeviceInterfacePropertyData(link, &raw const key, 0, 0, 16, data, needed, kind)
        })
    };
    for (enable, byte) in [(1, 0xff), (0, 0)] {
        // SAFETY: the interface's name.
        let status = unsafe { IoSetDeviceInterfaceState(&raw const link, enable) };
        ensure_eq!(status, STATUS_SUCCESS);
        let (status, kind, _, data) = read_key(ENABLED);
        ensure_eq!((status, kind), (STATUS_SUCCESS, DEVPROP_TYPE_BOOLEAN));
        ensure_eq!(data, [byte]);
    }
    ensure_eq!(read_key(OWN).0, STATUS_OBJECT_NAME_NOT_FOUND);
    let data = [5_u8, 0, 0, 0];
    let (key, kind) = (core::ptr::from_ref(&OWN), DEVPROP_TYPE_UINT32);
    // SAFETY: a string, and a buffer of the test's own.
    let status = unsafe {
        let data = data.as_ptr().cast();
        IoSetDeviceInterfacePropertyData(&raw const link, key, 0, 0, kind, 4, data)
    };
    ensure_eq!(status, STATUS_SUCCESS);
    ensure_eq!(read_key(OWN).3, data);
    let (_, pdo) = device()?;
    ensure_eq!(get(pdo, OWN, 0, 4).0, STATUS_OBJECT_NAME_NOT_FOUND);
    Ok(())
}

fn interface_key() -> Outcome {
    let mut link = register()?;
    let mut opened = 0;
    // KEY_READ.
    let access = 0x2_0019;
    // SAFETY: a string, and a handle to be written.
    let status =
        unsafe { IoOpenDeviceInterfaceRegistryKey(&raw const link, access, &raw mut opened) };
    ensure_eq!(status, STATUS_SUCCESS);
    ensure!(handle::KERNEL.close(opened), "no handle to close");
    link.Length -= 2;
    // SAFETY: as above.
    let status =
        unsafe { IoOpenDeviceInterfaceRegistryKey(&raw const link, access, &raw mut opened) };
    ensure_eq!(status, STATUS_OBJECT_NAME_NOT_FOUND);
    Ok(())
}

fn alias() -> Outcome {
    /// As [`CLASS`], but for this.
    const OTHER: GUID = GUID { Data1: 7, ..CLASS };
    let (_, pdo) = device()?;
    let mut link = register()?;
    let mut empty = UNICODE_STRING {
        Length: 0,
        MaximumLength: 0,
        Buffer: null_mut(),
    };
    // SAFETY: strings, one of them to be written.
    let status = unsafe { IoGetDeviceInterfaceAlias(&raw const link, &OTHER, &raw mut empty) };
    ensure_eq!(status, STATUS_OBJECT_NAME_NOT_FOUND);
    let mut other = empty;
    // SAFETY: a physical device object, and a string to be written.
    let status = unsafe { IoRegisterDeviceInterface(pdo, &OTHER, null(), &raw mut other) };
    ensure_eq!(status, STATUS_SUCCESS);
    // SAFETY: strings, one of them to be written.
    let status = unsafe { IoGetDeviceInterfaceAlias(&raw const link, &OTHER, &raw mut empty) };
    ensure_eq!(status, STATUS_SUCCESS);
    // SAFETY: a string.
    let found = unsafe { text(&raw const empty) };
    // SAFETY: as above.
    let known = unsafe { text(&raw const other) };
    ensure_eq!(found, known);
    for string in [&mut link, &mut other, &mut empty] {
        // SAFETY: a string that the kernel made.
        unsafe { RtlFreeUnicodeString(string) };
    }
    Ok(())
}
