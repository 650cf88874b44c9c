//! What passes between the object manager and the drivers that filter handles.
//!
//! Sources: OB_CALLBACK_REGISTRATION, OB_OPERATION_REGISTRATION, OB_PRE_OPERATION_INFORMATION,
//! OB_POST_OPERATION_INFORMATION, and what these lead to.

use core::ffi::c_void;

use nthost_nt::{rtl::UNICODE_STRING, status::NTSTATUS};

use super::exports::ObjectType;

/// `OB_PRE_CREATE_HANDLE_INFORMATION`, and what `OB_PRE_DUPLICATE_HANDLE_INFORMATION` has besides.
#[repr(C)]
pub(super) struct Wanted {
    pub access: u32,
    pub original: u32,
    pub source: *mut c_void,
    pub target: *mut c_void,
}

/// `OB_PRE_OPERATION_INFORMATION`.
#[repr(C)]
pub(super) struct Before {
    pub operation: u32,
    pub flags: u32,
    pub object: *mut c_void,
    pub object_type: *const ObjectType,
    pub context: *mut c_void,
    pub parameters: *mut Wanted,
}

/// `OB_POST_OPERATION_INFORMATION`.
#[repr(C)]
pub(super) struct After {
    pub operation: u32,
    pub flags: u32,
    pub object: *mut c_void,
    pub object_type: *const ObjectType,
    pub context: *mut c_void,
    pub status: NTSTATUS,
    pub parameters: *const u32,
}

pub(super) type PreOperation = unsafe extern "win64" fn(*mut c_void, *mut Before) -> i32;
pub(super) type PostOperation = unsafe extern "win64" fn(*mut c_void, *const After);

/// `OB_OPERATION_REGISTRATION`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct OperationRegistration {
    pub(super) object_type: *const *const ObjectType,
    pub(super) operations: u32,
    pub(super) before: Option<PreOperation>,
    pub(super) after: Option<PostOperation>,
}

/// `OB_CALLBACK_REGISTRATION`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct CallbackRegistration {
    pub(super) version: u16,
    pub(super) count: u16,
    pub(super) altitude: UNICODE_STRING,
    pub(super) context: *mut c_void,
    pub(super) operations: *const OperationRegistration,
}
