//! Who may open which device.

use alloc::collections::BTreeMap;

use nthost_nt::{io::device::DEVICE_OBJECT, status::NTSTATUS};
use nthost_protocol::Token;

use crate::{
    ke::lock::SpinLock,
    ob::security::{Dacl, map_generic},
};

/// The lists of devices that have one. A leaf.
static LISTS: SpinLock<BTreeMap<usize, Dacl>> = SpinLock::new(BTreeMap::new());

/// Gives a device its list, in place of the one before.
pub fn set(device: *mut DEVICE_OBJECT, dacl: Dacl) {
    LISTS.lock().insert(device.addr(), dacl);
}

/// The device is gone.
pub fn forget(device: *mut DEVICE_OBJECT) {
    LISTS.lock().remove(&device.addr());
}

/// The access that a caller gets to a device. A device without a list admits everyone.
///
/// # Errors
///
/// `STATUS_ACCESS_DENIED`.
pub fn check(device: *mut DEVICE_OBJECT, token: Token, access: u32) -> Result<u32, NTSTATUS> {
    LISTS
        .lock()
        .get(&device.addr())
        .map_or_else(|| Ok(map_generic(access)), |dacl| dacl.check(token, access))
}
