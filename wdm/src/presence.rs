//! Whether a device is there still, for routines that were given nothing that keeps it.
//!
//! The rule of the kernel this stands for: the device extension is there until the driver deletes
//! the device, and a reference to the device object keeps the object alone. A callback that may come
//! at any time, or a work item that is queued while the device is removed, asks here before it looks
//! into the extension; a removal lets nobody in any more, and waits for those who are inside.
//! (nf-wdm-iodeletedevice, "Using Remove Locks".)

use crate::{
    Result,
    event::Event,
    irql::{AtOrBelowDispatch, Passive, UpToDispatch},
    pool::{Shared, Tag},
    rundown::Rundown,
};

const TAG: Tag = Tag::new(*b"WdmP");

/// Whether a device is there. It outlives the device.
pub struct Presence {
    inside: Rundown,
    /// Nobody is inside any more, or will be.
    gone: Event,
}

impl Presence {
    /// That of a device that is being created.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new<I: AtOrBelowDispatch>(irql: &I) -> Result<Shared<Self>> {
        let presence = Self {
            inside: Rundown::open(),
            gone: Event::new(TAG, false, irql)?,
        };
        Shared::new(TAG, presence, irql)
    }

    /// Keeps the device for as long as what is given lives, at IRQL <= DISPATCH_LEVEL; `None` if it
    /// is being removed.
    pub fn enter(&self) -> Option<Present<'_>> {
        self.inside.enter().then(|| Present(self))
    }

    /// The device is being removed: waits for those who are inside. Called once.
    pub fn end(&self, irql: &mut Passive) {
        if !self.inside.close() {
            self.gone.wait(irql);
        }
    }
}

/// The device stays until this is dropped.
#[must_use = "the device may go when this is dropped"]
pub struct Present<'a>(&'a Presence);

impl Drop for Present<'_> {
    fn drop(&mut self) {
        if self.0.inside.leave() {
            // SAFETY: dropped at IRQL <= DISPATCH_LEVEL.
            let irql = unsafe { UpToDispatch::assume() };
            self.0.gone.set(&irql);
        }
    }
}
