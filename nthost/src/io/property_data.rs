//! Properties of devices and interfaces in the unified device property model: those that the
//! system knows, which nobody sets, and those that drivers set.
//!
//! Sources: IoGetDevicePropertyData, IoSetDevicePropertyData, IoGetDeviceInterfacePropertyData,
//! IoSetDeviceInterfacePropertyData, "System-Defined Device Properties".

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::ffi::c_void;

use nthost_nt::{
    guid::GUID,
    io::{
        device::DEVICE_OBJECT,
        property::{
            DEVPROP_TYPE_BOOLEAN, DEVPROP_TYPE_GUID, DEVPROP_TYPE_STRING, DEVPROP_TYPE_STRING_LIST,
            DEVPROP_TYPE_UINT32, DEVPROPKEY,
        },
    },
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_ACCESS_DENIED, STATUS_INVALID_DEVICE_REQUEST, STATUS_INVALID_PARAMETER,
        STATUS_OBJECT_NAME_NOT_FOUND, STATUS_SUCCESS, STATUS_UNSUCCESSFUL,
    },
};

use super::{
    device, interface,
    property_store::{self, Properties, Property},
};
use crate::{
    ke::lock::SpinLock,
    pnp::node::{self, Node},
    registry::value::Value,
};

/// What drivers have set. A leaf.
static PROPERTIES: SpinLock<Properties> = SpinLock::new(Properties::new());

/// `LOCALE_NEUTRAL`.
const NEUTRAL: u32 = 0;
/// `LOCALE_SYSTEM_DEFAULT` and `LOCALE_USER_DEFAULT`, which must not be passed.
const DEFAULTS: [u32; 2] = [0x800, 0x400];

const fn category(first: u32, second: u16, third: u16, last: [u8; 8]) -> GUID {
    GUID {
        Data1: first,
        Data2: second,
        Data3: third,
        Data4: last,
    }
}

/// The category of `DEVPKEY_Device_HardwareIds` and its like.
const DEVICE: GUID = category(
    0xa45c_254e,
    0xdf1c,
    0x4efd,
    [0x80, 0x20, 0x67, 0xd1, 0x46, 0xa8, 0x50, 0xe0],
);
/// The category of `DEVPKEY_Device_InstanceId`.
const INSTANCE: GUID = category(
    0x78c3_4fc8,
    0x104a,
    0x4aca,
    [0x9e, 0xa4, 0x52, 0x4d, 0x52, 0x99, 0x6e, 0x57],
);
/// The category of `DEVPKEY_Device_Numa_Node`.
const NUMA: GUID = category(
    0x540b_947e,
    0x8b40,
    0x45bc,
    [0xa8, 0xa2, 0x6a, 0x0b, 0x89, 0x4c, 0xbd, 0xa2],
);
/// The category of `DEVPKEY_DeviceInterface_…`.
const INTERFACE: GUID = category(
    0x026e_516e,
    0xb814,
    0x414b,
    [0x83, 0xcd, 0x85, 0x6d, 0x6f, 0xef, 0x48, 0x22],
);

fn text(value: &str) -> Property {
    Property {
        kind: DEVPROP_TYPE_STRING,
        data: Value::string(value).data,
    }
}

fn texts(values: &[String]) -> Property {
    Property {
        kind: DEVPROP_TYPE_STRING_LIST,
        data: Value::strings(values.iter().map(|value| &**value)).data,
    }
}

fn number(value: u32) -> Property {
    Property {
        kind: DEVPROP_TYPE_UINT32,
        data: value.to_le_bytes().to_vec(),
    }
}

fn guid(value: GUID) -> Property {
    Property {
        kind: DEVPROP_TYPE_GUID,
        data: value.to_bytes().to_vec(),
    }
}

/// What the system knows of a device; `None` for what is left to drivers.
fn of_device(node: &Node, key: DEVPROPKEY) -> Option<Result<Property, NTSTATUS>> {
    let (bus, legacy, number_of_bus) = node.bus();
    let service = || {
        let service = node.state().service;
        if service.is_empty() {
            Err(STATUS_OBJECT_NAME_NOT_FOUND)
        } else {
            Ok(text(&service))
        }
    };
    Some(match (key.fmtid, key.pid) {
        (DEVICE, 3) => Ok(texts(&node.hardware_ids)),
        (DEVICE, 4) => Ok(texts(&node.compatible_ids)),
        (DEVICE, 6) => service(),
        (DEVICE, 16) => Ok(text(&device::name(node.pdo()))),
        (DEVICE, 21) => Ok(guid(bus)),
        (DEVICE, 22) => Ok(number(legacy.cast_unsigned())),
        (DEVICE, 23) => Ok(number(number_of_bus)),
        (DEVICE, 24) => Ok(text(node.enumerator())),
        (DEVICE, 30) => Ok(number(node.address())),
        (INSTANCE, 256) => Ok(text(&node.instance)),
        (NUMA, 3) => node
            .numa_node
            .map(|node| number(node.into()))
            .ok_or(STATUS_OBJECT_NAME_NOT_FOUND),
        _ => return None,
    })
}

/// What the system knows of an interface; `None` for what is left to drivers.
fn of_interface(link: &str, class: GUID, key: DEVPROPKEY) -> Option<Property> {
    match (key.fmtid, key.pid) {
        (INTERFACE, 3) => Some(Property {
            kind: DEVPROP_TYPE_BOOLEAN,
            // DEVPROP_TRUE has all bits set.
            data: [if interface::is_enabled(link) { 0xff } else { 0 }].to_vec(),
        }),
        (INTERFACE, 4) => Some(guid(class)),
        _ => None,
    }
}

/// A property as a driver asks for it or sets it.
#[derive(Clone, Copy)]
struct Question {
    key: DEVPROPKEY,
    locale: u32,
}

/// The property that is asked for, in the language that is asked for; the system's are in none.
fn find(
    owner: &str,
    known: Option<Result<Property, NTSTATUS>>,
    question: Question,
) -> Result<Property, NTSTATUS> {
    match known {
        Some(known) if question.locale == NEUTRAL => known,
        Some(_) => Err(STATUS_OBJECT_NAME_NOT_FOUND),
        None => PROPERTIES
            .lock()
            .get(owner, question.key, question.locale)
            .cloned(),
    }
}

/// Writes a property for a driver.
///
/// # Safety
///
/// As IoGetDevicePropertyData.
unsafe fn answer(
    property: Result<Property, NTSTATUS>,
    buffer: *mut c_void,
    length: u32,
    needed: *mut u32,
    kind: *mut u32,
) -> NTSTATUS {
    let property = match property {
        Ok(property) => property,
        Err(status) => return status,
    };
    // SAFETY: the caller's promise.
    unsafe { needed.write(property.data.len() as u32) };
    // SAFETY: the caller's promise.
    unsafe { kind.write(property.kind) };
    match property.for_buffer(length as usize) {
        Ok(bytes) => {
            // SAFETY: the caller's promise; it fits.
            unsafe { buffer.cast::<u8>().copy_from(bytes.as_ptr(), bytes.len()) };
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

/// Sets or deletes what a driver may.
///
/// # Safety
///
/// The data are null, or as long as they say.
unsafe fn set(
    owner: &str,
    system_owned: bool,
    question: Question,
    kind: u32,
    data: (*const c_void, u32),
) -> NTSTATUS {
    if system_owned {
        return STATUS_ACCESS_DENIED;
    }
    let (data, length) = data;
    let result = if data.is_null() || property_store::deletes(kind) {
        PROPERTIES
            .lock()
            .delete(owner, question.key, question.locale)
    } else {
        // SAFETY: the caller's promise.
        let bytes = unsafe { core::slice::from_raw_parts(data.cast::<u8>(), length as usize) };
        let data: Vec<u8> = bytes.to_owned();
        let property = Property { kind, data };
        PROPERTIES
            .lock()
            .set(owner, question.key, question.locale, property)
    };
    result.err().unwrap_or(STATUS_SUCCESS)
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Copies a property of a device, and tells its type; STATUS_BUFFER_TOO_SMALL, and the
    /// length that is needed, if the buffer is too small.
    ///
    /// Source: IoGetDevicePropertyData.
    ///
    /// # Safety
    ///
    /// `pdo` is a physical device object; `data` has `size` bytes; the others can be read and
    /// written.
    pub unsafe fn IoGetDevicePropertyData(
        pdo: *mut DEVICE_OBJECT,
        key: *const DEVPROPKEY,
        locale: u32,
        _flags: u32,
        size: u32,
        data: *mut c_void,
        required: *mut u32,
        kind: *mut u32,
    ) -> NTSTATUS {
        let Some(node) = node::of(pdo) else { return STATUS_INVALID_DEVICE_REQUEST };
        if DEFAULTS.contains(&locale) {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let question = Question { key: unsafe { *key }, locale };
        let found = find(&node.instance, of_device(node, question.key), question);
        // SAFETY: the caller's promise.
        unsafe { answer(found, data, size, required, kind) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Sets a property of a device, or deletes it if there are no data. It stays.
    /// STATUS_ACCESS_DENIED for those that the system itself keeps.
    ///
    /// Source: IoSetDevicePropertyData.
    ///
    /// # Safety
    ///
    /// `pdo` is a physical device object; `data` is null or has `size` bytes.
    pub unsafe fn IoSetDevicePropertyData(
        pdo: *mut DEVICE_OBJECT,
        key: *const DEVPROPKEY,
        locale: u32,
        _flags: u32,
        kind: u32,
        size: u32,
        data: *const c_void,
    ) -> NTSTATUS {
        let Some(node) = node::of(pdo) else { return STATUS_INVALID_DEVICE_REQUEST };
        if DEFAULTS.contains(&locale) {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let question = Question { key: unsafe { *key }, locale };
        let known = of_device(node, question.key).is_some();
        // SAFETY: the caller's promise.
        unsafe { set(&node.instance, known, question, kind, (data, size)) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Copies a property of an interface, and tells its type; as IoGetDevicePropertyData.
    /// STATUS_UNSUCCESSFUL for a language that must not be passed.
    ///
    /// Source: IoGetDeviceInterfacePropertyData.
    ///
    /// # Safety
    ///
    /// `link` is a string; `data` has `size` bytes; the others can be read and written.
    pub unsafe fn IoGetDeviceInterfacePropertyData(
        link: *const UNICODE_STRING,
        key: *const DEVPROPKEY,
        locale: u32,
        _flags: u32,
        size: u32,
        data: *mut c_void,
        required: *mut u32,
        kind: *mut u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let link = unsafe { interface::text(link) };
        let Some((class, _)) = interface::find(&link) else {
            return STATUS_OBJECT_NAME_NOT_FOUND;
        };
        if DEFAULTS.contains(&locale) {
            return STATUS_UNSUCCESSFUL;
        }
        // SAFETY: the caller's promise.
        let question = Question { key: unsafe { *key }, locale };
        let known = of_interface(&link, class, question.key).map(Ok);
        let found = find(&link, known, question);
        // SAFETY: the caller's promise.
        unsafe { answer(found, data, size, required, kind) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Sets a property of an interface, or deletes it; as IoSetDevicePropertyData.
    ///
    /// Source: IoSetDeviceInterfacePropertyData.
    ///
    /// # Safety
    ///
    /// `link` is a string; `data` is null or has `size` bytes.
    pub unsafe fn IoSetDeviceInterfacePropertyData(
        link: *const UNICODE_STRING,
        key: *const DEVPROPKEY,
        locale: u32,
        _flags: u32,
        kind: u32,
        size: u32,
        data: *const c_void,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let link = unsafe { interface::text(link) };
        let Some((class, _)) = interface::find(&link) else {
            return STATUS_OBJECT_NAME_NOT_FOUND;
        };
        if DEFAULTS.contains(&locale) {
            return STATUS_UNSUCCESSFUL;
        }
        // SAFETY: the caller's promise.
        let question = Question { key: unsafe { *key }, locale };
        let known = of_interface(&link, class, question.key).is_some();
        // SAFETY: the caller's promise.
        unsafe { set(&link, known, question, kind, (data, size)) }
    }
}
