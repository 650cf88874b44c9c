//! The I/O system of a running nthost.
//!
//! A connection is a process there: its requests are the system calls that the Win32 functions
//! end in, and its end is the process's end.

mod connection;
mod file;
mod host;
mod locate;
pub mod thread;

use std::{path::Path, sync::Arc, time::Duration};

use eduwdm_abi::InterfaceClass;
use nthost_protocol::ProcessRequest;

use self::{connection::Connection, file::NtMemory};
pub use self::{
    file::{Access, NtFile},
    locate::{locate, runtime_directory},
};
use crate::{
    device::success,
    error::Error,
    io::{Completion, File, IoStatus, IoSystem, Lost, UserMemory},
};

/// How long nthost may take to load the drivers and start the devices.
const GREETING_LIMIT: Duration = Duration::from_mins(2);
/// How long a system call may take that waits for no device.
const CALL_LIMIT: Duration = Duration::from_mins(1);
/// `PAGE_READWRITE`.
const PAGE_READWRITE: u32 = 4;

/// A process of a running nthost.
#[derive(Clone, Debug)]
pub struct NtHost {
    connection: Arc<Connection>,
}

impl NtHost {
    /// Connects to a machine at its broker's socket, and waits until it has started.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`].
    pub fn connect(socket: &Path) -> Result<Self, Error> {
        let connection = Connection::open(socket)?;
        connection.greet(GREETING_LIMIT)?;
        Ok(Self { connection })
    }

    /// Ends the process as if it had been killed: what it has open is closed, and what is
    /// outstanding canceled, by the kernel alone.
    pub fn hang_up(&self) {
        self.connection.hang_up();
    }

    /// How many requests have ended that were not outstanding: none, unless one has ended twice.
    #[must_use]
    pub fn unexpected_completions(&self) -> u64 {
        self.connection.unexpected()
    }

    /// Makes a system call and waits for its end.
    fn call(
        &self,
        operation: &str,
        request: impl FnOnce(nthost_protocol::RequestId) -> ProcessRequest,
    ) -> Result<IoStatus, Error> {
        self.connection.call(operation, CALL_LIMIT, request)
    }
}

impl IoSystem for NtHost {
    fn interface_list(&self, class: &InterfaceClass) -> Result<Vec<String>, Error> {
        let class = class_bytes(class);
        let operation = "listing the device interfaces";
        let status = self.call(operation, |id| ProcessRequest::ListInterfaces { id, class })?;
        let status = success(operation, status)?;
        let mut paths = Vec::new();
        for path in status.data.split(|byte| *byte == 0) {
            if !path.is_empty() {
                paths.push(String::from_utf8_lossy(path).into_owned());
            }
        }
        Ok(paths)
    }

    fn create_file(&self, path: &str) -> Result<Arc<dyn File>, Error> {
        Ok(self.open(path, Access::default())?)
    }

    fn allocate(&self, length: usize) -> Result<Box<dyn UserMemory>, Error> {
        let operation = "allocating memory";
        let status = self.call(operation, |id| ProcessRequest::AllocateMemory {
            id,
            length: length as u64,
            protection: PAGE_READWRITE,
        })?;
        let address = success(operation, status)?.information;
        Ok(Box::new(NtMemory::new(
            Arc::clone(&self.connection),
            address,
        )))
    }
}

impl NtHost {
    /// Opens a device as [`IoSystem::create_file`] does, but with access of one's choosing.
    ///
    /// # Errors
    ///
    /// What nthost says.
    pub fn open(&self, path: &str, access: Access) -> Result<Arc<NtFile>, Error> {
        NtFile::open(&self.connection, path, access)
    }

    /// Reads the process's memory, at any address.
    ///
    /// # Errors
    ///
    /// Where it is not readable.
    pub fn read_memory(&self, address: u64, length: u32) -> Result<Vec<u8>, Error> {
        let operation = "reading the process's memory";
        let status = self.call(operation, |id| ProcessRequest::ReadMemory {
            id,
            address,
            length,
        })?;
        Ok(success(operation, status)?.data)
    }

    /// Writes the process's memory.
    ///
    /// # Errors
    ///
    /// Where it is not writable.
    pub fn write_memory(&self, address: u64, data: &[u8]) -> Result<(), Error> {
        let operation = "writing the process's memory";
        let data = data.to_vec();
        let status = self.call(operation, |id| ProcessRequest::WriteMemory {
            id,
            address,
            data,
        })?;
        success(operation, status).map(|_| ())
    }

    /// Gives memory of the process back that begins at this address.
    ///
    /// # Errors
    ///
    /// Where nothing of its own begins.
    pub fn free_memory(&self, address: u64) -> Result<(), Error> {
        let operation = "freeing memory";
        let status = self.call(operation, |id| ProcessRequest::FreeMemory { id, address })?;
        success(operation, status).map(|_| ())
    }
}

/// A GUID as it lies in memory.
fn class_bytes(class: &InterfaceClass) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&class.data1.to_le_bytes());
    bytes[4..6].copy_from_slice(&class.data2.to_le_bytes());
    bytes[6..8].copy_from_slice(&class.data3.to_le_bytes());
    bytes[8..].copy_from_slice(&class.data4);
    bytes
}

/// Waits for a call that no device delays.
fn wait_call(operation: &str, completion: &Completion, limit: Duration) -> Result<IoStatus, Error> {
    match completion.wait(Some(limit)) {
        Some(Ok(status)) => Ok(status),
        Some(Err(Lost(why))) => Err(Error::Disconnected(why)),
        None => Err(Error::Disconnected(format!(
            "nthost has not done {operation} in {} s",
            limit.as_secs()
        ))),
    }
}
