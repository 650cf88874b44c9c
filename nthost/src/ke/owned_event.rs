//! Events for nthost's own threads: a dispatcher object in memory that does not move.

use alloc::boxed::Box;
use core::{cell::UnsafeCell, ptr::null_mut};

use nthost_nt::{
    ke::{DISPATCHER_HEADER, KEVENT, LIST_ENTRY},
    status::STATUS_TIMEOUT,
};

use super::{
    dispatcher,
    wait::{self, WaitType, object},
};

/// An event. Setting it is allowed up to DISPATCH_LEVEL, waiting for it below.
pub struct Event(Box<UnsafeCell<KEVENT>>);

#[expect(
    clippy::non_send_fields_in_send_ty,
    reason = "the list of those who wait is protected by the dispatcher lock"
)]
// SAFETY: the event is only touched under the dispatcher lock.
unsafe impl Send for Event {}
// SAFETY: likewise.
unsafe impl Sync for Event {}

impl Event {
    /// One that stays set until it is cleared.
    #[must_use]
    pub fn notification() -> Self {
        Self::new(object::NOTIFICATION_EVENT)
    }

    /// One that ends a single wait each time it is set.
    #[must_use]
    pub fn synchronization() -> Self {
        Self::new(object::SYNCHRONIZATION_EVENT)
    }

    fn new(kind: u8) -> Self {
        let event = Box::new(UnsafeCell::new(KEVENT {
            Header: DISPATCHER_HEADER {
                Type: kind,
                Signalling: 0,
                Size: 6,
                Reserved1: 0,
                SignalState: 0,
                WaitListHead: LIST_ENTRY {
                    Flink: null_mut(),
                    Blink: null_mut(),
                },
            },
        }));
        let header = event.get().cast::<DISPATCHER_HEADER>();
        // SAFETY: within the event, which is this routine's alone.
        wait::initialize_list(unsafe { &raw mut (*header).WaitListHead });
        Self(event)
    }

    fn header(&self) -> *mut DISPATCHER_HEADER {
        self.0.get().cast()
    }

    /// The event as drivers know it.
    #[must_use]
    pub fn as_kevent(&self) -> *mut KEVENT {
        self.0.get()
    }

    /// Sets it. IRQL up to DISPATCH_LEVEL.
    pub fn set(&self) {
        wait::signal(&mut dispatcher::lock(), self.header(), 1);
    }

    /// Clears it. IRQL up to DISPATCH_LEVEL.
    pub fn clear(&self) {
        wait::signal(&mut dispatcher::lock(), self.header(), 0);
    }

    /// Waits until it is set. IRQL below DISPATCH_LEVEL.
    pub fn wait(&self) {
        self.wait_until(None);
    }

    /// Waits until it is set or the interrupt time is `due`; whether it was set. IRQL below
    /// DISPATCH_LEVEL.
    #[expect(
        clippy::must_use_candidate,
        reason = "it is waited for as often as asked"
    )]
    pub fn wait_until(&self, due: Option<u64>) -> bool {
        // SAFETY: the event was initialized, and stays so as long as `self`.
        unsafe { wait::wait(&[self.header()], WaitType::Any, due) != STATUS_TIMEOUT }
    }
}

impl core::fmt::Debug for Event {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Event").finish_non_exhaustive()
    }
}
