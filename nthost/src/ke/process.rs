//! Which process a thread works for: the object that drivers' pointers to a process lead to. What
//! else there is of a process, those above know.
//!
//! Sources: IoGetCurrentProcess, KeStackAttachProcess.

use core::{
    ffi::c_void,
    ptr::null_mut,
    sync::atomic::{AtomicPtr, Ordering},
};

use super::thread::{self, Thread};

/// The process of all threads that work for no client. Written once, before the first driver is
/// loaded.
static SYSTEM: AtomicPtr<c_void> = AtomicPtr::new(null_mut());

/// Says what the system's process is. To be called once.
pub fn set_system(process: *mut c_void) {
    // Release: whoever finds the process sees what is in it.
    SYSTEM.store(process, Ordering::Release);
}

/// The system's process; null before there is one.
#[must_use]
pub fn system() -> *mut c_void {
    // Acquire: pairs with `set_system`.
    SYSTEM.load(Ordering::Acquire)
}

/// The process whose addresses and handles the thread that runs uses: its own, or the one that
/// it is attached to. Any IRQL.
#[must_use]
pub fn current() -> *mut c_void {
    // SAFETY: the thread that runs exists; only it changes what is read.
    unsafe { (*thread::current()).place() }
}

/// The process that a thread belongs to. Any IRQL.
///
/// # Safety
///
/// The thread exists.
pub unsafe fn of_thread(thread: *mut Thread) -> *mut c_void {
    // SAFETY: the caller's promise; what is read never changes.
    let process = unsafe { (*thread).process };
    if process.is_null() {
        system()
    } else {
        process.cast()
    }
}

impl Thread {
    /// The process that the thread is in: its own, or the one that it is attached to.
    #[must_use]
    pub fn place(&self) -> *mut c_void {
        if !self.attached.is_null() {
            self.attached
        } else if self.process.is_null() {
            system()
        } else {
            self.process.cast()
        }
    }
}
