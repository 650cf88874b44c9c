//! `NTSTATUS`, as what a request or a routine ends in, and results that do.
//!
//! Source: "Using NTSTATUS Values" and ntstatus.h.
//!
//! # Example
//!
//! ```
//! use wdm::{Result, Status};
//!
//! fn check(length: usize) -> Result<()> {
//!     if length == 4 {
//!         Ok(())
//!     } else {
//!         Err(Status::INVALID_BUFFER_SIZE)
//!     }
//! }
//!
//! /// What a request ends with.
//! fn end(length: usize) -> Status {
//!     Status::of(check(length))
//! }
//! ```

use core::fmt;

use wdk_sys::NTSTATUS;

/// An `NTSTATUS` that something can end in.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct Status(NTSTATUS);

/// A result whose error becomes the status of a request or of a routine.
pub type Result<T> = core::result::Result<T, Status>;

macro_rules! statuses {
    ($($name:ident = $raw:ident;)*) => {
        impl Status {
            $(
                #[doc = concat!("`", stringify!($raw), "`.")]
                pub const $name: Self = Self(wdk_sys::$raw);
            )*
        }
    };
}

statuses! {
    SUCCESS = STATUS_SUCCESS;
    BUFFER_OVERFLOW = STATUS_BUFFER_OVERFLOW;
    UNSUCCESSFUL = STATUS_UNSUCCESSFUL;
    NOT_SUPPORTED = STATUS_NOT_SUPPORTED;
    CANCELLED = STATUS_CANCELLED;
    INSUFFICIENT_RESOURCES = STATUS_INSUFFICIENT_RESOURCES;
    INVALID_PARAMETER = STATUS_INVALID_PARAMETER;
    INVALID_DEVICE_REQUEST = STATUS_INVALID_DEVICE_REQUEST;
    INVALID_DEVICE_STATE = STATUS_INVALID_DEVICE_STATE;
    INVALID_BUFFER_SIZE = STATUS_INVALID_BUFFER_SIZE;
    BUFFER_TOO_SMALL = STATUS_BUFFER_TOO_SMALL;
    REVISION_MISMATCH = STATUS_REVISION_MISMATCH;
    INFO_LENGTH_MISMATCH = STATUS_INFO_LENGTH_MISMATCH;
    ACCESS_VIOLATION = STATUS_ACCESS_VIOLATION;
    IO_TIMEOUT = STATUS_IO_TIMEOUT;
    DELETE_PENDING = STATUS_DELETE_PENDING;
    DEVICE_NOT_READY = STATUS_DEVICE_NOT_READY;
    DEVICE_REMOVED = STATUS_DEVICE_REMOVED;
    DEVICE_CONFIGURATION_ERROR = STATUS_DEVICE_CONFIGURATION_ERROR;
    DEVICE_HARDWARE_ERROR = STATUS_DEVICE_HARDWARE_ERROR;
    DEVICE_BUSY = STATUS_DEVICE_BUSY;
    NO_SUCH_DEVICE = STATUS_NO_SUCH_DEVICE;
    INTERNAL_ERROR = STATUS_INTERNAL_ERROR;
    END_OF_FILE = STATUS_END_OF_FILE;
    DISK_FULL = STATUS_DISK_FULL;
    OBJECT_NAME_NOT_FOUND = STATUS_OBJECT_NAME_NOT_FOUND;
}

impl Status {
    /// What a kernel routine returned. STATUS_PENDING is how nothing ends, and -1 is no status at
    /// all: an IRP that is completed with one of them stops the system. So neither is ever a
    /// `Status`: they become STATUS_INTERNAL_ERROR.
    #[must_use]
    pub const fn from_raw(raw: NTSTATUS) -> Self {
        match raw {
            wdk_sys::STATUS_PENDING | -1 => Self::INTERNAL_ERROR,
            raw => Self(raw),
        }
    }

    /// What a kernel routine takes.
    #[must_use]
    pub const fn to_raw(self) -> NTSTATUS {
        self.0
    }

    /// `NT_ERROR`: with any other, the I/O manager copies what a request answers.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0.cast_unsigned() >> 30 == 3
    }

    /// `NT_SUCCESS`: true of the success and informational values.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 >= 0
    }

    /// What a request is completed with that was done, or was not.
    #[must_use]
    pub const fn of(done: Result<()>) -> Self {
        match done {
            Ok(()) => Self::SUCCESS,
            Err(status) => status,
        }
    }

    /// Makes what a kernel routine returned a result.
    ///
    /// # Errors
    ///
    /// The status itself unless it is a success (`NT_SUCCESS`).
    pub const fn check(raw: NTSTATUS) -> Result<()> {
        if raw >= 0 {
            Ok(())
        } else {
            Err(Self::from_raw(raw))
        }
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:#010x}", self.0)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}
