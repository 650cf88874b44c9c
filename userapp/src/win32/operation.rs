//! One request as Windows sees it: the `OVERLAPPED` structure, and the buffers that the
//! driver may use until the request has ended.
//!
//! An operation has two owners while it is outstanding: the sender, and the system. The
//! system's share is given with the pointer to the `OVERLAPPED` structure and taken back when
//! that pointer comes out of the completion port.

use std::{
    cell::UnsafeCell,
    sync::{Arc, Weak},
};

use windows::Win32::{
    Foundation::STATUS_PENDING,
    System::IO::{OVERLAPPED, OVERLAPPED_0, OVERLAPPED_0_0},
};

use super::file::Outstanding;
use crate::{
    io::{Completion, IoStatus},
    status::Status,
};

/// An outstanding request.
///
/// # Invariants
///
/// Between [`Self::lend`] and [`Self::take_back`] or [`Self::withdraw`] the system may write
/// `overlapped` and `output`; nobody else touches `output` then, and `overlapped` is only read,
/// a word at a time.
#[repr(C)]
pub struct Operation {
    /// First, so that a pointer to it is one to the operation.
    overlapped: UnsafeCell<OVERLAPPED>,
    /// What the driver reads; never written.
    pub input: Vec<u8>,
    /// What the driver writes.
    output: UnsafeCell<Vec<u8>>,
    completion: Arc<Completion>,
    key: u64,
    outstanding: Weak<Outstanding>,
}

#[expect(
    clippy::non_send_fields_in_send_ty,
    reason = "what OVERLAPPED points to is used by the system alone"
)]
// SAFETY: the cells are used as the invariant says, by one thread or the system at a time; the
// rest is shared by types that may be.
unsafe impl Send for Operation {}
// SAFETY: as above.
unsafe impl Sync for Operation {}

impl Operation {
    pub fn new(
        offset: u64,
        input: Vec<u8>,
        output_length: usize,
        completion: Arc<Completion>,
        key: u64,
        outstanding: &Arc<Outstanding>,
    ) -> Arc<Self> {
        // Offset and OffsetHigh are the two halves.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the low half is what is wanted"
        )]
        let halves = OVERLAPPED_0_0 {
            Offset: offset as u32,
            OffsetHigh: (offset >> 32) as u32,
        };
        Arc::new(Self {
            overlapped: UnsafeCell::new(OVERLAPPED {
                Internal: STATUS_PENDING.0 as usize,
                Anonymous: OVERLAPPED_0 { Anonymous: halves },
                ..OVERLAPPED::default()
            }),
            input,
            output: UnsafeCell::new(vec![0; output_length]),
            completion,
            key,
            outstanding: Arc::downgrade(outstanding),
        })
    }

    /// Gives the system its share.
    pub fn lend(self: &Arc<Self>) -> *mut OVERLAPPED {
        Arc::into_raw(Arc::clone(self)).cast_mut().cast()
    }

    /// Where the driver writes.
    ///
    /// # Safety
    ///
    /// The operation has not been sent yet.
    pub unsafe fn output(&self) -> &'static mut [u8] {
        let output = self.output.get();
        // SAFETY: nobody else has a reference to the buffer before the operation is sent.
        let output = unsafe { &mut *output };
        let (start, length) = (output.as_mut_ptr(), output.len());
        // SAFETY: the buffer stays where it is until the operation is freed, which the system's
        // share in it puts off until the system is done with it.
        unsafe { std::slice::from_raw_parts_mut(start, length) }
    }

    /// Whether the system says that the request is still under way, or was refused before it
    /// was.
    pub fn is_pending(&self) -> bool {
        let overlapped = self.overlapped.get();
        // SAFETY: the structure is alive as long as `self`, and only the address is taken.
        let internal = unsafe { &raw const (*overlapped).Internal };
        // SAFETY: the system writes this word whole.
        let internal = unsafe { internal.read_volatile() };
        internal == STATUS_PENDING.0 as usize
    }

    /// Takes the system's share back and announces how the request ended.
    ///
    /// # Safety
    ///
    /// `overlapped` comes out of the completion port, where [`Self::lend`]'s result went in.
    pub unsafe fn take_back(overlapped: *mut OVERLAPPED) {
        // SAFETY: the caller's promise: this is the share that `lend` gave.
        let operation = unsafe { Arc::from_raw(overlapped.cast::<Self>()) };
        // SAFETY: the system is done with it.
        let overlapped = unsafe { operation.overlapped.get().read() };
        // SAFETY: likewise, and whoever sent it does not touch the buffer.
        let output = unsafe { &mut *operation.output.get() };
        // The kernel's status is 32 bits of it.
        #[expect(clippy::cast_possible_truncation, reason = "an NTSTATUS has 32 bits")]
        let status = Status::Nt(overlapped.Internal as u32);
        operation.finish(IoStatus {
            status,
            information: overlapped.InternalHigh as u64,
            data: std::mem::take(output),
        });
    }

    /// Takes the system's share back for a request that was refused at once, and announces
    /// that.
    ///
    /// # Safety
    ///
    /// `overlapped` is [`Self::lend`]'s result, and will not come out of the completion port.
    pub unsafe fn withdraw(overlapped: *mut OVERLAPPED, status: Status) {
        // SAFETY: the caller's promise: this is the share that `lend` gave.
        let operation = unsafe { Arc::from_raw(overlapped.cast::<Self>()) };
        operation.finish(IoStatus {
            status,
            information: 0,
            data: Vec::new(),
        });
    }

    fn finish(&self, status: IoStatus) {
        // Off the list first: its address is of no use to a cancellation any more.
        if let Some(outstanding) = self.outstanding.upgrade() {
            outstanding.remove(self.key);
        }
        self.completion.complete(Ok(status));
    }
}
