//! The object manager's routines that drivers can import.
//!
//! Sources: ObReferenceObject, ObDereferenceObject, ObReferenceObjectByPointer,
//! ObReferenceObjectByHandle, ZwClose, IoCreateSymbolicLink, IoDeleteSymbolicLink.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_ACCESS_DENIED, STATUS_INVALID_HANDLE, STATUS_OBJECT_NAME_INVALID,
        STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS,
    },
};

use nthost_protocol::manifest::VerifierOption;

use super::{
    client_handle,
    handle::{self, Entry, HandleTable, KERNEL_HANDLES},
    make_link,
    object::{self, Kind},
    remove_link, units,
};
use crate::{
    export, hook,
    ke::{bugcheck::code, thread},
};

/// `NtCurrentProcess()`.
const CURRENT_PROCESS: u64 = u64::MAX;
/// `NtCurrentThread()`.
const CURRENT_THREAD: u64 = u64::MAX - 1;
/// `UserMode`.
const USER_MODE: i8 = 1;

/// What an object's type is for drivers: they only pass its address on.
#[derive(Debug)]
#[repr(C)]
pub struct ObjectType {
    kind: Kind,
}

/// The variable behind an exported type: a pointer to it.
#[repr(transparent)]
struct TypePointer(*const ObjectType);

// SAFETY: it points to a constant.
unsafe impl Sync for TypePointer {}

macro_rules! object_types {
    ($($name:ident = $kind:ident;)*) => { $(
        #[allow(clippy::ptr_as_ptr, reason = "the table takes routines too")]
        const _: () = {
            static TYPE: ObjectType = ObjectType { kind: Kind::$kind };
            static POINTER: TypePointer = TypePointer(&raw const TYPE);
            nt_export_data!($name = (&raw const POINTER).cast::<()>());
        };
    )* };
}

object_types! {
    CmKeyObjectType = Key;
    ExEventObjectType = Event;
    IoDeviceObjectType = Device;
    IoDriverObjectType = Driver;
    IoFileObjectType = File;
    PsProcessType = Process;
    PsThreadType = Thread;
    SeTokenObjectType = Token;
}

/// The table that a handle is in, in the context of the thread that runs.
#[must_use]
pub fn table_of(handle: u64) -> Option<&'static HandleTable> {
    if handle >= KERNEL_HANDLES {
        Some(&handle::KERNEL)
    } else {
        handle::current()
    }
}

/// What a handle stands for, with a reference for the caller. A caller from user mode has no
/// kernel handles.
///
/// # Errors
///
/// `STATUS_INVALID_HANDLE`, `STATUS_OBJECT_TYPE_MISMATCH`, `STATUS_ACCESS_DENIED`.
pub fn reference_handle(
    handle: u64,
    kind: Option<Kind>,
    access: u32,
    mode: i8,
) -> Result<Entry, NTSTATUS> {
    if mode == USER_MODE && handle >= KERNEL_HANDLES {
        return Err(STATUS_INVALID_HANDLE);
    }
    let table = table_of(handle).ok_or(STATUS_INVALID_HANDLE)?;
    let entry = table.reference(handle).ok_or(STATUS_INVALID_HANDLE)?;
    let fault = if kind.is_some() && object::kind(entry.object) != kind {
        STATUS_OBJECT_TYPE_MISMATCH
    } else if mode == USER_MODE && access & !entry.access != 0 {
        STATUS_ACCESS_DENIED
    } else {
        return Ok(entry);
    };
    object::dereference(entry.object);
    Err(fault)
}

/// The kind that a driver means by a type; none, if it does not say.
///
/// # Safety
///
/// Null, or an exported type's pointer.
pub unsafe fn kind_of(object_type: *const ObjectType) -> Option<Kind> {
    // SAFETY: the caller's promise.
    unsafe { object_type.as_ref() }.map(|object_type| object_type.kind)
}

nt_export! {
    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes a reference to an object; gives how many there are.
    ///
    /// Source: ObReferenceObject, which this routine stands behind.
    ///
    /// # Safety
    ///
    /// The object exists.
    pub unsafe fn ObfReferenceObject(object: *mut c_void) -> isize {
        object::reference(object) as isize
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Gives a reference back; gives how many are left.
    ///
    /// Source: ObDereferenceObject, which this routine stands behind.
    ///
    /// # Safety
    ///
    /// The caller has a reference.
    pub unsafe fn ObfDereferenceObject(object: *mut c_void) -> isize {
        object::dereference(object) as isize
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// As ObDereferenceObject: the deletion is always left to a system thread here when the
    /// IRQL is raised.
    ///
    /// Source: ObDereferenceObjectDeferDelete.
    ///
    /// # Safety
    ///
    /// The caller has a reference.
    pub unsafe fn ObDereferenceObjectDeferDelete(object: *mut c_void) {
        object::dereference(object);
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    /// Takes a reference to an object of a certain type.
    ///
    /// Source: ObReferenceObjectByPointer.
    ///
    /// # Safety
    ///
    /// The object exists; `object_type` is null or an exported type.
    pub unsafe fn ObReferenceObjectByPointer(
        object: *mut c_void,
        _access: u32,
        object_type: *const ObjectType,
        _mode: i8,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let kind = unsafe { kind_of(object_type) };
        if kind.is_some() && object::kind(object) != kind {
            return STATUS_OBJECT_TYPE_MISMATCH;
        }
        object::reference(object);
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Takes a reference to the object that a handle stands for. A bad handle with kernel mode
    /// ends in bug check 0xC4, subcode 0x3C, as with Driver Verifier.
    ///
    /// Source: ObReferenceObjectByHandle.
    ///
    /// # Safety
    ///
    /// `object_type` is null or an exported type; `object` can be written; `information` is
    /// null or can be written.
    pub unsafe fn ObReferenceObjectByHandle(
        handle: u64,
        access: u32,
        object_type: *const ObjectType,
        mode: i8,
        object: *mut *mut c_void,
        information: *mut [u32; 2],
    ) -> NTSTATUS {
        let caller = export::caller();
        // SAFETY: the caller's promise.
        let kind = unsafe { kind_of(object_type) };
        let referenced = match (handle, kind) {
            (CURRENT_THREAD, None | Some(Kind::Thread)) => {
                let thread = thread::current().cast();
                object::reference(thread);
                Ok(Entry { object: thread, access: u32::MAX, opener: 0 })
            }
            (CURRENT_PROCESS | CURRENT_THREAD, Some(_)) => Err(STATUS_OBJECT_TYPE_MISMATCH),
            _ => reference_handle(handle, kind, access, mode),
        };
        match referenced {
            Ok(entry) => {
                if mode != USER_MODE {
                    client_handle::check(handle, entry.opener, caller);
                }
                // SAFETY: the caller's promise.
                unsafe { object.write(entry.object) };
                if !information.is_null() {
                    // SAFETY: the caller's promise.
                    unsafe { information.write([0, entry.access]) };
                }
                STATUS_SUCCESS
            }
            Err(status) => {
                if status == STATUS_INVALID_HANDLE && mode != USER_MODE {
                    // No handle at all has a subcode of its own.
                    let subcode = if handle == 0 { 0xf5 } else { 0x3c };
                    let parameters = [subcode, handle, object_type.addr() as u64, 0];
                    let code = code::DRIVER_VERIFIER_DETECTED_VIOLATION;
                    hook::violation(VerifierOption::SecurityChecks, code, parameters);
                }
                // SAFETY: the caller's promise.
                unsafe { object.write(null_mut()) };
                status
            }
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Closes a handle. One that is none ends in bug check 0x93.
    ///
    /// Source: ZwClose.
    ///
    /// # Safety
    ///
    /// The handle is the caller's.
    pub unsafe fn ZwClose(handle: u64) -> NTSTATUS {
        match table_of(handle) {
            Some(table) if table.close(handle) => STATUS_SUCCESS,
            _ => {
                if handle != 0 {
                    // Parameter 2: 1 for an invalid handle.
                    let parameters = [handle, 1, 0, 0];
                    let code = code::INVALID_KERNEL_HANDLE;
                    hook::violation(VerifierOption::MiscellaneousChecks, code, parameters);
                }
                STATUS_INVALID_HANDLE
            }
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// Gives a device a name that applications see.
    ///
    /// Source: IoCreateSymbolicLink.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn IoCreateSymbolicLink(link: *const UNICODE_STRING, device: *const UNICODE_STRING) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let link = unsafe { units(link) };
        // SAFETY: the caller's promise.
        let device = unsafe { units(device) };
        let (Some(link), Some(device)) = (link, device) else {
            return STATUS_OBJECT_NAME_INVALID;
        };
        match make_link(&link, &device) {
            Ok(()) => STATUS_SUCCESS,
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: nthost_nt::status::STATUS_INSUFFICIENT_RESOURCES;
    /// As IoCreateSymbolicLink: links are never protected here.
    ///
    /// Source: IoCreateUnprotectedSymbolicLink.
    ///
    /// # Safety
    ///
    /// Both are strings.
    pub unsafe fn IoCreateUnprotectedSymbolicLink(
        link: *const UNICODE_STRING,
        device: *const UNICODE_STRING,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        unsafe { IoCreateSymbolicLink(link, device) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Takes such a name back.
    ///
    /// Source: IoDeleteSymbolicLink.
    ///
    /// # Safety
    ///
    /// It is a string.
    pub unsafe fn IoDeleteSymbolicLink(link: *const UNICODE_STRING) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let Some(link) = (unsafe { units(link) }) else {
            return STATUS_OBJECT_NAME_INVALID;
        };
        match remove_link(&link) {
            Ok(()) => STATUS_SUCCESS,
            Err(status) => status,
        }
    }
}
