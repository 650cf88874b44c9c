//! Processes by their handles.
//!
//! Sources: "Object Handles"; ZwCurrentProcess.

use core::ffi::c_void;

use nthost_nt::status::NTSTATUS;

use super::{
    object::{self, Kind},
    reference_handle,
};
use crate::ke::process;

/// `NtCurrentProcess()`.
const CURRENT: u64 = u64::MAX;

/// The process that a handle stands for, with a reference.
///
/// # Errors
///
/// As [`reference_handle`].
pub fn reference(handle: u64) -> Result<*mut c_void, NTSTATUS> {
    if handle != CURRENT {
        return reference_handle(handle, Some(Kind::Process), 0, 0).map(|entry| entry.object);
    }
    let process = process::current();
    object::reference(process);
    Ok(process)
}
