//! The completion port, and the thread that announces what comes out of it.

use std::{ptr, sync::Arc, thread};

use windows::Win32::{
    Foundation::{CloseHandle, HANDLE, INVALID_HANDLE_VALUE},
    System::{
        IO::{
            CreateIoCompletionPort, GetQueuedCompletionStatus, OVERLAPPED,
            PostQueuedCompletionStatus,
        },
        Threading::INFINITE,
    },
};

use super::{operation::Operation, refused};
use crate::error::Error;

/// The port. Dropping it ends its thread, which then closes it.
#[derive(Debug)]
pub struct CompletionPort {
    handle: HANDLE,
}

// SAFETY: a handle is a number that any thread may use.
unsafe impl Send for CompletionPort {}
// SAFETY: as above.
unsafe impl Sync for CompletionPort {}

impl CompletionPort {
    /// Makes the port and starts its thread.
    pub fn start() -> Result<Arc<Self>, Error> {
        // SAFETY: it makes a port that no file belongs to yet.
        let handle = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, None, 0, 1) }
            .map_err(|error| refused("making a completion port", &error))?;
        let port = Self { handle };
        // A handle as a number may go to another thread.
        let number = handle.0 as usize;
        thread::spawn(move || serve(HANDLE(ptr::with_exposed_provenance_mut(number))));
        Ok(Arc::new(port))
    }

    /// Has the requests of a file announced here.
    pub fn add(&self, file: HANDLE) -> Result<(), Error> {
        // SAFETY: both handles are open.
        unsafe { CreateIoCompletionPort(file, Some(self.handle), 0, 0) }
            .map(|_| ())
            .map_err(|error| refused("adding a file to the completion port", &error))
    }
}

impl Drop for CompletionPort {
    fn drop(&mut self) {
        // No operation: the thread ends. Files hold a reference, so none is open any more.
        // SAFETY: the port is open, and there is nothing to point to.
        let posted = unsafe { PostQueuedCompletionStatus(self.handle, 0, 0, None) };
        // If that cannot be queued, the thread and the port stay until the process ends.
        drop(posted);
    }
}

fn serve(port: HANDLE) {
    loop {
        let (mut bytes, mut key) = (0, 0);
        let mut overlapped: *mut OVERLAPPED = ptr::null_mut();
        // SAFETY: the pointers are to locals; the port is open until this thread closes it.
        let taken = unsafe {
            GetQueuedCompletionStatus(
                port,
                &raw mut bytes,
                &raw mut key,
                &raw mut overlapped,
                INFINITE,
            )
        };
        // It fails for a request that failed, which is one that has ended all the same.
        drop(taken);
        if overlapped.is_null() {
            break;
        }
        // SAFETY: only operations are sent to the files that belong to the port.
        unsafe { Operation::take_back(overlapped) };
    }
    // SAFETY: nobody uses the port after its owner has had the thread end.
    let closed = unsafe { CloseHandle(port) };
    // A port that cannot be closed is closed with the process.
    drop(closed);
}
