//! Files and memory of the process.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use nthost_protocol::{Buffer, Handle, ProcessRequest, Token};

use super::{
    CALL_LIMIT,
    connection::{Connection, this_thread},
};
use crate::{
    device::success,
    error::Error,
    io::{Completion, File, Request, RequestKey, UserMemory},
};

/// What a file is opened for, and on whose behalf.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// `ACCESS_MASK`.
    pub mask: u32,
    /// `FILE_SHARE_…`.
    pub share: u32,
    /// Who asks.
    pub token: Token,
}

impl Default for Access {
    /// `GENERIC_READ | GENERIC_WRITE` for an administrator, shared with everybody.
    fn default() -> Self {
        Self {
            mask: 0xc000_0000,
            share: 3,
            token: Token::Administrator,
        }
    }
}

/// An open file.
#[derive(Debug)]
pub struct NtFile {
    connection: Arc<Connection>,
    handle: Handle,
    /// Whether the handle is closed, and may be another file's.
    closed: AtomicBool,
}

impl NtFile {
    pub(super) fn open(
        connection: &Arc<Connection>,
        path: &str,
        access: Access,
    ) -> Result<Arc<Self>, Error> {
        let operation = format!("opening {path}");
        let status = connection.call(&operation, CALL_LIMIT, |id| ProcessRequest::Create {
            id,
            thread: this_thread(),
            path: path.to_owned(),
            access: access.mask,
            share: access.share,
            options: 0,
            token: access.token,
        })?;
        let handle = Handle(success(&operation, status)?.information);
        Ok(Arc::new(Self {
            connection: Arc::clone(connection),
            handle,
            closed: AtomicBool::new(false),
        }))
    }

    /// Closes the handle (`CloseHandle`), even if requests are outstanding on it: the kernel ends them.
    /// Nothing can be asked of the file any more.
    pub fn close(&self) {
        // Relaxed: only one must close, and nothing else depends on it.
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        let handle = self.handle;
        // A machine that has ended has closed it already.
        let _ = self
            .connection
            .call("closing a handle", CALL_LIMIT, |id| ProcessRequest::Close {
                id,
                thread: this_thread(),
                handle,
            });
    }

    /// Sends a device-control request with any buffers, valid or not.
    ///
    /// # Errors
    ///
    /// As [`File::submit`].
    pub fn control(
        &self,
        code: u32,
        input: Buffer,
        output: Buffer,
        completion: Arc<Completion>,
    ) -> Result<RequestKey, Error> {
        let handle = self.handle;
        let id = self
            .connection
            .submit(completion, |id| ProcessRequest::DeviceControl {
                id,
                thread: this_thread(),
                handle,
                code,
                input,
                output,
            })?;
        Ok(RequestKey(id.0))
    }

    /// Sends a read into any buffer, valid or not.
    ///
    /// # Errors
    ///
    /// As [`File::submit`].
    pub fn read_into(
        &self,
        offset: u64,
        buffer: Buffer,
        completion: Arc<Completion>,
    ) -> Result<RequestKey, Error> {
        let handle = self.handle;
        let id = self
            .connection
            .submit(completion, |id| ProcessRequest::Read {
                id,
                thread: this_thread(),
                handle,
                offset,
                buffer,
            })?;
        Ok(RequestKey(id.0))
    }

    /// Sends a write of any buffer, valid or not.
    ///
    /// # Errors
    ///
    /// As [`File::submit`].
    pub fn write_from(
        &self,
        offset: u64,
        buffer: Buffer,
        completion: Arc<Completion>,
    ) -> Result<RequestKey, Error> {
        let handle = self.handle;
        let id = self
            .connection
            .submit(completion, |id| ProcessRequest::Write {
                id,
                thread: this_thread(),
                handle,
                offset,
                buffer,
            })?;
        Ok(RequestKey(id.0))
    }
}

impl NtFile {
    /// As [`File::cancel`], and waits until nthost has done it. The request itself may end later,
    /// if what has it cannot be canceled; that there was none is no error.
    ///
    /// # Errors
    ///
    /// [`Error::Disconnected`].
    pub fn cancel_and_wait(&self, request: &RequestKey) -> Result<(), Error> {
        let handle = self.handle;
        let target = Some(nthost_protocol::RequestId(request.0));
        self.connection
            .call("canceling", CALL_LIMIT, |id| ProcessRequest::Cancel {
                id,
                thread: this_thread(),
                handle,
                target,
            })
            .map(drop)
    }
}

impl File for NtFile {
    fn submit(&self, request: Request, completion: Arc<Completion>) -> Result<RequestKey, Error> {
        let handle = self.handle;
        let thread = this_thread();
        let request = move |id| match request {
            Request::Read { offset, length } => ProcessRequest::Read {
                id,
                thread,
                handle,
                offset,
                buffer: Buffer::Length(length),
            },
            Request::Write { offset, data } => ProcessRequest::Write {
                id,
                thread,
                handle,
                offset,
                buffer: Buffer::Data(data),
            },
            Request::DeviceControl {
                code,
                input,
                output_length,
            } => ProcessRequest::DeviceControl {
                id,
                thread,
                handle,
                code,
                input: Buffer::Data(input),
                output: Buffer::Length(output_length),
            },
        };
        let id = self.connection.submit(completion, request)?;
        Ok(RequestKey(id.0))
    }

    fn cancel(&self, request: Option<RequestKey>) {
        let handle = self.handle;
        let target = request.map(|key| nthost_protocol::RequestId(key.0));
        // It finds nothing to cancel if the request has just ended, and nobody to do it if the
        // machine has: either way there is nothing left to cancel.
        let _ = self
            .connection
            .submit(Arc::default(), |id| ProcessRequest::Cancel {
                id,
                thread: this_thread(),
                handle,
                target,
            });
    }
}

impl Drop for NtFile {
    fn drop(&mut self) {
        self.close();
    }
}

/// Memory of the process.
pub(super) struct NtMemory {
    connection: Arc<Connection>,
    address: u64,
}

impl NtMemory {
    pub(super) const fn new(connection: Arc<Connection>, address: u64) -> Self {
        Self {
            connection,
            address,
        }
    }
}

impl UserMemory for NtMemory {
    fn address(&self) -> u64 {
        self.address
    }

    fn read(&self, length: usize) -> Result<Vec<u8>, Error> {
        let operation = "reading the process's memory";
        let address = self.address;
        let length = u32::try_from(length)
            .map_err(|_| Error::Usage(format!("{length} bytes are too many")))?;
        let status =
            self.connection
                .call(operation, CALL_LIMIT, |id| ProcessRequest::ReadMemory {
                    id,
                    address,
                    length,
                })?;
        Ok(success(operation, status)?.data)
    }

    fn write(&mut self, data: &[u8]) -> Result<(), Error> {
        let operation = "writing the process's memory";
        let address = self.address;
        let status =
            self.connection
                .call(operation, CALL_LIMIT, |id| ProcessRequest::WriteMemory {
                    id,
                    address,
                    data: data.to_vec(),
                })?;
        success(operation, status).map(|_| ())
    }
}

impl Drop for NtMemory {
    fn drop(&mut self) {
        let address = self.address;
        // A machine that has ended has freed it already.
        let _ = self.connection.call("freeing memory", CALL_LIMIT, |id| {
            ProcessRequest::FreeMemory { id, address }
        });
    }
}
