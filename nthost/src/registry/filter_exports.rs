//! The routines by which drivers filter the registry.
//!
//! Sources: CmRegisterCallback, CmRegisterCallbackEx, CmUnRegisterCallback, CmGetCallbackVersion,
//! CmSetCallbackObjectContext, CmCallbackGetKeyObjectID, CmCallbackGetKeyObjectIDEx,
//! CmCallbackReleaseKeyObjectIDEx.

use alloc::boxed::Box;
use core::ffi::c_void;

use nthost_nt::{
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_KEY_DELETED,
        STATUS_SUCCESS,
    },
};

use super::{
    exports::status,
    filter::{self, Function},
    key,
};
use crate::{
    export,
    mm::pool::{self, flags},
    ob::{
        object::{self, Kind},
        units,
    },
};

/// The tag of names that drivers free.
const TAG: u32 = u32::from_le_bytes(*b"CMcb");

/// Registers a routine, and writes its cookie.
///
/// # Safety
///
/// The cookie can be written.
unsafe fn register(
    function: Function,
    context: *mut c_void,
    altitude: Option<&[u16]>,
    cookie: *mut u64,
) -> NTSTATUS {
    match filter::register(function, context, altitude.map(<[u16]>::to_vec)) {
        Ok(registered) => {
            // SAFETY: the caller's promise.
            unsafe { cookie.write(registered) };
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

/// Whether a cookie and a key's object are what they should be.
///
/// # Safety
///
/// The cookie is null or can be read.
unsafe fn check(cookie: *const u64, object: *mut c_void) -> Result<u64, NTSTATUS> {
    // SAFETY: the caller's promise.
    let cookie = unsafe { cookie.as_ref() }.copied();
    cookie
        .filter(|&cookie| filter::is_registered(cookie))
        .filter(|_| object::kind(object) == Some(Kind::Key))
        .ok_or(STATUS_INVALID_PARAMETER)
}

/// Writes a key's identifier, if it is wanted.
///
/// # Safety
///
/// A key's object; the place is null or can be written.
unsafe fn identify(object: *mut c_void, id: *mut usize) {
    if !id.is_null() {
        let number = key::number_of(object);
        // SAFETY: the caller's promise.
        unsafe { id.write(number as usize) };
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Registers a routine that is told of operations on the registry, before those that have an
    /// altitude.
    ///
    /// Source: CmRegisterCallback.
    ///
    /// # Safety
    ///
    /// The cookie can be written.
    pub unsafe fn CmRegisterCallback(
        function: Function,
        context: *mut c_void,
        cookie: *mut u64,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { register(function, context, None, cookie) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Registers a routine that is told of operations on the registry, at an altitude that nobody
    /// else has.
    ///
    /// Source: CmRegisterCallbackEx.
    ///
    /// # Safety
    ///
    /// The altitude is a string; the cookie can be written.
    pub unsafe fn CmRegisterCallbackEx(
        function: Function,
        altitude: *const UNICODE_STRING,
        _driver: *mut c_void,
        context: *mut c_void,
        cookie: *mut u64,
        _reserved: *mut c_void,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let Some(altitude) = (unsafe { units(altitude) }) else {
            return STATUS_INVALID_PARAMETER;
        };
        // SAFETY: the caller's promise.
        unsafe { register(function, context, Some(&altitude), cookie) }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Takes a routine back, once it does not run any more; it cleans up what it gave to keys.
    ///
    /// Source: CmUnRegisterCallback.
    ///
    /// # Safety
    ///
    /// None.
    pub unsafe fn CmUnRegisterCallback(cookie: u64) -> NTSTATUS {
        if filter::unregister(cookie) { STATUS_SUCCESS } else { STATUS_INVALID_PARAMETER }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// The version of these notifications: 1.1.
    ///
    /// Source: CmGetCallbackVersion.
    ///
    /// # Safety
    ///
    /// Both are null or can be written.
    pub unsafe fn CmGetCallbackVersion(major: *mut u32, minor: *mut u32) {
        for place in [major, minor] {
            if !place.is_null() {
                // SAFETY: the caller's promise.
                unsafe { place.write(1) };
            }
        }
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Gives a key's object something that a routine gets with all that it is told of it, up to
    /// when it is to clean it up.
    ///
    /// Source: CmSetCallbackObjectContext.
    ///
    /// # Safety
    ///
    /// The cookie can be read; `old` is null or can be written.
    pub unsafe fn CmSetCallbackObjectContext(
        object: *mut c_void,
        cookie: *const u64,
        new: *mut c_void,
        old: *mut *mut c_void,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let cookie = match unsafe { check(cookie, object) } {
            Ok(cookie) => cookie,
            Err(status) => return status,
        };
        let before = filter::set_context(object, cookie, new);
        if !old.is_null() {
            // SAFETY: the caller's promise.
            unsafe { old.write(before) };
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// A key's identifier, and its path, which stays up to when the key's object goes.
    ///
    /// Source: CmCallbackGetKeyObjectID.
    ///
    /// # Safety
    ///
    /// The cookie can be read; the others are null or can be written.
    pub unsafe fn CmCallbackGetKeyObjectID(
        cookie: *const u64,
        object: *mut c_void,
        id: *mut usize,
        name: *mut *const UNICODE_STRING,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        if let Err(status) = unsafe { check(cookie, object) } {
            return status;
        }
        // SAFETY: as above.
        unsafe { identify(object, id) };
        if name.is_null() {
            return STATUS_SUCCESS;
        }
        let Some(kept) = key::kept_name(object) else {
            return STATUS_KEY_DELETED;
        };
        // SAFETY: the caller's promise.
        unsafe { name.write(kept) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// A key's identifier, and its path, which CmCallbackReleaseKeyObjectIDEx frees.
    ///
    /// Source: CmCallbackGetKeyObjectIDEx.
    ///
    /// # Safety
    ///
    /// As CmCallbackGetKeyObjectID.
    pub unsafe fn CmCallbackGetKeyObjectIDEx(
        cookie: *const u64,
        object: *mut c_void,
        id: *mut usize,
        name: *mut *const UNICODE_STRING,
        flags: u32,
    ) -> NTSTATUS {
        let caller = export::caller();
        if flags != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        if let Err(status) = unsafe { check(cookie, object) } {
            return status;
        }
        // SAFETY: as above.
        unsafe { identify(object, id) };
        // SAFETY: as above.
        let Some(name) = (unsafe { name.as_mut() }) else {
            return STATUS_SUCCESS;
        };
        status(copy_name(object, caller).map(|copy| *name = copy))
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Frees a name.
    ///
    /// Source: CmCallbackReleaseKeyObjectIDEx.
    ///
    /// # Safety
    ///
    /// It came from CmCallbackGetKeyObjectIDEx.
    pub unsafe fn CmCallbackReleaseKeyObjectIDEx(name: *const UNICODE_STRING) {
        pool::free(name as u64, Some(TAG));
    }
}

/// A key's path in memory of its own.
fn copy_name(object: *mut c_void, caller: u64) -> Result<*const UNICODE_STRING, NTSTATUS> {
    let path: Box<[u16]> = key::path_of(object).into();
    if path.is_empty() {
        return Err(STATUS_KEY_DELETED);
    }
    let header = size_of::<UNICODE_STRING>();
    let size = (header + size_of_val(&*path)) as u64;
    let routine = "CmCallbackGetKeyObjectIDEx";
    let memory = pool::allocate_for(routine, flags::PAGED, size, TAG, caller)
        .ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let string: *mut UNICODE_STRING = core::ptr::with_exposed_provenance_mut(memory as usize);
    // SAFETY: within the memory.
    let buffer = unsafe { string.add(1) }.cast::<u16>();
    // SAFETY: there is room.
    unsafe { buffer.copy_from_nonoverlapping(path.as_ptr(), path.len()) };
    let length = size_of_val(&*path) as u16;
    let value = UNICODE_STRING {
        Length: length,
        MaximumLength: length,
        Buffer: buffer,
    };
    // SAFETY: as above.
    unsafe { string.write(value) };
    Ok(string)
}
