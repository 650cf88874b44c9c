//! The memory of a request that a device reads or writes.
//!
//! The rule of the kernel this stands for: memory stays locked for as long as a device may use it,
//! and is locked for what the device does with it. (nf-wdm-mmprobeandlockpages.)

use core::ptr::NonNull;

use wdk_sys::MDL;

use super::{CommonBuffer, Direction};
use crate::{
    Result, Status,
    irp::{Irp, Pending},
    irql::Dispatch,
    mdl::{Pages, UserPages},
    pool::Shared,
    probe::LockOperation,
};

/// The memory of a request, locked, and the request itself.
pub struct TransferMemory {
    irp: Irp<Pending>,
    source: Source,
}

enum Source {
    /// The MDL that the I/O manager made for the IRP.
    Direct(DirectMdl),
    /// A buffer that the client named, locked by the driver.
    User(UserPages),
    /// The driver's own pages.
    Pages(Shared<Pages>),
}

struct DirectMdl(NonNull<MDL>);

// SAFETY: the I/O manager's MDL belongs to the IRP, which may be sent.
unsafe impl Send for DirectMdl {}

impl TransferMemory {
    /// The memory of a read or write with direct I/O.
    ///
    /// # Errors
    ///
    /// The IRP, if it has no MDL.
    pub fn direct(irp: Irp<Pending>) -> core::result::Result<Self, Irp<Pending>> {
        match irp.mdl() {
            Some(mdl) => Ok(Self {
                irp,
                source: Source::Direct(DirectMdl(mdl)),
            }),
            None => Err(irp),
        }
    }

    /// Pages that the client named in its request.
    #[must_use]
    pub const fn user(irp: Irp<Pending>, pages: UserPages) -> Self {
        Self {
            irp,
            source: Source::User(pages),
        }
    }

    /// Pages of the driver's own.
    #[must_use]
    pub const fn pages(irp: Irp<Pending>, pages: Shared<Pages>) -> Self {
        Self {
            irp,
            source: Source::Pages(pages),
        }
    }

    /// The request.
    #[must_use = "to look at the request changes nothing"]
    pub const fn irp(&self) -> &Irp<Pending> {
        &self.irp
    }

    /// Copies the first `length` bytes to a buffer that the device reaches. Nothing may be mapped.
    ///
    /// # Errors
    ///
    /// `STATUS_INVALID_PARAMETER` if either is shorter; `STATUS_INSUFFICIENT_RESOURCES` if the
    /// memory cannot be mapped for the processor.
    pub fn copy_to(&self, buffer: &mut CommonBuffer, length: u32, irql: &Dispatch) -> Result<()> {
        let memory = self.address(buffer, length, irql)?;
        copy(memory, buffer.address, length);
        Ok(())
    }

    /// Copies the first `length` bytes of a buffer that the device has written. Nothing may be
    /// mapped.
    ///
    /// # Errors
    ///
    /// As [`Self::copy_to`].
    pub fn copy_from(&mut self, buffer: &CommonBuffer, length: u32, irql: &Dispatch) -> Result<()> {
        if !self.allows(Direction::FromDevice) {
            return Err(Status::INVALID_PARAMETER);
        }
        let memory = self.address(buffer, length, irql)?;
        copy(buffer.address, memory, length);
        Ok(())
    }

    /// Where the processor reaches it, if it and the buffer have so many bytes.
    fn address(&self, buffer: &CommonBuffer, length: u32, _irql: &Dispatch) -> Result<NonNull<u8>> {
        let mdl = self.mdl();
        // SAFETY: valid while the memory is locked.
        let bytes = unsafe { crate::mdl::byte_count(mdl) };
        if length as usize > bytes || length > buffer.length() {
            return Err(Status::INVALID_PARAMETER);
        }
        // SAFETY: locked, at DISPATCH_LEVEL; only the owner of the request maps it.
        unsafe { crate::mdl::system_address(mdl) }
    }

    /// Unlocks what the driver locked, and gives the request back to be completed. If the memory was
    /// the request's own, `moved` is recorded, which the client is told then, but no more than there
    /// is: only the caller, who programmed the device, knows how many bytes that has moved.
    pub fn into_irp(self, moved: u32) -> Irp<Pending> {
        let Self { mut irp, source } = self;
        if let Source::Direct(DirectMdl(mdl)) = &source {
            // SAFETY: the I/O manager's, and the IRP has not been completed.
            let room = unsafe { crate::mdl::byte_count(*mdl) };
            irp.set_information(room.min(moved as usize));
        }
        drop(source);
        irp
    }

    /// Whether bytes may go this way: memory that was locked for the device to read is not to be
    /// written. The I/O manager locks for the opposite of what its request is called: what a read
    /// reads is written to memory.
    pub(super) fn allows(&self, direction: Direction) -> bool {
        let writable = match &self.source {
            Source::Direct(_) => self.irp.direct_memory_is_writable(),
            Source::User(pages) => pages.operation() == LockOperation::Write,
            Source::Pages(_) => true,
        };
        writable || direction == Direction::ToDevice
    }

    pub(super) fn mdl(&self) -> NonNull<MDL> {
        match &self.source {
            Source::Direct(mdl) => mdl.0,
            Source::User(pages) => pages.mdl(),
            Source::Pages(pages) => pages.mdl(),
        }
    }
}

/// Copies byte by byte, as volatile: a client may change its memory meanwhile.
fn copy(from: NonNull<u8>, to: NonNull<u8>, length: u32) {
    for index in 0..length as usize {
        // SAFETY: the callers have looked at both lengths.
        let from = unsafe { from.add(index) };
        // SAFETY: as above.
        let to = unsafe { to.add(index) };
        // SAFETY: within the first memory, which is mapped.
        let byte = unsafe { from.read_volatile() };
        // SAFETY: within the second, likewise.
        unsafe { to.write_volatile(byte) };
    }
}
