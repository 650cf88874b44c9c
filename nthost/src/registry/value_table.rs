//! Several values of the registry in one call, as a table of the driver's says.
//!
//! There are no environment variables: in a `REG_EXPAND_SZ` that is to be expanded, the references
//! to them stay as they are.
//!
//! Sources: RtlQueryRegistryValues, nc-wdm-rtl_query_registry_routine; bug check 0x139, 9 (an unsafe
//! access to the registry).

use alloc::vec::Vec;
use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    rtl::{RTL_QUERY_REGISTRY_TABLE, UNICODE_STRING},
    status::{
        NTSTATUS, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY,
        STATUS_OBJECT_NAME_NOT_FOUND, STATUS_OBJECT_TYPE_MISMATCH, nt_error,
    },
};

use super::{
    exports::{now, status},
    hive::KeyId,
    key::KEY_QUERY_VALUE,
    value::{REG_EXPAND_SZ, REG_MULTI_SZ, REG_NONE, REG_SZ, Value},
    values::open,
    with,
};
use crate::{
    export,
    ke::bugcheck::{self, code},
    mm::pool::{self, flags},
    ob::name::Name,
    rtl::string::terminated,
};

/// Hives whose values have the types that they should.
const SYSTEM_HIVES: [&str; 5] = ["HARDWARE", "SOFTWARE", "SYSTEM", "SECURITY", "SAM"];

/// `RTL_QUERY_REGISTRY_…`.
mod flag {
    pub const SUBKEY: u32 = 0x1;
    pub const TOPKEY: u32 = 0x2;
    pub const REQUIRED: u32 = 0x4;
    pub const NO_VALUE: u32 = 0x8;
    pub const NO_EXPAND: u32 = 0x10;
    pub const DIRECT: u32 = 0x20;
    pub const DELETE: u32 = 0x40;
    pub const TYPE_CHECK: u32 = 0x100;
}

/// The tag of buffers that are allocated for strings.
const TAG: u32 = u32::from_le_bytes(*b"RqRv");

/// Whether a key is in one of the system's hives.
fn is_trusted(key: KeyId) -> bool {
    let path = with(|hive| hive.path(key)).unwrap_or_default();
    let mut components = Name::components(&path).skip(2);
    components.next().is_some_and(|hive| {
        SYSTEM_HIVES
            .iter()
            .any(|name| crate::ob::name::compare(hive, &wide(name)).is_eq())
    })
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// The strings of a `REG_MULTI_SZ`, each with its NUL: its length ends it, and an empty string is a
/// string. `closing` units at its end begin none: the NUL that closes the list and, of a default,
/// that of the last string.
fn strings(data: &[u8], closing: usize) -> Vec<Vec<u8>> {
    let units = data.as_chunks::<2>().0;
    let last = units.len().saturating_sub(closing);
    let mut parts = Vec::new();
    let mut start = 0;
    while start < last {
        let rest = &units[start..];
        let length = rest
            .iter()
            .position(|unit| *unit == [0, 0])
            .unwrap_or(rest.len());
        parts.push(
            rest[..length]
                .iter()
                .chain([&[0, 0]])
                .flatten()
                .copied()
                .collect(),
        );
        start += length + 1;
    }
    parts
}

/// The value that an entry of the table has for one that does not exist.
///
/// # Safety
///
/// It is an entry of a table.
unsafe fn default_of(entry: &RTL_QUERY_REGISTRY_TABLE) -> Option<Value> {
    let kind = entry.DefaultType & 0xff;
    if kind == REG_NONE {
        return None;
    }
    let start: *const u8 = entry.DefaultData.cast();
    let mut length = entry.DefaultLength as usize;
    if length == 0 && matches!(kind, REG_SZ | REG_EXPAND_SZ | REG_MULTI_SZ) && !start.is_null() {
        // SAFETY: the caller's promise: it is a text.
        let mut units = unsafe { terminated(start.cast()) }.len() + 1;
        if kind == REG_MULTI_SZ {
            loop {
                // SAFETY: another NUL, or another string, follows.
                let rest = unsafe { start.cast::<u16>().add(units) };
                // SAFETY: as above.
                let more = unsafe { terminated(rest) }.len();
                units += more + 1;
                if more == 0 {
                    break;
                }
            }
        }
        length = 2 * units;
    }
    let data = if length == 0 || start.is_null() {
        Vec::new()
    } else {
        // SAFETY: the caller's promise.
        unsafe { core::slice::from_raw_parts(start, length) }.to_vec()
    };
    Some(Value { kind, data })
}

/// Puts a value where an entry wants it.
///
/// # Safety
///
/// The entry's context is what its page demands for a value of this type.
unsafe fn store(
    entry: &RTL_QUERY_REGISTRY_TABLE,
    value: &Value,
    caller: u64,
) -> Result<(), NTSTATUS> {
    let data = &value.data[..];
    if matches!(value.kind, REG_SZ | REG_EXPAND_SZ | REG_MULTI_SZ) {
        // SAFETY: the caller's promise.
        return unsafe { store_string(entry.EntryContext.cast(), data, caller) };
    }
    let start: *mut u8 = entry.EntryContext.cast();
    if data.len() <= size_of::<u32>() {
        // SAFETY: the caller's promise.
        unsafe { start.copy_from(data.as_ptr(), data.len()) };
        return Ok(());
    }
    // SAFETY: the caller's promise: the buffer begins with its size.
    let size = unsafe { start.cast::<i32>().read_unaligned() };
    let header = if size < 0 { 0 } else { 8 };
    if data.len() + header > size.unsigned_abs() as usize {
        return Err(STATUS_BUFFER_TOO_SMALL);
    }
    if header != 0 {
        let words = [data.len() as u32, value.kind];
        // SAFETY: there is room.
        unsafe { start.cast::<[u32; 2]>().write_unaligned(words) };
    }
    // SAFETY: there is room.
    let place = unsafe { start.add(header) };
    // SAFETY: as above.
    unsafe { place.copy_from(data.as_ptr(), data.len()) };
    Ok(())
}

/// Puts a text into a counted string, which gets a buffer of its own if it has none.
///
/// # Safety
///
/// It is a string.
unsafe fn store_string(to: *mut UNICODE_STRING, data: &[u8], caller: u64) -> Result<(), NTSTATUS> {
    let text = data.strip_suffix(&[0, 0]).unwrap_or(data);
    let size = text.len() + 2;
    let room = u16::try_from(size).map_err(|_| STATUS_BUFFER_TOO_SMALL)?;
    // SAFETY: the caller's promise.
    let to = unsafe { &mut *to };
    if to.Buffer.is_null() {
        let buffer = pool::allocate(flags::PAGED, size as u64, TAG, caller);
        to.Buffer = pool::pointer(buffer).cast();
        if to.Buffer.is_null() {
            return Err(STATUS_NO_MEMORY);
        }
        to.MaximumLength = room;
    } else if to.MaximumLength < room {
        return Err(STATUS_BUFFER_TOO_SMALL);
    }
    let start: *mut u8 = to.Buffer.cast();
    // SAFETY: there is room.
    unsafe { start.copy_from(text.as_ptr(), text.len()) };
    // SAFETY: as above.
    let end = unsafe { start.add(text.len()) };
    // SAFETY: as above: the NUL.
    unsafe { end.write_bytes(0, 2) };
    to.Length = text.len() as u16;
    Ok(())
}

/// One query of a table.
struct Query<'a> {
    entry: &'a RTL_QUERY_REGISTRY_TABLE,
    context: *mut c_void,
    caller: u64,
}

impl Query<'_> {
    const fn has(&self, flag: u32) -> bool {
        self.entry.Flags & flag != 0
    }

    /// Calls the entry's routine. That a buffer is too small for it is its own business.
    ///
    /// # Safety
    ///
    /// The name is NUL-terminated or null.
    unsafe fn call(
        &self,
        name: *const u16,
        kind: u32,
        data: Option<&[u8]>,
    ) -> Result<(), NTSTATUS> {
        let Some(routine) = self.entry.QueryRoutine else {
            return Ok(());
        };
        // As aligned as any type of data wants it.
        let mut copy = Vec::<u64>::new();
        let (start, length) = data.map_or((null_mut(), 0), |data| {
            copy.extend(data.chunks(8).map(|chunk| {
                let mut bytes = [0; 8];
                bytes[..chunk.len()].copy_from_slice(chunk);
                u64::from_le_bytes(bytes)
            }));
            (copy.as_mut_ptr().cast(), data.len() as u32)
        });
        // SAFETY: the driver's own routine, with what it gave for it.
        let status = unsafe {
            routine(
                name,
                kind,
                start,
                length,
                self.context,
                self.entry.EntryContext,
            )
        };
        if nt_error(status) && status != STATUS_BUFFER_TOO_SMALL {
            return Err(status);
        }
        Ok(())
    }

    /// Hands a value out.
    ///
    /// # Safety
    ///
    /// The name is NUL-terminated; the entry is as its page demands.
    unsafe fn hand_out(
        &self,
        name: *const u16,
        value: &Value,
        closing: usize,
    ) -> Result<(), NTSTATUS> {
        let expands = !self.has(flag::NO_EXPAND);
        if self.has(flag::DIRECT) {
            if self.has(flag::TYPE_CHECK) && self.entry.DefaultType >> 24 != value.kind {
                return Err(STATUS_OBJECT_TYPE_MISMATCH);
            }
            if value.kind == REG_MULTI_SZ && expands {
                return Err(STATUS_INVALID_PARAMETER);
            }
            // SAFETY: the caller's promise.
            return unsafe { store(self.entry, value, self.caller) };
        }
        match value.kind {
            REG_MULTI_SZ if expands => {
                for text in strings(&value.data, closing) {
                    // SAFETY: the caller's promise.
                    unsafe { self.call(name, REG_SZ, Some(&text)) }?;
                }
                Ok(())
            }
            // SAFETY: the caller's promise.
            REG_EXPAND_SZ if expands => unsafe { self.call(name, REG_SZ, Some(&value.data)) },
            // SAFETY: the caller's promise.
            kind => unsafe { self.call(name, kind, Some(&value.data)) },
        }
    }

    /// The value of this name.
    ///
    /// # Safety
    ///
    /// As [`Self::hand_out`].
    unsafe fn one(&self, key: KeyId) -> Result<(), NTSTATUS> {
        // SAFETY: the caller's promise.
        let name = unsafe { terminated(self.entry.Name) };
        let found = with(|hive| hive.value(key, &name).cloned());
        let value = match found {
            Err(STATUS_OBJECT_NAME_NOT_FOUND) => {
                // SAFETY: the caller's promise.
                let Some(value) = (unsafe { default_of(self.entry) }) else {
                    return if self.has(flag::REQUIRED) {
                        Err(STATUS_OBJECT_NAME_NOT_FOUND)
                    } else {
                        Ok(())
                    };
                };
                // SAFETY: the caller's promise. A default is of the type that it should be.
                return unsafe { self.hand_out_default(&value) };
            }
            found => found?,
        };
        if self.has(flag::DIRECT) && !self.has(flag::TYPE_CHECK) && !is_trusted(key) {
            let parameters = [9, core::ptr::from_ref(self.entry) as u64, 0, 0];
            bugcheck::bugcheck(code::KERNEL_SECURITY_CHECK_FAILURE, parameters);
        }
        // SAFETY: the caller's promise.
        unsafe { self.hand_out(self.entry.Name, &value, 1) }?;
        if self.has(flag::DELETE) {
            with(|hive| hive.delete_value(key, &name, now()))?;
        }
        Ok(())
    }

    /// Hands the default out, which no type is checked of.
    ///
    /// # Safety
    ///
    /// As [`Self::hand_out`].
    unsafe fn hand_out_default(&self, value: &Value) -> Result<(), NTSTATUS> {
        if self.has(flag::DIRECT) {
            // SAFETY: the caller's promise.
            return unsafe { store(self.entry, value, self.caller) };
        }
        // SAFETY: the caller's promise.
        unsafe { self.hand_out(self.entry.Name, value, 2) }
    }

    /// All values of a key.
    ///
    /// # Safety
    ///
    /// As [`Self::hand_out`].
    unsafe fn all(&self, key: KeyId) -> Result<(), NTSTATUS> {
        let mut values = Vec::new();
        while let Ok((name, value)) = with(|hive| {
            hive.value_at(key, values.len())
                .map(|(name, value)| (name.units().to_vec(), value.clone()))
        }) {
            values.push((name, value));
        }
        if values.is_empty() && self.has(flag::REQUIRED) {
            return Err(STATUS_OBJECT_NAME_NOT_FOUND);
        }
        for (name, value) in values {
            let text: Vec<u16> = name.iter().copied().chain([0]).collect();
            // SAFETY: the caller's promise.
            unsafe { self.hand_out(text.as_ptr(), &value, 1) }?;
            if self.has(flag::DELETE) {
                with(|hive| hive.delete_value(key, &name, now()))?;
            }
        }
        Ok(())
    }
}

/// Works a table off.
///
/// # Safety
///
/// It is a table, that ends.
unsafe fn query(
    top: KeyId,
    mut table: *const RTL_QUERY_REGISTRY_TABLE,
    context: *mut c_void,
    caller: u64,
) -> Result<(), NTSTATUS> {
    let mut key = top;
    loop {
        // SAFETY: the caller's promise.
        let entry = unsafe { &*table };
        let (named, routine) = (!entry.Name.is_null(), entry.QueryRoutine.is_some());
        if !named && !routine {
            return Ok(());
        }
        let this = Query {
            entry,
            context,
            caller,
        };
        let direct = this.has(flag::DIRECT);
        let subkey = this.has(flag::SUBKEY);
        let wrong = (direct && (routine || !named || subkey))
            || (subkey && !named)
            || (this.has(flag::TYPE_CHECK) && !direct)
            || (!direct && !subkey && !routine);
        if wrong {
            return Err(STATUS_INVALID_PARAMETER);
        }
        if this.has(flag::TOPKEY | flag::SUBKEY) {
            key = top;
        }
        if subkey {
            // SAFETY: the caller's promise.
            let path = unsafe { terminated(entry.Name) };
            key = with(|hive| hive.open(top, &path))?;
            if routine && this.has(flag::NO_VALUE) {
                // SAFETY: the caller's promise.
                unsafe { this.call(core::ptr::null(), REG_NONE, None) }?;
            } else if routine {
                // SAFETY: the caller's promise.
                unsafe { this.all(key) }?;
            }
        } else if named {
            // SAFETY: the caller's promise.
            unsafe { this.one(key) }?;
        } else if this.has(flag::NO_VALUE) {
            // SAFETY: the caller's promise.
            unsafe { this.call(core::ptr::null(), REG_NONE, None) }?;
        } else {
            // SAFETY: the caller's promise.
            unsafe { this.all(key) }?;
        }
        // SAFETY: the table goes on to its end.
        table = unsafe { table.add(1) };
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_NO_MEMORY;
    /// Queries the values that a table tells, by a routine each or into the driver's memory.
    ///
    /// Source: RtlQueryRegistryValues.
    ///
    /// # Safety
    ///
    /// The path is NUL-terminated, or a handle if the flag says so; the table is as its page
    /// demands.
    pub unsafe fn RtlQueryRegistryValues(
        relative_to: u32,
        path: *const u16,
        table: *mut RTL_QUERY_REGISTRY_TABLE,
        context: *mut c_void,
        _environment: *mut c_void,
    ) -> NTSTATUS {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        let key = unsafe { open(relative_to, path, KEY_QUERY_VALUE) };
        // SAFETY: the caller's promise.
        status(key.and_then(|key| unsafe { query(key, table, context, caller) }))
    }
}
