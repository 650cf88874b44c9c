//! What a driver can ask of a process: the object that its pointers to a process lead to. The
//! system's process, to which all threads belong that work for no client, is nothing but this.
//!
//! Sources: IoGetCurrentProcess, PsGetProcessId, PsGetProcessExitStatus,
//! PsGetProcessCreateTimeQuadPart, PsGetProcessExitTime.

use core::{
    ffi::c_void,
    ptr::{from_ref, null_mut},
    sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering},
};

use nthost_nt::status::{NTSTATUS, STATUS_PENDING};

pub use crate::ke::process::{current, of_thread, system};
use crate::{
    ke::{once::Once, process, time},
    ob::{
        client_id,
        object::{self, Kind},
    },
};

/// What drivers can ask of a process. A process begins with it.
#[derive(Debug)]
#[repr(C)]
pub struct Identity {
    /// Its id.
    pub id: u64,
    /// When it was made, in system time.
    pub created: u64,
    exit_status: AtomicI32,
    exited: AtomicU64,
}

static SYSTEM: Once<Identity> = Once::new();
/// What drivers import as PsInitialSystemProcess: a variable that leads to the system's process.
static INITIAL: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

#[allow(clippy::ptr_as_ptr, reason = "the table takes routines too")]
const _: () = {
    nt_export_data!(PsInitialSystemProcess = (&raw const INITIAL).cast::<()>());
};

impl Identity {
    /// A process that begins now.
    #[must_use]
    pub fn new(id: u64) -> Self {
        Self {
            id,
            created: time::system_time(),
            exit_status: AtomicI32::new(STATUS_PENDING),
            exited: AtomicU64::new(0),
        }
    }

    /// The process ends.
    pub fn exit(&self, status: NTSTATUS) {
        self.exited.store(time::system_time(), Ordering::Relaxed);
        // Release: who sees the status sees the time.
        self.exit_status.store(status, Ordering::Release);
    }

    /// How it ended; `STATUS_PENDING` as long as it has not.
    pub fn exit_status(&self) -> NTSTATUS {
        self.exit_status.load(Ordering::Acquire)
    }

    /// When it ended, in system time; zero as long as it has not.
    pub fn exit_time(&self) -> u64 {
        self.exited.load(Ordering::Relaxed)
    }
}

/// Makes the system's process. To be called once.
///
/// # Panics
///
/// If it is called again.
pub fn initialize() {
    SYSTEM.set(Identity::new(client_id::SYSTEM));
    if let Some(system) = SYSTEM.get() {
        process::set_system(from_ref(system).cast_mut().cast());
    }
    // It never ends: the reference is never given back.
    object::insert(system(), Kind::Process, |_| ());
    client_id::insert(client_id::SYSTEM, system());
    // Relaxed: no driver has been loaded yet.
    INITIAL.store(system(), Ordering::Relaxed);
}
