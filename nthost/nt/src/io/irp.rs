//! I/O request packets.

use core::ffi::c_void;

use super::{driver::DRIVER_CANCEL, file::FILE_OBJECT, stack::IO_STACK_LOCATION};
use crate::{
    ke::{KAPC, KDEVICE_QUEUE_ENTRY, KEVENT, LIST_ENTRY},
    mm::MDL,
    status::NTSTATUS,
};

/// How a request ended (ns-wdm-_io_status_block).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IO_STATUS_BLOCK {
    /// The status; the union's other half is the I/O manager's.
    pub u: IO_STATUS_BLOCK_u,
    /// Usually the number of bytes transferred.
    pub Information: usize,
}

/// The first field of [`IO_STATUS_BLOCK`].
#[repr(C)]
#[derive(Clone, Copy)]
pub union IO_STATUS_BLOCK_u {
    /// The status.
    pub Status: NTSTATUS,
    /// Reserved; as wide as a pointer.
    pub Pointer: *mut c_void,
}

/// An I/O request packet (ns-wdm-_irp). Its stack locations lie behind it.
#[repr(C, align(16))]
pub struct IRP {
    /// `IO_TYPE_IRP`.
    pub Type: i16,
    /// Bytes of the IRP with its stack locations.
    pub Size: u16,
    /// The I/O manager's.
    pub AllocationProcessorNumber: u16,
    /// Unused.
    pub Reserved: u16,
    /// Direct I/O: the user's buffer.
    pub MdlAddress: *mut MDL,
    /// `IRP_…`.
    pub Flags: u32,
    /// The master IRP, the count of associated ones, or the system buffer.
    pub AssociatedIrp: IRP_AssociatedIrp,
    /// The IRP's place in its thread's list.
    pub ThreadListEntry: LIST_ENTRY,
    /// How the request ends, written by the driver before it completes the IRP.
    pub IoStatus: IO_STATUS_BLOCK,
    /// `KernelMode` (0) or `UserMode` (1).
    pub RequestorMode: i8,
    /// Some dispatch routine below returned `STATUS_PENDING`.
    pub PendingReturned: u8,
    /// How many stack locations it has.
    pub StackCount: i8,
    /// The current one, counted from 1; `StackCount + 1` before the first driver.
    pub CurrentLocation: i8,
    /// `IoCancelIrp` was called.
    pub Cancel: u8,
    /// The IRQL to which the cancel routine releases the cancel spin lock.
    pub CancelIrql: u8,
    /// The I/O manager's.
    pub ApcEnvironment: i8,
    /// `IRP_…` of the allocation.
    pub AllocationFlags: u8,
    /// Where the requester wants the status.
    pub UserIosb: *mut IO_STATUS_BLOCK,
    /// What the requester waits for.
    pub UserEvent: *mut KEVENT,
    /// The I/O manager's parameters.
    pub Overlay: IRP_Overlay,
    /// The cancel routine; exchanged atomically by `IoSetCancelRoutine`.
    pub CancelRoutine: Option<DRIVER_CANCEL>,
    /// The requester's buffer.
    pub UserBuffer: *mut c_void,
    /// The driver's words, the thread, the current stack location.
    pub Tail: IRP_Tail,
}

/// `IRP::AssociatedIrp`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IRP_AssociatedIrp {
    /// The IRP that this one is a part of.
    pub MasterIrp: *mut IRP,
    /// How many parts are outstanding.
    pub IrpCount: i32,
    /// Buffered I/O: the system's copy of the buffer.
    pub SystemBuffer: *mut c_void,
}

/// `IRP::Overlay`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IRP_Overlay {
    /// The requester's APC.
    pub AsynchronousParameters: IRP_Overlay_AsynchronousParameters,
    /// File systems.
    pub AllocationSize: i64,
}

/// `IRP::Overlay.AsynchronousParameters`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IRP_Overlay_AsynchronousParameters {
    /// The routine.
    pub UserApcRoutine: *mut c_void,
    /// Its context.
    pub UserApcContext: *mut c_void,
}

/// `IRP::Tail`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IRP_Tail {
    /// While drivers have the IRP.
    pub Overlay: IRP_Tail_Overlay,
    /// While the I/O manager completes it.
    pub Apc: KAPC,
    /// A completion port's key.
    pub CompletionKey: *mut c_void,
}

/// `IRP::Tail.Overlay`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IRP_Tail_Overlay {
    /// The device queue's entry, or the driver's words.
    pub u: IRP_Tail_Overlay_u,
    /// The thread on whose behalf the request is made.
    pub Thread: *mut c_void,
    /// The I/O manager's.
    pub AuxiliaryBuffer: *mut c_void,
    /// For the driver that has the IRP.
    pub ListEntry: LIST_ENTRY,
    /// The current stack location.
    pub CurrentStackLocation: *mut IO_STACK_LOCATION,
    /// The file that the request is made on.
    pub OriginalFileObject: *mut FILE_OBJECT,
    /// The I/O manager's.
    pub IrpExtension: *mut c_void,
}

/// The first field of `IRP::Tail.Overlay`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IRP_Tail_Overlay_u {
    /// The place in a device queue.
    pub DeviceQueueEntry: KDEVICE_QUEUE_ENTRY,
    /// Free for the driver that has the IRP.
    pub DriverContext: [*mut c_void; 4],
}

/// `IRP::Type`.
pub const IO_TYPE_IRP: i16 = 6;

/// The requester waits for the request.
pub const IRP_SYNCHRONOUS_API: u32 = 0x0000_0004;
/// A request of the kernel's own making for a create.
pub const IRP_CREATE_OPERATION: u32 = 0x0000_0080;
/// Part of a master IRP.
pub const IRP_ASSOCIATED_IRP: u32 = 0x0000_0008;
/// `AssociatedIrp.SystemBuffer` holds the buffer.
pub const IRP_BUFFERED_IO: u32 = 0x0000_0010;
/// The system buffer is freed at completion.
pub const IRP_DEALLOCATE_BUFFER: u32 = 0x0000_0020;
/// The system buffer is copied back at completion.
pub const IRP_INPUT_OPERATION: u32 = 0x0000_0040;
/// A read.
pub const IRP_READ_OPERATION: u32 = 0x0000_0100;
/// A write.
pub const IRP_WRITE_OPERATION: u32 = 0x0000_0200;
/// A close.
pub const IRP_CLOSE_OPERATION: u32 = 0x0000_0400;
/// Completion is not to be deferred.
pub const IRP_DEFER_IO_COMPLETION: u32 = 0x0000_0800;

/// The system's priority boosts for `IoCompleteRequest`: none.
pub const IO_NO_INCREMENT: i8 = 0;
