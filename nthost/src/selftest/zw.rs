//! Files and events used through handles, as drivers do.

use alloc::vec::Vec;
use core::ptr::{null, null_mut};

use nthost_nt::{
    io::{
        create::{FILE_OPEN, GENERIC_READ, GENERIC_WRITE, SYNCHRONIZE},
        device::DO_BUFFERED_IO,
        file::FILE_SYNCHRONOUS_IO_NONALERT,
        irp::IO_STATUS_BLOCK,
        major::{
            IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_FLUSH_BUFFERS, IRP_MJ_READ,
            IRP_MJ_WRITE,
        },
    },
    ob::{OBJ_KERNEL_HANDLE, OBJ_OPENIF, OBJECT_ATTRIBUTES},
    rtl::UNICODE_STRING,
    status::{
        NTSTATUS, STATUS_INFO_LENGTH_MISMATCH, STATUS_INVALID_HANDLE, STATUS_INVALID_INFO_CLASS,
        STATUS_INVALID_PARAMETER, STATUS_OBJECT_NAME_COLLISION, STATUS_OBJECT_NAME_EXISTS,
        STATUS_OBJECT_NAME_NOT_FOUND, STATUS_PENDING, STATUS_SUCCESS, STATUS_TIMEOUT,
    },
};

use super::{
    Outcome, Test, ensure, ensure_eq,
    target::{COUNT_UP, KEEP, Target, control_code},
};
use crate::{
    io::{
        zw_information::{ZwQueryInformationFile, ZwSetInformationFile},
        zw_open::{ZwCreateFile, ZwOpenFile},
        zw_request::{ZwDeviceIoControlFile, ZwFlushBuffersFile, ZwReadFile, ZwWriteFile},
    },
    ke::event::{KeClearEvent, KeReadStateEvent},
    ob::{
        ZwClose,
        event::{
            IoCreateNotificationEvent, IoCreateSynchronizationEvent, ZwCreateEvent, ZwOpenEvent,
            ZwSetEvent, ZwWaitForSingleObject,
        },
        object,
        open::ObOpenObjectByPointer,
        reference_handle,
    },
};

/// The tests.
pub const TESTS: &[Test] = &[
    (
        "zw: a file is created, read, written, controlled, flushed and closed",
        file,
    ),
    (
        "zw: a synchronous file keeps its position, and must be opened to be waited for",
        position,
    ),
    (
        "zw: a request that is kept sets its event, or else its file, when it is complete",
        asynchronous,
    ),
    (
        "zw: a file's position and mode are told, and the rest its driver is asked",
        information,
    ),
    ("zw: a file may be opened below another", below),
    (
        "zw: a named event is one for all who name it, until its last handle is closed",
        named_event,
    ),
    ("zw: an event is set and waited for by its handle", event),
    (
        "zw: an object with a second handle is cleaned up after the last",
        second_handle,
    ),
];

/// `FILE_SUPERSEDE` and so on: one beyond the last.
const NO_DISPOSITION: u32 = 6;

fn string(name: &mut [u16]) -> UNICODE_STRING {
    let bytes = (name.len() * 2) as u16;
    UNICODE_STRING {
        Length: bytes,
        MaximumLength: bytes,
        Buffer: name.as_mut_ptr(),
    }
}

fn attributes(root: u64, name: &UNICODE_STRING, flags: u32) -> OBJECT_ATTRIBUTES {
    OBJECT_ATTRIBUTES {
        Length: size_of::<OBJECT_ATTRIBUTES>() as u32,
        RootDirectory: root,
        ObjectName: name,
        Attributes: flags | OBJ_KERNEL_HANDLE,
        SecurityDescriptor: null(),
        SecurityQualityOfService: null(),
    }
}

/// Opens a file; the status, and its handle.
fn open(
    root: u64,
    name: &mut [u16],
    access: u32,
    options: u32,
    disposition: u32,
) -> (NTSTATUS, u64) {
    let name = string(name);
    let attributes = attributes(root, &name, 0);
    let mut handle = 0;
    let mut block = IO_STATUS_BLOCK::new(-1, 0);
    // SAFETY: attributes with a string, and variables to be written.
    let status = unsafe {
        ZwCreateFile(
            &raw mut handle,
            access,
            &raw const attributes,
            &raw mut block,
            null(),
            0,
            0,
            disposition,
            options,
            null(),
            0,
        )
    };
    (status, handle)
}

fn close(handle: u64) -> NTSTATUS {
    // SAFETY: the test's own handle.
    unsafe { ZwClose(handle) }
}

/// A handle to a target for synchronous use.
fn open_synchronous(name: &mut [u16]) -> Result<u64, alloc::string::String> {
    let access = GENERIC_READ | GENERIC_WRITE | SYNCHRONIZE;
    let (status, handle) = open(0, name, access, FILE_SYNCHRONOUS_IO_NONALERT, FILE_OPEN);
    ensure_eq!(status, STATUS_SUCCESS);
    Ok(handle)
}

/// Reads, from an offset or the file's position.
fn read(handle: u64, length: usize, offset: Option<i64>) -> (NTSTATUS, Vec<u8>) {
    let mut bytes = alloc::vec![0xee; length];
    let offset = offset.as_ref().map_or_else(null, core::ptr::from_ref);
    let mut block = IO_STATUS_BLOCK::new(-1, 0);
    // SAFETY: the file is synchronous: all is there until the read is complete.
    let status = unsafe {
        ZwReadFile(
            handle,
            0,
            null(),
            null_mut(),
            &raw mut block,
            bytes.as_mut_ptr().cast(),
            length as u32,
            offset,
            null(),
        )
    };
    bytes.truncate(block.Information);
    (status, bytes)
}

fn write(handle: u64, bytes: &mut [u8], offset: Option<i64>) -> NTSTATUS {
    let offset = offset.as_ref().map_or_else(null, core::ptr::from_ref);
    let mut block = IO_STATUS_BLOCK::new(-1, 0);
    let data = bytes.as_mut_ptr().cast();
    let length = bytes.len() as u32;
    // SAFETY: as for the read.
    unsafe {
        ZwWriteFile(
            handle,
            0,
            null(),
            null_mut(),
            &raw mut block,
            data,
            length,
            offset,
            null(),
        )
    }
}

fn file() -> Outcome {
    let (target, mut name) = Target::new(DO_BUFFERED_IO);
    let references = target.references();
    let handle = open_synchronous(&mut name)?;
    ensure_eq!(target.count(IRP_MJ_CREATE), 1);
    ensure_eq!(
        read(handle, 3, Some(5)),
        (STATUS_SUCCESS, [5, 6, 7].to_vec())
    );
    ensure_eq!(write(handle, &mut [9, 10], Some(9)), STATUS_SUCCESS);
    // The device refuses what is not as it should be.
    ensure_eq!(
        write(handle, &mut [9, 11], Some(9)),
        STATUS_INVALID_PARAMETER
    );
    let (mut input, mut output) = ([1_u8, 2], [0_u8; 2]);
    let mut block = IO_STATUS_BLOCK::new(-1, 0);
    // SAFETY: the file is synchronous: all is there until the request is complete.
    let status = unsafe {
        ZwDeviceIoControlFile(
            handle,
            0,
            null(),
            null_mut(),
            &raw mut block,
            control_code(COUNT_UP, 0),
            input.as_mut_ptr().cast(),
            2,
            output.as_mut_ptr().cast(),
            2,
        )
    };
    ensure_eq!(
        (status, block.status(), output),
        (STATUS_SUCCESS, STATUS_SUCCESS, [2, 3])
    );
    // SAFETY: a status block to be written.
    let status = unsafe { ZwFlushBuffersFile(handle, &raw mut block) };
    ensure_eq!(
        (status, target.count(IRP_MJ_FLUSH_BUFFERS)),
        (STATUS_SUCCESS, 1)
    );
    ensure_eq!(target.count(IRP_MJ_CLEANUP) + target.count(IRP_MJ_CLOSE), 0);
    ensure_eq!(close(handle), STATUS_SUCCESS);
    ensure_eq!(
        (target.count(IRP_MJ_CLEANUP), target.count(IRP_MJ_CLOSE)),
        (1, 1)
    );
    ensure_eq!(target.references(), references);
    Ok(())
}

fn position() -> Outcome {
    let (target, mut name) = Target::new(DO_BUFFERED_IO);
    for (access, options, disposition) in [
        (GENERIC_READ, FILE_SYNCHRONOUS_IO_NONALERT, FILE_OPEN),
        (SYNCHRONIZE, FILE_SYNCHRONOUS_IO_NONALERT | 0x10, FILE_OPEN),
        (SYNCHRONIZE, 0, NO_DISPOSITION),
    ] {
        let (status, _) = open(0, &mut name, access, options, disposition);
        ensure_eq!(status, STATUS_INVALID_PARAMETER);
    }
    ensure_eq!(target.count(IRP_MJ_CREATE), 0);
    let handle = open_synchronous(&mut name)?;
    ensure_eq!(read(handle, 2, None).1, [0, 1]);
    ensure_eq!(read(handle, 2, Some(-2)).1, [2, 3]);
    ensure_eq!(read(handle, 1, Some(0x20)).1, [0x20]);
    ensure_eq!(write(handle, &mut [0x21], None), STATUS_SUCCESS);
    ensure_eq!(read(handle, 1, None).1, [0x22]);
    ensure_eq!(read(handle, 1, Some(-3)).0, STATUS_INVALID_PARAMETER);
    ensure_eq!(
        (target.count(IRP_MJ_READ), target.count(IRP_MJ_WRITE)),
        (4, 1)
    );
    ensure_eq!(close(handle), STATUS_SUCCESS);
    Ok(())
}

fn asynchronous() -> Outcome {
    let (target, mut name) = Target::new(0);
    let references = target.references();
    let (status, handle) = open(0, &mut name, GENERIC_READ, 0, FILE_OPEN);
    ensure_eq!(status, STATUS_SUCCESS);
    let mut event = 0;
    // SAFETY: a handle to be written.
    let status = unsafe { ZwCreateEvent(&raw mut event, 0x1f_0003, null(), 0, 1) };
    ensure_eq!(status, STATUS_SUCCESS);
    for told in [event, 0] {
        let waited = if told == 0 { handle } else { event };
        let (mut input, mut output) = ([7_u8], [0_u8]);
        let mut block = IO_STATUS_BLOCK::new(-1, 0);
        // SAFETY: all is there until the request is complete, which is waited for.
        let status = unsafe {
            ZwDeviceIoControlFile(
                handle,
                told,
                null(),
                null_mut(),
                &raw mut block,
                control_code(KEEP, 0),
                input.as_mut_ptr().cast(),
                1,
                output.as_mut_ptr().cast(),
                1,
            )
        };
        ensure_eq!(status, STATUS_PENDING);
        // SAFETY: a time-out of nothing.
        let status = unsafe { ZwWaitForSingleObject(waited, 0, &0) };
        ensure_eq!(status, STATUS_TIMEOUT);
        ensure!(Target::release(), "nothing was kept");
        // SAFETY: no time-out.
        let status = unsafe { ZwWaitForSingleObject(waited, 0, null()) };
        ensure_eq!(status, STATUS_SUCCESS);
        ensure_eq!(
            (block.status(), block.Information, output),
            (STATUS_SUCCESS, 1, [8])
        );
    }
    // Without a position, a file needs an offset.
    ensure_eq!(read(handle, 1, None).0, STATUS_INVALID_PARAMETER);
    ensure_eq!(close(event), STATUS_SUCCESS);
    ensure_eq!(close(handle), STATUS_SUCCESS);
    ensure_eq!(target.references(), references);
    Ok(())
}

fn information() -> Outcome {
    /// FilePositionInformation, FileModeInformation, FileStandardInformation.
    const POSITION: i32 = 14;
    const MODE: i32 = 16;
    const STANDARD: i32 = 5;
    let (_target, mut name) = Target::new(DO_BUFFERED_IO);
    let handle = open_synchronous(&mut name)?;
    let (status, asynchronous) = open(0, &mut name, GENERIC_READ, 0, FILE_OPEN);
    ensure_eq!(status, STATUS_SUCCESS);
    let ask = |handle, class, length| {
        let (mut value, mut block) = (0_u64, IO_STATUS_BLOCK::new(-1, 0));
        let data = (&raw mut value).cast();
        // SAFETY: a value and a status block to be written.
        let status = unsafe { ZwQueryInformationFile(handle, &raw mut block, data, length, class) };
        (status, value)
    };
    let set = |handle, class, mut value: u64, length| {
        let mut block = IO_STATUS_BLOCK::new(-1, 0);
        let data = (&raw mut value).cast();
        // SAFETY: a value, and a status block to be written.
        unsafe { ZwSetInformationFile(handle, &raw mut block, data, length, class) }
    };
    ensure_eq!(set(handle, POSITION, 0x41, 8), STATUS_SUCCESS);
    ensure_eq!(read(handle, 1, None).1, [0x41]);
    ensure_eq!(ask(handle, POSITION, 8), (STATUS_SUCCESS, 0x42));
    ensure_eq!(ask(handle, MODE, 4), (STATUS_SUCCESS, 0x20));
    ensure_eq!(ask(asynchronous, MODE, 4), (STATUS_SUCCESS, 0));
    ensure_eq!(ask(asynchronous, POSITION, 8).0, STATUS_INVALID_PARAMETER);
    ensure_eq!(set(asynchronous, POSITION, 1, 8), STATUS_INVALID_PARAMETER);
    ensure_eq!(ask(handle, POSITION, 7).0, STATUS_INFO_LENGTH_MISMATCH);
    ensure_eq!(ask(handle, 0, 8).0, STATUS_INVALID_INFO_CLASS);
    // The device tells the class, and wants it set.
    ensure_eq!(ask(asynchronous, STANDARD, 8), (STATUS_SUCCESS, 5));
    ensure_eq!(set(handle, STANDARD, 5, 4), STATUS_SUCCESS);
    ensure_eq!(set(handle, STANDARD, 6, 4), STATUS_INVALID_PARAMETER);
    ensure_eq!(close(handle), STATUS_SUCCESS);
    ensure_eq!(close(asynchronous), STATUS_SUCCESS);
    Ok(())
}

fn below() -> Outcome {
    let (target, mut name) = Target::new(0);
    let (status, root) = open(0, &mut name, GENERIC_READ, 0, FILE_OPEN);
    ensure_eq!(status, STATUS_SUCCESS);
    let mut rest: Vec<u16> = "inner".encode_utf16().collect();
    let (status, inner) = open(root, &mut rest, GENERIC_READ, 0, FILE_OPEN);
    ensure_eq!(status, STATUS_SUCCESS);
    ensure_eq!(target.count(IRP_MJ_CREATE), 2);
    ensure_eq!(close(root), STATUS_SUCCESS);
    ensure_eq!(target.count(IRP_MJ_CLOSE), 1);
    ensure_eq!(close(inner), STATUS_SUCCESS);
    ensure_eq!(target.count(IRP_MJ_CLOSE), 2);
    let mut nothing: Vec<u16> = r"\Device\Nothing".encode_utf16().collect();
    let nothing = string(&mut nothing);
    let attributes = attributes(0, &nothing, 0);
    let (mut handle, mut block) = (0, IO_STATUS_BLOCK::new(-1, 0));
    // SAFETY: attributes with a string, and variables to be written.
    let status = unsafe {
        ZwOpenFile(
            &raw mut handle,
            1,
            &raw const attributes,
            &raw mut block,
            0,
            0,
        )
    };
    ensure_eq!(status, STATUS_OBJECT_NAME_NOT_FOUND);
    Ok(())
}

fn named_event() -> Outcome {
    let mut name: Vec<u16> = r"\BaseNamedObjects\Selftest".encode_utf16().collect();
    let name = string(&mut name);
    let (mut first, mut second) = (0, 0);
    // SAFETY: a string, and a handle to be written.
    let made = unsafe { IoCreateNotificationEvent(&raw const name, &raw mut first) };
    ensure!(!made.is_null(), "no event");
    // SAFETY: an event, which the handle keeps.
    let state = unsafe { KeReadStateEvent(made) };
    ensure!(state != 0, "it is not set");
    // SAFETY: as above.
    unsafe { KeClearEvent(made) };
    // The type is that of who made it.
    // SAFETY: as above.
    let found = unsafe { IoCreateSynchronizationEvent(&raw const name, &raw mut second) };
    ensure_eq!(found, made);
    // SAFETY: as above.
    let state = unsafe { KeReadStateEvent(made) };
    ensure!(state == 0, "it was set by opening");
    let with_flags = |flags| {
        let attributes = attributes(0, &name, flags);
        let mut handle = 0;
        // SAFETY: attributes with a string, and a handle to be written.
        let status =
            unsafe { ZwCreateEvent(&raw mut handle, 0x1f_0003, &raw const attributes, 1, 0) };
        (status, handle)
    };
    ensure_eq!(with_flags(0).0, STATUS_OBJECT_NAME_COLLISION);
    let attributes = attributes(0, &name, 0);
    let mut opened = 0;
    // SAFETY: attributes with a string, and a handle to be written.
    let status = unsafe { ZwOpenEvent(&raw mut opened, 0x1f_0003, &raw const attributes) };
    ensure_eq!(status, STATUS_SUCCESS);
    let (status, third) = with_flags(OBJ_OPENIF);
    ensure_eq!(status, STATUS_OBJECT_NAME_EXISTS);
    for handle in [first, second, third, opened] {
        ensure_eq!(close(handle), STATUS_SUCCESS);
    }
    ensure!(object::kind(made.cast()).is_none(), "it is still there");
    // SAFETY: as above.
    let status = unsafe { ZwOpenEvent(&raw mut opened, 0x1f_0003, &raw const attributes) };
    ensure_eq!(status, STATUS_OBJECT_NAME_NOT_FOUND);
    let (status, last) = with_flags(0);
    ensure_eq!(status, STATUS_SUCCESS);
    ensure_eq!(close(last), STATUS_SUCCESS);
    // A device's name is no event's.
    let (_target, mut device) = Target::new(0);
    let device = string(&mut device);
    // SAFETY: a string, and a handle to be written.
    let made = unsafe { IoCreateNotificationEvent(&raw const device, &raw mut first) };
    ensure!(made.is_null(), "an event of a device's name");
    Ok(())
}

fn event() -> Outcome {
    let mut handle = 0;
    // SAFETY: a handle to be written.
    let status = unsafe { ZwCreateEvent(&raw mut handle, 0x1f_0003, null(), 1, 0) };
    ensure_eq!(status, STATUS_SUCCESS);
    // SAFETY: a time-out of nothing.
    let status = unsafe { ZwWaitForSingleObject(handle, 0, &0) };
    ensure_eq!(status, STATUS_TIMEOUT);
    let mut before = -1;
    // SAFETY: a variable to be written.
    let status = unsafe { ZwSetEvent(handle, &raw mut before) };
    ensure_eq!(status, STATUS_SUCCESS);
    ensure_eq!(before, 0);
    // SAFETY: a time-out of nothing; a synchronization event ends one wait.
    let status = unsafe { ZwWaitForSingleObject(handle, 0, &0) };
    ensure_eq!(status, STATUS_SUCCESS);
    // SAFETY: as above.
    let status = unsafe { ZwWaitForSingleObject(handle, 0, &0) };
    ensure_eq!(status, STATUS_TIMEOUT);
    ensure_eq!(close(handle), STATUS_SUCCESS);
    // SAFETY: as above.
    let status = unsafe { ZwWaitForSingleObject(handle, 0, &0) };
    ensure_eq!(status, STATUS_INVALID_HANDLE);
    Ok(())
}

fn second_handle() -> Outcome {
    let (target, mut name) = Target::new(0);
    let handle = open_synchronous(&mut name)?;
    let file = reference_handle(handle, None, 0, 0).map_err(|_| "no file")?;
    let mut second = 0;
    // SAFETY: a file that the handle keeps, and a handle to be written.
    let status = unsafe {
        ObOpenObjectByPointer(
            file.object,
            OBJ_KERNEL_HANDLE,
            null_mut(),
            GENERIC_READ,
            null(),
            0,
            &raw mut second,
        )
    };
    ensure_eq!(status, STATUS_SUCCESS);
    object::dereference(file.object);
    ensure_eq!(close(handle), STATUS_SUCCESS);
    ensure_eq!(target.count(IRP_MJ_CLEANUP), 0);
    ensure_eq!(read(second, 1, Some(3)).0, STATUS_SUCCESS);
    ensure_eq!(close(second), STATUS_SUCCESS);
    ensure_eq!(
        (target.count(IRP_MJ_CLEANUP), target.count(IRP_MJ_CLOSE)),
        (1, 1)
    );
    Ok(())
}
