//! What the library needs of a system: its device interfaces, files, and requests that
//! complete later. One implementation stands on Win32, one on nthost; both are thin.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use eduwdm_abi::InterfaceClass;

use crate::{error::Error, status::Status};

/// An I/O system: where devices are found and opened.
pub trait IoSystem: Send + Sync {
    /// The paths of a class's enabled interfaces (`CM_Get_Device_Interface_List`).
    ///
    /// # Errors
    ///
    /// What the system says; no interface is no error, but an empty list.
    fn interface_list(&self, class: &InterfaceClass) -> Result<Vec<String>, Error>;

    /// Opens a device for overlapped reading and writing (`CreateFile`).
    ///
    /// # Errors
    ///
    /// What the system says.
    fn create_file(&self, path: &str) -> Result<Arc<dyn File>, Error>;

    /// Memory of the client's process, for requests that describe a buffer by its address
    /// (`VirtualAlloc`).
    ///
    /// # Errors
    ///
    /// What the system says.
    fn allocate(&self, length: usize) -> Result<Box<dyn UserMemory>, Error>;
}

/// An open file. Dropping the last reference closes it.
pub trait File: Send + Sync {
    /// Sends a request. Its buffers are the system's until it completes; then it completes
    /// `completion`, once, from another thread or before this returns.
    ///
    /// # Errors
    ///
    /// Only if the request could not be sent at all, in which case `completion` stays as it is.
    /// A request that the driver refuses is one that completes.
    fn submit(&self, request: Request, completion: Arc<Completion>) -> Result<RequestKey, Error>;

    /// Asks for one request to be canceled, or for all of the process on this file
    /// (`CancelIoEx`). It completes all the same, canceled or not.
    fn cancel(&self, request: Option<RequestKey>);
}

/// Identifies an outstanding request to [`File::cancel`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestKey(pub u64);

/// Memory of the client's process. Dropping it frees it.
pub trait UserMemory: Send {
    /// Where it begins.
    fn address(&self) -> u64;

    /// Reads it.
    ///
    /// # Errors
    ///
    /// Where it is not readable.
    fn read(&self, length: usize) -> Result<Vec<u8>, Error>;

    /// Writes it, from its beginning.
    ///
    /// # Errors
    ///
    /// Where it is not writable.
    fn write(&mut self, data: &[u8]) -> Result<(), Error>;
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `ReadFile`.
    Read {
        /// Where in the file.
        offset: u64,
        /// How many bytes.
        length: u32,
    },
    /// `WriteFile`.
    Write {
        /// Where in the file.
        offset: u64,
        /// What.
        data: Vec<u8>,
    },
    /// `DeviceIoControl`.
    DeviceControl {
        /// The control code.
        code: u32,
        /// The input buffer.
        input: Vec<u8>,
        /// The length of the output buffer.
        output_length: u32,
    },
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoStatus {
    /// The status.
    pub status: Status,
    /// Usually the number of bytes transferred.
    pub information: u64,
    /// What is in the output buffer.
    pub data: Vec<u8>,
}

impl IoStatus {
    /// What the request says to have left in the output buffer.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        let length = usize::try_from(self.information).unwrap_or(usize::MAX);
        &self.data[..length.min(self.data.len())]
    }
}

/// Why a request will never be known to have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost(pub String);

/// Where a request's end is announced.
#[derive(Debug, Default)]
pub struct Completion {
    // Written once; signalled when it is.
    outcome: Mutex<Option<Result<IoStatus, Lost>>>,
    completed: Condvar,
}

impl Completion {
    /// Announces the end. A second announcement is not heard.
    pub fn complete(&self, outcome: Result<IoStatus, Lost>) {
        let mut slot = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            *slot = Some(outcome);
        }
        drop(slot);
        self.completed.notify_all();
    }

    /// Whether the request has ended.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let slot = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        slot.is_some()
    }

    /// Waits for the end, for ever or until the time is over, and gives how it ended.
    #[must_use]
    pub fn wait(&self, limit: Option<Duration>) -> Option<Result<IoStatus, Lost>> {
        // A time that no clock counts is for ever.
        let end = limit.and_then(|limit| Instant::now().checked_add(limit));
        let mut slot = self.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        while slot.is_none() {
            slot = match end {
                None => self
                    .completed
                    .wait(slot)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = self.completed.wait_timeout(slot, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        slot.clone()
    }
}

/// A buffer as the system is told of it: an empty one by no pointer. That of an empty slice leads
/// nowhere, and the I/O manager does not look at its length: whatever a driver says it has written
/// is copied there.
#[must_use]
pub fn pointed_at(buffer: &mut [u8]) -> Option<&mut [u8]> {
    (!buffer.is_empty()).then_some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_gets_no_pointer_to_an_empty_buffer() {
        assert!(pointed_at(&mut Vec::new()).is_none());
        assert_eq!(pointed_at(&mut [1, 2]), Some(&mut [1, 2][..]));
    }
}
