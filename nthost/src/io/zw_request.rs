//! Requests that drivers make of files through handles.
//!
//! Sources: ZwReadFile, ZwWriteFile, ZwDeviceIoControlFile, ZwFlushBuffersFile. A file that was
//! opened for synchronous use has one request at a time, which is waited for, and a position;
//! any other's request ends when it does, and the event or the file says so.
//!
//! Simplified: a wait is not alertable. APC routines, which the reference reserves, are refused.

use core::{
    ffi::c_void,
    ptr::{null, null_mut},
    sync::atomic::{AtomicU32, Ordering},
};

use nthost_nt::{
    io::{
        device::DEVICE_OBJECT,
        file::{FILE_OBJECT, FO_SYNCHRONOUS_IO},
        irp::{IO_STATUS_BLOCK, IRP_SYNCHRONOUS_API},
        major::{IRP_MJ_DEVICE_CONTROL, IRP_MJ_FLUSH_BUFFERS, IRP_MJ_READ, IRP_MJ_WRITE},
    },
    ke::KEVENT,
    status::{
        NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_PARAMETER, STATUS_PENDING,
        nt_error, nt_success,
    },
};

use super::{
    build::{self, Buffer, Built},
    call, device,
    irp::{self, Origin},
    verify,
};
use crate::{
    ke::{
        event::{KeClearEvent, KeSetEvent},
        owned_event::Event,
        wait_for::KeWaitForSingleObject,
    },
    ob::{
        object::{self, Kind},
        reference_handle,
    },
};

/// An offset that stands for the file's position: FILE_USE_FILE_POINTER_POSITION, -1.
const POSITION: i64 = -2;
/// An offset that stands for the file's end: FILE_WRITE_TO_END_OF_FILE, -1.
const END: i64 = -1;

/// An object that is referenced as long as this lives.
struct Reference(*mut c_void);

impl Reference {
    fn of_handle(handle: u64, kind: Kind) -> Result<Self, NTSTATUS> {
        let entry = reference_handle(handle, Some(kind), 0, 0)?;
        Ok(Self(entry.object))
    }

    /// Hands the reference on.
    const fn keep(self) -> *mut c_void {
        let object = self.0;
        core::mem::forget(self);
        object
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        object::dereference(self.0);
    }
}

/// One request at a time of a synchronous file, as long as this lives.
struct Busy(*mut FILE_OBJECT);

impl Busy {
    /// Waits for the file's turn.
    ///
    /// # Safety
    ///
    /// The caller has a reference to the file.
    unsafe fn begin(file: *mut FILE_OBJECT) -> Self {
        let busy = Self(file);
        while busy.flag().swap(1, Ordering::Acquire) != 0 {
            // SAFETY: the event of a file that the caller has a reference to.
            unsafe { KeWaitForSingleObject(busy.lock().cast(), 0, 0, 0, null()) };
        }
        busy
    }

    const fn flag(&self) -> &AtomicU32 {
        // SAFETY: the file exists.
        let field = unsafe { &raw mut (*self.0).Busy };
        // SAFETY: the field is only used so.
        unsafe { AtomicU32::from_ptr(field) }
    }

    const fn lock(&self) -> *mut KEVENT {
        // SAFETY: the file exists.
        unsafe { &raw mut (*self.0).Lock }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.flag().store(0, Ordering::Release);
        // SAFETY: the event of a file that exists.
        unsafe { KeSetEvent(self.lock(), 0, 0) };
    }
}

/// What is asked of a file.
#[derive(Clone, Copy)]
enum Ask {
    /// A read or a write: major function, where in the file, and the device queue's key.
    Transfer(u8, i64, u32),
    /// A control request, with its code and input.
    Control(u32, Buffer),
    /// To write out what is kept back.
    Flush,
}

impl Ask {
    /// The request as an IRP for a device; its next location has the file in it.
    ///
    /// # Safety
    ///
    /// A referenced file, and buffers that are as long as they say.
    unsafe fn build(self, file: *mut FILE_OBJECT, data: Buffer, caller: usize) -> Option<Built> {
        // SAFETY: the caller's promise.
        let device = device::highest(unsafe { (*file).DeviceObject });
        let made_by = (Origin::Synchronous, caller);
        let built = match self {
            Self::Transfer(major, offset, key) => {
                // SAFETY: the caller's promise.
                let built =
                    unsafe { build::build_fsd(device, major, data, &raw const offset, made_by) }?;
                // SAFETY: the IRP was made with a location.
                let location = unsafe { irp::next(built.irp) };
                location.Parameters.read_write_mut().Key = key;
                built
            }
            Self::Control(code, input) => {
                // SAFETY: the caller's promise.
                let built = unsafe { Built::new(device, Origin::Synchronous, caller) }?;
                // SAFETY: the IRP was made with a location.
                unsafe { irp::next(built.irp) }.MajorFunction = IRP_MJ_DEVICE_CONTROL;
                build::set_up_control(&built, code, input, data)?;
                built
            }
            Self::Flush => {
                let (major, nothing) = (IRP_MJ_FLUSH_BUFFERS, null());
                // SAFETY: the caller's promise.
                unsafe { build::build_fsd(device, major, data, nothing, made_by) }?
            }
        };
        // SAFETY: the IRP was made with a location.
        unsafe { irp::next(built.irp) }.FileObject = file;
        built.packet().overlay_mut().OriginalFileObject = file;
        Some(built)
    }
}

/// Where a driver wants to be told.
#[derive(Clone, Copy)]
struct Reply {
    event: u64,
    apc: *const c_void,
    block: *mut IO_STATUS_BLOCK,
}

/// Makes a request of a file.
///
/// # Safety
///
/// As the routines for drivers.
unsafe fn request(
    handle: u64,
    reply: Reply,
    data: Buffer,
    ask: impl FnOnce(&FILE_OBJECT) -> Result<Ask, NTSTATUS>,
    caller: usize,
) -> Result<NTSTATUS, NTSTATUS> {
    if !reply.apc.is_null() {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let reference = Reference::of_handle(handle, Kind::File)?;
    let event = match reply.event {
        0 => None,
        event => Some(Reference::of_handle(event, Kind::Event)?),
    };
    if let Some(event) = &event {
        // SAFETY: an event, which the reference keeps.
        unsafe { KeClearEvent(event.0.cast()) };
    }
    let file = reference.0.cast::<FILE_OBJECT>();
    // SAFETY: a file, which the reference keeps.
    if unsafe { (*file).Flags } & FO_SYNCHRONOUS_IO != 0 {
        let event = event.as_ref().map_or_else(null_mut, |event| event.0.cast());
        // SAFETY: the caller's promise.
        return unsafe { wait_for(file, event, reply.block, data, ask, caller) };
    }
    // SAFETY: a file, which the reference keeps.
    let ask = ask(unsafe { &*file })?;
    // SAFETY: the caller's promise.
    let built = unsafe { ask.build(file, data, caller) }.ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    // SAFETY: a file, which the reference keeps.
    let own_event = unsafe { &raw mut (*file).Event };
    // SAFETY: the event of that file.
    unsafe { KeClearEvent(own_event) };
    // SAFETY: as above.
    let device = device::highest(unsafe { (*file).DeviceObject });
    let packet = built.packet();
    packet.UserIosb = reply.block;
    packet.UserEvent = event.map_or_else(null_mut, Reference::keep).cast();
    // Both references go with the IRP, to be given back when it is complete.
    let _file = reference.keep();
    let irp = built.hand_out();
    // SAFETY: an IRP that was just set up for this device.
    Ok(unsafe { call::send(device, irp, caller) })
}

/// Sends a request, and waits until it is complete; what came of it, unless it failed at once.
///
/// # Safety
///
/// The IRP was set up for this device.
pub(super) unsafe fn send_and_wait(
    built: Built,
    device: *mut DEVICE_OBJECT,
    caller: usize,
) -> (NTSTATUS, Option<IO_STATUS_BLOCK>) {
    let complete = Event::notification();
    let mut result = IO_STATUS_BLOCK::new(0, 0);
    let packet = built.packet();
    packet.Flags |= IRP_SYNCHRONOUS_API;
    packet.UserIosb = &raw mut result;
    packet.UserEvent = complete.as_kevent();
    let irp = built.hand_out();
    // SAFETY: the caller's promise.
    let sent = unsafe { call::send(device, irp, caller) };
    if sent == STATUS_PENDING {
        complete.wait();
        return (result.status(), Some(result));
    }
    // An error that comes at once is all that the caller gets.
    (sent, (!nt_error(sent)).then_some(result))
}

/// Sets the position of a synchronous file; `STATUS_INVALID_PARAMETER` for any other, or a
/// position that cannot be.
///
/// # Safety
///
/// The caller has a reference to the file.
pub(super) unsafe fn set_position(file: *mut FILE_OBJECT, position: i64) -> Result<(), NTSTATUS> {
    // SAFETY: the caller's promise.
    if unsafe { (*file).Flags } & FO_SYNCHRONOUS_IO == 0 || position < 0 {
        return Err(STATUS_INVALID_PARAMETER);
    }
    // SAFETY: the caller's promise.
    let _busy = unsafe { Busy::begin(file) };
    // SAFETY: nobody else uses the field while the file is busy.
    unsafe { (*file).CurrentByteOffset = position };
    Ok(())
}

/// Makes a request of a synchronous file, and waits until it is complete.
///
/// # Safety
///
/// As [`request`].
unsafe fn wait_for(
    file: *mut FILE_OBJECT,
    event: *mut KEVENT,
    block: *mut IO_STATUS_BLOCK,
    data: Buffer,
    ask: impl FnOnce(&FILE_OBJECT) -> Result<Ask, NTSTATUS>,
    caller: usize,
) -> Result<NTSTATUS, NTSTATUS> {
    // SAFETY: the caller's promise.
    let _busy = unsafe { Busy::begin(file) };
    // SAFETY: nobody else uses these fields while the file is busy.
    let file = unsafe { &mut *file };
    let ask = ask(file)?;
    // SAFETY: the caller's promise.
    let built = unsafe { ask.build(file, data, caller) }.ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
    let device = device::highest(file.DeviceObject);
    // SAFETY: an IRP that was just set up for this device.
    let (status, result) = unsafe { send_and_wait(built, device, caller) };
    if let Some(result) = result {
        file.FinalStatus = status;
        // SAFETY: the caller's promise.
        unsafe { block.write(result) };
        if !event.is_null() {
            // SAFETY: an event that the caller has a reference to.
            unsafe { KeSetEvent(event, 0, 0) };
        }
        // SAFETY: the event of a file that the caller has a reference to.
        unsafe { KeSetEvent(&raw mut file.Event, 0, 0) };
    }
    if let (Ask::Transfer(_, offset, _), Some(result)) = (ask, result)
        && nt_success(status)
        && offset >= 0
    {
        file.CurrentByteOffset = offset.wrapping_add(result.Information as i64);
    }
    Ok(status)
}

/// A transfer at an offset, or at the file's position if it has one.
///
/// # Safety
///
/// `offset` and `key` are null or can be read.
unsafe fn transfer(
    file: &FILE_OBJECT,
    major: u8,
    offset: *const i64,
    key: *const u32,
) -> Result<Ask, NTSTATUS> {
    // SAFETY: the caller's promise.
    let key = unsafe { key.as_ref() }.copied().unwrap_or(0);
    // SAFETY: the caller's promise.
    let offset = match unsafe { offset.as_ref() }.copied() {
        None | Some(POSITION) if file.Flags & FO_SYNCHRONOUS_IO != 0 => file.CurrentByteOffset,
        Some(END) if major == IRP_MJ_WRITE => END,
        Some(offset) if offset >= 0 => offset,
        _ => return Err(STATUS_INVALID_PARAMETER),
    };
    Ok(Ask::Transfer(major, offset, key))
}

fn flatten(result: Result<NTSTATUS, NTSTATUS>) -> NTSTATUS {
    result.unwrap_or_else(|status| status)
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Reads from a file. STATUS_PENDING if it was not opened for synchronous use and is not
    /// done yet: the event, or the file, is set then.
    ///
    /// Source: ZwReadFile.
    ///
    /// # Safety
    ///
    /// The buffer is as long as it says and stays, like the status block, until the read is
    /// complete; the other pointers are null or can be read.
    pub unsafe fn ZwReadFile(
        handle: u64,
        event: u64,
        apc: *const c_void,
        _apc_context: *mut c_void,
        block: *mut IO_STATUS_BLOCK,
        buffer: *mut c_void,
        length: u32,
        offset: *const i64,
        key: *const u32,
    ) -> NTSTATUS {
        let data = Buffer { address: buffer, length };
        // SAFETY: the caller's promise.
        let ask = |file: &FILE_OBJECT| unsafe { transfer(file, IRP_MJ_READ, offset, key) };
        // SAFETY: the caller's promise.
        flatten(unsafe { request(handle, Reply { event, apc, block }, data, ask, verify::caller()) })
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Writes to a file; as ZwReadFile.
    ///
    /// Source: ZwWriteFile.
    ///
    /// # Safety
    ///
    /// As ZwReadFile.
    pub unsafe fn ZwWriteFile(
        handle: u64,
        event: u64,
        apc: *const c_void,
        _apc_context: *mut c_void,
        block: *mut IO_STATUS_BLOCK,
        buffer: *mut c_void,
        length: u32,
        offset: *const i64,
        key: *const u32,
    ) -> NTSTATUS {
        let data = Buffer { address: buffer, length };
        // SAFETY: the caller's promise.
        let ask = |file: &FILE_OBJECT| unsafe { transfer(file, IRP_MJ_WRITE, offset, key) };
        // SAFETY: the caller's promise.
        flatten(unsafe { request(handle, Reply { event, apc, block }, data, ask, verify::caller()) })
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Makes a control request of a device; as ZwReadFile.
    ///
    /// Source: ZwDeviceIoControlFile.
    ///
    /// # Safety
    ///
    /// The buffers are as long as they say and stay, like the status block, until the request
    /// is complete.
    pub unsafe fn ZwDeviceIoControlFile(
        handle: u64,
        event: u64,
        apc: *const c_void,
        _apc_context: *mut c_void,
        block: *mut IO_STATUS_BLOCK,
        code: u32,
        input: *mut c_void,
        input_length: u32,
        output: *mut c_void,
        output_length: u32,
    ) -> NTSTATUS {
        let input = Buffer { address: input, length: input_length };
        let output = Buffer { address: output, length: output_length };
        let ask = |_: &FILE_OBJECT| Ok(Ask::Control(code, input));
        // SAFETY: the caller's promise.
        flatten(unsafe { request(handle, Reply { event, apc, block }, output, ask, verify::caller()) })
    }

    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Has a device write out what it keeps back.
    ///
    /// Source: ZwFlushBuffersFile.
    ///
    /// # Safety
    ///
    /// The status block can be written.
    pub unsafe fn ZwFlushBuffersFile(handle: u64, block: *mut IO_STATUS_BLOCK) -> NTSTATUS {
        let nothing = Buffer { address: null_mut(), length: 0 };
        let reply = Reply { event: 0, apc: null(), block };
        let ask = |_: &FILE_OBJECT| Ok(Ask::Flush);
        // SAFETY: the caller's promise.
        flatten(unsafe { request(handle, reply, nothing, ask, verify::caller()) })
    }
}
