//! Handles to objects that a driver has a pointer to.
//!
//! Source: ObOpenObjectByPointer. Simplified: an object whose type has no security here (all
//! but devices) grants what is asked for, and exclusive handles are refused.

use core::ffi::c_void;

use nthost_nt::{
    io::device::DEVICE_OBJECT,
    ob::{OBJ_FORCE_ACCESS_CHECK, OBJ_INHERIT, OBJ_KERNEL_HANDLE},
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS},
};

use super::{
    attributes,
    exports::{ObjectType, kind_of},
    handle_filter::{self, How},
    object::{self, Kind},
    security::map_generic,
};
use crate::hook;

/// `UserMode`.
const USER_MODE: i8 = 1;

/// The access that is granted to an object.
fn grant(object: *mut c_void, access: u32, checked: bool) -> Result<u32, NTSTATUS> {
    match object::kind(object) {
        Some(Kind::Device) if checked => {
            hook::device_access(object.cast::<DEVICE_OBJECT>(), access)
        }
        Some(Kind::Device | Kind::File) => Ok(map_generic(access)),
        _ => Ok(access),
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    /// Makes a handle to an object: the kernel's own, or one of the process in whose context
    /// the thread runs.
    ///
    /// Source: ObOpenObjectByPointer.
    ///
    /// # Safety
    ///
    /// The object exists; `object_type` is null or an exported type; `handle` can be written.
    pub unsafe fn ObOpenObjectByPointer(
        object: *mut c_void,
        flags: u32,
        _access_state: *mut c_void,
        access: u32,
        object_type: *const ObjectType,
        mode: i8,
        handle: *mut u64,
    ) -> NTSTATUS {
        if flags & !(OBJ_INHERIT | OBJ_KERNEL_HANDLE | OBJ_FORCE_ACCESS_CHECK) != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        // SAFETY: the caller's promise.
        let kind = unsafe { kind_of(object_type) };
        let user = mode == USER_MODE;
        if kind.map_or(user, |kind| object::kind(object) != Some(kind)) {
            return STATUS_OBJECT_TYPE_MISMATCH;
        }
        let checked = user || flags & OBJ_FORCE_ACCESS_CHECK != 0;
        match grant(object, access, checked) {
            Ok(granted) => {
                object::reference(object);
                let kernel = flags & OBJ_KERNEL_HANDLE != 0;
                let opened = handle_filter::make(object, kernel, granted, How::Open, |granted| {
                    Ok(attributes::table(flags).insert(object, granted))
                });
                match opened {
                    Ok(opened) => {
                        // SAFETY: the caller's promise.
                        unsafe { handle.write(opened) };
                        STATUS_SUCCESS
                    }
                    Err(status) => status,
                }
            }
            Err(status) => status,
        }
    }
}
