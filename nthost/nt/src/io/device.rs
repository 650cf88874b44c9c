//! Device objects.

use core::ffi::c_void;

use super::{driver::DRIVER_OBJECT, irp::IRP};
use crate::ke::{KDEVICE_QUEUE, KDEVICE_QUEUE_ENTRY, KDPC, KEVENT, LIST_ENTRY};

/// A device object (ns-wdm-_device_object). Allocated by `IoCreateDevice` with the driver's
/// extension behind it.
#[repr(C, align(16))]
pub struct DEVICE_OBJECT {
    /// `IO_TYPE_DEVICE`.
    pub Type: i16,
    /// Bytes of this structure and of the driver's extension.
    pub Size: u16,
    /// Open handles.
    pub ReferenceCount: i32,
    /// Whose device it is.
    pub DriverObject: *mut DRIVER_OBJECT,
    /// The next device of the same driver.
    pub NextDevice: *mut Self,
    /// The device attached above.
    pub AttachedDevice: *mut Self,
    /// The IRP in the hands of the driver's `StartIo`.
    pub CurrentIrp: *mut IRP,
    /// What `IoInitializeTimer` made.
    pub Timer: *mut c_void,
    /// `DO_…`.
    pub Flags: u32,
    /// `FILE_…` characteristics.
    pub Characteristics: u32,
    /// Volumes only.
    pub Vpb: *mut c_void,
    /// The driver's extension, or null.
    pub DeviceExtension: *mut c_void,
    /// `FILE_DEVICE_…`.
    pub DeviceType: u32,
    /// Stack locations that an IRP for this device needs.
    pub StackSize: i8,
    /// The device's place in a queue for a DMA channel.
    pub Queue: DEVICE_OBJECT_QUEUE,
    /// `FILE_…_ALIGNMENT`: a mask for the addresses of transfer buffers.
    pub AlignmentRequirement: u32,
    /// The IRPs that wait for `StartIo`.
    pub DeviceQueue: KDEVICE_QUEUE,
    /// The DPC of `IoInitializeDpcRequest`.
    pub Dpc: KDPC,
    /// Reserved for file systems.
    pub ActiveThreadCount: u32,
    /// Who may open it.
    pub SecurityDescriptor: *mut c_void,
    /// The I/O manager's.
    pub DeviceLock: KEVENT,
    /// File systems only.
    pub SectorSize: u16,
    /// Unused.
    pub Spare1: u16,
    /// The I/O manager's.
    pub DeviceObjectExtension: *mut DEVOBJ_EXTENSION,
    /// Unused.
    pub Reserved: *mut c_void,
}

/// `DEVICE_OBJECT::Queue`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union DEVICE_OBJECT_QUEUE {
    /// File systems.
    pub ListEntry: LIST_ENTRY,
    /// DMA adapters.
    pub Wcb: WAIT_CONTEXT_BLOCK,
}

/// What `AllocateAdapterChannel` remembers of a device that waits for map registers.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct WAIT_CONTEXT_BLOCK {
    /// Its place among those that wait.
    pub WaitQueueEntry: KDEVICE_QUEUE_ENTRY,
    /// The driver's `AdapterControl`.
    pub DeviceRoutine: *mut c_void,
    /// Its context.
    pub DeviceContext: *mut c_void,
    /// How many it waits for.
    pub NumberOfMapRegisters: u32,
    /// The device.
    pub DeviceObject: *mut c_void,
    /// Its `CurrentIrp` at the call.
    pub CurrentIrp: *mut c_void,
    /// Unused.
    pub BufferChainingDpc: *mut KDPC,
}

/// The I/O manager's part of a device object (ns-wdm-_devobj_extension).
#[repr(C)]
pub struct DEVOBJ_EXTENSION {
    /// `IO_TYPE_DEVICE_OBJECT_EXTENSION`.
    pub Type: i16,
    /// Zero.
    pub Size: u16,
    /// The device object.
    pub DeviceObject: *mut DEVICE_OBJECT,
    /// The power manager's.
    pub PowerFlags: u32,
    /// The power manager's.
    pub Dope: *mut c_void,
    /// `DOE_…`.
    pub ExtensionFlags: u32,
    /// The plug-and-play manager's, for a physical device object.
    pub DeviceNode: *mut c_void,
    /// The device that this one is attached to.
    pub AttachedTo: *mut DEVICE_OBJECT,
    /// How many calls to `StartIo` are active (deferred start).
    pub StartIoCount: i32,
    /// The key of the next packet to start.
    pub StartIoKey: i32,
    /// `DOE_STARTIO_…`.
    pub StartIoFlags: u32,
    /// Volumes only.
    pub Vpb: *mut c_void,
    /// Unused.
    pub DependencyNode: *mut c_void,
    /// The interrupts connected for this device.
    pub InterruptContext: *mut c_void,
    /// How many they are.
    pub InterruptCount: i32,
    /// The verifier's.
    pub VerifierContext: *mut c_void,
}

/// `DEVICE_OBJECT::Type`.
pub const IO_TYPE_DEVICE: i16 = 3;
/// `DEVOBJ_EXTENSION::Type`.
pub const IO_TYPE_DEVICE_OBJECT_EXTENSION: i16 = 13;

/// One handle at a time.
pub const DO_EXCLUSIVE: u32 = 0x0000_0008;
/// Reads and writes get a system buffer.
pub const DO_BUFFERED_IO: u32 = 0x0000_0004;
/// Reads and writes get an MDL.
pub const DO_DIRECT_IO: u32 = 0x0000_0010;
/// The device has a name.
pub const DO_DEVICE_HAS_NAME: u32 = 0x0000_0040;
/// Nobody may open or attach to it yet.
pub const DO_DEVICE_INITIALIZING: u32 = 0x0000_0080;
/// The driver wants to hear of shutdown.
pub const DO_SHUTDOWN_REGISTERED: u32 = 0x0000_0800;
/// A physical device object: set by the plug-and-play manager.
pub const DO_BUS_ENUMERATED_DEVICE: u32 = 0x0000_1000;
/// Power requests are handled at PASSIVE_LEVEL.
pub const DO_POWER_PAGABLE: u32 = 0x0000_2000;
/// The device needs inrush current when it is powered on.
pub const DO_POWER_INRUSH: u32 = 0x0000_4000;

/// Exclusive or not, the device is opened by its own name only.
pub const FILE_DEVICE_SECURE_OPEN: u32 = 0x0000_0100;
/// The name is made up by the I/O manager.
pub const FILE_AUTOGENERATED_DEVICE_NAME: u32 = 0x0000_0080;

/// `FILE_DEVICE_BUS_EXTENDER`.
pub const FILE_DEVICE_BUS_EXTENDER: u32 = 0x2a;
/// `FILE_DEVICE_UNKNOWN`.
pub const FILE_DEVICE_UNKNOWN: u32 = 0x22;

/// `DOE_UNLOAD_PENDING`: the driver is about to be unloaded.
pub const DOE_UNLOAD_PENDING: u32 = 0x0000_0001;
/// `IoDeleteDevice` was called.
pub const DOE_DELETE_PENDING: u32 = 0x0000_0002;
/// `IRP_MN_REMOVE_DEVICE` is on its way.
pub const DOE_REMOVE_PENDING: u32 = 0x0000_0004;
/// `IRP_MN_REMOVE_DEVICE` has been handled.
pub const DOE_REMOVE_PROCESSED: u32 = 0x0000_0008;
/// `IoSetStartIoAttributes` asked that `StartIo` not be called from within itself.
pub const DOE_STARTIO_DEFERRED: u32 = 0x0000_0001;
/// `IoSetStartIoAttributes` asked that IRPs not be cancelable once queued to `StartIo`.
pub const DOE_STARTIO_NO_CANCEL: u32 = 0x0000_0002;
/// A deferred start is due.
pub const DOE_STARTIO_REQUESTED: u32 = 0x0000_0004;
/// A deferred start by key is due.
pub const DOE_STARTIO_REQUESTED_BYKEY: u32 = 0x0000_0008;
/// The IRPs queued for `StartIo` may be canceled.
pub const DOE_STARTIO_CANCELABLE: u32 = 0x0000_0010;
