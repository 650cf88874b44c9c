//! Remove locks: a device object stays until all who use it are done.
//!
//! The rule of the kernel this stands for: code that handles an IRP, or has outstanding work for a
//! device, holds its remove lock; IRP_MN_REMOVE_DEVICE waits until nobody does.
//! ("Using Remove Locks".)
//!
//! This crate takes the lock for every IRP before the driver sees it, and releases it when the
//! driver has completed the IRP or passed it down: a driver cannot forget either. It takes the
//! lock once more for as long as a dispatch routine runs, since an IRP that was queued may be
//! completed while the routine that queued it is still at work on the device.
//!
//! Other routines that are given an IRP, such as completion routines, cannot take that lock: it is
//! refused once a removal has begun. They take a second one ([`Callback`]), which a removal waits
//! for when it has waited for all IRPs, since who has an IRP may begin such a routine, and nobody
//! else. Routines that are given no IRP ask [`crate::presence`].

use core::{cell::UnsafeCell, ffi::c_void, ptr::NonNull};

use wdk_sys::{
    IO_REMOVE_LOCK, IRP,
    ntddk::{
        IoAcquireRemoveLockEx, IoInitializeRemoveLockEx, IoReleaseRemoveLockAndWaitEx,
        IoReleaseRemoveLockEx,
    },
};

use crate::{Result, Status, constants::REMOVE_LOCK_SIZE, irql::Passive};

/// A remove lock, in its place in a device extension.
pub struct RemoveLock(UnsafeCell<IO_REMOVE_LOCK>);

// SAFETY: the `IoXxxRemoveLock` routines synchronise themselves.
unsafe impl Sync for RemoveLock {}

impl RemoveLock {
    /// Room for a lock, which [`Self::initialize`] makes one in its place.
    pub(crate) const fn uninitialized() -> Self {
        // SAFETY: plain data; nothing looks at it before it is initialised.
        Self(UnsafeCell::new(unsafe { core::mem::zeroed() }))
    }

    /// Initialises the lock.
    ///
    /// # Safety
    ///
    /// The lock is in a device extension, where it stays, and nobody uses it yet.
    pub(crate) unsafe fn initialize(&self) {
        const TAG: u32 = u32::from_le_bytes(*b"WdmL");
        // SAFETY: in a device extension by contract; at PASSIVE_LEVEL, as devices are created
        // there. No limits on time or count: requests may wait for an event for ever.
        unsafe { IoInitializeRemoveLockEx(self.0.get(), TAG, 0, 0, REMOVE_LOCK_SIZE) };
    }

    /// Takes the lock. `tag` is an address, of the IRP for example, that release must name again.
    ///
    /// # Errors
    ///
    /// `STATUS_DELETE_PENDING` when the device is being removed.
    pub(crate) fn acquire<T>(&self, tag: *mut T) -> Result<()> {
        // SAFETY: initialised before the device saw an IRP; callable at IRQL <= DISPATCH_LEVEL,
        // where dispatch routines are called.
        let status = unsafe {
            IoAcquireRemoveLockEx(
                self.0.get(),
                tag.cast::<c_void>(),
                c"".as_ptr().cast(),
                0,
                REMOVE_LOCK_SIZE,
            )
        };
        Status::check(status)
    }

    /// Releases the lock. The tag is not looked into.
    pub(crate) fn release<T>(&self, tag: *mut T) {
        // SAFETY: acquired with this tag, once.
        unsafe { IoReleaseRemoveLockEx(self.0.get(), tag.cast::<c_void>(), REMOVE_LOCK_SIZE) };
    }

    /// Takes the lock for a routine that has an IRP of the device, for as long as it runs.
    ///
    /// # Safety
    ///
    /// The IRP is owned by this driver, and the lock is its device's second one.
    pub(crate) unsafe fn callback(&self, irp: NonNull<IRP>) -> Callback<'_> {
        // Never refused: a removal waits for this lock after all IRPs were completed. The tag may
        // be that of two routines, if the IRP is completed and used again meanwhile.
        Callback {
            lock: self.acquire(irp.as_ptr()).is_ok().then_some(self),
            tag: irp,
        }
    }

    /// Releases the lock for the IRP that removes the device, and waits until nobody has it.
    /// Nobody gets it any more.
    pub(crate) fn release_and_wait<T>(&self, tag: *mut T, _irql: &Passive) {
        // SAFETY: acquired with this tag, once; at PASSIVE_LEVEL.
        unsafe {
            IoReleaseRemoveLockAndWaitEx(self.0.get(), tag.cast::<c_void>(), REMOVE_LOCK_SIZE);
        };
    }
}

/// A routine of the driver that was given an IRP runs. The device stays until this is dropped,
/// whatever becomes of the IRP.
#[must_use = "the device may go when this is dropped"]
pub struct Callback<'a> {
    lock: Option<&'a RemoveLock>,
    /// Not looked into.
    tag: NonNull<IRP>,
}

impl Drop for Callback<'_> {
    fn drop(&mut self) {
        if let Some(lock) = self.lock {
            lock.release(self.tag.as_ptr());
        }
    }
}
