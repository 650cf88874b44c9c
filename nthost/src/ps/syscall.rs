//! The system calls that the Win32 functions end in.
//!
//! Sources: ZwCreateFile, ZwClose, ZwReadFile, ZwWriteFile, ZwDeviceIoControlFile,
//! ZwAllocateVirtualMemory; CancelIoEx for NtCancelIoFileEx.

use alloc::{string::String, sync::Arc, vec::Vec};

use nthost_nt::{
    guid::GUID,
    io::{
        create::{FILE_APPEND_DATA, FILE_OPEN, FILE_READ_DATA, FILE_WRITE_DATA},
        file::FILE_OBJECT,
    },
    status::{
        NTSTATUS, STATUS_ACCESS_DENIED, STATUS_INSUFFICIENT_RESOURCES, STATUS_INVALID_HANDLE,
        STATUS_INVALID_PARAMETER, STATUS_NOT_FOUND, STATUS_SUCCESS,
    },
};
use nthost_protocol::{Buffer, Completion, Handle, ProcessRequest, RequestId, ThreadId};

use super::{
    buffer::{self, UserBuffer},
    client::Client,
    irp::{Operation, Request, refused},
};
use crate::{
    io::{
        file::{self, Open},
        interface,
    },
    mm::paging::Access,
    ob::object::{self, Kind},
};

/// `PAGE_READONLY` and `PAGE_READWRITE`.
const PAGE_READONLY: u32 = 0x02;
const PAGE_READWRITE: u32 = 0x04;

/// The request's own id.
pub const fn id_of(request: &ProcessRequest) -> RequestId {
    match request {
        ProcessRequest::Create { id, .. }
        | ProcessRequest::Close { id, .. }
        | ProcessRequest::Read { id, .. }
        | ProcessRequest::Write { id, .. }
        | ProcessRequest::DeviceControl { id, .. }
        | ProcessRequest::Cancel { id, .. }
        | ProcessRequest::ExitThread { id, .. }
        | ProcessRequest::Exit { id }
        | ProcessRequest::AllocateMemory { id, .. }
        | ProcessRequest::FreeMemory { id, .. }
        | ProcessRequest::ReadMemory { id, .. }
        | ProcessRequest::WriteMemory { id, .. }
        | ProcessRequest::ListInterfaces { id, .. } => *id,
    }
}

/// The handle that a call makes a request on.
pub const fn handle_of(request: &ProcessRequest) -> Option<Handle> {
    match request {
        ProcessRequest::Read { handle, .. }
        | ProcessRequest::Write { handle, .. }
        | ProcessRequest::DeviceControl { handle, .. } => Some(*handle),
        _ => None,
    }
}

/// The thread that makes the call, if it is one of the client's: a cancellation is not made to
/// wait behind what it is to cancel, and a thread's end is seen to by another.
pub const fn thread_of(request: &ProcessRequest) -> Option<ThreadId> {
    match request {
        ProcessRequest::Create { thread, .. }
        | ProcessRequest::Close { thread, .. }
        | ProcessRequest::Read { thread, .. }
        | ProcessRequest::Write { thread, .. }
        | ProcessRequest::DeviceControl { thread, .. } => Some(*thread),
        _ => None,
    }
}

/// Makes a system call, with its number among its thread's. Gives how it ended, unless that comes later.
pub fn execute(client: &Arc<Client>, number: u64, request: ProcessRequest) -> Option<Completion> {
    let id = id_of(&request);
    let result = match request {
        ProcessRequest::Create {
            path,
            access,
            share,
            options,
            token,
            ..
        } => {
            *client.process.acts_for.lock() = token;
            let how = Open {
                access,
                share,
                options,
                disposition: FILE_OPEN,
                who: Some(token.into()),
            };
            create(client, &path, &how)
        }
        ProcessRequest::Close { handle, .. } => {
            if client.process.handles.close(handle.0) {
                Ok((0, Vec::new()))
            } else {
                Err(STATUS_INVALID_HANDLE)
            }
        }
        ProcessRequest::Read {
            handle,
            offset,
            buffer,
            ..
        } => {
            let operation = Operation::Read(offset);
            return transfer(
                client,
                (number, id),
                handle,
                operation,
                &Buffer::Length(0),
                &buffer,
            );
        }
        ProcessRequest::Write {
            handle,
            offset,
            buffer,
            ..
        } => {
            let operation = Operation::Write(offset);
            return transfer(
                client,
                (number, id),
                handle,
                operation,
                &buffer,
                &Buffer::Length(0),
            );
        }
        ProcessRequest::DeviceControl {
            handle,
            code,
            input,
            output,
            ..
        } => {
            let operation = Operation::DeviceControl(code);
            return transfer(client, (number, id), handle, operation, &input, &output);
        }
        ProcessRequest::Cancel { handle, target, .. } => cancel(client, handle, target),
        ProcessRequest::ExitThread { thread, .. } => {
            client.process.exit_thread(client, thread);
            Ok((0, Vec::new()))
        }
        // The thread's own loop sees to it.
        ProcessRequest::Exit { .. } => Ok((0, Vec::new())),
        ProcessRequest::ListInterfaces { class, .. } => {
            let mut data = Vec::new();
            for path in interface::enabled_in(&GUID::from_bytes(class)) {
                data.extend_from_slice(path.as_bytes());
                data.push(0);
            }
            Ok((data.len() as u64, data))
        }
        memory => memory_call(client, memory),
    };
    Some(match result {
        Ok((information, data)) => Completion {
            id,
            status: STATUS_SUCCESS,
            information,
            data,
        },
        Err(status) => refused(id, status),
    })
}

type CallResult = Result<(u64, Vec<u8>), NTSTATUS>;

/// A call that is about the process's memory.
fn memory_call(client: &Client, request: ProcessRequest) -> CallResult {
    match request {
        ProcessRequest::AllocateMemory {
            length, protection, ..
        } => allocate(client, length, protection),
        ProcessRequest::FreeMemory { address, .. } => {
            if buffer::free(&client.process.space, address) {
                Ok((0, Vec::new()))
            } else {
                Err(STATUS_INVALID_PARAMETER)
            }
        }
        ProcessRequest::ReadMemory {
            address, length, ..
        } => buffer::read(&client.process.space, address, length)
            .map(|data| (data.len() as u64, data)),
        ProcessRequest::WriteMemory { address, data, .. } => {
            buffer::write(&client.process.space, address, &data)
                .map(|()| (data.len() as u64, Vec::new()))
        }
        _ => Err(STATUS_INVALID_PARAMETER),
    }
}

/// A Win32 device path as the kernel names it: `\\?\` and `\\.\` are `\??\`.
fn kernel_path(path: &str) -> Vec<u16> {
    let rest = path
        .strip_prefix(r"\\?\")
        .or_else(|| path.strip_prefix(r"\\.\"));
    let path = rest.map_or_else(|| String::from(path), |rest| String::from(r"\??\") + rest);
    path.encode_utf16().collect()
}

fn create(client: &Client, path: &str, how: &Open) -> CallResult {
    let opened = file::open(&kernel_path(path), how)?;
    // The handle takes the reference over.
    let handles = &client.process.handles;
    let handle = handles.insert(opened.file.cast(), opened.access);
    Ok((handle, Vec::new()))
}

/// The file that a handle is open to, with a reference, and the access that was granted.
fn file_of(client: &Client, handle: Handle) -> Result<(*mut FILE_OBJECT, u32), NTSTATUS> {
    let handles = &client.process.handles;
    let entry = handles.reference_as(handle.0, Kind::File)?;
    Ok((entry.object.cast(), entry.access))
}

/// The access that an operation needs: for device control, as its code says.
fn is_granted(operation: Operation, granted: u32) -> bool {
    match operation {
        Operation::Read(_) => granted & FILE_READ_DATA != 0,
        Operation::Write(_) => granted & (FILE_WRITE_DATA | FILE_APPEND_DATA) != 0,
        Operation::DeviceControl(code) => {
            let needed = code >> 14 & 3;
            granted & needed == needed
        }
    }
}

fn transfer(
    client: &Arc<Client>,
    (number, id): (u64, RequestId),
    handle: Handle,
    operation: Operation,
    input: &Buffer,
    output: &Buffer,
) -> Option<Completion> {
    match prepare(client, id, handle, operation, input, output) {
        Ok(request) => {
            let synchronous = request.is_synchronous();
            if let Err(status) = client.process.begin(&request, client.id()) {
                request.release();
                return Some(refused(id, status));
            }
            client.call_has_begun(number);
            request.send();
            if synchronous {
                client.wait_for(id)
            } else {
                None
            }
        }
        Err(status) => Some(refused(id, status)),
    }
}

fn prepare(
    client: &Arc<Client>,
    id: RequestId,
    handle: Handle,
    operation: Operation,
    input: &Buffer,
    output: &Buffer,
) -> Result<alloc::boxed::Box<Request>, NTSTATUS> {
    let (file, granted) = file_of(client, handle)?;
    let space = &client.process.space;
    let buffers = if is_granted(operation, granted) {
        UserBuffer::new(space, input).and_then(|input| match UserBuffer::new(space, output) {
            Ok(output) => Ok((input, output)),
            Err(status) => {
                input.release(space);
                Err(status)
            }
        })
    } else {
        Err(STATUS_ACCESS_DENIED)
    };
    match buffers {
        // The request takes the file and the buffers over, also when it fails.
        Ok((input, output)) => Request::new(id, client, file, operation, input, output),
        Err(status) => {
            object::dereference(file.cast());
            Err(status)
        }
    }
}

fn cancel(client: &Client, handle: Handle, target: Option<RequestId>) -> CallResult {
    let (file, _) = file_of(client, handle)?;
    let count = client
        .process
        .cancel(|id, of, _| of == file && target.is_none_or(|target| target == id));
    object::dereference(file.cast());
    if count == 0 {
        Err(STATUS_NOT_FOUND)
    } else {
        Ok((0, Vec::new()))
    }
}

fn allocate(client: &Client, length: u64, protection: u32) -> CallResult {
    let access = match protection {
        PAGE_READONLY => Access::empty(),
        PAGE_READWRITE => Access::WRITE,
        _ => return Err(STATUS_INVALID_PARAMETER),
    };
    if length == 0 || length > 1 << 30 {
        return Err(STATUS_INVALID_PARAMETER);
    }
    let address = client.process.space.allocate(length, access);
    Ok((address.ok_or(STATUS_INSUFFICIENT_RESOURCES)?, Vec::new()))
}
