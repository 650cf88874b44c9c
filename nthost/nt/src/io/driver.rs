//! Driver objects.

use core::ffi::c_void;

use super::{device::DEVICE_OBJECT, irp::IRP};
use crate::{rtl::UNICODE_STRING, status::NTSTATUS};

/// A dispatch routine (nc-wdm-driver_dispatch).
pub type DRIVER_DISPATCH =
    unsafe extern "win64" fn(device: *mut DEVICE_OBJECT, irp: *mut IRP) -> NTSTATUS;
/// `DriverEntry` (nc-wdm-driver_initialize).
pub type DRIVER_INITIALIZE = unsafe extern "win64" fn(
    driver: *mut DRIVER_OBJECT,
    registry_path: *mut UNICODE_STRING,
) -> NTSTATUS;
/// `Unload` (nc-wdm-driver_unload).
pub type DRIVER_UNLOAD = unsafe extern "win64" fn(driver: *mut DRIVER_OBJECT);
/// `StartIo` (nc-wdm-driver_startio).
pub type DRIVER_STARTIO = unsafe extern "win64" fn(device: *mut DEVICE_OBJECT, irp: *mut IRP);
/// `AddDevice` (nc-wdm-driver_add_device).
pub type DRIVER_ADD_DEVICE = unsafe extern "win64" fn(
    driver: *mut DRIVER_OBJECT,
    physical_device: *mut DEVICE_OBJECT,
) -> NTSTATUS;
/// `Cancel` (nc-wdm-driver_cancel).
pub type DRIVER_CANCEL = unsafe extern "win64" fn(device: *mut DEVICE_OBJECT, irp: *mut IRP);
/// `Reinitialize` (nc-ntddk-driver_reinitialize).
pub type DRIVER_REINITIALIZE =
    unsafe extern "win64" fn(driver: *mut DRIVER_OBJECT, context: *mut c_void, count: u32);

/// How many major functions there are.
pub const MAJOR_FUNCTIONS: usize = 28;

/// A driver object (ns-wdm-_driver_object).
#[repr(C)]
pub struct DRIVER_OBJECT {
    /// `IO_TYPE_DRIVER`.
    pub Type: i16,
    /// Bytes of this structure.
    pub Size: i16,
    /// The first of its devices, linked by `NextDevice`.
    pub DeviceObject: *mut DEVICE_OBJECT,
    /// `DRVO_…`.
    pub Flags: u32,
    /// Where the image lies.
    pub DriverStart: *mut c_void,
    /// How many bytes it has.
    pub DriverSize: u32,
    /// The loader's.
    pub DriverSection: *mut c_void,
    /// `AddDevice` and the service's name.
    pub DriverExtension: *mut DRIVER_EXTENSION,
    /// `\Driver\…`.
    pub DriverName: UNICODE_STRING,
    /// `\Registry\Machine\Hardware\Description\System`.
    pub HardwareDatabase: *mut UNICODE_STRING,
    /// File systems and network transports only.
    pub FastIoDispatch: *mut c_void,
    /// `DriverEntry`.
    pub DriverInit: Option<DRIVER_INITIALIZE>,
    /// `StartIo`.
    pub DriverStartIo: Option<DRIVER_STARTIO>,
    /// `Unload`.
    pub DriverUnload: Option<DRIVER_UNLOAD>,
    /// The dispatch routines, by major function.
    pub MajorFunction: [Option<DRIVER_DISPATCH>; MAJOR_FUNCTIONS],
}

/// What plug and play adds to a driver object (ns-wdm-_driver_extension).
#[repr(C)]
pub struct DRIVER_EXTENSION {
    /// The driver object.
    pub DriverObject: *mut DRIVER_OBJECT,
    /// `AddDevice`.
    pub AddDevice: Option<DRIVER_ADD_DEVICE>,
    /// How often `Reinitialize` was called.
    pub Count: u32,
    /// The service's name.
    pub ServiceKeyName: UNICODE_STRING,
}

/// `DRIVER_OBJECT::Type`.
pub const IO_TYPE_DRIVER: i16 = 4;

/// The driver is about to be unloaded.
pub const DRVO_UNLOAD_INVOKED: u32 = 0x0000_0001;
/// Made by `IoCreateDriver` or by the kernel itself.
pub const DRVO_BUILTIN_DRIVER: u32 = 0x0000_0004;
/// `DriverEntry` has returned.
pub const DRVO_INITIALIZED: u32 = 0x0000_0010;
