//! IRPs that the I/O manager sets up for drivers: with buffers as the target device and the
//! request want them, so that the driver need only send them.
//!
//! Sources: IoBuildAsynchronousFsdRequest, IoBuildSynchronousFsdRequest,
//! IoBuildDeviceIoControlRequest, IoMakeAssociatedIrp, "Methods for Accessing Data Buffers",
//! "Buffer Descriptions for I/O Control Codes". What becomes of them is in [`super::finish`].
//!
//! The system buffers are pool: a completion routine that keeps an asynchronous IRP frees its
//! buffer by ExFreePool, as the reference's "Different ways of handling IRPs" shows.

use core::{ffi::c_void, ptr::null_mut};

use nthost_nt::{
    io::{
        device::{DEVICE_OBJECT, DO_BUFFERED_IO, DO_DIRECT_IO},
        irp::{
            IO_STATUS_BLOCK, IRP, IRP_ASSOCIATED_IRP, IRP_BUFFERED_IO, IRP_DEALLOCATE_BUFFER,
            IRP_INPUT_OPERATION, IRP_READ_OPERATION, IRP_WRITE_OPERATION,
        },
        major::{
            IRP_MJ_DEVICE_CONTROL, IRP_MJ_FLUSH_BUFFERS, IRP_MJ_INTERNAL_DEVICE_CONTROL,
            IRP_MJ_PNP, IRP_MJ_READ, IRP_MJ_SHUTDOWN, IRP_MJ_WRITE,
        },
    },
    ke::KEVENT,
    status::STATUS_SUCCESS,
};

use super::{
    finish,
    irp::{self, Origin},
    thread_end, verify,
};
use crate::{
    ke::{process, thread},
    mm::{
        mdl,
        pool::{self, flags},
    },
};

/// The tag of system buffers.
const TAG: u32 = u32::from_le_bytes(*b"IoSB");

/// `IoReadAccess`: the device reads the buffer.
const IO_READ_ACCESS: i32 = 0;
/// `IoWriteAccess`: the device writes the buffer.
const IO_WRITE_ACCESS: i32 = 1;

/// A buffer in system memory.
#[derive(Clone, Copy)]
pub(super) struct Buffer {
    /// Where it begins; null, if there is none.
    pub(super) address: *mut c_void,
    /// Its bytes.
    pub(super) length: u32,
}

impl Buffer {
    /// No bytes, wherever they would be.
    const fn is_empty(self) -> bool {
        self.address.is_null() || self.length == 0
    }
}

/// An IRP that is being set up: freed with its buffers unless it is handed out.
pub(super) struct Built {
    /// The IRP.
    pub(super) irp: *mut IRP,
    caller: usize,
}

impl Built {
    /// An IRP of this thread's for a device; none if there is no memory.
    ///
    /// # Safety
    ///
    /// The device exists.
    pub(super) unsafe fn new(
        device: *mut DEVICE_OBJECT,
        origin: Origin,
        caller: usize,
    ) -> Option<Self> {
        // SAFETY: the caller's promise.
        let stack_count = unsafe { (*device).StackSize };
        let irp = irp::allocate(stack_count, origin, caller);
        if irp.is_null() {
            return None;
        }
        let built = Self { irp, caller };
        built.packet().overlay_mut().Thread = thread::current().cast();
        if origin == Origin::Synchronous {
            *built.packet().issuing_process_mut() = process::current();
            thread_end::insert(built.packet());
        }
        Some(built)
    }

    /// Its fields.
    #[expect(
        clippy::mut_from_ref,
        reason = "the IRP lies behind a pointer, and is this value's alone"
    )]
    pub(super) const fn packet(&self) -> &mut IRP {
        // SAFETY: the IRP exists, and nobody else knows it yet.
        unsafe { &mut *self.irp }
    }

    /// A system buffer of this length with the input in it, if there is any.
    pub(super) fn buffer(&self, length: u32, input: Buffer) -> Option<()> {
        if length == 0 {
            return Some(());
        }
        let size = u64::from(length);
        let memory = pool::allocate(flags::NON_PAGED, size, TAG, self.caller as u64)?;
        let memory = core::ptr::with_exposed_provenance_mut::<u8>(memory as usize);
        if !input.is_empty() {
            let count = input.length.min(length) as usize;
            // SAFETY: the driver's input, and memory that is at least as long.
            unsafe { memory.copy_from_nonoverlapping(input.address.cast(), count) };
        }
        let packet = self.packet();
        *packet.AssociatedIrp.system_buffer_mut() = memory.cast();
        packet.Flags |= IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER;
        Some(())
    }

    /// An MDL with the buffer's pages locked.
    fn describe(&self, data: Buffer, operation: i32) -> Option<()> {
        if data.is_empty() {
            return Some(());
        }
        let (address, caller) = (data.address as u64, self.caller as u64);
        let made = mdl::allocate(address, data.length.into(), caller)?;
        if mdl::lock(made, false, operation, caller).is_err() {
            // SAFETY: it was just made, and nothing of it is locked.
            unsafe { mdl::free(made) };
            return None;
        }
        self.packet().MdlAddress = made;
        Some(())
    }

    /// Hands the IRP out.
    pub(super) const fn hand_out(self) -> *mut IRP {
        let irp = self.irp;
        core::mem::forget(self);
        irp
    }
}

impl Drop for Built {
    fn drop(&mut self) {
        // SAFETY: the IRP is this value's alone.
        unsafe { finish::release_buffers(self.irp) };
        // SAFETY: as above.
        unsafe { irp::free(self.irp) };
    }
}

/// A read, write, flush, shutdown or PnP request.
///
/// # Safety
///
/// The device exists; the buffer is as long as it says; `offset` is null or can be read.
pub(super) unsafe fn build_fsd(
    device: *mut DEVICE_OBJECT,
    major: u8,
    data: Buffer,
    offset: *const i64,
    (origin, caller): (Origin, usize),
) -> Option<Built> {
    let known = [
        IRP_MJ_READ,
        IRP_MJ_WRITE,
        IRP_MJ_FLUSH_BUFFERS,
        IRP_MJ_SHUTDOWN,
        IRP_MJ_PNP,
    ];
    if !known.contains(&major) {
        return None;
    }
    // SAFETY: the caller's promise.
    let built = unsafe { Built::new(device, origin, caller) }?;
    // SAFETY: the IRP was made with at least one location.
    let location = unsafe { irp::next(built.irp) };
    location.MajorFunction = major;
    if !matches!(major, IRP_MJ_READ | IRP_MJ_WRITE) {
        return Some(built);
    }
    let parameters = location.Parameters.read_write_mut();
    parameters.Length = data.length;
    // SAFETY: the caller's promise.
    parameters.ByteOffset = unsafe { offset.as_ref() }.copied().unwrap_or(0);
    let reads = major == IRP_MJ_READ;
    let packet = built.packet();
    packet.Flags |= if reads {
        IRP_READ_OPERATION
    } else {
        IRP_WRITE_OPERATION
    };
    // SAFETY: the caller's promise.
    let wanted = unsafe { (*device).Flags };
    if wanted & DO_BUFFERED_IO != 0 {
        let input = Buffer {
            length: if reads { 0 } else { data.length },
            ..data
        };
        built.buffer(data.length, input)?;
        if reads {
            packet.UserBuffer = data.address;
            packet.Flags |= IRP_INPUT_OPERATION;
        }
    } else if wanted & DO_DIRECT_IO != 0 {
        // A read from the device is written to the buffer.
        built.describe(
            data,
            if reads {
                IO_WRITE_ACCESS
            } else {
                IO_READ_ACCESS
            },
        )?;
    } else {
        packet.UserBuffer = data.address;
    }
    Some(built)
}

/// The buffers of a device control request, as its code says.
pub(super) fn set_up_control(
    built: &Built,
    code: u32,
    input: Buffer,
    output: Buffer,
) -> Option<()> {
    let packet = built.packet();
    // SAFETY: the IRP was made with at least one location.
    let location = unsafe { irp::next(built.irp) };
    let parameters = location.Parameters.device_io_control_mut();
    parameters.IoControlCode = code;
    parameters.InputBufferLength = input.length;
    parameters.OutputBufferLength = output.length;
    match code & 3 {
        0 => {
            packet.UserBuffer = output.address;
            built.buffer(input.length.max(output.length), input)?;
            // The pointer decides, not the length.
            if !output.address.is_null() {
                packet.Flags |= IRP_INPUT_OPERATION;
            }
        }
        method @ (1 | 2) => {
            if !input.is_empty() {
                built.buffer(input.length, input)?;
            }
            let direction = if method == 1 {
                IO_READ_ACCESS
            } else {
                IO_WRITE_ACCESS
            };
            built.describe(output, direction)?;
        }
        _ => {
            packet.UserBuffer = output.address;
            parameters.Type3InputBuffer = input.address;
        }
    }
    Some(())
}

nt_export! {
    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: null_mut();
    /// Makes an IRP for a read, write, flush, shutdown or PnP request that the caller's
    /// completion routine frees; NULL if there is no memory or its buffer cannot be locked.
    ///
    /// Source: IoBuildAsynchronousFsdRequest.
    ///
    /// # Safety
    ///
    /// The device exists; the buffer is as long as it says; the others are null, or can be
    /// read and written.
    pub unsafe fn IoBuildAsynchronousFsdRequest(
        major: u32,
        device: *mut DEVICE_OBJECT,
        buffer: *mut c_void,
        length: u32,
        offset: *const i64,
        status: *mut IO_STATUS_BLOCK,
    ) -> *mut IRP {
        let data = Buffer { address: buffer, length };
        let made_by = (Origin::Asynchronous, verify::caller());
        // SAFETY: the caller's promise.
        let Some(built) = (unsafe { build_fsd(device, major as u8, data, offset, made_by) }) else {
            return null_mut();
        };
        built.packet().UserIosb = status;
        built.hand_out()
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: null_mut();
    /// Makes an IRP for a read, write, flush, shutdown or PnP request that the I/O manager
    /// frees when it is complete; it sets the event then. NULL if there is no memory or its
    /// buffer cannot be locked.
    ///
    /// Source: IoBuildSynchronousFsdRequest.
    ///
    /// # Safety
    ///
    /// The device exists; the buffer is as long as it says; `offset` is null or can be read;
    /// the event and the status block stay until the IRP is complete.
    pub unsafe fn IoBuildSynchronousFsdRequest(
        major: u32,
        device: *mut DEVICE_OBJECT,
        buffer: *mut c_void,
        length: u32,
        offset: *const i64,
        event: *mut KEVENT,
        status: *mut IO_STATUS_BLOCK,
    ) -> *mut IRP {
        let data = Buffer { address: buffer, length };
        let made_by = (Origin::Synchronous, verify::caller());
        // SAFETY: the caller's promise.
        let Some(built) = (unsafe { build_fsd(device, major as u8, data, offset, made_by) }) else {
            return null_mut();
        };
        let packet = built.packet();
        packet.UserIosb = status;
        packet.UserEvent = event;
        built.hand_out()
    }

    irql: PASSIVE_LEVEL..=APC_LEVEL;
    fails: null_mut();
    /// Makes an IRP for a device control request that the I/O manager frees when it is
    /// complete; it copies the output back and sets the event then. NULL if there is no memory
    /// or its output buffer cannot be locked.
    ///
    /// Source: IoBuildDeviceIoControlRequest.
    ///
    /// # Safety
    ///
    /// The device exists; the buffers are as long as they say, and stay like the event and the
    /// status block until the IRP is complete.
    pub unsafe fn IoBuildDeviceIoControlRequest(
        code: u32,
        device: *mut DEVICE_OBJECT,
        input: *mut c_void,
        input_length: u32,
        output: *mut c_void,
        output_length: u32,
        internal: u8,
        event: *mut KEVENT,
        status: *mut IO_STATUS_BLOCK,
    ) -> *mut IRP {
        let origin = Origin::Synchronous;
        // SAFETY: the caller's promise.
        let Some(built) = (unsafe { Built::new(device, origin, verify::caller()) }) else {
            return null_mut();
        };
        // SAFETY: the IRP was made with at least one location.
        unsafe { irp::next(built.irp) }.MajorFunction = if internal == 0 {
            IRP_MJ_DEVICE_CONTROL
        } else {
            IRP_MJ_INTERNAL_DEVICE_CONTROL
        };
        let input = Buffer { address: input, length: input_length };
        let output = Buffer { address: output, length: output_length };
        if set_up_control(&built, code, input, output).is_none() {
            return null_mut();
        }
        let packet = built.packet();
        packet.UserIosb = status;
        packet.UserEvent = event;
        built.hand_out()
    }

    irql: PASSIVE_LEVEL..=DISPATCH_LEVEL;
    fails: null_mut();
    /// Makes an IRP that is a part of another. The caller has set the other's count of parts;
    /// with the last of them that is complete, the other is completed.
    ///
    /// Source: IoMakeAssociatedIrp.
    ///
    /// # Safety
    ///
    /// The master IRP is the caller's.
    pub unsafe fn IoMakeAssociatedIrp(master: *mut IRP, stack_size: i8) -> *mut IRP {
        let caller = verify::caller();
        let irp = irp::allocate(stack_size, Origin::Associated, caller);
        // SAFETY: null, or an IRP that was just made.
        let Some(packet) = (unsafe { irp.as_mut() }) else {
            return null_mut();
        };
        packet.Flags |= IRP_ASSOCIATED_IRP;
        *packet.AssociatedIrp.master_mut() = master;
        packet.IoStatus = IO_STATUS_BLOCK::new(STATUS_SUCCESS, 0);
        // SAFETY: the caller's promise.
        packet.overlay_mut().Thread = unsafe { (*master).overlay().Thread };
        irp
    }
}
