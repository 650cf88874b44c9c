//! The registry's routines that drivers can import.
//!
//! Sources: nf-wdm-zwcreatekey, nf-wdm-zwopenkey, nf-wdm-zwopenkeyex, nf-wdm-zwqueryvaluekey,
//! nf-wdm-zwsetvaluekey, nf-wdm-zwdeletevaluekey, nf-wdm-zwenumeratevaluekey,
//! nf-wdm-zwenumeratekey, nf-wdm-zwquerykey, nf-wdm-zwdeletekey, nf-wdm-zwflushkey.

use core::{ffi::c_void, ptr::null};

use nthost_nt::{
    ob::OBJECT_ATTRIBUTES,
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED,
        STATUS_SUCCESS,
    },
};

use super::{
    filter::{class, operation},
    information::{self, Information},
    key::{
        self, DELETE, KEY_CREATE_SUB_KEY, KEY_ENUMERATE_SUB_KEYS, KEY_QUERY_VALUE, KEY_SET_VALUE,
    },
    notification::{self, DeleteValue, Enumerate, How, QueryKey, QueryValue, SetValue},
    value::Value,
    with,
};
use crate::{
    ke::time,
    ob::{name::Name, units},
};

/// `REG_OPTION_VOLATILE`.
const VOLATILE: u32 = 1;
/// `REG_CREATED_NEW_KEY`.
const CREATED: u32 = 1;
/// `REG_OPENED_EXISTING_KEY`.
const OPENED: u32 = 2;

pub(super) fn now() -> i64 {
    i64::try_from(time::system_time()).unwrap_or(i64::MAX)
}

pub(super) fn status(result: Result<(), NTSTATUS>) -> NTSTATUS {
    result.err().unwrap_or(STATUS_SUCCESS)
}

/// Writes what fits, and the length that is needed.
///
/// # Safety
///
/// As the query routines.
unsafe fn answer(
    information: Result<Information, NTSTATUS>,
    buffer: *mut c_void,
    length: u32,
    needed: *mut u32,
) -> NTSTATUS {
    let information = match information {
        Ok(information) => information,
        Err(status) => return status,
    };
    // SAFETY: the caller's promise.
    unsafe { needed.write(u32::try_from(information.length()).unwrap_or(u32::MAX)) };
    let room = if buffer.is_null() { 0 } else { length as usize };
    let (bytes, status) = information.for_buffer(room);
    // SAFETY: the caller's promise; it fits, and the hive is not the driver's memory.
    unsafe { buffer.cast::<u8>().copy_from(bytes.as_ptr(), bytes.len()) };
    status
}

/// # Safety
///
/// As ZwOpenKey.
unsafe fn open(
    handle: *mut u64,
    desired: u32,
    attributes: *const OBJECT_ATTRIBUTES,
    options: u32,
) -> NTSTATUS {
    let how = How {
        desired,
        options,
        class: null(),
    };
    // SAFETY: the caller's promise.
    let opened = unsafe { key::place(attributes, 0) }.and_then(|place| {
        let work = || Ok((with(|hive| hive.open(place.root, &place.path))?, OPENED));
        // SAFETY: they are those of the place.
        unsafe { notification::open(class::OPEN, attributes, &place, &how, work) }
    });
    match opened {
        Ok((opened, _)) => {
            // SAFETY: the caller's promise.
            unsafe { handle.write(opened) };
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Opens a key.
    ///
    /// Source: nf-wdm-zwopenkey.
    ///
    /// # Safety
    ///
    /// `handle` can be written; attributes with a string.
    pub unsafe fn ZwOpenKey(
        handle: *mut u64,
        desired: u32,
        attributes: *const OBJECT_ATTRIBUTES,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { open(handle, desired, attributes, 0) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Opens a key. No option is of use here: there are no links, and nobody needs privileges.
    ///
    /// Source: nf-wdm-zwopenkeyex.
    ///
    /// # Safety
    ///
    /// As ZwOpenKey.
    pub unsafe fn ZwOpenKeyEx(
        handle: *mut u64,
        desired: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        options: u32,
    ) -> NTSTATUS {
        // REG_OPTION_OPEN_LINK and REG_OPTION_BACKUP_RESTORE are what there is.
        if options & !0xc != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        unsafe { open(handle, desired, attributes, options) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Opens a key, or makes the last component of its path. Classes are not kept, and links are
    /// not made.
    ///
    /// Source: nf-wdm-zwcreatekey.
    ///
    /// # Safety
    ///
    /// As ZwOpenKey; `disposition` is null or can be written.
    pub unsafe fn ZwCreateKey(
        handle: *mut u64,
        desired: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        _title_index: u32,
        class: *const UNICODE_STRING,
        options: u32,
        disposition: *mut u32,
    ) -> NTSTATUS {
        if options & !VOLATILE != 0 {
            return STATUS_NOT_SUPPORTED;
        }
        let volatile = options & VOLATILE != 0;
        // SAFETY: the caller's promise.
        let created = unsafe { key::place(attributes, KEY_CREATE_SUB_KEY) }.and_then(|place| {
            let work = || {
                let made = with(|hive| hive.create(place.root, &place.path, volatile, now()));
                made.map(|(key, made)| (key, if made { CREATED } else { OPENED }))
            };
            let how = How { desired, options, class };
            // SAFETY: they are those of the place.
            unsafe { notification::open(class::CREATE, attributes, &place, &how, work) }
        });
        match created {
            Ok((opened, made)) => {
                // SAFETY: the caller's promise.
                unsafe { handle.write(opened) };
                if !disposition.is_null() {
                    // SAFETY: the caller's promise.
                    unsafe { disposition.write(made) };
                }
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Deletes a key without subkeys. Its handles stay, to be closed.
    ///
    /// Source: nf-wdm-zwdeletekey.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ZwDeleteKey(handle: u64) -> NTSTATUS {
        let opened = match key::reference(handle, DELETE) {
            Ok(opened) => opened,
            Err(status) => return status,
        };
        operation(class::DELETE_KEY, opened.object, (), || {
            status(with(|hive| hive.delete(opened.key, now())))
        })
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Writes a key to the disk, if there were one.
    ///
    /// Source: nf-wdm-zwflushkey.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn ZwFlushKey(handle: u64) -> NTSTATUS {
        match key::reference(handle, 0) {
            Ok(opened) => operation(class::FLUSH, opened.object, (), || STATUS_SUCCESS),
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells a value.
    ///
    /// Source: nf-wdm-zwqueryvaluekey.
    ///
    /// # Safety
    ///
    /// `name` is null or a string, `buffer` has `length` bytes, `needed` can be written.
    pub unsafe fn ZwQueryValueKey(
        handle: u64,
        name: *const UNICODE_STRING,
        class: i32,
        buffer: *mut c_void,
        length: u32,
        needed: *mut u32,
    ) -> NTSTATUS {
        let opened = match key::reference(handle, KEY_QUERY_VALUE) {
            Ok(opened) => opened,
            Err(status) => return status,
        };
        let what = QueryValue { name, class, buffer, length, needed };
        operation(class::QUERY_VALUE, opened.object, what, || {
            // SAFETY: the caller's promise.
            let name = unsafe { units(name) }.unwrap_or_default();
            let information = with(|hive| {
                let value = hive.value(opened.key, &name)?;
                information::of_value(class, &Name::from(name.as_slice()), value)
            });
            // SAFETY: the caller's promise.
            unsafe { answer(information, buffer, length, needed) }
        })
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells the value at a place.
    ///
    /// Source: nf-wdm-zwenumeratevaluekey.
    ///
    /// # Safety
    ///
    /// As ZwQueryValueKey.
    pub unsafe fn ZwEnumerateValueKey(
        handle: u64,
        index: u32,
        class: i32,
        buffer: *mut c_void,
        length: u32,
        needed: *mut u32,
    ) -> NTSTATUS {
        let opened = match key::reference(handle, KEY_QUERY_VALUE) {
            Ok(opened) => opened,
            Err(status) => return status,
        };
        let what = Enumerate { index, class, buffer, length, needed };
        operation(class::ENUMERATE_VALUE, opened.object, what, || {
            let information = with(|hive| {
                let (name, value) = hive.value_at(opened.key, index as usize)?;
                information::of_value(class, name, value)
            });
            // SAFETY: the caller's promise.
            unsafe { answer(information, buffer, length, needed) }
        })
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Sets a value.
    ///
    /// Source: nf-wdm-zwsetvaluekey.
    ///
    /// # Safety
    ///
    /// `name` is null or a string, `data` has `length` bytes.
    pub unsafe fn ZwSetValueKey(
        handle: u64,
        name: *const UNICODE_STRING,
        title: u32,
        kind: u32,
        data: *const c_void,
        length: u32,
    ) -> NTSTATUS {
        if data.is_null() && length > 0 {
            return STATUS_INVALID_PARAMETER;
        }
        let opened = match key::reference(handle, KEY_SET_VALUE) {
            Ok(opened) => opened,
            Err(status) => return status,
        };
        operation(class::SET_VALUE, opened.object, SetValue { name, title, kind, data, length }, || {
            let data = if length == 0 {
                &[]
            } else {
                // SAFETY: the caller's promise.
                unsafe { core::slice::from_raw_parts(data.cast::<u8>(), length as usize) }
            };
            let value = Value { kind, data: data.to_vec() };
            // SAFETY: the caller's promise.
            let name = unsafe { units(name) }.unwrap_or_default();
            status(with(|hive| hive.set_value(opened.key, &name, value, now())))
        })
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Deletes a value.
    ///
    /// Source: nf-wdm-zwdeletevaluekey.
    ///
    /// # Safety
    ///
    /// `name` is null or a string.
    pub unsafe fn ZwDeleteValueKey(handle: u64, name: *const UNICODE_STRING) -> NTSTATUS {
        let opened = match key::reference(handle, KEY_SET_VALUE) {
            Ok(opened) => opened,
            Err(status) => return status,
        };
        operation(class::DELETE_VALUE, opened.object, DeleteValue { name }, || {
            // SAFETY: the caller's promise.
            let name = unsafe { units(name) }.unwrap_or_default();
            status(with(|hive| hive.delete_value(opened.key, &name, now())))
        })
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells of a key.
    ///
    /// Source: nf-wdm-zwquerykey.
    ///
    /// # Safety
    ///
    /// As ZwQueryValueKey.
    pub unsafe fn ZwQueryKey(
        handle: u64,
        class: i32,
        buffer: *mut c_void,
        length: u32,
        needed: *mut u32,
    ) -> NTSTATUS {
        let opened = match key::reference(handle, KEY_QUERY_VALUE) {
            Ok(opened) => opened,
            Err(status) => return status,
        };
        let what = QueryKey { class, buffer, length, needed };
        operation(class::QUERY_KEY, opened.object, what, || {
            let information = with(|hive| {
                let key = opened.key;
                information::of_key(class, &hive.information(key)?, &hive.path(key)?, false)
            });
            // SAFETY: the caller's promise.
            unsafe { answer(information, buffer, length, needed) }
        })
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Tells of the subkey at a place.
    ///
    /// Source: nf-wdm-zwenumeratekey.
    ///
    /// # Safety
    ///
    /// As ZwQueryValueKey.
    pub unsafe fn ZwEnumerateKey(
        handle: u64,
        index: u32,
        class: i32,
        buffer: *mut c_void,
        length: u32,
        needed: *mut u32,
    ) -> NTSTATUS {
        let opened = match key::reference(handle, KEY_ENUMERATE_SUB_KEYS) {
            Ok(opened) => opened,
            Err(status) => return status,
        };
        let what = Enumerate { index, class, buffer, length, needed };
        operation(class::ENUMERATE_KEY, opened.object, what, || {
            let information = with(|hive| {
                let subkey = hive.subkey_at(opened.key, index as usize)?;
                information::of_key(class, &hive.information(subkey)?, &[], true)
            });
            // SAFETY: the caller's promise.
            unsafe { answer(information, buffer, length, needed) }
        })
    }
}
