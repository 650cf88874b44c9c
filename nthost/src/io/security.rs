//! Who may open which device.

use nthost_nt::{
    io::{create::MAXIMUM_ALLOWED, device::DEVICE_OBJECT},
    status::NTSTATUS,
};

use crate::{
    ob::security::{FILE_MAPPING, map_generic},
    rtl::security::relative,
    se::{access, identity::Identity, object},
};

/// The access that somebody gets to a device. A device without a descriptor admits everyone.
///
/// # Errors
///
/// `STATUS_ACCESS_DENIED`, `STATUS_PRIVILEGE_NOT_HELD`.
pub fn check(device: *mut DEVICE_OBJECT, who: Identity, access: u32) -> Result<u32, NTSTATUS> {
    let Some(descriptor) = object::get(device.cast()) else {
        return Ok(map_generic(access));
    };
    let parts = relative::parts(&descriptor).unwrap_or_default();
    if access == 0 {
        // Who asks for nothing gets it, if there is anything to be had.
        return access::check(&parts, who, MAXIMUM_ALLOWED, 0, &FILE_MAPPING).map(|_| 0);
    }
    let granted = access::check(&parts, who, access, 0, &FILE_MAPPING);
    granted.map(|granted| granted.access)
}
