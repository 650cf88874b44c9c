//! What the generic rights stand for on devices: the specific rights of their files.
//!
//! Source: IoGetFileObjectGenericMapping.

use nthost_nt::{
    io::create::{
        FILE_ALL_ACCESS, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ, FILE_GENERIC_WRITE, GENERIC_ALL,
        GENERIC_EXECUTE, GENERIC_READ, GENERIC_WRITE,
    },
    se::GENERIC_MAPPING,
};

/// The rights.
pub const FILE_MAPPING: GENERIC_MAPPING = GENERIC_MAPPING {
    GenericRead: FILE_GENERIC_READ,
    GenericWrite: FILE_GENERIC_WRITE,
    GenericExecute: FILE_GENERIC_EXECUTE,
    GenericAll: FILE_ALL_ACCESS,
};

/// Rights with the generic ones turned into what they stand for.
#[must_use]
pub const fn map(access: u32, mapping: &GENERIC_MAPPING) -> u32 {
    let mut mapped = access & !(GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | GENERIC_ALL);
    if access & GENERIC_READ != 0 {
        mapped |= mapping.GenericRead;
    }
    if access & GENERIC_WRITE != 0 {
        mapped |= mapping.GenericWrite;
    }
    if access & GENERIC_EXECUTE != 0 {
        mapped |= mapping.GenericExecute;
    }
    if access & GENERIC_ALL != 0 {
        mapped |= mapping.GenericAll;
    }
    mapped
}

/// Access to a device, in specific rights.
#[must_use]
pub const fn map_generic(access: u32) -> u32 {
    map(access, &FILE_MAPPING)
}
