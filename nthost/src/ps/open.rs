//! Handles to processes.
//!
//! Sources: ZwOpenProcess, CLIENT_ID, "Process Security and Access Rights".

use core::ffi::c_void;

use nthost_nt::{
    ob::{CLIENT_ID, OBJ_KERNEL_HANDLE, OBJECT_ATTRIBUTES},
    status::{
        NTSTATUS, STATUS_INVALID_CID, STATUS_INVALID_PARAMETER, STATUS_INVALID_PARAMETER_MIX,
        STATUS_SUCCESS,
    },
};

use super::identity::{self, Identity};
use crate::ob::{
    attributes::{self, Attributes},
    client_id,
    handle_filter::{self, How},
    object::{self, Kind},
};

/// `PROCESS_ALL_ACCESS`, the generic rights, `MAXIMUM_ALLOWED` and `ACCESS_SYSTEM_SECURITY`.
const KNOWN_ACCESS: u32 = 0x001f_ffff | 0xf000_0000 | 0x0300_0000;

/// The process that a client id means, with a reference: by the thread, if it names one.
fn find(id: &CLIENT_ID) -> Option<*mut c_void> {
    if id.UniqueThread == 0 {
        return client_id::find(id.UniqueProcess, Kind::Process);
    }
    let thread = client_id::find(id.UniqueThread, Kind::Thread)?;
    // SAFETY: there is a reference to the thread.
    let process = unsafe { identity::of_thread(thread.cast()) };
    // SAFETY: a process outlives its threads.
    let number = unsafe { (*process.cast::<Identity>()).id };
    let same = id.UniqueProcess == 0 || id.UniqueProcess == number;
    if same {
        object::reference(process);
    }
    object::dereference(thread);
    same.then_some(process)
}

nt_export! {
    irql: PASSIVE_LEVEL..=PASSIVE_LEVEL;
    /// Opens the process of a client id: one of its threads', if that names one.
    /// STATUS_INVALID_PARAMETER_MIX for a name or without a client id, STATUS_INVALID_CID if
    /// there is no such process, STATUS_INVALID_PARAMETER for rights that no process has.
    ///
    /// Source: ZwOpenProcess.
    ///
    /// # Safety
    ///
    /// `handle` can be written; the attributes and the client id can be read.
    pub unsafe fn ZwOpenProcess(
        handle: *mut u64,
        access: u32,
        attributes: *const OBJECT_ATTRIBUTES,
        id: *const CLIENT_ID,
    ) -> NTSTATUS {
        // SAFETY: the caller's promise.
        let attributes = match unsafe { Attributes::read(attributes) } {
            Ok(attributes) => attributes,
            Err(status) => return status,
        };
        // SAFETY: the caller's promise.
        let Some(id) = (unsafe { id.as_ref() }).filter(|_| attributes.name.is_empty()) else {
            return STATUS_INVALID_PARAMETER_MIX;
        };
        if access & !KNOWN_ACCESS != 0 {
            return STATUS_INVALID_PARAMETER;
        }
        let Some(process) = find(id) else { return STATUS_INVALID_CID };
        let flags = attributes.flags;
        let kernel = flags & OBJ_KERNEL_HANDLE != 0;
        let opened = handle_filter::make(process, kernel, access, How::Open, |access| {
            // The handle takes the reference over.
            Ok(attributes::table(flags).insert(process, access))
        });
        match opened {
            Ok(opened) => {
                // SAFETY: the caller's promise.
                unsafe { handle.write(opened) };
                STATUS_SUCCESS
            }
            Err(status) => status,
        }
    }
}
