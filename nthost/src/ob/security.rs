//! What the generic rights stand for on devices: the specific rights of their files.
//!
//! Source: IoGetFileObjectGenericMapping.

use nthost_nt::{
    io::create::{FILE_ALL_ACCESS, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ, FILE_GENERIC_WRITE},
    se::GENERIC_MAPPING,
};

use crate::se::access::map;

/// The rights.
pub const FILE_MAPPING: GENERIC_MAPPING = GENERIC_MAPPING {
    GenericRead: FILE_GENERIC_READ,
    GenericWrite: FILE_GENERIC_WRITE,
    GenericExecute: FILE_GENERIC_EXECUTE,
    GenericAll: FILE_ALL_ACCESS,
};

/// Access to a device, in specific rights.
#[must_use]
pub const fn map_generic(access: u32) -> u32 {
    map(access, &FILE_MAPPING)
}
