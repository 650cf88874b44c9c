//! A request of a process as an IRP: made, sent, and finished in the thread that made it.
//!
//! Sources: "Methods for Accessing Data Buffers", "Buffer Descriptions for I/O Control Codes",
//! ns-wdm-_irp. NT finishes an IRP in an APC of its thread; here the thread's queue of jobs
//! takes the APC's place.

use alloc::{boxed::Box, sync::Arc, vec::Vec};
use core::ffi::c_void;

use nthost_nt::{
    io::{
        device::{DEVICE_OBJECT, DO_BUFFERED_IO, DO_DIRECT_IO},
        file::{FILE_OBJECT, FO_SYNCHRONOUS_IO},
        irp::{
            IRP, IRP_BUFFERED_IO, IRP_DEALLOCATE_BUFFER, IRP_INPUT_OPERATION, IRP_READ_OPERATION,
            IRP_SYNCHRONOUS_API, IRP_WRITE_OPERATION,
        },
        major::{IRP_MJ_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE},
    },
    status::{NTSTATUS, STATUS_INSUFFICIENT_RESOURCES, STATUS_MORE_PROCESSING_REQUIRED, nt_error},
};
use nthost_protocol::{Completion, RequestId};

use super::{
    buffer::{self, UserBuffer},
    client::Client,
};
use crate::{
    io::{
        call, device, finish,
        irp::{self, Origin},
        request,
    },
    ke::thread,
    mm::{guarded, mdl, pool},
    ob::object,
};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub enum Operation {
    /// A read at an offset.
    Read(u64),
    /// A write at an offset.
    Write(u64),
    /// A device-control request with this code.
    DeviceControl(u32),
}

/// A request on its way.
pub struct Request {
    /// As the client knows it.
    pub id: RequestId,
    /// The thread that made it.
    pub client: Arc<Client>,
    /// The file, of which this has a reference.
    pub file: *mut FILE_OBJECT,
    /// The highest device of the file's stack, which the IRP goes to.
    device: *mut DEVICE_OBJECT,
    /// The packet; null once it is complete and gone.
    pub irp: *mut IRP,
    /// What it was when it was complete, without its stack locations.
    ended: Option<Box<IRP>>,
    input: UserBuffer,
    output: UserBuffer,
    operation: Operation,
}

#[expect(
    clippy::non_send_fields_in_send_ty,
    reason = "what a completed IRP's pointers lead to belongs to the request, and goes with it"
)]
// SAFETY: a request belongs to one thread at a time: its maker, then its finisher.
unsafe impl Send for Request {}

/// How the device wants a request's buffers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Buffered,
    /// The output buffer is described by an MDL, to be read or written by the device.
    Direct {
        device_reads: bool,
    },
    Neither,
}

impl Request {
    /// Prepares a request. It takes over the caller's reference to the file, and the buffers, also
    /// where it fails.
    ///
    /// # Errors
    ///
    /// What the I/O manager finds wrong with it, before the driver sees it.
    pub fn new(
        id: RequestId,
        client: &Arc<Client>,
        file: *mut FILE_OBJECT,
        operation: Operation,
        input: UserBuffer,
        output: UserBuffer,
    ) -> Result<Box<Self>, NTSTATUS> {
        // SAFETY: the caller has a reference to the file.
        let device = device::highest(unsafe { (*file).DeviceObject });
        // SAFETY: the device of an open file exists.
        let stack_count = unsafe { (*device).StackSize };
        let irp = irp::allocate(stack_count, Origin::System, 0);
        if irp.is_null() {
            input.release(&client.process.space);
            output.release(&client.process.space);
            object::dereference(file.cast());
            return Err(STATUS_INSUFFICIENT_RESOURCES);
        }
        let client = client.clone();
        let request = Box::new(Self {
            id,
            client,
            file,
            device,
            irp,
            ended: None,
            input,
            output,
            operation,
        });
        match request.set_up() {
            Ok(()) => Ok(request),
            Err(status) => {
                request.release();
                Err(status)
            }
        }
    }

    fn method(&self) -> Method {
        match self.operation {
            Operation::DeviceControl(code) => match code & 3 {
                0 => Method::Buffered,
                1 => Method::Direct { device_reads: true },
                2 => Method::Direct {
                    device_reads: false,
                },
                _ => Method::Neither,
            },
            Operation::Read(_) | Operation::Write(_) => {
                // SAFETY: the device of an open file exists.
                let flags = unsafe { (*self.device).Flags };
                if flags & DO_BUFFERED_IO != 0 {
                    Method::Buffered
                } else if flags & DO_DIRECT_IO != 0 {
                    Method::Direct {
                        device_reads: matches!(self.operation, Operation::Write(_)),
                    }
                } else {
                    Method::Neither
                }
            }
        }
    }

    /// Fills in the IRP and its first stack location.
    fn set_up(&self) -> Result<(), NTSTATUS> {
        // SAFETY: the IRP is this request's alone.
        let packet = unsafe { &mut *self.irp };
        packet.RequestorMode = 1;
        packet.overlay_mut().Thread = thread::current().cast();
        packet.overlay_mut().OriginalFileObject = self.file;
        if self.is_synchronous() {
            packet.Flags |= IRP_SYNCHRONOUS_API;
        }
        // SAFETY: as above.
        let location = unsafe { irp::next(self.irp) };
        location.FileObject = self.file;
        let (input, output) = (self.input, self.output);
        let method = self.method();
        match self.operation {
            Operation::Read(offset) => {
                location.MajorFunction = IRP_MJ_READ;
                packet.Flags |= IRP_READ_OPERATION;
                let parameters = location.Parameters.read_write_mut();
                (parameters.Length, parameters.ByteOffset) = (output.length, offset as i64);
            }
            Operation::Write(offset) => {
                location.MajorFunction = IRP_MJ_WRITE;
                packet.Flags |= IRP_WRITE_OPERATION;
                let parameters = location.Parameters.read_write_mut();
                (parameters.Length, parameters.ByteOffset) = (input.length, offset as i64);
            }
            Operation::DeviceControl(code) => {
                location.MajorFunction = IRP_MJ_DEVICE_CONTROL;
                let parameters = location.Parameters.device_io_control_mut();
                parameters.IoControlCode = code;
                parameters.InputBufferLength = input.length;
                parameters.OutputBufferLength = output.length;
                if method == Method::Neither {
                    parameters.Type3InputBuffer = pointer(input.address);
                }
            }
        }
        match method {
            Method::Buffered => self.buffer(packet, input.length.max(output.length)),
            Method::Direct { device_reads } => {
                let data = match self.operation {
                    Operation::DeviceControl(_) => {
                        self.buffer_input(packet, input.length)?;
                        output
                    }
                    Operation::Read(_) => output,
                    Operation::Write(_) => input,
                };
                Self::describe(packet, data, !device_reads)
            }
            Method::Neither => {
                let data = match self.operation {
                    Operation::Write(_) => input,
                    _ => output,
                };
                // Drivers check such addresses themselves.
                packet.UserBuffer = pointer(data.address);
                Ok(())
            }
        }
    }

    /// Buffered I/O: a system buffer that holds the input, and takes the output.
    fn buffer(&self, packet: &mut IRP, length: u32) -> Result<(), NTSTATUS> {
        let output = self.output;
        buffer::check(
            &self.client.process.space,
            output.address,
            u64::from(output.length),
            true,
        )?;
        packet.UserBuffer = pointer(output.address);
        self.buffer_input(packet, length)?;
        // The pointer decides, not the length: a driver that tells of more bytes than the buffer
        // has, even of any at all for a buffer of none, has them written there.
        if length != 0 && output.address != 0 {
            packet.Flags |= IRP_INPUT_OPERATION;
        }
        Ok(())
    }

    /// A system buffer of this length with the input in it.
    fn buffer_input(&self, packet: &mut IRP, length: u32) -> Result<(), NTSTATUS> {
        let space = &self.client.process.space;
        let input = self.input;
        // What is not there is found before there is memory for it.
        buffer::check(space, input.address, u64::from(input.length), false)?;
        if length == 0 {
            return Ok(());
        }
        let memory =
            guarded::allocate_buffer(length as usize).ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        *packet.AssociatedIrp.system_buffer_mut() = memory.cast();
        packet.Flags |= IRP_BUFFERED_IO | IRP_DEALLOCATE_BUFFER;
        if input.length == 0 {
            return Ok(());
        }
        // SAFETY: the memory was just allocated, and is at least as long as the input.
        unsafe { buffer::copy_from(space, input.address, memory, input.length as usize) }
    }

    /// Direct I/O: an MDL with the buffer's pages locked.
    fn describe(packet: &mut IRP, data: UserBuffer, write: bool) -> Result<(), NTSTATUS> {
        if data.length == 0 {
            return Ok(());
        }
        let mdl = mdl::allocate(data.address, u64::from(data.length), 0)
            .ok_or(STATUS_INSUFFICIENT_RESOURCES)?;
        if let Err(status) = mdl::lock_user(mdl, write) {
            // SAFETY: it was just made.
            unsafe { mdl::free(mdl) };
            return Err(status);
        }
        packet.MdlAddress = mdl;
        Ok(())
    }

    /// Whether the thread waits for it.
    pub fn is_synchronous(&self) -> bool {
        // SAFETY: the request has a reference to the file.
        unsafe { (*self.file).Flags & FO_SYNCHRONOUS_IO != 0 }
    }

    /// Sends it. It may be complete, and finished by its thread's next job, when this returns.
    pub fn send(self: Box<Self>) {
        let (device, irp) = (self.device, self.irp);
        // SAFETY: the IRP is this request's alone until it is sent.
        let location = unsafe { irp::next(irp) };
        request::on_completion(location, completed, Box::into_raw(self).cast());
        // SAFETY: the device exists as long as the file is open; the location is set up.
        let _status = unsafe { call::send(device, irp, 0) };
    }

    /// Hands its results to the process, and gives everything back. In its thread, once.
    pub fn finish(&self) -> Completion {
        let space = &self.client.process.space;
        // SAFETY: the IRP is complete, and this is it or what it was.
        let packet = unsafe { &*self.packet() };
        let information = packet.IoStatus.Information as u64;
        let status = match packet.IoStatus.status() {
            status if nt_error(status) => status,
            status => self.copy_back(packet).err().unwrap_or(status),
        };
        let data = if nt_error(status) {
            Vec::new()
        } else {
            self.output.take(space, information)
        };
        let completion = Completion {
            id: self.id,
            status,
            information,
            data,
        };
        self.release();
        completion
    }

    /// The packet, or what it was when it was complete.
    fn packet(&self) -> *mut IRP {
        let ended = self.ended.as_deref();
        ended.map_or(self.irp, |ended| core::ptr::from_ref(ended).cast_mut())
    }

    /// The IRP is complete, and no driver's any more: whoever still touches it is to fault, where
    /// freed memory does that. If it is being canceled at this moment it stays until
    /// [`Self::release`].
    fn end(&mut self) {
        if !pool::is_special(false) {
            return;
        }
        // SAFETY: the IRP is back at its maker, this request.
        self.ended = Some(Box::new(unsafe { self.irp.read() }));
        if self.client.process.let_irp_go(self.id) {
            // SAFETY: nobody cancels it any more, and what it was has been kept.
            unsafe { irp::free(self.irp) };
            self.irp = core::ptr::null_mut();
        }
    }

    /// Copies the output of a buffered request to the process, as the I/O manager does: as many
    /// bytes as `Information` says. ("Failure to Check the Size of Buffers".)
    ///
    /// # Errors
    ///
    /// `STATUS_ACCESS_VIOLATION` where the process has no memory: the request ends with it, though
    /// the driver has done it.
    fn copy_back(&self, packet: &IRP) -> Result<(), NTSTATUS> {
        let wanted = IRP_BUFFERED_IO | IRP_INPUT_OPERATION;
        let from = packet.AssociatedIrp.system_buffer().cast::<u8>();
        if packet.Flags & wanted != wanted || from.is_null() {
            return Ok(());
        }
        // SAFETY: the driver's promise. What lies behind the system buffer faults.
        let bytes = unsafe { core::slice::from_raw_parts(from, packet.IoStatus.Information) };
        buffer::write(&self.client.process.space, self.output.address, bytes)
    }

    /// Gives everything back: of a request that was not sent, or is complete.
    pub fn release(&self) {
        let packet = self.packet();
        // SAFETY: the IRP is this request's alone: not sent yet, or complete.
        let mdl = core::mem::replace(unsafe { &mut (*packet).MdlAddress }, core::ptr::null_mut());
        if !mdl.is_null() {
            // SAFETY: its pages were locked when it was made, and the driver is done with it.
            unsafe { mdl::MmUnlockPages(mdl) };
            // SAFETY: nobody uses it any more.
            unsafe { mdl::free(mdl) };
        }
        // SAFETY: as above.
        unsafe { finish::release_buffers(packet) };
        if !self.irp.is_null() {
            // SAFETY: as above.
            unsafe { irp::free(self.irp) };
        }
        self.input.release(&self.client.process.space);
        self.output.release(&self.client.process.space);
        object::dereference(self.file.cast());
    }
}

fn pointer(address: u64) -> *mut c_void {
    core::ptr::with_exposed_provenance_mut(address as usize)
}

/// The IRP is back at the top of its stack: its thread finishes it.
unsafe extern "win64" fn completed(
    _device: *mut DEVICE_OBJECT,
    _irp: *mut IRP,
    context: *mut c_void,
) -> NTSTATUS {
    // SAFETY: `send` leaked it for this.
    let mut request = unsafe { Box::from_raw(context.cast::<Request>()) };
    request.end();
    let client = request.client.clone();
    client.queue_complete(request);
    STATUS_MORE_PROCESSING_REQUIRED
}

/// How a request ended that was not sent.
pub fn refused(id: RequestId, status: NTSTATUS) -> Completion {
    Completion {
        id,
        status,
        information: 0,
        data: Vec::new(),
    }
}
