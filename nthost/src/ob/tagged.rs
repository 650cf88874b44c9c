//! References with a tag, and handles closed for either mode.
//!
//! Sources: ObReferenceObjectWithTag, ObDereferenceObjectWithTag,
//! ObReferenceObjectByPointerWithTag, ObReferenceObjectByHandleWithTag,
//! ObDereferenceObjectDeferDeleteWithTag, ObReferenceObjectSafe, ObCloseHandle. Tags are for the
//! tracing of references, which is off, as the reference says it is unless somebody turns it on.

use core::ffi::c_void;

use nthost_nt::status::{NTSTATUS, STATUS_INVALID_HANDLE, STATUS_SUCCESS};

use super::{
    exports::{
        ObReferenceObjectByHandle, ObReferenceObjectByPointer, ObjectType, ZwClose, table_of,
    },
    handle::KERNEL_HANDLES,
    object,
};

/// `UserMode`.
const USER_MODE: i8 = 1;

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes a reference to an object; gives how many there are.
    ///
    /// Source: ObReferenceObjectWithTag, which this routine stands behind.
    ///
    /// # Safety
    ///
    /// The object exists.
    pub unsafe fn ObfReferenceObjectWithTag(object: *mut c_void, _tag: u32) -> isize {
        object::reference(object) as isize
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Gives a reference back; gives how many are left.
    ///
    /// Source: ObDereferenceObjectWithTag, which this routine stands behind.
    ///
    /// # Safety
    ///
    /// The caller has a reference.
    pub unsafe fn ObfDereferenceObjectWithTag(object: *mut c_void, _tag: u32) -> isize {
        object::dereference(object) as isize
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As ObDereferenceObjectDeferDelete.
    ///
    /// Source: ObDereferenceObjectDeferDeleteWithTag.
    ///
    /// # Safety
    ///
    /// The caller has a reference.
    pub unsafe fn ObDereferenceObjectDeferDeleteWithTag(object: *mut c_void, _tag: u32) {
        object::dereference(object);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As ObReferenceObjectByPointer.
    ///
    /// Source: ObReferenceObjectByPointerWithTag.
    ///
    /// # Safety
    ///
    /// The object exists; `object_type` is null or an exported type.
    pub unsafe fn ObReferenceObjectByPointerWithTag(
        object: *mut c_void,
        access: u32,
        object_type: *const ObjectType,
        mode: i8,
        _tag: u32,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { ObReferenceObjectByPointer(object, access, object_type, mode) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// As ObReferenceObjectByHandle.
    ///
    /// Source: ObReferenceObjectByHandleWithTag.
    ///
    /// # Safety
    ///
    /// As ObReferenceObjectByHandle.
    pub unsafe fn ObReferenceObjectByHandleWithTag(
        handle: u64,
        access: u32,
        object_type: *const ObjectType,
        mode: i8,
        _tag: u32,
        object: *mut *mut c_void,
        information: *mut [u32; 2],
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { ObReferenceObjectByHandle(handle, access, object_type, mode, object, information) }
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes a reference to an object that may be on its way out; whether it could.
    ///
    /// Source: ObReferenceObjectSafe.
    ///
    /// # Safety
    ///
    /// The object's memory is still there.
    pub unsafe fn ObReferenceObjectSafe(object: *mut c_void) -> u8 {
        object::try_reference(object).into()
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Closes a handle of the kernel's or, for user mode, of the process. A kernel handle is no
    /// handle for user mode.
    ///
    /// Source: ObCloseHandle.
    ///
    /// # Safety
    ///
    /// The handle is the caller's.
    pub unsafe fn ObCloseHandle(handle: u64, mode: i8) -> NTSTATUS {
        if mode == USER_MODE {
            // No fault of the driver's: the handle is its client's.
            let table = table_of(handle).filter(|_| handle < KERNEL_HANDLES);
            return match table {
                Some(table) if table.close(handle) => STATUS_SUCCESS,
                _ => STATUS_INVALID_HANDLE,
            };
        }
        // SAFETY: the caller's promise.
        unsafe { ZwClose(handle) }
    }
}
