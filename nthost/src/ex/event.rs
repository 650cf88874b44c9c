//! Events as the executive's own locks use them: within the locks' structures, or on the stack
//! of a thread that waits.

use core::ptr::null_mut;

use nthost_nt::ke::{DISPATCHER_HEADER, KEVENT, LIST_ENTRY};

use crate::ke::{
    dispatcher,
    wait::{self, WaitType, object},
};

/// An event that nobody waits for, not signalled, and cleared by the wait that it ends. To be
/// [initialized](initialize) where it stays.
#[must_use]
pub const fn new() -> KEVENT {
    KEVENT {
        Header: DISPATCHER_HEADER {
            Type: object::SYNCHRONIZATION_EVENT,
            Signalling: 0,
            Size: (size_of::<KEVENT>() / 4) as u8,
            Reserved1: 0,
            SignalState: 0,
            WaitListHead: LIST_ENTRY {
                Flink: null_mut(),
                Blink: null_mut(),
            },
        },
    }
}

/// Makes an event where it stays.
///
/// # Safety
///
/// It is resident memory for an event.
pub unsafe fn initialize(event: *mut KEVENT) {
    // SAFETY: the caller's promise.
    unsafe { event.write(new()) };
    // SAFETY: the caller's promise.
    wait::initialize_list(unsafe { &raw mut (*event).Header.WaitListHead });
}

/// Signals an event. IRQL up to DISPATCH_LEVEL.
///
/// # Safety
///
/// It is initialized.
pub unsafe fn set(event: *mut KEVENT) {
    let mut guard = dispatcher::lock();
    wait::signal(&mut guard, event.cast(), 1);
}

/// Waits for an event. IRQL below DISPATCH_LEVEL.
///
/// # Safety
///
/// It is initialized, and stays until the wait is over.
pub unsafe fn wait(event: *mut KEVENT) {
    // SAFETY: the caller's promise.
    unsafe { wait::wait(&[event.cast()], WaitType::Any, None) };
}
