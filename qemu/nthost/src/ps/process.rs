//! A client process as the kernel sees it: its address space and its handles.

use nthost_protocol::ProcessId;

use crate::{ke::thread, mm::address_space::AddressSpace, ob::handle::HandleTable};

/// A client process. It outlives its threads.
#[derive(Debug)]
pub struct Process {
    /// The number that the host chose.
    pub id: ProcessId,
    /// Its addresses.
    pub space: AddressSpace,
    /// Its handles.
    pub handles: HandleTable,
}

/// The process of the thread that runs; none for a system thread.
#[must_use]
pub fn current() -> Option<&'static Process> {
    // SAFETY: the thread that runs exists.
    let process = unsafe { (*thread::current()).process };
    // SAFETY: null, or the process that the thread was made for, which outlives it.
    unsafe { process.cast::<Process>().as_ref() }
}
