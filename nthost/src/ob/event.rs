//! Event objects: named or not, and used through handles.
//!
//! Sources: IoCreateNotificationEvent, IoCreateSynchronizationEvent, ZwCreateEvent, ZwSetEvent,
//! ZwWaitForSingleObject, "Event Objects". An event's name goes with its last handle.

use core::{ffi::c_void, mem::size_of, ptr::null_mut};

use nthost_nt::{
    io::file::FILE_OBJECT,
    ke::KEVENT,
    ob::{OBJ_KERNEL_HANDLE, OBJ_OPENIF, OBJECT_ATTRIBUTES},
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER_4,
        STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_EXISTS, STATUS_OBJECT_NAME_NOT_FOUND,
        STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS,
    },
};

use super::{
    attributes::{self, Attributes},
    insert_name,
    namespace::Named,
    object::{self, Kind},
    reference_by_name, reference_handle, units,
};
use crate::{
    ke::{
        event::{KeInitializeEvent, KeSetEvent},
        wait_for::KeWaitForSingleObject,
    },
    mm::guarded,
};

/// `NotificationEvent`.
const NOTIFICATION: i32 = 0;
/// `SynchronizationEvent`.
const SYNCHRONIZATION: i32 = 1;
/// `EVENT_ALL_ACCESS`.
const ALL_ACCESS: u32 = 0x001f_0003;

fn delete(object: *mut c_void) {
    guarded::free(object.cast());
}

/// A new event, with a reference for the caller.
fn new(kind: i32, set: bool) -> Result<*mut KEVENT, NTSTATUS> {
    let memory = guarded::allocate(size_of::<KEVENT>()).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let event = memory.cast::<KEVENT>();
    // SAFETY: memory for an event.
    unsafe { KeInitializeEvent(event, kind, set.into()) };
    object::insert(event.cast(), Kind::Event, delete);
    Ok(event)
}

/// The event of this name, with a reference for the caller.
fn find(name: &[u16]) -> Result<*mut KEVENT, NTSTATUS> {
    let (object, rest) = reference_by_name(name)?;
    if rest.is_empty() && object::kind(object) == Some(Kind::Event) {
        return Ok(object.cast());
    }
    object::dereference(object);
    Err(STATUS_OBJECT_TYPE_MISMATCH)
}

/// The event of this name, made if there is none; whether it was there. With a reference for
/// the caller.
fn find_or_make(name: &[u16], kind: i32, set: bool) -> Result<(*mut KEVENT, bool), NTSTATUS> {
    loop {
        match find(name) {
            Ok(event) => return Ok((event, true)),
            Err(STATUS_OBJECT_NAME_NOT_FOUND) => {}
            Err(status) => return Err(status),
        }
        let event = new(kind, set)?;
        match insert_name(name, Named::Object(event.expose_provenance())) {
            Ok(()) => return Ok((event, false)),
            Err(status) => {
                object::dereference(event.cast());
                // Somebody else was faster.
                if status != STATUS_OBJECT_NAME_COLLISION {
                    return Err(status);
                }
            }
        }
    }
}

/// # Safety
///
/// As IoCreateNotificationEvent.
unsafe fn create_named(name: *const UNICODE_STRING, handle: *mut u64, kind: i32) -> *mut KEVENT {
    let made = if name.is_null() {
        new(kind, true)
    } else {
        // SAFETY: the caller's promise.
        let Some(name) = (unsafe { units(name) }) else {
            return null_mut();
        };
        find_or_make(&name, kind, true).map(|(event, _)| event)
    };
    let Ok(event) = made else {
        return null_mut();
    };
    // The handle takes the reference over.
    let opened = attributes::table(OBJ_KERNEL_HANDLE).insert(event.cast(), ALL_ACCESS);
    // SAFETY: the caller's promise.
    unsafe { handle.write(opened) };
    event
}

/// Makes an event by its attributes, or opens one; a handle to it.
fn create(
    attributes: Option<Attributes>,
    kind: i32,
    set: bool,
    access: u32,
) -> Result<(u64, NTSTATUS), NTSTATUS> {
    let flags = attributes.as_ref().map_or(0, |attributes| attributes.flags);
    let named = attributes.filter(|attributes| !attributes.name.is_empty());
    let (event, existed) = match named {
        Some(attributes) => find_or_make(&attributes.path()?, kind, set)?,
        None => (new(kind, set)?, false),
    };
    if existed && flags & OBJ_OPENIF == 0 {
        object::dereference(event.cast());
        return Err(STATUS_OBJECT_NAME_COLLISION);
    }
    let handle = attributes::table(flags).insert(event.cast(), access);
    let status = if existed {
        STATUS_OBJECT_NAME_EXISTS
    } else {
        STATUS_SUCCESS
    };
    Ok((handle, status))
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: null_mut();
    /// Opens a notification event, or makes one, set, which has no name where none is given; a
    /// kernel handle to it, with which its memory stays. NULL if that cannot be.
    ///
    /// Source: IoCreateNotificationEvent.
    ///
    /// # Safety
    ///
    /// `name` is null or a string; `handle` can be written.
    pub unsafe fn IoCreateNotificationEvent(name: *const UNICODE_STRING, handle: *mut u64) -> *mut KEVENT {
        // SAFETY: the caller's promise.
        unsafe { create_named(name, handle, NOTIFICATION) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: null_mut();
    /// Opens a synchronization event, or makes one, set; as IoCreateNotificationEvent.
    ///
    /// Source: IoCreateSynchronizationEvent.
    ///
    /// # Safety
    ///
    /// `name` is null or a string; `handle` can be written.
    pub unsafe fn IoCreateSynchronizationEvent(name: *const UNICODE_STRING, handle: *mut u64) -> *mut KEVENT {
        // SAFETY: the caller's promise.
        unsafe { create_named(name, handle, SYNCHRONIZATION) }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Makes an event; a handle to it. With OBJ_OPENIF one of that name is opened, and the
    /// status is STATUS_OBJECT_NAME_EXISTS.
    ///
    /// Source: ZwCreateEvent.
    ///
    /// # Safety
    ///
    /// `handle` can be written; attributes are null or have a string.
    pub unsafe fn ZwCreateEvent(
        handle: *mut u64,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        kind: i32,
        initial_state: u8,
    ) -> NTSTATUS {
        if !matches!(kind, NOTIFICATION | SYNCHRONIZATION) {
            return STATUS_INVALID_PARAMETER_4;
        }
        let attributes = if attributes.is_null() {
            Ok(None)
        } else {
            // SAFETY: the caller's promise.
            unsafe { Attributes::read(attributes) }.map(Some)
        };
        let set = initial_state != 0;
        match attributes.and_then(|attributes| create(attributes, kind, set, access)) {
            Ok((opened, status)) => {
                // SAFETY: the caller's promise.
                unsafe { handle.write(opened) };
                status
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Opens an event by its name.
    ///
    /// Source: ZwOpenEvent.
    ///
    /// # Safety
    ///
    /// `handle` can be written; attributes with a string.
    pub unsafe fn ZwOpenEvent(
        handle: *mut u64,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let attributes = match unsafe { Attributes::read(attributes) } {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        match attributes.path().and_then(|path| find(&path)) {
            Ok(event) => {
                let opened = attributes::table(attributes.flags).insert(event.cast(), access);
                // SAFETY: the caller's promise.
                unsafe { handle.write(opened) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Sets the event that a handle stands for; tells its state before.
    ///
    /// Source: ZwSetEvent.
    ///
    /// # Safety
    ///
    /// `previous` is null or can be written.
    pub unsafe fn ZwSetEvent(handle: u64, previous: *mut i32) -> NTSTATUS {
        let entry = match reference_handle(handle, Some(Kind::Event), 0, 0) {
            Ok(entry) => entry,
            Err(status) => return status,
        };
        // SAFETY: an event, which the reference keeps.
        let before = unsafe { KeSetEvent(entry.object.cast(), 0, 0) };
        object::dereference(entry.object);
        if !previous.is_null() {
            // SAFETY: the caller's promise.
            unsafe { previous.write(before) };
        }
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Waits for what a handle stands for: an event, a timer, a thread, or a file's last request.
    /// STATUS_OBJECT_TYPE_MISMATCH for what cannot be waited for.
    ///
    /// Source: ZwWaitForSingleObject.
    ///
    /// # Safety
    ///
    /// `timeout` is null or can be read.
    pub unsafe fn ZwWaitForSingleObject(handle: u64, alertable: u8, timeout: *const i64) -> NTSTATUS {
        let entry = match reference_handle(handle, None, 0, 0) {
            Ok(entry) => entry,
            Err(status) => return status,
        };
        let waited: *mut c_void = match object::kind(entry.object) {
            Some(Kind::Event | Kind::Thread | Kind::Timer) => entry.object,
            Some(Kind::File) => {
                // SAFETY: a file, which the reference keeps.
                unsafe { &raw mut (*entry.object.cast::<FILE_OBJECT>()).Event }.cast()
            }
            _ => {
                object::dereference(entry.object);
                return STATUS_OBJECT_TYPE_MISMATCH;
            }
        };
        // SAFETY: an object that can be waited for, which the reference keeps.
        let status = unsafe { KeWaitForSingleObject(waited, 0, 0, alertable, timeout) };
        object::dereference(entry.object);
        status
    }
}
