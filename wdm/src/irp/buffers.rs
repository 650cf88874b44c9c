//! The buffers of an IRP.
//!
//! The rule of the kernel this stands for: where a request's buffers are follows from its method, and
//! how many bytes a client gets is what the driver says, at its own risk: here it is what was written.
//! ("Buffer Descriptions for I/O Control Codes", "Failure to Check the Size of Buffers".)

use core::{marker::PhantomData, ptr::NonNull};

use wdk_sys::{IRP, IRP_MJ_READ, MDL};

use super::{Irp, State};
use crate::{Status, irql::AtOrBelowDispatch, raw};

impl<S: State> Irp<S> {
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
