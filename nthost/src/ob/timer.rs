//! Timer objects: named or not, and used through handles.
//!
//! Sources: the headers' declarations of ZwCreateTimer, ZwOpenTimer, ZwSetTimer and ZwCancelTimer;
//! "Timer Objects" of the Win32 API, whose routines are these (CreateWaitableTimer and on). A timer's
//! name goes with its last handle. No APC is called when one is due: STATUS_NOT_SUPPORTED for whoever
//! wants that.

use core::{ffi::c_void, mem::size_of, ptr::null_mut};

use nthost_nt::{
    ke::KTIMER,
    ob::{OBJ_OPENIF, OBJECT_ATTRIBUTES},
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER_4,
        STATUS_INVALID_PARAMETER_6, STATUS_NOT_SUPPORTED, STATUS_OBJECT_NAME_COLLISION,
        STATUS_OBJECT_NAME_EXISTS, STATUS_OBJECT_TYPE_MISMATCH, STATUS_SUCCESS,
    },
};

use super::{
    attributes::{self, Attributes},
    insert_name,
    namespace::Named,
    object::{self, Kind},
    reference_by_name, reference_handle,
};
use crate::{
    ke::ktimer::{KeCancelTimer, KeInitializeTimerEx, KeReadStateTimer, KeSetTimerEx},
    mm::guarded,
};

/// `NotificationTimer`, `SynchronizationTimer`.
const KINDS: [i32; 2] = [0, 1];

fn delete(object: *mut c_void) {
    // SAFETY: a timer, which nobody refers to any more.
    unsafe { KeCancelTimer(object.cast()) };
    guarded::free(object.cast());
}

/// A new timer, not set, with a reference for the caller.
fn new(kind: i32) -> Result<*mut c_void, NTSTATUS> {
    let memory = guarded::allocate(size_of::<KTIMER>()).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let timer = memory.cast::<KTIMER>();
    // SAFETY: memory for a timer.
    unsafe { KeInitializeTimerEx(timer, kind) };
    object::insert(timer.cast(), Kind::Timer, delete);
    Ok(timer.cast())
}

/// The timer of this name, with a reference for the caller.
fn find(name: &[u16]) -> Result<*mut c_void, NTSTATUS> {
    let (object, rest) = reference_by_name(name)?;
    if rest.is_empty() && object::kind(object) == Some(Kind::Timer) {
        return Ok(object);
    }
    object::dereference(object);
    Err(STATUS_OBJECT_TYPE_MISMATCH)
}

/// Makes a timer by its attributes, or opens one; with a reference for the caller.
fn create(attributes: Option<Attributes>, kind: i32) -> Result<(*mut c_void, NTSTATUS), NTSTATUS> {
    let timer = new(kind)?;
    let Some(attributes) = attributes.filter(|attributes| !attributes.name.is_empty()) else {
        return Ok((timer, STATUS_SUCCESS));
    };
    let named = attributes
        .path()
        .and_then(|path| insert_name(&path, Named::Object(timer.expose_provenance())));
    let Err(status) = named else {
        return Ok((timer, STATUS_SUCCESS));
    };
    object::dereference(timer);
    if status == STATUS_OBJECT_NAME_COLLISION && attributes.flags & OBJ_OPENIF != 0 {
        return find(&attributes.path()?).map(|timer| (timer, STATUS_OBJECT_NAME_EXISTS));
    }
    Err(status)
}

/// # Safety
///
/// Null, or can be written.
unsafe fn put<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: the caller's promise.
        unsafe { to.write(value) };
    }
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    fails: STATUS_INSUFFICIENT_RESOURCES;
    /// Makes a timer; a handle to it. With OBJ_OPENIF one of that name is opened, and the status is
    /// STATUS_OBJECT_NAME_EXISTS.
    ///
    /// Source: ZwCreateTimer, CreateWaitableTimer.
    ///
    /// # Safety
    ///
    /// `handle` can be written; attributes are null or have a string.
    pub unsafe fn ZwCreateTimer(
        handle: *mut u64,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        kind: i32,
    ) -> NTSTATUS {
        if !KINDS.contains(&kind) {
            return STATUS_INVALID_PARAMETER_4;
        }
        let attributes = if attributes.is_null() {
            None
        } else {
            // SAFETY: the caller's promise.
            match unsafe { Attributes::read(attributes) } {
                Ok(attributes) => Some(attributes),
                Err(status) => return status,
            }
        };
        let flags = attributes.as_ref().map_or(0, |attributes| attributes.flags);
        match create(attributes, kind) {
            Ok((timer, status)) => {
                let opened = attributes::table(flags).insert(timer, access);
                // SAFETY: the caller's promise.
                unsafe { handle.write(opened) };
                status
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Opens a timer by its name.
    ///
    /// Source: ZwOpenTimer, OpenWaitableTimer.
    ///
    /// # Safety
    ///
    /// `handle` can be written; attributes with a string.
    pub unsafe fn ZwOpenTimer(
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
            Ok(timer) => {
                let opened = attributes::table(attributes.flags).insert(timer, access);
                // SAFETY: the caller's promise.
                unsafe { handle.write(opened) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Sets a timer: when it is due, as KeSetTimer has it, and how many milliseconds lie between its
    /// signals, if it is periodic; tells whether it was signalled before. STATUS_NOT_SUPPORTED with
    /// an APC routine. The computer never sleeps, so that nothing is resumed.
    ///
    /// Source: ZwSetTimer, SetWaitableTimer.
    ///
    /// # Safety
    ///
    /// `due` can be read; `previous` is null or can be written.
    pub unsafe fn ZwSetTimer(
        handle: u64,
        due: *const i64,
        apc: *const c_void,
        _context: *mut c_void,
        _resume: u8,
        period: i32,
        previous: *mut u8,
    ) -> NTSTATUS {
        if !apc.is_null() {
            return STATUS_NOT_SUPPORTED;
        }
        if period < 0 {
            return STATUS_INVALID_PARAMETER_6;
        }
        let entry = match reference_handle(handle, Some(Kind::Timer), 0, 0) {
            Ok(entry) => entry,
            Err(status) => return status,
        };
        let timer: *mut KTIMER = entry.object.cast();
        // SAFETY: a timer, which the reference keeps.
        let before = unsafe { KeReadStateTimer(timer) };
        // SAFETY: the caller's promise.
        let due = unsafe { due.read() };
        // SAFETY: as above.
        unsafe { KeSetTimerEx(timer, due, period, null_mut()) };
        object::dereference(entry.object);
        // SAFETY: the caller's promise.
        unsafe { put(previous, before) };
        STATUS_SUCCESS
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// A timer is not due any more; tells whether it is signalled.
    ///
    /// Source: ZwCancelTimer, CancelWaitableTimer.
    ///
    /// # Safety
    ///
    /// `state` is null or can be written.
    pub unsafe fn ZwCancelTimer(handle: u64, state: *mut u8) -> NTSTATUS {
        let entry = match reference_handle(handle, Some(Kind::Timer), 0, 0) {
            Ok(entry) => entry,
            Err(status) => return status,
        };
        let timer: *mut KTIMER = entry.object.cast();
        // SAFETY: a timer, which the reference keeps.
        unsafe { KeCancelTimer(timer) };
        // SAFETY: as above.
        let signalled = unsafe { KeReadStateTimer(timer) };
        object::dereference(entry.object);
        // SAFETY: the caller's promise.
        unsafe { put(state, signalled) };
        STATUS_SUCCESS
    }
}
