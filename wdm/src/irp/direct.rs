//! The buffers of an IRP that are the client's own memory.
//!
//! The rules of the kernel this stands for: with direct I/O the I/O manager has probed and locked the
//! memory, for what the request does with it, and describes it by an MDL that is valid until the
//! request is completed; with METHOD_NEITHER the driver is given two addresses, of which nothing is
//! known, and that mean something in the thread that made the request alone. ("Using Direct I/O",
//! "Using Neither Buffered Nor Direct I/O".)
//!
//! A client can change its memory at any time, so there is no slice of it: bytes are copied out of it
//! or into it, and what is copied out twice may differ.

use core::{marker::PhantomData, ptr::NonNull};

use wdk_sys::{IRP, IRP_MJ_READ, IRP_MJ_WRITE, MDL};

use super::{Fresh, Irp, State};
use crate::{
    Result, Status,
    control::Method,
    irql::{AtOrBelowDispatch, Passive},
    mdl::{self, UserPages},
    probe::LockOperation,
    raw,
};

/// The two buffers of a METHOD_NEITHER request, as the client names them.
#[derive(Clone, Copy, Debug)]
struct UserBuffer {
    address: u64,
    length: u32,
}

impl<S: State> Irp<S> {
    /// The memory that a METHOD_OUT_DIRECT request, or an IRP_MJ_READ of a device with direct I/O, is
    /// to be answered in. Empty where there is none.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if it cannot be mapped.
    pub fn direct_output<I: AtOrBelowDispatch>(&mut self, _irql: &I) -> Result<DirectOutput<'_>> {
        let mapped = if self.direct_memory_is_writable() {
            self.mapped()?
        } else {
            None
        };
        let (start, length) = mapped.unwrap_or((NonNull::dangling(), 0));
        Ok(DirectOutput {
            start,
            length,
            written: 0,
            irp: self.irp,
            _irp: PhantomData,
        })
    }

    /// The memory that a METHOD_IN_DIRECT request, or an IRP_MJ_WRITE of a device with direct I/O,
    /// sends. Empty where there is none.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if it cannot be mapped.
    pub fn direct_input<I: AtOrBelowDispatch>(&mut self, _irql: &I) -> Result<DirectInput<'_>> {
        let is_input = self.device_control().map_or_else(
            || u32::from(self.major()) == IRP_MJ_WRITE,
            |control| Method::of(control.code) == Method::InDirect,
        );
        let mapped = if is_input { self.mapped()? } else { None };
        let (start, length) = mapped.unwrap_or((NonNull::dangling(), 0));
        Ok(DirectInput {
            start,
            length,
            _irp: PhantomData,
        })
    }

    /// The request's memory in the system's address space, and its length. The callers borrow the
    /// request mutably: two of them at once would map it twice.
    fn mapped(&self) -> Result<Option<(NonNull<u8>, usize)>> {
        let Some(mdl) = self.mdl() else {
            return Ok(None);
        };
        // SAFETY: the I/O manager's MDL, locked as long as the IRP is not completed; nobody else
        // maps it meanwhile.
        let start = unsafe { mdl::system_address(mdl) }?;
        // SAFETY: valid.
        let length = unsafe { mdl::byte_count(mdl) };
        Ok(Some((start, length)))
    }

    /// Whether the I/O manager has locked the memory of the MDL so that a device may write to it:
    /// for a read, and for METHOD_OUT_DIRECT.
    pub(crate) fn direct_memory_is_writable(&self) -> bool {
        self.device_control().map_or_else(
            || u32::from(self.major()) == IRP_MJ_READ,
            |control| Method::of(control.code) == Method::OutDirect,
        )
    }

    /// Whether the request's buffer is described by an MDL.
    #[must_use]
    pub fn has_mdl(&self) -> bool {
        self.mdl().is_some()
    }

    /// The MDL that the I/O manager made for the request, if it did.
    pub(crate) fn mdl(&self) -> Option<NonNull<MDL>> {
        // SAFETY: owned.
        NonNull::new(unsafe { (*self.irp.as_ptr()).MdlAddress })
    }
}

impl Irp<Fresh> {
    /// Probes and locks what a METHOD_NEITHER request sends, to be read by [`UserPages::read`]. `None`
    /// if it sends nothing.
    ///
    /// # Errors
    ///
    /// Those of [`UserPages::lock`]; `STATUS_INVALID_DEVICE_REQUEST` for a request of another method.
    pub fn lock_neither_input(&self, irql: &Passive) -> Result<Option<UserPages>> {
        let (input, _) = self.neither()?;
        self.lock_user(input, LockOperation::Read, irql)
    }

    /// Probes and locks the output buffer of a METHOD_NEITHER request, to be written by
    /// [`UserPages::write`]. `None` if it has no room for an answer.
    ///
    /// # Errors
    ///
    /// As [`Self::lock_neither_input`].
    pub fn lock_neither_output(&self, irql: &Passive) -> Result<Option<UserPages>> {
        let (_, output) = self.neither()?;
        self.lock_user(output, LockOperation::Write, irql)
    }

    fn lock_user(
        &self,
        buffer: UserBuffer,
        operation: LockOperation,
        irql: &Passive,
    ) -> Result<Option<UserPages>> {
        if buffer.length == 0 {
            return Ok(None);
        }
        UserPages::lock(self, buffer.address, buffer.length, operation, irql).map(Some)
    }

    /// The addresses of a METHOD_NEITHER request: its input buffer, and its output buffer.
    fn neither(&self) -> Result<(UserBuffer, UserBuffer)> {
        let control = self.device_control();
        if control.map(|control| Method::of(control.code)) != Some(Method::Neither) {
            return Err(Status::INVALID_DEVICE_REQUEST);
        }
        // SAFETY: the active member for this major function.
        let parameters = unsafe { &self.stack_location().Parameters.DeviceIoControl };
        // SAFETY: owned.
        let output = unsafe { (*self.irp.as_ptr()).UserBuffer };
        let input = UserBuffer {
            address: parameters.Type3InputBuffer.addr() as u64,
            length: parameters.InputBufferLength,
        };
        let output = UserBuffer {
            address: output.addr() as u64,
            length: parameters.OutputBufferLength,
        };
        Ok((input, output))
    }
}

/// Memory of a client that its request sends: see [`Irp::direct_input`].
pub struct DirectInput<'a> {
    start: NonNull<u8>,
    length: usize,
    _irp: PhantomData<&'a mut ()>,
}

impl DirectInput<'_> {
    /// Its length in bytes.
    #[must_use]
    pub const fn length(&self) -> usize {
        self.length
    }

    /// Copies as many bytes as there is room for, from an offset on.
    ///
    /// # Errors
    ///
    /// `STATUS_BUFFER_TOO_SMALL` if there are not so many; nothing is copied.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<()> {
        let start = within(self.start, self.length, offset, bytes.len())?;
        // SAFETY: within the mapping, as checked; no reference to it exists anywhere.
        unsafe { core::ptr::copy_nonoverlapping(start, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }
}

/// Memory of a client that its request is answered in: see [`Irp::direct_output`]. It can only be
/// written: what is read from memory that a client can change means nothing.
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
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<()> {
        let start = within(self.start, self.length, offset, bytes.len())?;
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

impl UserPages {
    /// Copies bytes of the client's memory, from an offset on: as many as there is room for.
    ///
    /// # Errors
    ///
    /// `STATUS_BUFFER_TOO_SMALL` if there are not so many; `STATUS_INSUFFICIENT_RESOURCES` if they
    /// cannot be mapped. Nothing is copied then.
    pub fn read<I: AtOrBelowDispatch>(
        &mut self,
        offset: usize,
        bytes: &mut [u8],
        _irql: &I,
    ) -> Result<()> {
        let start = self.mapped_at(offset, bytes.len())?;
        // SAFETY: within the mapping, as checked; no reference to it exists anywhere.
        unsafe { core::ptr::copy_nonoverlapping(start, bytes.as_mut_ptr(), bytes.len()) };
        Ok(())
    }

    /// Writes bytes into the client's memory, from an offset on.
    ///
    /// # Errors
    ///
    /// As [`Self::read`]; `STATUS_ACCESS_VIOLATION` if the pages were locked to be read.
    pub fn write<I: AtOrBelowDispatch>(
        &mut self,
        offset: usize,
        bytes: &[u8],
        _irql: &I,
    ) -> Result<()> {
        if self.operation() == LockOperation::Read {
            return Err(Status::ACCESS_VIOLATION);
        }
        let start = self.mapped_at(offset, bytes.len())?;
        // SAFETY: within the mapping, as checked; locked to be written; no reference to it exists.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
        Ok(())
    }

    fn mapped_at(&mut self, offset: usize, bytes: usize) -> Result<*mut u8> {
        // SAFETY: locked, and `&mut self`: nobody else maps it meanwhile.
        let start = unsafe { mdl::system_address(self.mdl()) }?;
        // SAFETY: valid.
        let length = unsafe { mdl::byte_count(self.mdl()) };
        within(start, length, offset, bytes)
    }
}

/// The address of bytes at an offset, if all of them are there.
fn within(start: NonNull<u8>, length: usize, offset: usize, bytes: usize) -> Result<*mut u8> {
    let end = offset.checked_add(bytes);
    if end.is_none_or(|end| end > length) {
        return Err(Status::BUFFER_TOO_SMALL);
    }
    Ok(start.as_ptr().wrapping_add(offset))
}
