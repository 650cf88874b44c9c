//! Events: what a thread waits for.
//!
//! The rule of the kernel this stands for: only a thread at IRQL <= APC_LEVEL may wait; an event
//! can be set from DISPATCH_LEVEL. ("Event Objects", nf-wdm-kewaitforsingleobject.)
//!
//! # Example
//!
//! ```
//! use wdm::{event::Event, irql::Passive};
//!
//! /// Whether the DPC that sets it has come within a second.
//! fn came(event: &Event, irql: &mut Passive) -> bool {
//!     event.wait_for(1000, irql)
//! }
//! ```

use wdk_sys::{
    _EVENT_TYPE::NotificationEvent,
    _KWAIT_REASON::Executive,
    KEVENT, STATUS_SUCCESS,
    ntddk::{KeClearEvent, KeInitializeEvent, KeSetEvent, KeWaitForSingleObject},
};

use crate::{
    Result,
    constants::KERNEL_MODE,
    irql::{self, AtOrBelowApc, AtOrBelowDispatch, Limit},
    object::KernelObject,
    pool::Tag,
    time,
};

/// A notification event: once it is set, all who wait go on, until it is cleared.
pub struct Event {
    event: KernelObject<KEVENT>,
}

impl Event {
    /// An event, set or not.
    ///
    /// Source: nf-wdm-keinitializeevent.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new<I: AtOrBelowDispatch>(tag: Tag, set: bool, irql: &I) -> Result<Self> {
        let event = KernelObject::<KEVENT>::new(tag, irql)?;
        // SAFETY: in pool, where it stays until it is dropped.
        unsafe { KeInitializeEvent(event.get(), NotificationEvent, set.into()) };
        Ok(Self { event })
    }

    /// The event, for a kernel routine that takes it.
    #[must_use]
    pub fn as_ptr(&self) -> *mut KEVENT {
        self.event.get()
    }

    /// Lets all who wait go on.
    ///
    /// Source: nf-wdm-kesetevent.
    pub fn set<I: AtOrBelowDispatch>(&self, _irql: &I) {
        // SAFETY: initialised; at IRQL <= DISPATCH_LEVEL, as it must be without `Wait`.
        unsafe { KeSetEvent(self.event.get(), 0, 0) };
    }

    /// Makes those wait who come from now on.
    ///
    /// Source: nf-wdm-keclearevent.
    pub fn clear<I: AtOrBelowDispatch>(&self, _irql: &I) {
        // SAFETY: initialised; at IRQL <= DISPATCH_LEVEL.
        unsafe { KeClearEvent(self.event.get()) };
    }

    /// Waits, for as long as it takes, until the event is set.
    ///
    /// Source: nf-wdm-kewaitforsingleobject.
    pub fn wait<I: AtOrBelowApc>(&self, _irql: &mut I) {
        irql::expect_at_most(Limit::Apc, self.event.get());
        // SAFETY: initialised; at IRQL <= APC_LEVEL. Without a time-out, in kernel mode and not
        // alertable, the wait ends by the event alone, with STATUS_SUCCESS.
        let _ = unsafe {
            KeWaitForSingleObject(
                self.event.get().cast(),
                Executive,
                KERNEL_MODE,
                0,
                core::ptr::null_mut(),
            )
        };
    }

    /// Waits until the event is set, but no longer than so many milliseconds. Whether it was.
    ///
    /// Source: nf-wdm-kewaitforsingleobject.
    #[must_use]
    pub fn wait_for<I: AtOrBelowApc>(&self, milliseconds: u32, _irql: &mut I) -> bool {
        irql::expect_at_most(Limit::Apc, self.event.get());
        let mut limit = time::from_now(milliseconds);
        // SAFETY: initialised; at IRQL <= APC_LEVEL; the limit outlives the wait.
        let status = unsafe {
            KeWaitForSingleObject(
                self.event.get().cast(),
                Executive,
                KERNEL_MODE,
                0,
                &raw mut limit,
            )
        };
        status == STATUS_SUCCESS
    }
}
