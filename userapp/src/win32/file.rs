//! Files opened for overlapped I/O.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use windows::{
    Win32::{
        Foundation::{CloseHandle, GENERIC_READ, GENERIC_WRITE, HANDLE},
        Storage::FileSystem::{
            CreateFileW, FILE_FLAG_OVERLAPPED, FILE_SHARE_READ, FILE_SHARE_WRITE, OPEN_EXISTING,
            ReadFile, WriteFile,
        },
        System::IO::{CancelIoEx, DeviceIoControl, OVERLAPPED},
    },
    core::HSTRING,
};

use super::{operation::Operation, port::CompletionPort, refused, status};
use crate::{
    error::Error,
    io::{self, Completion, File, Request, RequestKey},
};

/// The requests of a file that are outstanding, by their keys.
///
/// Addresses of `OVERLAPPED` structures identify requests to Windows, and are used again when
/// a request has ended. A key is not. An address is on the list until it can be used again, so
/// a cancellation that holds the lock never hits another request.
#[derive(Debug, Default)]
pub struct Outstanding(Mutex<HashMap<u64, usize>>);

impl Outstanding {
    fn insert(&self, key: u64, overlapped: *mut OVERLAPPED) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.insert(key, overlapped.expose_provenance());
    }

    pub fn remove(&self, key: u64) {
        let mut list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.remove(&key);
    }

    fn cancel(&self, file: HANDLE, key: u64) {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(overlapped) = list.get(&key) {
            let overlapped = std::ptr::with_exposed_provenance(*overlapped);
            // SAFETY: the file is open; the request is on the list, so its structure is alive.
            let canceled = unsafe { CancelIoEx(file, Some(overlapped)) };
            // It fails for a request that has just ended.
            drop(canceled);
        }
    }
}

/// An open file.
#[derive(Debug)]
pub struct Win32File {
    handle: HANDLE,
    outstanding: Arc<Outstanding>,
    next_key: AtomicU64,
    // Open as long as its files are.
    _port: Arc<CompletionPort>,
}

// SAFETY: a handle is a number that any thread may use.
unsafe impl Send for Win32File {}
// SAFETY: as above.
unsafe impl Sync for Win32File {}

impl Win32File {
    pub fn open(port: &Arc<CompletionPort>, path: &str) -> Result<Arc<Self>, Error> {
        let operation = format!("opening {path}");
        let access = GENERIC_READ.0 | GENERIC_WRITE.0;
        // SAFETY: the path outlives the call, and there is nothing else to point to.
        let handle = unsafe {
            CreateFileW(
                &HSTRING::from(path),
                access,
                FILE_SHARE_READ | FILE_SHARE_WRITE,
                None,
                OPEN_EXISTING,
                FILE_FLAG_OVERLAPPED,
                None,
            )
        }
        .map_err(|error| refused(&operation, &error))?;
        let file = Self {
            handle,
            outstanding: Arc::default(),
            next_key: AtomicU64::new(0),
            _port: Arc::clone(port),
        };
        port.add(handle)?;
        Ok(Arc::new(file))
    }
}

impl File for Win32File {
    fn submit(&self, request: Request, completion: Arc<Completion>) -> Result<RequestKey, Error> {
        // Only that they differ matters.
        let key = self.next_key.fetch_add(1, Ordering::Relaxed);
        let (offset, input, output_length) = match &request {
            Request::Read { offset, length } => (*offset, Vec::new(), *length),
            Request::Write { offset, data } => (*offset, data.clone(), 0),
            Request::DeviceControl {
                input,
                output_length,
                ..
            } => (0, input.clone(), *output_length),
        };
        let operation = Operation::new(
            offset,
            input,
            output_length as usize,
            completion,
            key,
            &self.outstanding,
        );
        // SAFETY: it has not been sent yet.
        let output = unsafe { operation.output() };
        let overlapped = operation.lend();
        self.outstanding.insert(key, overlapped);
        let sent = match request {
            Request::Read { .. } => {
                // SAFETY: the buffer and the structure are the system's until the request has
                // ended: the share that was lent keeps them.
                unsafe { ReadFile(self.handle, io::pointed_at(output), None, Some(overlapped)) }
            }
            Request::Write { .. } => {
                let input = Some(operation.input.as_slice()).filter(|input| !input.is_empty());
                // SAFETY: as above.
                unsafe { WriteFile(self.handle, input, None, Some(overlapped)) }
            }
            Request::DeviceControl { code, .. } => {
                let input = Some(operation.input.as_slice()).filter(|input| !input.is_empty());
                let input_length =
                    input.map_or(0, |input| u32::try_from(input.len()).unwrap_or(u32::MAX));
                // SAFETY: as above; the lengths are those of the buffers.
                unsafe {
                    DeviceIoControl(
                        self.handle,
                        code,
                        input.map(|input| input.as_ptr().cast()),
                        input_length,
                        io::pointed_at(output).map(|output| output.as_mut_ptr().cast()),
                        output_length,
                        None,
                        Some(overlapped),
                    )
                }
            }
        };
        if let Err(error) = sent
            && status(&error) != crate::status::Status::Win32(ERROR_IO_PENDING)
            && operation.is_pending()
        {
            // It failed before it was under way: the system has not written a status, and so
            // will not announce one. A warning is written, and announced.
            // SAFETY: that is why it will not come out of the port.
            unsafe { Operation::withdraw(overlapped, status(&error)) };
        }
        Ok(RequestKey(key))
    }

    fn cancel(&self, request: Option<RequestKey>) {
        if let Some(RequestKey(key)) = request {
            self.outstanding.cancel(self.handle, key);
        } else {
            // SAFETY: the file is open.
            let canceled = unsafe { CancelIoEx(self.handle, None) };
            // It fails if there is nothing to cancel.
            drop(canceled);
        }
    }
}

/// The request is under way.
const ERROR_IO_PENDING: u32 = windows::Win32::Foundation::ERROR_IO_PENDING.0;

impl Drop for Win32File {
    fn drop(&mut self) {
        // SAFETY: it is open, and this is the last use.
        let closed = unsafe { CloseHandle(self.handle) };
        // A handle that cannot be closed is closed with the process.
        drop(closed);
    }
}
