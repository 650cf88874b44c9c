//! The run-time library's routines for single keys and values of the registry, by the path of the
//! key.
//!
//! Sources: RtlWriteRegistryValue, RtlDeleteRegistryValue, RtlCreateRegistryKey,
//! RtlCheckRegistryKey.

use alloc::vec::Vec;

use nthost_nt::status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_NOT_FOUND};

use super::{
    exports::{now, status},
    hive::{Hive, KeyId},
    key::{self, KEY_CREATE_SUB_KEY, KEY_SET_VALUE},
    value::Value,
    with,
};
use crate::rtl::string::terminated;

/// `RTL_REGISTRY_HANDLE`, `RTL_REGISTRY_OPTIONAL`.
const HANDLE: u32 = 0x4000_0000;
const OPTIONAL: u32 = 0x8000_0000;
/// What paths are relative to, by `RTL_REGISTRY_ABSOLUTE` and on.
const ROOTS: [&str; 6] = [
    "",
    r"\Registry\Machine\System\CurrentControlSet\Services",
    r"\Registry\Machine\System\CurrentControlSet\Control",
    r"\Registry\Machine\Software\Microsoft\Windows NT\CurrentVersion",
    r"\Registry\Machine\Hardware\DeviceMap",
    r"\Registry\User\.Default",
];
/// Where a path leads: the key to begin at, and the path from there.
///
/// # Safety
///
/// The path is NUL-terminated, or null, or a handle if the flag says so.
unsafe fn place(
    relative_to: u32,
    path: *const u16,
    access: u32,
) -> Result<(KeyId, Vec<u16>), NTSTATUS> {
    if relative_to & HANDLE != 0 {
        return Ok((key::of_handle(path as u64, access)?, Vec::new()));
    }
    let root = ROOTS
        .get((relative_to & !OPTIONAL) as usize)
        .ok_or(STATUS_INVALID_PARAMETER)?;
    let mut whole: Vec<u16> = root.encode_utf16().collect();
    // SAFETY: the caller's promise.
    let path = unsafe { terminated(path) };
    if !root.is_empty() && !path.is_empty() {
        whole.push(b'\\'.into());
    }
    whole.extend_from_slice(&path);
    Ok((Hive::ROOT, key::below_registry(&whole)?.to_vec()))
}

/// The key that a path leads to.
///
/// # Safety
///
/// As [`place`].
pub(super) unsafe fn open(
    relative_to: u32,
    path: *const u16,
    access: u32,
) -> Result<KeyId, NTSTATUS> {
    // SAFETY: the caller's promise.
    let (root, path) = unsafe { place(relative_to, path, access) }?;
    with(|hive| hive.open(root, &path))
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Writes a value; its key is made if it alone is missing in the path.
    ///
    /// Source: RtlWriteRegistryValue.
    ///
    /// # Safety
    ///
    /// Path and name are NUL-terminated, or a handle if the flag says so; there is so much data.
    pub unsafe fn RtlWriteRegistryValue(
        relative_to: u32,
        path: *const u16,
        name: *const u16,
        kind: u32,
        data: *const u8,
        length: u32,
    ) -> NTSTATUS {
        let length = if data.is_null() { 0 } else { length as usize };
        let mut copy = Vec::new();
        if copy.try_reserve_exact(length).is_err() {
            return nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
        }
        if length != 0 {
            // SAFETY: the caller's promise.
            copy.extend_from_slice(unsafe { core::slice::from_raw_parts(data, length) });
        }
        let data = copy;
        // SAFETY: the caller's promise.
        let name = unsafe { terminated(name) };
        // SAFETY: the caller's promise.
        let place = unsafe { place(relative_to, path, KEY_SET_VALUE) };
        status(place.and_then(|(root, path)| {
            with(|hive| {
                let key = match hive.open(root, &path) {
                    Err(STATUS_OBJECT_NAME_NOT_FOUND) => hive.create(root, &path, false, now())?.0,
                    key => key?,
                };
                hive.set_value(key, &name, Value { kind, data }, now())
            })
        }))
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Deletes a value.
    ///
    /// Source: RtlDeleteRegistryValue.
    ///
    /// # Safety
    ///
    /// Path and name are NUL-terminated, or a handle if the flag says so.
    pub unsafe fn RtlDeleteRegistryValue(
        relative_to: u32,
        path: *const u16,
        name: *const u16,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let name = unsafe { terminated(name) };
        // SAFETY: the caller's promise.
        let key = unsafe { open(relative_to, path, KEY_SET_VALUE) };
        status(key.and_then(|key| with(|hive| hive.delete_value(key, &name, now()))))
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Makes the last key of a path, unless it is there.
    ///
    /// Source: RtlCreateRegistryKey.
    ///
    /// # Safety
    ///
    /// The path is NUL-terminated, or a handle if the flag says so.
    pub unsafe fn RtlCreateRegistryKey(relative_to: u32, path: *const u16) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let place = unsafe { place(relative_to, path, KEY_CREATE_SUB_KEY) };
        status(place.and_then(|(root, path)| {
            with(|hive| hive.create(root, &path, false, now()).map(drop))
        }))
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Whether there is a key: STATUS_SUCCESS, or STATUS_OBJECT_NAME_NOT_FOUND.
    ///
    /// Source: RtlCheckRegistryKey.
    ///
    /// # Safety
    ///
    /// The path is NUL-terminated, or a handle if the flag says so.
    pub unsafe fn RtlCheckRegistryKey(relative_to: u32, path: *const u16) -> NTSTATUS {
        // SAFETY: the caller's promise.
        status(unsafe { open(relative_to, path, 0) }.map(drop))
    }
}
