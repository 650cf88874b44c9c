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

use core::{marker::PhantomData, ptr::NonNull};

use wdk_sys::{
    DEVICE_OBJECT, FILE_OBJECT, IO_STACK_LOCATION, IRP, IRP_MJ_DEVICE_CONTROL, IRP_MJ_PNP,
    IRP_MJ_POWER, IRP_MJ_READ, IRP_MJ_SYSTEM_CONTROL, IRP_MJ_WRITE, MDL, NTSTATUS, PVOID,
    ntddk::{
        IoForwardIrpSynchronously, IoSetCompletionRoutineEx, IofCallDriver, IofCompleteRequest,
    },
};

use crate::{
    Status,
    constants::{IO_NO_INCREMENT, SL_PENDING_RETURNED},
    device::{self, Device, Fdo},
    irql::{self, AtOrBelowDispatch, Limit, Passive, UpToDispatch},
    raw,
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

    pub(crate) const fn into_raw(self) -> NTSTATUS {
        self.0
    }
}

/// An open handle's file object, to tell its requests from those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileObject(*mut FILE_OBJECT);

// SAFETY: it is only compared, never looked into.
unsafe impl Send for FileObject {}
// SAFETY: likewise.
unsafe impl Sync for FileObject {}

impl FileObject {
    /// # Safety
    ///
    /// The IRP is valid, and its current stack location is this driver's.
    pub(crate) unsafe fn of(irp: NonNull<IRP>) -> Self {
        // SAFETY: by contract.
        let location = unsafe { raw::current_stack_location(irp) };
        // SAFETY: valid as long as the IRP is.
        Self(unsafe { (*location).FileObject })
    }
}

/// The parameters of IRP_MJ_DEVICE_CONTROL.
#[derive(Clone, Copy, Debug)]
pub struct DeviceControl {
    /// The control code.
    pub code: u32,
    /// Bytes of the input buffer.
    pub input_length: usize,
    /// Bytes of the output buffer.
    pub output_length: usize,
}

/// The parameters of IRP_MJ_READ and IRP_MJ_WRITE.
#[derive(Clone, Copy, Debug)]
pub struct ReadWrite {
    /// Where on the device, in bytes. Negative values are files' special positions.
    pub offset: i64,
    /// How many bytes.
    pub length: u32,
}

impl<S: State> Irp<S> {
    /// Takes ownership of an IRP.
    ///
    /// # Safety
    ///
    /// The caller's driver owns the IRP, nobody else has this value for it, its current stack
    /// location is that of one of this crate's device objects, and it has that device's remove
    /// lock, with the IRP as the tag.
    pub(crate) const unsafe fn from_raw(irp: NonNull<IRP>) -> Self {
        Self {
            irp,
            _state: PhantomData,
        }
    }

    /// Gives up ownership.
    pub(crate) const fn into_raw(self) -> NonNull<IRP> {
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

    /// The file object that the request was made on.
    #[must_use]
    pub fn file_object(&self) -> FileObject {
        FileObject(self.stack_location().FileObject)
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

    /// The parameters, if this is a device-control request.
    #[must_use]
    pub fn device_control(&self) -> Option<DeviceControl> {
        let location = self.stack_location();
        if u32::from(location.MajorFunction) != IRP_MJ_DEVICE_CONTROL {
            return None;
        }
        // SAFETY: the active member for this major function.
        let parameters = unsafe { &location.Parameters.DeviceIoControl };
        Some(DeviceControl {
            code: parameters.IoControlCode,
            input_length: parameters.InputBufferLength as usize,
            output_length: parameters.OutputBufferLength as usize,
        })
    }

    /// The parameters, if this is a read or a write.
    #[must_use]
    pub fn read_write(&self) -> Option<ReadWrite> {
        let location = self.stack_location();
        let (length, offset) = match u32::from(location.MajorFunction) {
            IRP_MJ_READ => {
                // SAFETY: the active member for this major function.
                let parameters = unsafe { &location.Parameters.Read };
                (parameters.Length, parameters.ByteOffset)
            }
            IRP_MJ_WRITE => {
                // SAFETY: the active member for this major function.
                let parameters = unsafe { &location.Parameters.Write };
                (parameters.Length, parameters.ByteOffset)
            }
            _ => return None,
        };
        // SAFETY: every bit pattern of the union is a number.
        let offset = unsafe { offset.QuadPart };
        Some(ReadWrite { offset, length })
    }

    /// The output buffer of a METHOD_OUT_DIRECT request: the client's own memory, locked, which
    /// the client may change meanwhile. Empty where it has none.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if it cannot be mapped.
    pub fn direct_output<I: AtOrBelowDispatch>(
        &mut self,
        _irql: &I,
    ) -> crate::Result<DirectOutput<'_>> {
        let Some(mdl) = self.mdl() else {
            return Ok(DirectOutput {
                start: NonNull::dangling(),
                length: 0,
                written: 0,
                irp: self.irp,
                _irp: PhantomData,
            });
        };
        // SAFETY: the I/O manager's MDL, locked as long as the IRP is not completed; `&mut self`.
        let start = unsafe { crate::mdl::system_address(mdl) }?;
        // SAFETY: valid.
        let length = unsafe { crate::mdl::byte_count(mdl) };
        Ok(DirectOutput {
            start,
            length,
            written: 0,
            irp: self.irp,
            _irp: PhantomData,
        })
    }

    /// Whether the I/O manager has locked the memory of the MDL so that a device may write to it:
    /// for a read, and for METHOD_OUT_DIRECT.
    pub(crate) fn direct_memory_is_writable(&self) -> bool {
        const METHOD_MASK: u32 = 3;
        const METHOD_OUT_DIRECT: u32 = 2;
        self.device_control().map_or_else(
            || u32::from(self.major()) == IRP_MJ_READ,
            |control| control.code & METHOD_MASK == METHOD_OUT_DIRECT,
        )
    }

    /// Whether the request's buffer is described by an MDL.
    #[must_use]
    pub fn has_mdl(&self) -> bool {
        self.mdl().is_some()
    }

    /// For IRP_MJ_CREATE: whether a name behind that of the device is opened.
    #[must_use]
    pub fn opens_a_name(&self) -> bool {
        let file_object = self.stack_location().FileObject;
        if file_object.is_null() {
            return false;
        }
        // SAFETY: the I/O manager's, valid while the IRP is.
        unsafe { (*file_object).FileName.Length != 0 }
    }

    /// The MDL that the I/O manager made for the request, if it did.
    pub(crate) fn mdl(&self) -> Option<NonNull<MDL>> {
        // SAFETY: owned.
        NonNull::new(unsafe { (*self.irp.as_ptr()).MdlAddress })
    }

    /// The system buffer of a device-control request, if it has one: its address and the bytes
    /// that may be read and written. Only codes with METHOD_BUFFERED have output there.
    fn system_buffer(&self) -> Option<(NonNull<u8>, usize, usize)> {
        const METHOD_MASK: u32 = 3;
        const METHOD_BUFFERED: u32 = 0;
        const METHOD_NEITHER: u32 = 3;
        let control = self.device_control()?;
        let method = control.code & METHOD_MASK;
        if method == METHOD_NEITHER {
            return None;
        }
        // SAFETY: the I/O manager made a system buffer for these methods.
        let buffer = unsafe { raw::system_buffer(self.irp) };
        let output_length = if method == METHOD_BUFFERED {
            control.output_length
        } else {
            0
        };
        Some((
            NonNull::new(buffer.cast())?,
            control.input_length,
            output_length,
        ))
    }

    /// The input of a device-control request: the I/O manager's copy, which the client cannot
    /// change any more. Empty where there is none.
    #[must_use]
    pub fn input(&self) -> &[u8] {
        let Some((buffer, length, _)) = self.system_buffer() else {
            return &[];
        };
        // SAFETY: the system buffer has this many bytes of input, and lives as long as the IRP.
        unsafe { core::slice::from_raw_parts(buffer.as_ptr(), length) }
    }

    /// Writes the answer of a METHOD_BUFFERED request, and records its length: when the request is
    /// completed, the I/O manager copies that many bytes to the client.
    ///
    /// # Errors
    ///
    /// `STATUS_BUFFER_TOO_SMALL` if it does not fit; nothing is written.
    pub fn write_output(&mut self, bytes: &[u8]) -> crate::Result<()> {
        let (buffer, _, length) = self.system_buffer().ok_or(Status::BUFFER_TOO_SMALL)?;
        if bytes.len() > length {
            return Err(Status::BUFFER_TOO_SMALL);
        }
        // SAFETY: checked to fit the system buffer, which nobody else touches meanwhile.
        unsafe {
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.as_ptr(), bytes.len());
        }
        self.set_information(bytes.len());
        Ok(())
    }

    /// Sets the status that the drivers below are to find: a driver that has done its part of a
    /// PnP request passes it down with success.
    pub fn set_status(&mut self, status: Status) {
        let information = self.information();
        // SAFETY: owned.
        unsafe { raw::set_io_status(self.irp, status.to_raw(), information) };
    }

    /// Sets what the drivers below are to find beside the status, or how many bytes have been moved.
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

    /// Passes the IRP down with this driver's stack location, and is done with it: to the device
    /// below its own, and to no other.
    ///
    /// Source: nf-wdm-ioskipcurrentirpstacklocation, nf-wdm-iocalldriver.
    pub fn forward<I: AtOrBelowDispatch>(self, _irql: &I) -> Dispatched {
        let irp = self.into_raw();
        // SAFETY: owned until just below.
        let lower = unsafe { device::lower_of(irp) };
        // SAFETY: owned until just below.
        let lock = unsafe { device::remove_lock_of(irp) };
        // SAFETY: owned, and no completion routine is set.
        unsafe { raw::skip_current_stack_location(irp) };
        // SAFETY: given up with this call; the device below is attached to.
        let status = unsafe { IofCallDriver(lower.as_ptr(), irp.as_ptr()) };
        lock.release(irp.as_ptr());
        Dispatched::new(status)
    }

    /// Marks the IRP pending, passes it down, and has `R` called when the drivers below have
    /// completed it. An IRP of another device is completed with STATUS_INVALID_DEVICE_REQUEST.
    ///
    /// `R` may complete the IRP, and with it the last thing that keeps the device and the driver:
    /// `IoSetCompletionRoutineEx` keeps the image until the routine has returned. It takes memory
    /// for that. Where there is none, the IRP is passed down and waited for, since some, as those
    /// that set a power state, must not fail; `R` is called then before this returns.
    ///
    /// Source: nf-wdm-iocopycurrentirpstacklocationtonext, nf-wdm-iosetcompletionroutineex.
    pub fn forward_with_completion<D: Device, R: CompletionRoutine<D>>(
        self,
        device: &Fdo<D>,
        irql: &Passive,
    ) -> Dispatched {
        // The completion routine is given the IRP's own device, as one of this kind.
        if !self.is_of(device.as_ptr()) {
            return self.complete(Status::INVALID_DEVICE_REQUEST, irql);
        }
        let raw_irp = self.irp;
        // SAFETY: owned, with a stack location for each device below.
        unsafe { raw::copy_current_stack_location_to_next(raw_irp) };
        // SAFETY: owned, the location for the device below is set up, and the routine is one for
        // this kind of device.
        let status = unsafe {
            IoSetCompletionRoutineEx(
                device.as_ptr(),
                raw_irp.as_ptr(),
                Some(completed::<D, R>),
                core::ptr::null_mut(),
                1,
                1,
                1,
            )
        };
        if Status::check(status).is_err() {
            let (irp, dispatched) = self.forward_synchronously(irql).pend();
            // SAFETY: at PASSIVE_LEVEL, which is one of them.
            let irql = &mut unsafe { UpToDispatch::assume() };
            R::completed(device, irp, irql);
            return dispatched;
        }
        let (irp, dispatched) = self.pend();
        let irp = irp.into_raw();
        // What it returns is of no interest: the IRP is pending, and comes back to `completed`.
        // SAFETY: given up with this call; the device below is attached to.
        let _ = unsafe { IofCallDriver(device.lower().as_ptr(), irp.as_ptr()) };
        dispatched
    }

    /// Passes the IRP down to the device below its own, waits until the drivers there have completed
    /// it, and owns it again. Their status is in [`Irp::status`].
    ///
    /// Source: nf-wdm-ioforwardirpsynchronously.
    pub fn forward_synchronously(self, _irql: &Passive) -> Self {
        irql::expect_at_most(Limit::Passive, self.irp.as_ptr());
        let irp = self.into_raw();
        // SAFETY: owned.
        let lower = unsafe { device::lower_of(irp) };
        // SAFETY: owned, at PASSIVE_LEVEL; the device below is attached to.
        let sent = unsafe { IoForwardIrpSynchronously(lower.as_ptr(), irp.as_ptr()) };
        if sent == 0 {
            // There was no stack location left, so nobody below has seen it.
            // SAFETY: owned still.
            unsafe { raw::set_io_status(irp, Status::UNSUCCESSFUL.to_raw(), 0) };
        }
        // SAFETY: owned again: the completion stopped at this driver.
        unsafe { Self::from_raw(irp) }
    }
}

/// The output buffer of a METHOD_OUT_DIRECT request. It can only be written: what is read from
/// memory that a client can change means nothing.
pub struct DirectOutput<'a> {
    start: NonNull<u8>,
    length: usize,
    /// From the beginning, without a gap.
    written: usize,
    irp: NonNull<IRP>,
    _irp: PhantomData<&'a mut ()>,
}

impl DirectOutput<'_> {
    /// Its length in bytes.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// Writes bytes at an offset, and records how many there are from the beginning on, up to the
    /// first that was not written: what the client is told when the request is completed.
    ///
    /// # Errors
    ///
    /// `STATUS_BUFFER_TOO_SMALL` if they do not fit; nothing is written.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> crate::Result<()> {
        let end = offset.checked_add(bytes.len());
        if end.is_none_or(|end| end > self.length) {
            return Err(Status::BUFFER_TOO_SMALL);
        }
        let start = self.start.as_ptr().wrapping_add(offset);
        // SAFETY: within the mapping, as checked; no reference to it exists anywhere.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
        if offset <= self.written {
            self.written = self.written.max(offset + bytes.len());
            // SAFETY: owned by whom this borrows from.
            let status = unsafe { raw::status(self.irp) };
            // SAFETY: likewise.
            unsafe { raw::set_io_status(self.irp, status, self.written) };
        }
        Ok(())
    }
}

/// A completion routine.
pub trait CompletionRoutine<D: Device> {
    /// The drivers below have completed the IRP: it is this driver's again, to be completed now
    /// or later.
    fn completed(device: &Fdo<D>, irp: Irp<Pending>, irql: &mut UpToDispatch);
}

/// `IoCompletion`.
unsafe extern "C" fn completed<D: Device, R: CompletionRoutine<D>>(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    _context: PVOID,
) -> NTSTATUS {
    // SAFETY: the I/O manager passes the IRP.
    let irp = unsafe { NonNull::new_unchecked(irp) };
    // The routine may complete the IRP and go on with the device.
    // SAFETY: this driver's again, as for `from_raw` below.
    let _callback = unsafe { device::callback_for(irp) };
    // SAFETY: the I/O manager passes the device object whose driver set the routine, which is the
    // IRP's and of this kind, as `forward_with_completion` has checked. It stays for the callback.
    let device: &Fdo<D> = unsafe { &*device.cast() };
    // SAFETY: this driver's again, as it returns STATUS_MORE_PROCESSING_REQUIRED; it was marked
    // pending before it was passed down.
    let irp = unsafe { Irp::<Pending>::from_raw(irp) };
    // SAFETY: completion routines are called at IRQL <= DISPATCH_LEVEL.
    let irql = &mut unsafe { UpToDispatch::assume() };
    R::completed(device, irp, irql);
    wdk_sys::STATUS_MORE_PROCESSING_REQUIRED
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

    /// Whether somebody has asked for the request to be cancelled. It is only asked of a request
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
