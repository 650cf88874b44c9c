//! The buffers of an IRP that the I/O manager has copied: a system buffer.
//!
//! The rule of the kernel this stands for: where a request's buffers are follows from its method, and
//! how many bytes a client gets is what the driver says, at its own risk: here it is what was written.
//! ("Buffer Descriptions for I/O Control Codes", "Using Buffered I/O", "Failure to Check the Size of
//! Buffers".)
//!
//! What the I/O manager has copied nobody else changes, so it is a slice for as long as the request is
//! borrowed. Memory of the client's own is in [`super::direct`].

use core::ptr::NonNull;

use wdk_sys::{DO_BUFFERED_IO, IRP_MJ_READ, IRP_MJ_WRITE};

use super::{Irp, State};
use crate::{Status, control::Method, raw};

/// A system buffer, and the bytes of it that may be read and written.
struct SystemBuffer {
    start: NonNull<u8>,
    input_length: usize,
    output_length: usize,
}

impl<S: State> Irp<S> {
    /// The system buffer of a device-control request, or of a read or a write of a device with
    /// buffered I/O, if it has one. Only codes with METHOD_BUFFERED have output there.
    #[inline]
    fn system_buffer(&self) -> Option<SystemBuffer> {
        let (input_length, output_length) = if let Some(control) = self.device_control() {
            match Method::of(control.code) {
                Method::Neither => return None,
                Method::Buffered => (control.input_length, control.output_length),
                Method::InDirect | Method::OutDirect => (control.input_length, 0),
            }
        } else {
            let length = self.read_write()?.length as usize;
            if !self.is_buffered() {
                return None;
            }
            match u32::from(self.major()) {
                IRP_MJ_WRITE => (length, 0),
                IRP_MJ_READ => (0, length),
                _ => return None,
            }
        };
        // SAFETY: the I/O manager made a system buffer for these methods.
        let buffer = unsafe { raw::system_buffer(self.irp) };
        Some(SystemBuffer {
            start: NonNull::new(buffer.cast())?,
            input_length,
            output_length,
        })
    }

    /// Whether the request's device has its reads and writes buffered.
    fn is_buffered(&self) -> bool {
        // SAFETY: owned.
        let object = unsafe { raw::device_object(self.irp) };
        // SAFETY: its device, which the IRP's remove lock keeps; the flag does not change.
        let flags = unsafe { (*object.as_ptr()).Flags };
        flags & DO_BUFFERED_IO != 0
    }

    /// What the client has sent, as the I/O manager has copied it, so that the client cannot change it
    /// any more: the input of a device-control request, or the data of a buffered IRP_MJ_WRITE. Empty
    /// where there is none.
    #[must_use]
    #[inline]
    pub fn input(&self) -> &[u8] {
        let Some(buffer) = self.system_buffer() else {
            return &[];
        };
        // SAFETY: the system buffer has this many bytes of input, and lives as long as the IRP.
        unsafe { core::slice::from_raw_parts(buffer.start.as_ptr(), buffer.input_length) }
    }

    /// Writes the answer of a METHOD_BUFFERED request or the data of a buffered IRP_MJ_READ, and
    /// records its length: when the request is completed, the I/O manager copies that many bytes to the
    /// client.
    ///
    /// # Errors
    ///
    /// `STATUS_BUFFER_TOO_SMALL` if it does not fit; nothing is written.
    pub fn write_output(&mut self, bytes: &[u8]) -> crate::Result<()> {
        let buffer = self.system_buffer().ok_or(Status::BUFFER_TOO_SMALL)?;
        if bytes.len() > buffer.output_length {
            return Err(Status::BUFFER_TOO_SMALL);
        }
        // SAFETY: checked to fit the system buffer, which nobody else touches meanwhile.
        unsafe {
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), buffer.start.as_ptr(), bytes.len());
        }
        self.set_information(bytes.len());
        Ok(())
    }

    /// Records how many bytes were moved, for a request whose bytes the I/O manager does not copy: a
    /// write, or one whose buffer is the client's own memory. The client is told when the request is
    /// completed: that number, or as many as its buffer has, if it has fewer. For any other this
    /// changes nothing: [`Self::write_output`] records there.
    pub fn set_moved(&mut self, bytes: usize) {
        let limit = if let Some(control) = self.device_control() {
            match Method::of(control.code) {
                Method::Buffered => return,
                Method::InDirect | Method::OutDirect | Method::Neither => control.output_length,
            }
        } else {
            let is_copied = u32::from(self.major()) == IRP_MJ_READ && self.is_buffered();
            match self.read_write() {
                Some(parameters) if !is_copied => parameters.length as usize,
                _ => return,
            }
        };
        self.set_information(bytes.min(limit));
    }
}
