//! File objects: a device is opened, cleaned up after its last handle, closed after its last
//! reference.
//!
//! Sources: ZwCreateFile, IRP_MJ_CREATE, IRP_MJ_CLEANUP, IRP_MJ_CLOSE, ns-wdm-_file_object.

use alloc::{boxed::Box, vec::Vec};
use core::{ffi::c_void, mem::size_of, ptr::null_mut};

use nthost_nt::{
    io::{
        create::{
            FILE_APPEND_DATA, FILE_READ_DATA, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
            FILE_WRITE_DATA, IO_SECURITY_CONTEXT,
        },
        device::{DEVICE_OBJECT, FILE_DEVICE_SECURE_OPEN},
        file::{
            FILE_OBJECT, FILE_SYNCHRONOUS_IO_ALERT, FILE_SYNCHRONOUS_IO_NONALERT, FO_ALERTABLE_IO,
            FO_CLEANUP_COMPLETE, FO_HANDLE_CREATED, FO_SYNCHRONOUS_IO, IO_TYPE_FILE,
        },
        irp::{IRP_CLOSE_OPERATION, IRP_CREATE_OPERATION, IRP_SYNCHRONOUS_API},
        major::{IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE},
    },
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_ACCESS_DENIED, STATUS_INSUFFICIENT_RESOURCES, STATUS_NO_SUCH_DEVICE,
        STATUS_OBJECT_TYPE_MISMATCH, nt_success,
    },
};

use super::{device, request, security};
use crate::{
    ke::event::KeInitializeEvent,
    mm::guarded,
    ob::{
        self,
        object::{self, Kind},
        security::map_generic,
    },
    se::{access_state::AccessState, identity::Identity},
};

/// How a file is opened.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// The access rights asked for.
    pub access: u32,
    /// `FILE_SHARE_…`.
    pub share: u32,
    /// `FILE_…` create options.
    pub options: u32,
    /// `FILE_OPEN` or another disposition.
    pub disposition: u32,
    /// Who asks; nobody, for the kernel itself.
    pub who: Option<Identity>,
}

/// A file that was opened.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// The file object, with a reference for who opened it.
    pub file: *mut FILE_OBJECT,
    /// The access that was granted.
    pub access: u32,
    /// What the driver says it did: `FILE_OPENED` and its like.
    pub information: usize,
}

/// Opens what a path leads to. PASSIVE_LEVEL.
///
/// # Errors
///
/// Those of the look-up and of the access check, `STATUS_NO_SUCH_DEVICE` for a device that is
/// not ready or on its way out, and what the driver says.
pub fn open(path: &[u16], how: &Open) -> Result<Opened, NTSTATUS> {
    let (object, rest) = ob::reference_by_name(path)?;
    let opened = open_object(object, null_mut(), &rest, how);
    object::dereference(object);
    opened
}

/// Opens a file whose name begins at another, which the caller has a reference to.
/// PASSIVE_LEVEL.
///
/// # Errors
///
/// As [`open`].
pub fn open_below(related: *mut FILE_OBJECT, path: &[u16], how: &Open) -> Result<Opened, NTSTATUS> {
    // SAFETY: the caller has a reference to the file.
    let device = unsafe { (*related).DeviceObject };
    open_object(device.cast(), related, path, how)
}

fn open_object(
    object: *mut c_void,
    related: *mut FILE_OBJECT,
    rest: &[u16],
    how: &Open,
) -> Result<Opened, NTSTATUS> {
    if object::kind(object) != Some(Kind::Device) {
        return Err(STATUS_OBJECT_TYPE_MISMATCH);
    }
    let device: *mut DEVICE_OBJECT = object.cast();
    // SAFETY: the caller has a reference to the device.
    let characteristics = unsafe { (*device).Characteristics };
    let whole = rest.is_empty() && related.is_null();
    let checked = whole || characteristics & FILE_DEVICE_SECURE_OPEN != 0;
    let granted = match how.who {
        Some(who) if checked => security::check(device, who, how.access)?,
        _ => map_generic(how.access),
    };
    if !device::open(device) {
        return Err(if device::is_exclusive(device) {
            STATUS_ACCESS_DENIED
        } else {
            STATUS_NO_SUCH_DEVICE
        });
    }
    let created = create(device, related, rest, how, granted);
    if created.is_err() {
        device::close(device);
    }
    created.map(|(file, information)| Opened {
        file,
        access: granted,
        information,
    })
}

/// Makes a file object for a device that was counted as open, and has the driver agree.
fn create(
    device: *mut DEVICE_OBJECT,
    related: *mut FILE_OBJECT,
    rest: &[u16],
    how: &Open,
    granted: u32,
) -> Result<(*mut FILE_OBJECT, usize), NTSTATUS> {
    let memory =
        guarded::allocate(size_of::<FILE_OBJECT>()).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let file = memory.cast::<FILE_OBJECT>();
    // SAFETY: zeroed memory for it, which is a value of each field.
    let fields = unsafe { &mut *file };
    initialize(fields, device, rest, how, granted);
    // Only during the create, as the reference says of it.
    fields.RelatedFileObject = related;
    object::insert(file.cast(), Kind::File, delete);
    object::reference(device.cast());
    // Held until the driver has answered.
    let mut state = AccessState::new(how.access, granted);
    let mut context = IO_SECURITY_CONTEXT {
        SecurityQos: null_mut(),
        AccessState: state.pointer().cast(),
        DesiredAccess: granted,
        FullCreateOptions: how.options,
    };
    // SAFETY: the stack of an open device.
    let result = unsafe {
        request::send(device::highest(device), |irp, location| {
            irp.Flags = IRP_CREATE_OPERATION | IRP_SYNCHRONOUS_API;
            irp.RequestorMode = i8::from(how.who.is_some());
            irp.overlay_mut().OriginalFileObject = file;
            location.MajorFunction = IRP_MJ_CREATE;
            location.FileObject = file;
            let create = location.Parameters.create_mut();
            create.SecurityContext = &raw mut context;
            create.Options = how.disposition << 24 | how.options & 0x00ff_ffff;
            create.ShareAccess = how.share as u16;
        })
    };
    let status = result.status();
    // SAFETY: the file is this routine's alone.
    unsafe { (*file).RelatedFileObject = null_mut() };
    if nt_success(status) {
        return Ok((file, result.Information));
    }
    // A file that was not opened is not closed.
    // SAFETY: the file is this routine's alone.
    unsafe { (*file).DeviceObject = null_mut() };
    object::dereference(device.cast());
    object::dereference(file.cast());
    Err(status)
}

fn initialize(
    fields: &mut FILE_OBJECT,
    device: *mut DEVICE_OBJECT,
    rest: &[u16],
    how: &Open,
    granted: u32,
) {
    fields.Type = IO_TYPE_FILE;
    fields.Size = size_of::<FILE_OBJECT>() as i16;
    fields.DeviceObject = device;
    fields.ReadAccess = u8::from(granted & FILE_READ_DATA != 0);
    fields.WriteAccess = u8::from(granted & (FILE_WRITE_DATA | FILE_APPEND_DATA) != 0);
    fields.SharedRead = u8::from(how.share & FILE_SHARE_READ != 0);
    fields.SharedWrite = u8::from(how.share & FILE_SHARE_WRITE != 0);
    fields.SharedDelete = u8::from(how.share & FILE_SHARE_DELETE != 0);
    if how.options & (FILE_SYNCHRONOUS_IO_ALERT | FILE_SYNCHRONOUS_IO_NONALERT) != 0 {
        fields.Flags |= FO_SYNCHRONOUS_IO;
    }
    if how.options & FILE_SYNCHRONOUS_IO_ALERT != 0 {
        fields.Flags |= FO_ALERTABLE_IO;
    }
    fields.Flags |= FO_HANDLE_CREATED;
    let name: Box<[u16]> = rest.into();
    let bytes = u16::try_from(name.len() * 2).unwrap_or(!1);
    fields.FileName = UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: Box::into_raw(name).cast(),
    };
    // SAFETY: within the file object: a synchronization event.
    unsafe { KeInitializeEvent(&raw mut fields.Lock, 1, 0) };
    // SAFETY: within the file object: a notification event.
    unsafe { KeInitializeEvent(&raw mut fields.Event, 0, 0) };
}

/// Tells the driver that a file's last handle is closed. PASSIVE_LEVEL.
///
/// # Safety
///
/// The file object exists.
pub unsafe fn cleanup(file: *mut FILE_OBJECT) {
    // SAFETY: the caller's promise.
    let fields = unsafe { &mut *file };
    // The driver cannot refuse it: its status tells nobody anything.
    // SAFETY: the stack of an open device.
    let _status = unsafe {
        request::send(device::highest(fields.DeviceObject), |irp, location| {
            irp.Flags = IRP_CLOSE_OPERATION | IRP_SYNCHRONOUS_API;
            irp.overlay_mut().OriginalFileObject = file;
            location.MajorFunction = IRP_MJ_CLEANUP;
            location.FileObject = file;
        })
    };
    fields.Flags |= FO_CLEANUP_COMPLETE;
}

/// A file's last reference is gone. PASSIVE_LEVEL.
fn delete(object: *mut c_void) {
    let file: *mut FILE_OBJECT = object.cast();
    // SAFETY: it exists until the end of this routine.
    let fields = unsafe { &mut *file };
    let device = fields.DeviceObject;
    if !device.is_null() {
        // SAFETY: the stack of an open device.
        let _status = unsafe {
            request::send(device::highest(device), |irp, location| {
                irp.Flags = IRP_CLOSE_OPERATION | IRP_SYNCHRONOUS_API;
                irp.overlay_mut().OriginalFileObject = file;
                location.MajorFunction = IRP_MJ_CLOSE;
                location.FileObject = file;
            })
        };
        device::close(device);
        object::dereference(device.cast());
        crate::pnp::file_closed(device);
    }
    let length = usize::from(fields.FileName.Length) / 2;
    let name = core::ptr::slice_from_raw_parts_mut(fields.FileName.Buffer, length);
    // SAFETY: made by `initialize` with this length.
    drop(Vec::from(unsafe { Box::from_raw(name) }));
    guarded::free(file.cast());
}
