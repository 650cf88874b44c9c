//! IRPs as owned values: each is completed, queued or passed down exactly once.
//!
//! The rule of the kernel this stands for: a driver owns an IRP from when it is given it until it
//! completes it, queues it or sends it down, and must not look at it afterwards; its dispatch
//! routine returns STATUS_PENDING exactly for an IRP that it marked pending. ("Handling IRPs",
//! "Completing IRPs", nf-wdm-iomarkirppending.)
//!
//! An [`Irp`] cannot be cloned, and each of the three consumes it. What a dispatch routine must
//! return, a [`Dispatched`], is made by them alone, so one that forgets its IRP does not compile.
//! An IRP that is dropped all the same, on some later path, is a bug of the driver: a build with
//! debug assertions stops there with a bugcheck, any other completes it with
//! STATUS_INTERNAL_ERROR, so that its thread is not hung.
//!
//! # Example
//!
//! ```
//! use wdm::{
//!     Status,
//!     irp::{Dispatched, Fresh, Irp},
//!     irql::Passive,
//! };
//!
//! /// What a dispatch routine returns comes of what it did with the request, and of nothing else.
//! fn echo(mut irp: Irp<Fresh>, irql: &mut Passive) -> Dispatched {
//!     let mut bytes = [0; 4];
//!     let status = match irp.input() {
//!         input if input.len() == bytes.len() => {
//!             bytes.copy_from_slice(input);
//!             Status::of(irp.write_output(&bytes))
//!         }
//!         _ => Status::INVALID_BUFFER_SIZE,
//!     };
//!     irp.complete(status, irql)
//! }
//! ```

mod buffers;
mod direct;
mod forward;
mod parameters;

use core::{marker::PhantomData, ptr::NonNull};

use wdk_sys::{
    DEVICE_OBJECT, IO_STACK_LOCATION, IRP, IRP_MJ_PNP, IRP_MJ_POWER, IRP_MJ_SYSTEM_CONTROL,
    NTSTATUS, ntddk::IofCompleteRequest,
};

use crate::{
    Status,
    constants::{IO_NO_INCREMENT, SL_PENDING_RETURNED},
    device,
    irql::AtOrBelowDispatch,
    raw,
};

pub use self::{
    direct::{DirectInput, DirectOutput},
    forward::CompletionRoutine,
    parameters::{DeviceControl, FileObject, ReadWrite},
};

mod sealed {
    pub trait Sealed {}
}

/// What a driver may do with an IRP: [`Fresh`] or [`Pending`].
pub trait State: sealed::Sealed {}

/// The IRP was given to a dispatch routine, which has not returned yet.
#[derive(Debug)]
pub enum Fresh {}
/// The IRP was marked pending, and its dispatch routine returned STATUS_PENDING.
#[derive(Debug)]
pub enum Pending {}

impl sealed::Sealed for Fresh {}
impl sealed::Sealed for Pending {}
impl State for Fresh {}
impl State for Pending {}

/// An IRP that this driver owns.
#[must_use = "an IRP must be completed, queued or passed down"]
pub struct Irp<S: State> {
    irp: NonNull<IRP>,
    _state: PhantomData<S>,
}

// Not of a fresh one: it and the `Dispatched` that is made of it stay in the thread whose dispatch
// routine was given it, so two routines cannot swap theirs.
// SAFETY: a pending IRP belongs to no thread; any processor may go on with it.
unsafe impl Send for Irp<Pending> {}

/// The proof that a dispatch routine has dealt with its IRP: what it returns.
///
/// There is one for each IRP that a dispatch routine was given, and neither leaves the thread of
/// that routine: so what a routine returns is what became of its own IRP.
#[must_use = "return this from the dispatch routine"]
pub struct Dispatched(NTSTATUS, PhantomData<*mut ()>);

impl Dispatched {
    const fn new(status: NTSTATUS) -> Self {
        Self(status, PhantomData)
    }

    /// What a dispatch routine returns whose IRP was taken by [`Irp::into_raw`], and was completed,
    /// queued or passed down by a kernel routine that this crate has nothing for.
    ///
    /// # Safety
    ///
    /// That has been done, the IRP's remove lock was released or goes with the IRP, and the status is
    /// the one to return: STATUS_PENDING exactly for an IRP that was marked pending.
    pub const unsafe fn from_raw(status: NTSTATUS) -> Self {
        Self::new(status)
    }

    pub(crate) const fn into_raw(self) -> NTSTATUS {
        self.0
    }
}

impl<S: State> Irp<S> {
    /// Takes ownership of an IRP: the way back from [`Self::into_raw`].
    ///
    /// # Safety
    ///
    /// The caller's driver owns the IRP, nobody else has this value for it, its current stack
    /// location is that of one of this crate's device objects, and it has that device's remove
    /// lock, with the IRP as the tag.
    pub const unsafe fn from_raw(irp: NonNull<IRP>) -> Self {
        Self {
            irp,
            _state: PhantomData,
        }
    }

    /// The IRP, for a kernel routine that takes it. It is this driver's still, and who completes it or
    /// passes it on by such a routine must take it by [`Self::into_raw`].
    #[must_use]
    pub const fn as_ptr(&self) -> *mut IRP {
        self.irp.as_ptr()
    }

    /// Gives up ownership, for a kernel routine that takes the IRP. It has its device's remove lock
    /// still, and [`Self::from_raw`] takes it back.
    #[must_use = "the IRP must be completed, queued or passed down"]
    pub const fn into_raw(self) -> NonNull<IRP> {
        let irp = self.irp;
        core::mem::forget(self);
        irp
    }

    pub(crate) fn stack_location(&self) -> &IO_STACK_LOCATION {
        // SAFETY: owned, with a stack location for its device.
        let location = unsafe { raw::current_stack_location(self.irp) };
        // SAFETY: valid while the driver owns the IRP.
        unsafe { &*location }
    }

    /// Whether this is a request of that device. The remove lock that it holds is the one of its
    /// own device, and keeps no other.
    pub(crate) fn is_of(&self, device: *mut DEVICE_OBJECT) -> bool {
        // SAFETY: owned.
        let own = unsafe { raw::device_object(self.irp) };
        own.as_ptr() == device
    }

    /// The major function code.
    #[must_use]
    pub fn major(&self) -> u8 {
        self.stack_location().MajorFunction
    }

    /// The minor function code.
    #[must_use]
    pub fn minor(&self) -> u8 {
        self.stack_location().MinorFunction
    }

    /// The status so far: what the driver below left, or what the sender set.
    #[must_use]
    pub fn status(&self) -> Status {
        // SAFETY: owned.
        Status::from_raw(unsafe { raw::status(self.irp) })
    }

    /// The number of bytes, or whatever else the status stands for, left so far.
    #[must_use]
    pub fn information(&self) -> usize {
        // SAFETY: owned.
        let io_status = unsafe { &(*self.irp.as_ptr()).IoStatus };
        usize::try_from(io_status.Information).unwrap_or(usize::MAX)
    }

    /// Sets the status that the drivers below find: a driver that has done its part of a
    /// PnP request passes it down with success.
    pub fn set_status(&mut self, status: Status) {
        let information = self.information();
        // SAFETY: owned.
        unsafe { raw::set_io_status(self.irp, status.to_raw(), information) };
    }

    /// Sets what the drivers below find beside the status, or how many bytes have been moved.
    pub(crate) fn set_information(&mut self, information: usize) {
        let status = self.status();
        // SAFETY: owned.
        unsafe { raw::set_io_status(self.irp, status.to_raw(), information) };
    }

    /// Whether `Information` is how many bytes were moved.
    ///
    /// With buffered I/O the I/O manager copies as many bytes as it says from the system buffer to
    /// where the client's pointer leads, and looks at no length: what exceeds what was written would
    /// be pool of others, and what exceeds the output buffer would be written over the client's
    /// memory. ("Failure to Check the Size of Buffers".) So for these requests it begins at zero,
    /// and is set by what writes. For others it is a pointer or a state, which has routines of its
    /// own, or is nobody's business but the drivers' below.
    fn counts_bytes(&self) -> bool {
        let major = u32::from(self.major());
        !matches!(major, IRP_MJ_PNP | IRP_MJ_POWER | IRP_MJ_SYSTEM_CONTROL)
    }

    /// Nothing has been moved yet, whatever the request's sender has left there.
    pub(crate) fn begin(&mut self) {
        if self.counts_bytes() {
            self.set_information(0);
        }
    }

    /// What stands beside a status: a request that fails has moved nothing.
    fn moved(&self, status: Status) -> usize {
        if status.is_error() && self.counts_bytes() {
            0
        } else {
            self.information()
        }
    }

    /// Sets the status, completes, and releases the remove lock.
    fn finish(self, status: Status, information: usize) {
        let irp = self.into_raw();
        // SAFETY: owned until just below.
        let lock = unsafe { device::remove_lock_of(irp) };
        // SAFETY: owned.
        unsafe { raw::set_io_status(irp, status.to_raw(), information) };
        // No boost: that is for threads that wait for what a person wants to see or hear soon.
        // SAFETY: owned, and given up with this call; the callers' tokens prove IRQL <=
        // DISPATCH_LEVEL. No cancel routine is set: queues clear theirs on removal.
        unsafe { IofCompleteRequest(irp.as_ptr(), IO_NO_INCREMENT) };
        // Only after this may the device go away.
        lock.release(irp.as_ptr());
    }
}

impl Irp<Fresh> {
    /// Completes the request. The client is told how many bytes were written to its buffer, or
    /// moved by the device, of which those who did it have kept record.
    ///
    /// Source: nf-wdm-iocompleterequest.
    pub fn complete<I: AtOrBelowDispatch>(self, status: Status, _irql: &I) -> Dispatched {
        let moved = self.moved(status);
        self.finish(status, moved);
        Dispatched::new(status.to_raw())
    }

    /// Completes the request with what the drivers below left in it.
    pub fn complete_as_is<I: AtOrBelowDispatch>(self, _irql: &I) -> Dispatched {
        let status = self.status();
        let information = self.information();
        self.finish(status, information);
        Dispatched::new(status.to_raw())
    }

    /// Marks the IRP pending: it will be completed later, and the dispatch routine returns
    /// STATUS_PENDING.
    ///
    /// Source: nf-wdm-iomarkirppending.
    pub fn pend(self) -> (Irp<Pending>, Dispatched) {
        let irp = self.into_raw();
        // SAFETY: owned.
        let location = unsafe { raw::current_stack_location(irp) };
        // SAFETY: valid while the driver owns the IRP.
        let location = unsafe { &mut *location };
        location.Control |= SL_PENDING_RETURNED;
        // SAFETY: owned still, and marked pending now.
        let irp = unsafe { Irp::from_raw(irp) };
        (irp, Dispatched::new(wdk_sys::STATUS_PENDING))
    }
}

impl Irp<Pending> {
    /// Completes the request with what the drivers below left in it.
    pub fn complete_as_is<I: AtOrBelowDispatch>(self, _irql: &I) {
        let status = self.status();
        let information = self.information();
        self.finish(status, information);
    }

    /// Completes the request, as [`Irp::<Fresh>::complete`].
    ///
    /// Source: nf-wdm-iocompleterequest.
    pub fn complete<I: AtOrBelowDispatch>(self, status: Status, _irql: &I) {
        let moved = self.moved(status);
        self.finish(status, moved);
    }

    /// Whether somebody has asked for the request to be canceled. It is only asked of a request
    /// that is not in a queue: queues take care of it by themselves.
    #[must_use]
    pub fn is_canceled(&self) -> bool {
        // SAFETY: owned; only the address is formed.
        let cancel = unsafe { &raw const (*self.irp.as_ptr()).Cancel };
        // SAFETY: a byte that the I/O manager sets once, on whatever processor: read as volatile.
        unsafe { cancel.read_volatile() != 0 }
    }
}

impl<S: State> Drop for Irp<S> {
    fn drop(&mut self) {
        #[cfg(debug_assertions)]
        panic!("an IRP was dropped: it must be completed, queued or passed down");
        #[cfg(not(debug_assertions))]
        {
            // SAFETY: owned by `self`, which is not looked at again.
            let irp = unsafe { Self::from_raw(self.irp) };
            irp.finish(Status::INTERNAL_ERROR, 0);
        }
    }
}
