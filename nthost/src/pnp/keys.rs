//! The registry keys of services and devices: made from the manifest and the buses.

use alloc::{format, string::String, vec::Vec};

use nthost_nt::{guid::GUID, status::NTSTATUS};
use nthost_protocol::manifest::{DriverImage, RegistryValue};

use super::node::Node;
use crate::{
    ke::time,
    registry::{
        self,
        hive::{Hive, KeyId},
        value::Value,
    },
};

/// The key of a device: what its bus reports.
#[must_use]
pub fn enum_path(instance: &str) -> String {
    format!(r"Machine\System\CurrentControlSet\Enum\{instance}")
}

/// The hardware key of a device: what its INF writes.
#[must_use]
pub fn hardware_path(instance: &str) -> String {
    format!(r"{}\Device Parameters", enum_path(instance))
}

/// The key of a service.
#[must_use]
pub fn service_path(service: &str) -> String {
    format!(r"Machine\System\CurrentControlSet\Services\{service}")
}

fn units(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn now() -> i64 {
    i64::try_from(time::system_time()).unwrap_or(i64::MAX)
}

fn create(hive: &mut Hive, path: &str) -> Result<KeyId, NTSTATUS> {
    hive.create_all(Hive::ROOT, &units(path), now())
}

fn set(hive: &mut Hive, key: KeyId, name: &str, value: Value) -> Result<(), NTSTATUS> {
    hive.set_value(key, &units(name), value, now())
}

fn set_all(hive: &mut Hive, path: &str, values: &[RegistryValue]) -> Result<(), NTSTATUS> {
    for value in values {
        let key = create(hive, &format!(r"{path}\{}", value.key))?;
        set(hive, key, &value.name, Value::from(&value.data))?;
    }
    Ok(())
}

/// Writes the key of a service, as its INF would.
///
/// # Errors
///
/// For a key or value that cannot be.
pub fn write_service(driver: &DriverImage) -> Result<(), NTSTATUS> {
    registry::with(|hive| {
        let path = service_path(&driver.service);
        let key = create(hive, &path)?;
        let image = format!(r"\SystemRoot\System32\drivers\{}", driver.image);
        set(hive, key, "ImagePath", Value::string(&image))?;
        // SERVICE_KERNEL_DRIVER, SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL.
        for (name, value) in [("Type", 1), ("Start", 3), ("ErrorControl", 1)] {
            set(hive, key, name, Value::dword(value))?;
        }
        create(hive, &format!(r"{path}\Parameters"))?;
        set_all(hive, &path, &driver.service_values)
    })
}

/// Writes the keys of a device: what its bus reports, and what the INF of its driver would
/// write. Values that a driver has changed since stay.
///
/// # Errors
///
/// For a key or value that cannot be.
pub fn write_device(node: &Node, driver: Option<&DriverImage>) -> Result<(), NTSTATUS> {
    registry::with(|hive| {
        let path = enum_path(&node.instance);
        let key = create(hive, &path)?;
        let ids = |ids: &[String]| Value::strings(ids.iter().map(|id| &**id));
        set(hive, key, "HardwareID", ids(&node.hardware_ids))?;
        set(hive, key, "CompatibleIDs", ids(&node.compatible_ids))?;
        let hardware = hardware_path(&node.instance);
        let known = hive.open(Hive::ROOT, &units(&hardware)).is_ok();
        create(hive, &hardware)?;
        if let Some(driver) = driver {
            set(hive, key, "Service", Value::string(&driver.service))?;
            if !known {
                set_all(hive, &hardware, &driver.device_values)?;
            }
        }
        Ok(())
    })
}

/// The key of an interface: that of its device in its class, and its own in that.
fn interface_path(class: &GUID, link: &str) -> (String, String) {
    let name = link.strip_prefix(r"\??\").unwrap_or(link);
    let (device, reference) = name.split_once('\\').unwrap_or((name, ""));
    let of_device =
        format!(r"Machine\System\CurrentControlSet\Control\DeviceClasses\{class}\##?#{device}");
    let own = format!(r"{of_device}\#{reference}");
    (of_device, own)
}

/// Writes the keys of an interface, as its registration does.
///
/// # Errors
///
/// For a key or value that cannot be.
pub fn write_interface(instance: &str, class: &GUID, link: &str) -> Result<(), NTSTATUS> {
    registry::with(|hive| {
        let (of_device, own) = interface_path(class, link);
        let key = create(hive, &of_device)?;
        set(hive, key, "DeviceInstance", Value::string(instance))?;
        let key = create(hive, &own)?;
        let link = link.replacen(r"\??\", r"\\?\", 1);
        set(hive, key, "SymbolicLink", Value::string(&link))
    })
}

/// The key in which drivers keep what belongs to an interface, made with its first use.
///
/// # Errors
///
/// For a key that cannot be.
pub fn open_interface(class: &GUID, link: &str) -> Result<KeyId, NTSTATUS> {
    let (_, own) = interface_path(class, link);
    registry::with(|hive| create(hive, &format!(r"{own}\Device Parameters")))
}

/// The key of a service's parameters, which was made with the service's.
///
/// # Errors
///
/// `STATUS_OBJECT_NAME_NOT_FOUND`.
pub fn open_parameters(service: &str) -> Result<KeyId, NTSTATUS> {
    let path = format!(r"{}\Parameters", service_path(service));
    registry::with(|hive| hive.open(Hive::ROOT, &units(&path)))
}

/// The hardware key of a device, which was made when the device was found.
///
/// # Errors
///
/// `STATUS_OBJECT_NAME_NOT_FOUND`.
pub fn open_hardware(instance: &str) -> Result<KeyId, NTSTATUS> {
    registry::with(|hive| hive.open(Hive::ROOT, &units(&hardware_path(instance))))
}

fn device_value(node: &Node, key: &str, name: &str) -> Option<Value> {
    let path = format!(r"{}\{key}", hardware_path(&node.instance));
    registry::with(|hive| {
        let key = hive.open(Hive::ROOT, &units(&path)).ok()?;
        hive.value(key, &units(name)).ok().cloned()
    })
}

/// A number in a device's hardware key.
#[must_use]
pub fn device_parameter(node: &Node, key: &str, name: &str) -> Option<u32> {
    device_value(node, key, name)?.as_dword()
}

/// A set of processors in a device's hardware key: any number of bytes up to 8.
#[must_use]
pub fn device_set(node: &Node, key: &str, name: &str) -> Option<u64> {
    let value = device_value(node, key, name)?;
    let mut bytes = [0; 8];
    bytes
        .get_mut(..value.data.len())?
        .copy_from_slice(&value.data);
    Some(u64::from_le_bytes(bytes))
}
