//! Device interfaces: names under which applications find and open a device, by what it can do.
//!
//! Sources: IoRegisterDeviceInterface, IoSetDeviceInterfaceState, IoGetDeviceInterfaces,
//! "Device Interface Classes". The name of an interface leads to the physical device object.
//! The manager's part of it: an interface that is enabled during the start is announced when the
//! start is complete, and interfaces are disabled when their device is removed.

use alloc::{format, string::String, vec::Vec};

use nthost_nt::{
    guid::GUID,
    io::device::DEVICE_OBJECT,
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_DEVICE_REQUEST,
        STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_EXISTS, STATUS_OBJECT_NAME_NOT_FOUND,
        STATUS_SUCCESS,
    },
};
use nthost_protocol::host::DeviceState;

use super::{device, notify};
use crate::{
    export, hook,
    ke::{lock::SpinLock, stack},
    mm::pool::{self, flags},
    ob::{self, name::Name, namespace::Named},
    pnp::{keys, node},
    registry::key,
};

/// An interface that was registered.
#[derive(Clone, Debug)]
struct Interface {
    class: GUID,
    /// The physical device object.
    device: usize,
    link: String,
    enabled: bool,
}

/// Those that were registered; they stay. A leaf.
static INTERFACES: SpinLock<Vec<Interface>> = SpinLock::new(Vec::new());
/// The tag of strings that callers free.
const TAG: u32 = u32::from_le_bytes(*b"Ifac");

/// The name of an interface: the device's instance path with `#` for `\`, and the class.
fn link_name(instance: &str, class: &GUID, reference: &str) -> String {
    let device = instance.replace('\\', "#");
    let mut link = format!(r"\??\{device}#{class}");
    if !reference.is_empty() {
        link.push('\\');
        link += reference;
    }
    link
}

/// A string in pool, ended by a NUL that it does not count.
pub(super) fn in_pool(text: &str) -> Result<UNICODE_STRING, NTSTATUS> {
    let units: Vec<u16> = text.encode_utf16().chain([0]).collect();
    let bytes = units.len() * 2;
    let address = pool::allocate(flags::PAGED, bytes as u64, TAG, stack::driver())
        .ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let buffer: *mut u16 = core::ptr::with_exposed_provenance_mut(address as usize);
    // SAFETY: just allocated, and as large.
    unsafe { buffer.copy_from_nonoverlapping(units.as_ptr(), units.len()) };
    let bytes = u16::try_from(bytes).map_err(|_| STATUS_INSUFFICIENT_RESOURCES)?;
    Ok(UNICODE_STRING {
        Length: bytes - 2,
        MaximumLength: bytes,
        Buffer: buffer,
    })
}

fn register(
    pdo: *mut DEVICE_OBJECT,
    class: &GUID,
    reference: &str,
) -> Result<(String, bool), NTSTATUS> {
    let node = node::of(pdo).ok_or(STATUS_INVALID_DEVICE_REQUEST)?;
    let link = link_name(&node.instance, class, reference);
    let mut interfaces = INTERFACES.lock();
    if let Some(known) = interfaces.iter_mut().find(|known| known.link == link) {
        known.device = pdo.addr();
        return Ok((link, true));
    }
    interfaces.push(Interface {
        class: *class,
        device: pdo.addr(),
        link: link.clone(),
        enabled: false,
    });
    drop(interfaces);
    keys::write_interface(&node.instance, class, &link)?;
    Ok((link, false))
}

/// Whether this may be an interface's name: a prefix, the device, and its class's GUID, before a
/// reference string.
fn is_link(link: &str) -> bool {
    const GUID_LENGTH: usize = 38;
    let named = link
        .strip_prefix(r"\??\")
        .or_else(|| link.strip_prefix(r"\\?\"));
    let Some(device) = named.and_then(|named| named.split('\\').next()) else {
        return false;
    };
    let Some(at) = device.len().checked_sub(GUID_LENGTH).filter(|&at| at > 0) else {
        return false;
    };
    let is_digit = |(index, byte): (usize, u8)| match index {
        0 => byte == b'{',
        9 | 14 | 19 | 24 => byte == b'-',
        37 => byte == b'}',
        _ => byte.is_ascii_hexdigit(),
    };
    device.bytes().skip(at).enumerate().all(is_digit)
}

/// Enables or disables an interface.
fn set_state(link: &str, enable: bool) -> Result<NTSTATUS, NTSTATUS> {
    let mut interfaces = INTERFACES.lock();
    let known = interfaces
        .iter_mut()
        .find(|known| known.link.eq_ignore_ascii_case(link))
        .ok_or(STATUS_OBJECT_NAME_NOT_FOUND)?;
    match (known.enabled, enable) {
        (true, true) => return Ok(STATUS_OBJECT_NAME_EXISTS),
        (false, false) => return Err(STATUS_OBJECT_NAME_NOT_FOUND),
        _ => known.enabled = enable,
    }
    let known = known.clone();
    drop(interfaces);
    let pdo: *mut DEVICE_OBJECT = core::ptr::with_exposed_provenance_mut(known.device);
    let name: Vec<u16> = known.link.encode_utf16().collect();
    if enable {
        let target = Named::Link(Name::from(&*device::name(pdo)));
        ob::insert_name(&name, target)?;
    } else {
        ob::remove_link(&name)?;
    }
    // What is enabled during the start is announced when it is complete.
    let started = node::of(pdo).is_some_and(|node| node.state().state == DeviceState::Started);
    if started || !enable {
        notify::interface_changed(&known.class, &known.link, enable);
    }
    Ok(STATUS_SUCCESS)
}

/// A device's start is complete: its enabled interfaces are announced.
pub fn started(pdo: *mut DEVICE_OBJECT) {
    let interfaces: Vec<_> = of_device(pdo)
        .into_iter()
        .filter(|known| known.enabled)
        .collect();
    for known in interfaces {
        log!("pnp", "interface {} is enabled", known.link);
        notify::interface_changed(&known.class, &known.link, true);
    }
}

/// A device was removed: what its driver left enabled is disabled.
pub fn removed(pdo: *mut DEVICE_OBJECT) {
    for known in of_device(pdo).into_iter().filter(|known| known.enabled) {
        // It was enabled just now, and its driver is gone.
        let _ = set_state(&known.link, false);
    }
}

fn of_device(pdo: *mut DEVICE_OBJECT) -> Vec<Interface> {
    let interfaces = INTERFACES.lock();
    let of_device = interfaces.iter().filter(|known| known.device == pdo.addr());
    of_device.cloned().collect()
}

/// The enabled interfaces of a device, as applications name them.
#[must_use]
pub fn enabled_of(pdo: *mut DEVICE_OBJECT) -> Vec<String> {
    of_device(pdo)
        .into_iter()
        .filter(|known| known.enabled)
        .map(|known| known.link.replacen(r"\??\", r"\\?\", 1))
        .collect()
}

/// The enabled interfaces of a class, as applications name them.
#[must_use]
pub fn enabled_in(class: &GUID) -> Vec<String> {
    let interfaces = INTERFACES.lock();
    interfaces
        .iter()
        .filter(|known| known.enabled && known.class == *class)
        .map(|known| known.link.replacen(r"\??\", r"\\?\", 1))
        .collect()
}

/// The class and device of an interface by its name, if it was registered.
#[must_use]
pub fn find(link: &str) -> Option<(GUID, *mut DEVICE_OBJECT)> {
    let interfaces = INTERFACES.lock();
    let known = interfaces
        .iter()
        .find(|known| known.link.eq_ignore_ascii_case(link))?;
    Some((
        known.class,
        core::ptr::with_exposed_provenance_mut(known.device),
    ))
}

/// The interface of another class that the same device has under the same reference string.
fn alias(link: &str, class: &GUID) -> Option<String> {
    let interfaces = INTERFACES.lock();
    let reference = |known: &Interface| {
        let class = format!("{}", known.class);
        let end = known.link.find(&class)? + class.len();
        known.link.get(end..).map(str::to_ascii_lowercase)
    };
    let of = interfaces
        .iter()
        .find(|known| known.link.eq_ignore_ascii_case(link))?;
    let found = interfaces.iter().find(|known| {
        known.device == of.device && known.class == *class && reference(known) == reference(of)
    });
    found.map(|known| known.link.clone())
}

/// Whether an interface is enabled.
#[must_use]
pub fn is_enabled(link: &str) -> bool {
    let interfaces = INTERFACES.lock();
    interfaces
        .iter()
        .any(|known| known.enabled && known.link.eq_ignore_ascii_case(link))
}

/// The links of a class, enabled or all, of one device or of any.
fn list(class: &GUID, pdo: *mut DEVICE_OBJECT, all: bool) -> Vec<String> {
    let interfaces = INTERFACES.lock();
    interfaces
        .iter()
        .filter(|known| known.class == *class && (known.enabled || all))
        .filter(|known| pdo.is_null() || known.device == pdo.addr())
        .map(|known| known.link.clone())
        .collect()
}

/// The string's text; empty for none.
///
/// # Safety
///
/// Null, or a string.
#[must_use]
pub unsafe fn text(string: *const UNICODE_STRING) -> String {
    // SAFETY: the caller's promise.
    let units = unsafe { ob::units(string) };
    String::from_utf16_lossy(&units.unwrap_or_default())
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Opens the key in which drivers keep what belongs to an interface, with a handle of the
    /// kernel's own. STATUS_OBJECT_NAME_NOT_FOUND if there is no such interface.
    ///
    /// Source: IoOpenDeviceInterfaceRegistryKey.
    ///
    /// # Safety
    ///
    /// `link` is a string; `handle` can be written.
    pub unsafe fn IoOpenDeviceInterfaceRegistryKey(
        link: *const UNICODE_STRING,
        desired: u32,
        handle: *mut u64,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let link = unsafe { text(link) };
        let Some((class, _)) = find(&link) else {
            return STATUS_OBJECT_NAME_NOT_FOUND;
        };
        match keys::open_interface(&class, &link) {
            Ok(opened) => {
                // SAFETY: the caller's promise.
                unsafe { handle.write(key::open(opened, desired, true)) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Registers an interface of a device, disabled; gives its name in a string that the caller
    /// frees with RtlFreeUnicodeString. STATUS_OBJECT_NAME_EXISTS if it was registered before.
    ///
    /// Source: IoRegisterDeviceInterface.
    ///
    /// # Safety
    ///
    /// `class` is a GUID, `reference` null or a string; `link` can be written.
    pub unsafe fn IoRegisterDeviceInterface(
        pdo: *mut DEVICE_OBJECT,
        class: *const GUID,
        reference: *const UNICODE_STRING,
        link: *mut UNICODE_STRING,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let reference = unsafe { text(reference) };
        // SAFETY: the caller's promise.
        let registered = register(pdo, unsafe { &*class }, &reference);
        let named = registered.and_then(|(name, known)| Ok((in_pool(&name)?, known)));
        match named {
            Ok((name, known)) => {
                // SAFETY: the caller's promise.
                unsafe { link.write(name) };
                if known { STATUS_OBJECT_NAME_EXISTS } else { STATUS_SUCCESS }
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Enables or disables an interface. STATUS_INVALID_PARAMETER for what is no interface's name.
    ///
    /// Source: IoSetDeviceInterfaceState.
    ///
    /// # Safety
    ///
    /// `link` is a string.
    pub unsafe fn IoSetDeviceInterfaceState(link: *const UNICODE_STRING, enable: u8) -> NTSTATUS {
        // An interface can always be disabled.
        if enable != 0 && hook::call_fails("IoSetDeviceInterfaceState", export::caller()) {
            return STATUS_INSUFFICIENT_RESOURCES;
        }
        // SAFETY: the caller's promise.
        let link = unsafe { text(link) };
        if !is_link(&link) {
            return STATUS_INVALID_PARAMETER;
        }
        set_state(&link, enable != 0).unwrap_or_else(|status| status)
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The name of a device's interface of another class, with the same reference string, in a
    /// string that the caller frees with RtlFreeUnicodeString. STATUS_OBJECT_NAME_NOT_FOUND if
    /// there is none.
    ///
    /// Source: IoGetDeviceInterfaceAlias.
    ///
    /// # Safety
    ///
    /// `link` is a string, `class` a GUID; `name` can be written.
    pub unsafe fn IoGetDeviceInterfaceAlias(
        link: *const UNICODE_STRING,
        class: *const GUID,
        name: *mut UNICODE_STRING,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let link = unsafe { text(link) };
        // SAFETY: the caller's promise.
        let found = alias(&link, unsafe { &*class }).ok_or(STATUS_OBJECT_NAME_NOT_FOUND);
        match found.and_then(|found| in_pool(&found)) {
            Ok(found) => {
                // SAFETY: the caller's promise.
                unsafe { name.write(found) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// The names of a class's interfaces, each ended by a NUL, in pool that the caller frees.
    ///
    /// Source: IoGetDeviceInterfaces.
    ///
    /// # Safety
    ///
    /// `class` is a GUID; `names` can be written.
    pub unsafe fn IoGetDeviceInterfaces(
        class: *const GUID,
        pdo: *mut DEVICE_OBJECT,
        flags: u32,
        names: *mut *mut u16,
    ) -> NTSTATUS {
        /// `DEVICE_INTERFACE_INCLUDE_NONACTIVE`.
        const ALL: u32 = 1;
        // SAFETY: the caller's promise.
        let links = list(unsafe { &*class }, pdo, flags & ALL != 0);
        let texts = links.join("\0") + "\0";
        match in_pool(&texts) {
            Ok(string) => {
                // SAFETY: the caller's promise.
                unsafe { names.write(string.Buffer) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }
}
