//! A request that is made again and again: its IRP, its buffer, and what it took.
//!
//! The rule of the kernel this stands for: an IRP that a driver has allocated is used again after
//! IoReuseIrp, when its completion routine has taken it back by STATUS_MORE_PROCESSING_REQUIRED; its
//! buffers are the driver's own business. (nf-wdm-ioreuseirp, "Using IRP Completion Routines".)

use core::{ffi::c_void, ptr::NonNull};

use eduwdm_abi::{
    Header, Ioctl,
    bench::Kind,
    edu::{FactorialInput, FactorialOutput, Identity},
};
use wdm::{
    Result, Status,
    irql::Passive,
    pool::PoolBox,
    time::Instant,
    wdk_sys::{
        DEVICE_OBJECT, IO_STACK_LOCATION, IRP, IRP_MJ_DEVICE_CONTROL, IRP_MJ_READ, IRP_MJ_WRITE,
        MDL, NTSTATUS, STATUS_MORE_PROCESSING_REQUIRED, STATUS_SUCCESS,
        ntddk::{
            IoAllocateIrp, IoAllocateMdl, IoFreeIrp, IoFreeMdl, IoReuseIrp, IofCallDriver,
            MmBuildMdlForNonPagedPool,
        },
    },
};
use zerocopy::{FromBytes, IntoBytes};

use crate::{TAG, target::Target, worker::Completed};

/// A control code that no driver has: `CTL_CODE(FILE_DEVICE_UNKNOWN, 0xfff, METHOD_BUFFERED,
/// FILE_ANY_ACCESS)`.
const NULL: u32 = 0x0022_3ffc;
/// Whose factorial is computed, and what it is.
const N: u32 = 5;
const FACTORIAL_OF_N: u32 = 120;
/// `SL_INVOKE_ON_SUCCESS`, `SL_INVOKE_ON_ERROR` and `SL_INVOKE_ON_CANCEL`.
const INVOKE_ALWAYS: u8 = 0x40 | 0x80 | 0x20;
/// Bytes of a buffer: a page.
const BUFFER: usize = 4096;

/// A request.
pub struct Slot {
    irp: NonNull<IRP>,
    mdl: NonNull<MDL>,
    buffer: PoolBox<[u64]>,
    kind: Kind,
    length: u32,
    begun: Instant,
    /// What the last request took, in units of 100 ns.
    pub took_100ns: u64,
    /// The next that is over. Whoever has the slot has this.
    pub next: *mut Self,
    /// Where it is put when its request is over.
    completed: *const Completed,
}

// SAFETY: it owns what it points to; the completed list outlives it, and takes slots from any thread.
unsafe impl Send for Slot {}

impl Slot {
    /// A request of this kind for the target, which is put to `completed` each time it is over.
    ///
    /// Source: nf-wdm-ioallocateirp, nf-wdm-ioallocatemdl.
    ///
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES`.
    pub fn new(
        target: &Target,
        kind: Kind,
        length: u32,
        completed: *const Completed,
        irql: &Passive,
    ) -> Result<Self> {
        let buffer = PoolBox::slice(TAG, BUFFER / size_of::<u64>(), |_| 0_u64, irql)?;
        // SAFETY: at PASSIVE_LEVEL.
        let irp = unsafe { IoAllocateIrp(target.stack_size(), 0) };
        let irp = NonNull::new(irp).ok_or(Status::INSUFFICIENT_RESOURCES)?;
        let start = buffer.as_ptr().cast::<c_void>();
        // SAFETY: at PASSIVE_LEVEL; the buffer outlives the MDL.
        let mdl = unsafe { IoAllocateMdl(start, length.max(1), 0, 0, core::ptr::null_mut()) };
        let Some(mdl) = NonNull::new(mdl) else {
            // SAFETY: just allocated.
            unsafe { IoFreeIrp(irp.as_ptr()) };
            return Err(Status::INSUFFICIENT_RESOURCES);
        };
        // SAFETY: it describes nonpaged pool.
        unsafe { MmBuildMdlForNonPagedPool(mdl.as_ptr()) };
        Ok(Self {
            irp,
            mdl,
            buffer,
            kind,
            length,
            begun: Instant::now(),
            took_100ns: 0,
            next: core::ptr::null_mut(),
            completed,
        })
    }

    /// Makes the request. By when this returns it may be over, and in the completed list.
    ///
    /// # Safety
    ///
    /// The caller has the slot, which stays in its place until it is out of the list again.
    pub unsafe fn send(slot: *mut Self, target: &Target) {
        // SAFETY: had by contract; the borrow ends before it is sent.
        let this = unsafe { &mut *slot };
        let irp = this.irp.as_ptr();
        // SAFETY: allocated by `new`, and back from the last request.
        unsafe { IoReuseIrp(irp, STATUS_SUCCESS) };
        let mut location = IO_STACK_LOCATION {
            FileObject: target.file(),
            CompletionRoutine: Some(completed),
            Context: slot.cast(),
            Control: INVOKE_ALWAYS,
            ..IO_STACK_LOCATION::default()
        };
        this.describe(&mut location);
        // SAFETY: owned; only an address is formed.
        let current: *mut *mut IO_STACK_LOCATION = unsafe {
            &raw mut (*irp)
                .Tail
                .Overlay
                .__bindgen_anon_2
                .__bindgen_anon_1
                .CurrentStackLocation
        };
        // SAFETY: the union holds this while a driver owns the IRP.
        let current = unsafe { current.read() };
        // Locations are used from the last to the first.
        let next: *mut IO_STACK_LOCATION = current.wrapping_sub(1);
        // SAFETY: it was allocated with a location for each device of the stack.
        unsafe { next.write(location) };
        this.begun = Instant::now();
        // SAFETY: an IRP of this driver's, with parameters for the device; given up until it is put
        // to the list.
        let _ = unsafe { IofCallDriver(target.device(), irp) };
    }

    /// What the request is.
    fn describe(&mut self, location: &mut IO_STACK_LOCATION) {
        // SAFETY: owned; nobody else looks at it now.
        let irp = unsafe { self.irp.as_mut() };
        let major = match self.kind {
            Kind::Null | Kind::Identify | Kind::Factorial => {
                irp.AssociatedIrp.SystemBuffer = self.buffer.as_ptr().cast();
                IRP_MJ_DEVICE_CONTROL
            }
            Kind::Read => IRP_MJ_READ,
            Kind::Write => IRP_MJ_WRITE,
        };
        // As long as a byte.
        location.MajorFunction = major.to_le_bytes()[0];
        let (code, input, output) = match self.kind {
            Kind::Null => (NULL, 0, 0),
            Kind::Identify => (Ioctl::Identify.code(), 0, size_of::<Identity>()),
            Kind::Factorial => {
                let input = FactorialInput {
                    header: Header::of::<FactorialInput>(),
                    n: N,
                    reserved: 0,
                };
                // It fits a page.
                let _ = input.write_to_prefix(self.buffer.as_mut_bytes());
                let lengths = (size_of::<FactorialInput>(), size_of::<FactorialOutput>());
                (Ioctl::Factorial.code(), lengths.0, lengths.1)
            }
            Kind::Read => {
                irp.MdlAddress = self.mdl.as_ptr();
                // SAFETY: plain data, and the member for this major function.
                let read = unsafe { &mut location.Parameters.Read };
                read.Length = self.length;
                return;
            }
            Kind::Write => {
                irp.MdlAddress = self.mdl.as_ptr();
                // SAFETY: likewise.
                let write = unsafe { &mut location.Parameters.Write };
                write.Length = self.length;
                return;
            }
        };
        // SAFETY: plain data, and the member for this major function.
        let control = unsafe { &mut location.Parameters.DeviceIoControl };
        control.IoControlCode = code;
        // Both fit a page.
        control.InputBufferLength = u32::try_from(input).unwrap_or(0);
        control.OutputBufferLength = u32::try_from(output).unwrap_or(0);
    }

    /// Whether the last request has ended as it should. To be asked of a slot that is out of the list.
    pub fn is_right(&self) -> bool {
        // SAFETY: back from the last request, so nobody else has it.
        let io_status = unsafe { &self.irp.as_ref().IoStatus };
        // SAFETY: the union holds the status.
        let status = Status::from_raw(unsafe { io_status.__bindgen_anon_1.Status });
        let moved = io_status.Information;
        match self.kind {
            Kind::Null => status == Status::INVALID_DEVICE_REQUEST,
            Kind::Identify => status.is_success() && moved == size_of::<Identity>() as u64,
            Kind::Factorial => {
                let output = FactorialOutput::read_from_prefix(self.buffer.as_bytes());
                let is_right = |(output, _): (FactorialOutput, _)| output.result == FACTORIAL_OF_N;
                status.is_success() && output.is_ok_and(is_right)
            }
            Kind::Read | Kind::Write => status.is_success() && moved == u64::from(self.length),
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: allocated by `new`, and back from the last request.
        unsafe { IoFreeMdl(self.mdl.as_ptr()) };
        // SAFETY: likewise.
        unsafe { IoFreeIrp(self.irp.as_ptr()) };
    }
}

/// The completion routine: takes the IRP back. IRQL <= DISPATCH_LEVEL.
unsafe extern "C" fn completed(
    _device: *mut DEVICE_OBJECT,
    _irp: *mut IRP,
    context: *mut c_void,
) -> NTSTATUS {
    let slot = context.cast::<Slot>();
    // SAFETY: the slot whose request this was, which is this routine's until it is in the list.
    let this = unsafe { &mut *slot };
    this.took_100ns = this.begun.elapsed_100ns();
    // SAFETY: outlives the slots.
    let completed = unsafe { &*this.completed };
    // SAFETY: had, and given up with this call.
    unsafe { completed.put(slot) };
    STATUS_MORE_PROCESSING_REQUIRED
}
