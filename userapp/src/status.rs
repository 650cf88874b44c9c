//! Statuses in words: the name, what it means for this driver, and what to do about it.
//!
//! On Windows a request that fails at once is known by its Win32 code alone; one that was
//! pending, and every one against nthost, by its NTSTATUS. The table knows each by both.
//! Sources: "NTSTATUS Values" and "System Error Codes"; the meanings are those that the
//! driver's interface documents.

use std::fmt;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// The kernel's own status.
    Nt(u32),
    /// The Win32 error code that Windows made of one.
    Win32(u32),
}

/// A row of the table.
struct Row {
    nt: u32,
    name: &'static str,
    win32: u32,
    win32_name: &'static str,
    meaning: &'static str,
    remedy: &'static str,
}

macro_rules! rows {
    ($($nt:literal $name:ident, $win32:literal $win32_name:ident: $meaning:literal, $remedy:literal;)*) => {
        const ROWS: &[Row] = &[$(Row {
            nt: $nt,
            name: stringify!($name),
            win32: $win32,
            win32_name: stringify!($win32_name),
            meaning: $meaning,
            remedy: $remedy,
        }),*];
    };
}

// Where several statuses become one Win32 code, the one that this driver gives goes first.
rows! {
    0x0000_0000 STATUS_SUCCESS, 0 ERROR_SUCCESS: "it was done", "";
    0x0000_0103 STATUS_PENDING, 997 ERROR_IO_PENDING: "it is under way", "wait for it";
    0x8000_0005 STATUS_BUFFER_OVERFLOW, 234 ERROR_MORE_DATA:
        "there is more than the buffer holds; what fits is in it", "give a larger buffer";
    0x8000_000f STATUS_DEVICE_POWERED_OFF, 189 ERROR_INVALID_ORDINAL:
        "the device is switched off", "wait until it is back in D0";
    0x8000_0011 STATUS_DEVICE_BUSY, 170 ERROR_BUSY: "the device is busy", "try again";
    0x8000_0028 STATUS_PLUGPLAY_QUERY_VETOED, 683 ERROR_PNP_QUERY_REMOVE_DEVICE_TIMEOUT:
        "a driver or an open handle does not let the device stop or go", "close the handles to it";
    0xc000_0001 STATUS_UNSUCCESSFUL, 31 ERROR_GEN_FAILURE:
        "it failed, and nobody says why", "look at the driver's events";
    0xc000_0002 STATUS_NOT_IMPLEMENTED, 120 ERROR_CALL_NOT_IMPLEMENTED:
        "nobody does that here", "";
    0xc000_0004 STATUS_INFO_LENGTH_MISMATCH, 24 ERROR_BAD_LENGTH:
        "the structure's header states another size than the structure has",
        "fill in the header with the size of this structure";
    0xc000_0005 STATUS_ACCESS_VIOLATION, 998 ERROR_NOACCESS:
        "the buffer is not the process's to read or write", "give an address that is";
    0xc000_0008 STATUS_INVALID_HANDLE, 6 ERROR_INVALID_HANDLE:
        "the handle is not open", "open the device again";
    0xc000_000d STATUS_INVALID_PARAMETER, 87 ERROR_INVALID_PARAMETER:
        "a value is outside of its limits, or a reserved field is not zero",
        "see the limits in the request's documentation";
    0xc000_000e STATUS_NO_SUCH_DEVICE, 433 ERROR_NO_SUCH_DEVICE:
        "the device is gone", "plug it in, or list the devices that are there";
    0xc000_0010 STATUS_INVALID_DEVICE_REQUEST, 1 ERROR_INVALID_FUNCTION:
        "the device's driver does not know this request",
        "check the control code, and that it was sent to the right kind of device";
    0xc000_0011 STATUS_END_OF_FILE, 38 ERROR_HANDLE_EOF:
        "that is beyond the end of the device's buffer", "use a smaller offset";
    0xc000_0017 STATUS_NO_MEMORY, 8 ERROR_NOT_ENOUGH_MEMORY:
        "there is not enough memory", "free some, and try again";
    0xc000_0022 STATUS_ACCESS_DENIED, 5 ERROR_ACCESS_DENIED:
        "only administrators may do that", "run it elevated, and open the device for this access";
    0xc000_0023 STATUS_BUFFER_TOO_SMALL, 122 ERROR_INSUFFICIENT_BUFFER:
        "a buffer is shorter than the request's structure", "give one of the structure's size";
    0xc000_0034 STATUS_OBJECT_NAME_NOT_FOUND, 2 ERROR_FILE_NOT_FOUND:
        "nothing has this name", "list the devices that are there";
    0xc000_003a STATUS_OBJECT_PATH_NOT_FOUND, 3 ERROR_PATH_NOT_FOUND:
        "nothing has this name", "list the devices that are there";
    0xc000_0043 STATUS_SHARING_VIOLATION, 32 ERROR_SHARING_VIOLATION:
        "somebody has it open and does not share it", "close the other handle";
    0xc000_004b STATUS_THREAD_IS_TERMINATING, 5 ERROR_ACCESS_DENIED: "the thread is ending", "";
    0xc000_0056 STATUS_DELETE_PENDING, 303 ERROR_DELETE_PENDING:
        "the device is being removed", "close the handles to it";
    0xc000_0059 STATUS_REVISION_MISMATCH, 1306 ERROR_REVISION_MISMATCH:
        "program and driver were built for different versions of the interface",
        "install the driver and the program from one package";
    0xc000_007a STATUS_PROCEDURE_NOT_FOUND, 127 ERROR_PROC_NOT_FOUND:
        "there is no routine of this name", "write it as drivers import it";
    0xc000_007b STATUS_INVALID_IMAGE_FORMAT, 193 ERROR_BAD_EXE_FORMAT:
        "the image is damaged or no driver for this machine", "build or copy it again";
    0xc000_009a STATUS_INSUFFICIENT_RESOURCES, 1450 ERROR_NO_SYSTEM_RESOURCES:
        "the kernel could not get the memory or the mapping", "try again when less is going on";
    0xc000_009c STATUS_DEVICE_DATA_ERROR, 23 ERROR_CRC: "the device gave wrong data", "reset it";
    0xc000_009d STATUS_DEVICE_NOT_CONNECTED, 1167 ERROR_DEVICE_NOT_CONNECTED:
        "the device is not there", "plug it in, or list the devices that are there";
    0xc000_00a3 STATUS_DEVICE_NOT_READY, 21 ERROR_NOT_READY:
        "the device is not started, or stopped for the moment", "start it, or try again";
    0xc000_00b5 STATUS_IO_TIMEOUT, 121 ERROR_SEM_TIMEOUT:
        "what was waited for did not happen in the time given", "wait longer, or raise the event";
    0xc000_00bb STATUS_NOT_SUPPORTED, 50 ERROR_NOT_SUPPORTED: "the device or the machine cannot do that",
        "";
    0xc000_00c0 STATUS_DEVICE_DOES_NOT_EXIST, 55 ERROR_DEV_NOT_EXIST:
        "the device is gone", "plug it in, or list the devices that are there";
    0xc000_00e8 STATUS_INVALID_USER_BUFFER, 1784 ERROR_INVALID_USER_BUFFER:
        "the buffer is not the process's to read or write", "give an address that is";
    0xc000_0120 STATUS_CANCELLED, 995 ERROR_OPERATION_ABORTED: "it was canceled", "";
    0xc000_0128 STATUS_FILE_CLOSED, 6 ERROR_INVALID_HANDLE:
        "the handle has been closed", "open the device again";
    0xc000_0184 STATUS_INVALID_DEVICE_STATE, 22 ERROR_BAD_COMMAND:
        "the device is not in a state for this", "look at its state with eductl list";
    0xc000_0206 STATUS_INVALID_BUFFER_SIZE, 1784 ERROR_INVALID_USER_BUFFER:
        "the input is longer than the request's structure", "give one of the structure's size";
    0xc000_0221 STATUS_IMAGE_CHECKSUM_MISMATCH, 193 ERROR_BAD_EXE_FORMAT:
        "the image was changed or damaged: its checksum is wrong", "build or copy it again";
    0xc000_0225 STATUS_NOT_FOUND, 1168 ERROR_NOT_FOUND: "there is no such thing", "";
    0xc000_0262 STATUS_DRIVER_ORDINAL_NOT_FOUND, 182 ERROR_INVALID_ORDINAL:
        "the driver imports a routine, by its number, that the kernel lacks", "";
    0xc000_0263 STATUS_DRIVER_ENTRYPOINT_NOT_FOUND, 127 ERROR_PROC_NOT_FOUND:
        "the driver imports a routine that the kernel lacks", "see the fault for its name";
    0xc000_026c STATUS_DRIVER_UNABLE_TO_LOAD, 2001 ERROR_BAD_DRIVER:
        "the driver could not be loaded", "see the fault that is given with it";
    0xc000_02b6 STATUS_DEVICE_REMOVED, 1617 ERROR_DEVICE_REMOVED:
        "the device was removed", "plug it in, or list the devices that are there";
    0xc000_0365 STATUS_FAILED_DRIVER_ENTRY, 647 ERROR_FAILED_DRIVER_ENTRY:
        "the driver's DriverEntry failed", "look at the driver's events";
    0xc000_0483 STATUS_DEVICE_HARDWARE_ERROR, 483 ERROR_DEVICE_HARDWARE_ERROR:
        "the device does not do what it should", "reset it";
}

impl Status {
    /// `STATUS_SUCCESS`.
    pub const SUCCESS: Self = Self::Nt(0);
    /// `STATUS_DEVICE_REMOVED`.
    pub const DEVICE_REMOVED: Self = Self::Nt(0xc000_02b6);

    /// Whether it was done, wholly (`NT_SUCCESS`).
    #[must_use]
    pub const fn is_success(self) -> bool {
        match self {
            Self::Nt(status) => status >> 31 == 0,
            Self::Win32(error) => error == 0,
        }
    }

    /// Whether this is `STATUS_CANCELLED`.
    #[must_use]
    pub const fn is_canceled(self) -> bool {
        self.is(0xc000_0120)
    }

    /// Whether this is `STATUS_BUFFER_OVERFLOW`: there is more, but what fits was given.
    #[must_use]
    pub const fn is_overflow(self) -> bool {
        self.is(0x8000_0005)
    }

    /// Whether the device is not there any more.
    #[must_use]
    pub const fn is_device_gone(self) -> bool {
        self.is(0xc000_000e)
            || self.is(0xc000_0056)
            || self.is(0xc000_009d)
            || self.is(0xc000_00c0)
            || self.is(0xc000_02b6)
    }

    /// Whether the device is stopped for the moment, or has no power (`STATUS_DEVICE_NOT_READY`).
    #[must_use]
    pub const fn is_not_ready(self) -> bool {
        self.is(0xc000_00a3)
    }

    /// Whether this is the status with this NTSTATUS, by either code.
    #[must_use]
    pub const fn is(self, nt: u32) -> bool {
        match (self, Self::Nt(nt).row()) {
            (Self::Nt(status), _) => status == nt,
            (Self::Win32(error), Some(row)) => error == row.win32,
            (Self::Win32(_), None) => false,
        }
    }

    const fn row(self) -> Option<&'static Row> {
        let mut index = 0;
        while index < ROWS.len() {
            let row = &ROWS[index];
            let found = match self {
                Self::Nt(status) => status == row.nt,
                Self::Win32(error) => error == row.win32,
            };
            if found {
                return Some(row);
            }
            index += 1;
        }
        None
    }

    /// Its name, if it is an expected one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match (self, self.row()) {
            (Self::Nt(_), Some(row)) => Some(row.name),
            (Self::Win32(_), Some(row)) => Some(row.win32_name),
            (_, None) => None,
        }
    }

    /// The code.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Nt(code) | Self::Win32(code) => code,
        }
    }

    /// Name, code, what it means here and what to do about it.
    #[must_use]
    pub fn explain(self) -> String {
        match self.row() {
            None => format!("{self}"),
            Some(Row {
                meaning,
                remedy: "",
                ..
            }) => format!("{self}: {meaning}"),
            Some(Row {
                meaning, remedy, ..
            }) => format!("{self}: {meaning}\n  What to do: {remedy}."),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.name()) {
            (Self::Nt(code), Some(name)) => write!(f, "{name} ({code:#010x})"),
            (Self::Win32(code), Some(name)) => write!(f, "{name} ({code})"),
            (Self::Nt(code), None) => write!(f, "NTSTATUS {code:#010x}"),
            (Self::Win32(code), None) => {
                write!(f, "Win32 error {code}")?;
                // Windows has words for its own codes.
                #[cfg(windows)]
                if let Ok(code) = i32::try_from(*code) {
                    write!(f, ": {}", std::io::Error::from_raw_os_error(code))?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_row_and_the_rows_are_in_order() {
        for pair in ROWS.windows(2) {
            assert!(pair[0].nt < pair[1].nt, "{}", pair[1].name);
        }
    }

    #[test]
    fn a_status_is_explained_by_either_of_its_codes() {
        let by_nt = Status::Nt(0xc000_0059).explain();
        assert!(
            by_nt.starts_with("STATUS_REVISION_MISMATCH (0xc0000059): "),
            "{by_nt}"
        );
        assert!(by_nt.contains("What to do: install"), "{by_nt}");
        let by_win32 = Status::Win32(1306).explain();
        assert!(
            by_win32.starts_with("ERROR_REVISION_MISMATCH (1306): program and"),
            "{by_win32}"
        );
        assert_eq!(Status::Nt(0xc000_9999).explain(), "NTSTATUS 0xc0009999");
    }

    #[test]
    fn success_and_cancellation_are_known_by_either_code() {
        assert!(Status::Nt(0).is_success() && Status::Nt(0x103).is_success());
        assert!(!Status::Nt(0x8000_0005).is_success() && Status::Win32(0).is_success());
        assert!(Status::Nt(0xc000_0120).is_canceled() && Status::Win32(995).is_canceled());
        assert!(!Status::Win32(6).is_canceled());
    }
}
