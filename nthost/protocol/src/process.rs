//! System calls of a client process, as the Win32 functions make them.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::NtStatus;

/// A client process: chosen by the host, unique as long as nthost runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessId(pub u32);

/// A thread of a client process: chosen by the client, unique within the process. Requests of
/// one thread reach the driver in the order in which they were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ThreadId(pub u32);

/// An open handle of a client process, as nthost gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Handle(pub u64);

/// A request: chosen by the client, unique within the process while it is outstanding. Stands
/// for the `OVERLAPPED` structure that identifies a request to `CancelIoEx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// A buffer argument of a read, write or device-control request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Buffer {
    /// nthost allocates memory in the process for the time of the request. For an input
    /// buffer it first holds these bytes; for an output buffer it holds as many bytes as this
    /// and what the request leaves in it comes back with its completion.
    Data(Vec<u8>),
    /// An output buffer of this many bytes, else as [`Self::Data`].
    Length(u32),
    /// An address in the process, valid or not: what a system call takes it for is the point.
    At {
        /// Where it begins.
        address: u64,
        /// How long it claims to be.
        length: u32,
    },
}

/// On whose behalf a thread asks, as far as a device's security descriptor tells them apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Token {
    /// A member of the administrators' group, elevated.
    #[default]
    Administrator,
    /// Any other user.
    User,
}

/// A system call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessRequest {
    /// `NtCreateFile` on a device's name or interface path. [`Completion::information`] is the
    /// handle.
    Create {
        /// Identifies the request.
        id: RequestId,
        /// The calling thread.
        thread: ThreadId,
        /// For example `\\?\PCI#VEN_1234&DEV_11E8#…#{guid}` or `\Device\…`.
        path: String,
        /// `ACCESS_MASK`.
        access: u32,
        /// `FILE_SHARE_…`.
        share: u32,
        /// `FILE_…` create options; without `FILE_SYNCHRONOUS_IO_…` the file is overlapped.
        options: u32,
        /// Who asks.
        token: Token,
    },
    /// `NtClose`.
    Close {
        /// Identifies the request.
        id: RequestId,
        /// The calling thread.
        thread: ThreadId,
        /// What to close.
        handle: Handle,
    },
    /// `NtReadFile`.
    Read {
        /// Identifies the request.
        id: RequestId,
        /// The calling thread.
        thread: ThreadId,
        /// The file.
        handle: Handle,
        /// Where in the file.
        offset: u64,
        /// Where to read to.
        buffer: Buffer,
    },
    /// `NtWriteFile`.
    Write {
        /// Identifies the request.
        id: RequestId,
        /// The calling thread.
        thread: ThreadId,
        /// The file.
        handle: Handle,
        /// Where in the file.
        offset: u64,
        /// What to write.
        buffer: Buffer,
    },
    /// `NtDeviceIoControlFile`.
    DeviceControl {
        /// Identifies the request.
        id: RequestId,
        /// The calling thread.
        thread: ThreadId,
        /// The file.
        handle: Handle,
        /// The control code.
        code: u32,
        /// The input buffer.
        input: Buffer,
        /// The output buffer.
        output: Buffer,
    },
    /// `NtCancelIoFileEx`: one request, or all of the process on this file.
    Cancel {
        /// Identifies this request.
        id: RequestId,
        /// The calling thread.
        thread: ThreadId,
        /// The file.
        handle: Handle,
        /// Which request; all of them if none is given.
        target: Option<RequestId>,
    },
    /// The thread exits: its outstanding requests are canceled and waited for.
    ExitThread {
        /// Identifies the request.
        id: RequestId,
        /// Which thread.
        thread: ThreadId,
    },
    /// The process exits, or has died: requests canceled, handles closed, memory freed.
    Exit {
        /// Identifies the request.
        id: RequestId,
    },
    /// `NtAllocateVirtualMemory`: [`Completion::information`] is the address.
    AllocateMemory {
        /// Identifies the request.
        id: RequestId,
        /// Bytes, rounded up to pages.
        length: u64,
        /// `PAGE_READWRITE` or `PAGE_READONLY`.
        protection: u32,
    },
    /// `NtFreeVirtualMemory` of a whole allocation.
    FreeMemory {
        /// Identifies the request.
        id: RequestId,
        /// As [`Self::AllocateMemory`] gave it.
        address: u64,
    },
    /// Reads the process's memory, as its own code would.
    ReadMemory {
        /// Identifies the request.
        id: RequestId,
        /// Where.
        address: u64,
        /// How many bytes.
        length: u32,
    },
    /// Writes the process's memory, as its own code would.
    WriteMemory {
        /// Identifies the request.
        id: RequestId,
        /// Where.
        address: u64,
        /// What.
        data: Vec<u8>,
    },
    /// `CM_Get_Device_Interface_List`: [`Completion::data`] holds the paths, each ended by a
    /// NUL, in UTF-8.
    ListInterfaces {
        /// Identifies the request.
        id: RequestId,
        /// The interface class, as a GUID lies in memory.
        class: [u8; 16],
    },
}

/// How a system call ended: its status, and the `IO_STATUS_BLOCK`'s information.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// As in the request.
    pub id: RequestId,
    /// The final status.
    pub status: NtStatus,
    /// Usually the number of bytes transferred.
    pub information: u64,
    /// What the request left in its output buffer.
    pub data: Vec<u8>,
}

impl Completion {
    /// One with nothing but a status.
    #[must_use]
    pub const fn with_status(id: RequestId, status: NtStatus) -> Self {
        Self {
            id,
            status,
            information: 0,
            data: Vec::new(),
        }
    }
}
