//! What drivers that filter the registry are told of each operation, between the key's object and
//! the contexts; and how keys are opened and made with them.
//!
//! Sources: the pages of the REG_…_KEY_INFORMATION structures.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    ob::OBJECT_ATTRIBUTES,
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_CALLBACK_BYPASS, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS, nt_success,
    },
};

use super::{
    filter::{self, Contexts, class},
    hive::KeyId,
    key::{self, Place},
};
use crate::ob::object::{self, Kind};

/// Of `REG_DELETE_VALUE_KEY_INFORMATION`.
#[repr(C)]
pub struct DeleteValue {
    pub name: *const UNICODE_STRING,
}

/// Of `REG_SET_VALUE_KEY_INFORMATION`.
#[repr(C)]
pub struct SetValue {
    pub name: *const UNICODE_STRING,
    pub title: u32,
    pub kind: u32,
    pub data: *const c_void,
    pub length: u32,
}

/// Of `REG_ENUMERATE_KEY_INFORMATION` and `REG_ENUMERATE_VALUE_KEY_INFORMATION`.
#[repr(C)]
pub struct Enumerate {
    pub index: u32,
    pub class: i32,
    pub buffer: *mut c_void,
    pub length: u32,
    pub needed: *mut u32,
}

/// Of `REG_QUERY_KEY_INFORMATION`.
#[repr(C)]
pub struct QueryKey {
    pub class: i32,
    pub buffer: *mut c_void,
    pub length: u32,
    pub needed: *mut u32,
}

/// Of `REG_QUERY_VALUE_KEY_INFORMATION`.
#[repr(C)]
pub struct QueryValue {
    pub name: *const UNICODE_STRING,
    pub class: i32,
    pub buffer: *mut c_void,
    pub length: u32,
    pub needed: *mut u32,
}

/// `REG_CREATE_KEY_INFORMATION_V1`, `REG_OPEN_KEY_INFORMATION_V1`.
#[repr(C)]
struct CreateOrOpen {
    complete: *const UNICODE_STRING,
    root: *mut c_void,
    object_type: *mut c_void,
    options: u32,
    class: *const UNICODE_STRING,
    descriptor: *const c_void,
    quality: *const c_void,
    desired: u32,
    granted: u32,
    disposition: *mut u32,
    result: *mut *mut c_void,
    /// The third of them is the transaction: there are none.
    contexts: Contexts,
    version: usize,
    remaining: *const UNICODE_STRING,
    wow64: u32,
    attributes: u32,
    mode: i8,
}

/// `KEY_WOW64_64KEY`, `KEY_WOW64_32KEY`.
const WOW64: u32 = 0x300;

/// How a key is opened or made.
pub struct How {
    pub desired: u32,
    pub options: u32,
    pub class: *const UNICODE_STRING,
}

/// Opens or makes the key at a place, and tells of it; gives the handle and the disposition.
///
/// # Errors
///
/// Those of the work, and what drivers say.
///
/// # Safety
///
/// The attributes are those of the place.
pub unsafe fn open(
    classes: class::Classes,
    attributes: *const OBJECT_ATTRIBUTES,
    place: &Place,
    how: &How,
    work: impl FnOnce() -> Result<(KeyId, u32), NTSTATUS>,
) -> Result<(u64, u32), NTSTATUS> {
    // SAFETY: the caller's promise.
    let attributes = unsafe { &*attributes };
    let mut result: *mut c_void = null_mut();
    let mut disposition = 0;
    let separator = u16::from(b'\\');
    let below = place.path.strip_prefix(&[separator]).unwrap_or(&place.path);
    let length = size_of_val(below) as u16;
    let remaining = UNICODE_STRING {
        Length: length,
        MaximumLength: length,
        Buffer: below.as_ptr().cast_mut(),
    };
    let mut information = CreateOrOpen {
        complete: attributes.ObjectName,
        root: place.object,
        object_type: null_mut(),
        options: how.options,
        class: how.class,
        descriptor: attributes.SecurityDescriptor,
        quality: attributes.SecurityQualityOfService,
        desired: how.desired,
        granted: key::granted(how.desired),
        disposition: &raw mut disposition,
        result: &raw mut result,
        contexts: Contexts::NONE,
        version: 1,
        remaining: &raw const remaining,
        wow64: how.desired & WOW64,
        attributes: attributes.Attributes,
        mode: 0,
    };
    let information = &raw mut information;
    // SAFETY: it is there.
    let contexts = unsafe { &raw mut (*information).contexts };
    let (status, told) = {
        // SAFETY: the structure of the class.
        match unsafe { filter::before(classes, place.object, information.cast(), contexts) } {
            Err(STATUS_CALLBACK_BYPASS) => (STATUS_SUCCESS, None),
            Err(status) => return Err(status),
            Ok(told) => match work() {
                Ok((key, made)) => {
                    (result, disposition) = (key::make(key), made);
                    (STATUS_SUCCESS, Some(told))
                }
                Err(status) => (status, Some(told)),
            },
        }
    };
    let status = told.map_or(status, |told| {
        filter::after(&told, classes, result, information.cast(), status)
    });
    let is_key = object::kind(result) == Some(Kind::Key);
    if !nt_success(status) {
        // Unless the driver that has made a failure of it has given it back.
        if is_key {
            object::dereference(result);
        }
        return Err(status);
    }
    if !is_key {
        return Err(STATUS_OBJECT_TYPE_MISMATCH);
    }
    // SAFETY: a driver that does the operation itself has set it.
    let granted = unsafe { (*information).granted };
    Ok((key::give(result, granted, place.kernel), disposition))
}
