//! The stack locations of an IRP.
//!
//! On 64-bit systems many 32-bit parameters are aligned as a pointer is (the header's
//! `POINTER_ALIGNMENT`): the padding is spelt out here.

use core::ffi::c_void;

use super::{
    create::IO_SECURITY_CONTEXT,
    device::DEVICE_OBJECT,
    file::FILE_OBJECT,
    irp::IRP,
    pnp::{DEVICE_CAPABILITIES, INTERFACE},
    resource::{CM_RESOURCE_LIST, IO_RESOURCE_REQUIREMENTS_LIST},
};
use crate::{guid::GUID, po::POWER_STATE, status::NTSTATUS};

/// A completion routine (nc-wdm-io_completion_routine).
pub type IO_COMPLETION_ROUTINE = unsafe extern "win64" fn(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    context: *mut c_void,
) -> NTSTATUS;

/// One driver's part of an IRP (ns-wdm-_io_stack_location).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IO_STACK_LOCATION {
    /// `IRP_MJ_…`.
    pub MajorFunction: u8,
    /// `IRP_MN_…`.
    pub MinorFunction: u8,
    /// `SL_…` of the request.
    pub Flags: u8,
    /// `SL_PENDING_RETURNED`, `SL_INVOKE_ON_…`.
    pub Control: u8,
    /// By major and minor function.
    pub Parameters: Parameters,
    /// The device whose driver has this location.
    pub DeviceObject: *mut DEVICE_OBJECT,
    /// The file, if there is one.
    pub FileObject: *mut FILE_OBJECT,
    /// The routine of the driver above.
    pub CompletionRoutine: Option<IO_COMPLETION_ROUTINE>,
    /// Its context.
    pub Context: *mut c_void,
}

/// `IO_STACK_LOCATION::Parameters`.
#[repr(C)]
#[derive(Clone, Copy)]
pub union Parameters {
    /// `IRP_MJ_CREATE`.
    pub Create: Create,
    /// `IRP_MJ_READ`.
    pub Read: ReadWrite,
    /// `IRP_MJ_WRITE`.
    pub Write: ReadWrite,
    /// `IRP_MJ_DEVICE_CONTROL`, `IRP_MJ_INTERNAL_DEVICE_CONTROL`.
    pub DeviceIoControl: DeviceIoControl,
    /// `IRP_MN_QUERY_DEVICE_RELATIONS`.
    pub QueryDeviceRelations: QueryDeviceRelations,
    /// `IRP_MN_QUERY_INTERFACE`.
    pub QueryInterface: QueryInterface,
    /// `IRP_MN_QUERY_CAPABILITIES`.
    pub DeviceCapabilities: QueryCapabilities,
    /// `IRP_MN_FILTER_RESOURCE_REQUIREMENTS`.
    pub FilterResourceRequirements: FilterResourceRequirements,
    /// `IRP_MN_READ_CONFIG`, `IRP_MN_WRITE_CONFIG`.
    pub ReadWriteConfig: ReadWriteConfig,
    /// `IRP_MN_QUERY_ID`.
    pub QueryId: QueryId,
    /// `IRP_MN_QUERY_DEVICE_TEXT`.
    pub QueryDeviceText: QueryDeviceText,
    /// `IRP_MN_DEVICE_USAGE_NOTIFICATION`.
    pub UsageNotification: UsageNotification,
    /// `IRP_MN_WAIT_WAKE`.
    pub WaitWake: WaitWake,
    /// `IRP_MN_SET_POWER`, `IRP_MN_QUERY_POWER`.
    pub Power: Power,
    /// `IRP_MN_START_DEVICE`.
    pub StartDevice: StartDevice,
    /// Anything else.
    pub Others: Others,
}

/// `IRP_MJ_CREATE`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Create {
    /// Who opens the file, and for what.
    pub SecurityContext: *mut IO_SECURITY_CONTEXT,
    /// The disposition in the upper 8 bits, the create options in the others.
    pub Options: u32,
    /// Padding.
    pub reserved: u32,
    /// File systems only.
    pub FileAttributes: u16,
    /// `FILE_SHARE_…`.
    pub ShareAccess: u16,
    /// Padding.
    pub reserved2: u32,
    /// Bytes of extended attributes.
    pub EaLength: u32,
}

/// `IRP_MJ_READ`, `IRP_MJ_WRITE`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ReadWrite {
    /// Bytes to transfer.
    pub Length: u32,
    /// Padding.
    pub reserved: u32,
    /// Orders the packets of a device queue.
    pub Key: u32,
    /// File systems only.
    pub Flags: u32,
    /// Where in the file.
    pub ByteOffset: i64,
}

/// `IRP_MJ_DEVICE_CONTROL`, `IRP_MJ_INTERNAL_DEVICE_CONTROL`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DeviceIoControl {
    /// Bytes of the output buffer.
    pub OutputBufferLength: u32,
    /// Padding.
    pub reserved: u32,
    /// Bytes of the input buffer.
    pub InputBufferLength: u32,
    /// Padding.
    pub reserved2: u32,
    /// The control code.
    pub IoControlCode: u32,
    /// Padding.
    pub reserved3: u32,
    /// `METHOD_NEITHER`: the input buffer.
    pub Type3InputBuffer: *mut c_void,
}

/// `IRP_MN_QUERY_DEVICE_RELATIONS`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct QueryDeviceRelations {
    /// `DEVICE_RELATION_TYPE`.
    pub Type: i32,
}

/// `IRP_MN_QUERY_INTERFACE`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct QueryInterface {
    /// Which interface.
    pub InterfaceType: *const GUID,
    /// The room at `Interface`.
    pub Size: u16,
    /// Its version.
    pub Version: u16,
    /// Where the answer goes.
    pub Interface: *mut INTERFACE,
    /// By interface.
    pub InterfaceSpecificData: *mut c_void,
}

/// `IRP_MN_QUERY_CAPABILITIES`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct QueryCapabilities {
    /// Filled by the stack.
    pub Capabilities: *mut DEVICE_CAPABILITIES,
}

/// `IRP_MN_FILTER_RESOURCE_REQUIREMENTS`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FilterResourceRequirements {
    /// The list so far.
    pub IoResourceRequirementList: *mut IO_RESOURCE_REQUIREMENTS_LIST,
}

/// `IRP_MN_READ_CONFIG`, `IRP_MN_WRITE_CONFIG`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ReadWriteConfig {
    /// `PCI_WHICHSPACE_…`.
    pub WhichSpace: u32,
    /// The bytes.
    pub Buffer: *mut c_void,
    /// Where in the space.
    pub Offset: u32,
    /// Padding.
    pub reserved: u32,
    /// How many bytes.
    pub Length: u32,
}

/// `IRP_MN_QUERY_ID`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct QueryId {
    /// `BUS_QUERY_ID_TYPE`.
    pub IdType: i32,
}

/// `IRP_MN_QUERY_DEVICE_TEXT`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct QueryDeviceText {
    /// `DEVICE_TEXT_TYPE`.
    pub DeviceTextType: i32,
    /// Padding.
    pub reserved: u32,
    /// The language.
    pub LocaleId: u32,
}

/// `IRP_MN_DEVICE_USAGE_NOTIFICATION`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UsageNotification {
    /// The device gets the use, or loses it.
    pub InPath: u8,
    /// Unused.
    pub Reserved: [u8; 7],
    /// `DEVICE_USAGE_NOTIFICATION_TYPE`.
    pub Type: i32,
}

/// `IRP_MN_WAIT_WAKE`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct WaitWake {
    /// The lowest `SYSTEM_POWER_STATE` from which to wake.
    pub PowerState: i32,
}

/// `IRP_MN_SET_POWER`, `IRP_MN_QUERY_POWER`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Power {
    /// `SYSTEM_POWER_STATE_CONTEXT`.
    pub SystemContext: u32,
    /// Padding.
    pub reserved: u32,
    /// `POWER_STATE_TYPE`: system (0) or device (1).
    pub Type: i32,
    /// Padding.
    pub reserved2: u32,
    /// Which state.
    pub State: POWER_STATE,
    /// Padding.
    pub reserved3: u32,
    /// `POWER_ACTION`.
    pub ShutdownType: i32,
}

/// `IRP_MN_START_DEVICE`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct StartDevice {
    /// As the bus sees them.
    pub AllocatedResources: *mut CM_RESOURCE_LIST,
    /// As the processor sees them.
    pub AllocatedResourcesTranslated: *mut CM_RESOURCE_LIST,
}

/// Anything else.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Others {
    /// The first.
    pub Argument1: *mut c_void,
    /// The second.
    pub Argument2: *mut c_void,
    /// The third.
    pub Argument3: *mut c_void,
    /// The fourth.
    pub Argument4: *mut c_void,
}

/// `IO_STACK_LOCATION::Control`: `IoMarkIrpPending` was called.
pub const SL_PENDING_RETURNED: u8 = 0x01;
/// `IO_STACK_LOCATION::Control`: a driver completed the IRP here with an error (the I/O
/// manager's own mark).
pub const SL_ERROR_RETURNED: u8 = 0x02;
/// `IO_STACK_LOCATION::Control`: the completion routine is called if the IRP was canceled.
pub const SL_INVOKE_ON_CANCEL: u8 = 0x20;
/// `IO_STACK_LOCATION::Control`: … if the IRP succeeded.
pub const SL_INVOKE_ON_SUCCESS: u8 = 0x40;
/// `IO_STACK_LOCATION::Control`: … if the IRP failed.
pub const SL_INVOKE_ON_ERROR: u8 = 0x80;
