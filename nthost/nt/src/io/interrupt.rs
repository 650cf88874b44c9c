//! What `IoConnectInterruptEx` takes and gives.

use core::ffi::c_void;

use super::device::DEVICE_OBJECT;
use crate::ke::{KINTERRUPT, KIRQL, KSPIN_LOCK};

/// An interrupt service routine (nc-wdm-kservice_routine).
pub type KSERVICE_ROUTINE =
    unsafe extern "win64" fn(interrupt: *mut KINTERRUPT, context: *mut c_void) -> u8;
/// One for messages (nc-wdm-kmessage_service_routine).
pub type KMESSAGE_SERVICE_ROUTINE =
    unsafe extern "win64" fn(interrupt: *mut KINTERRUPT, context: *mut c_void, message: u32) -> u8;

/// The parameters of `IoConnectInterruptEx` (ns-wdm-_io_connect_interrupt_parameters).
#[repr(C)]
pub struct IO_CONNECT_INTERRUPT_PARAMETERS {
    /// `CONNECT_…`; on failure the highest version that would do.
    pub Version: u32,
    /// By version.
    pub u: IO_CONNECT_INTERRUPT_PARAMETERS_u,
}

/// By version.
#[repr(C)]
#[derive(Clone, Copy)]
pub union IO_CONNECT_INTERRUPT_PARAMETERS_u {
    /// `CONNECT_FULLY_SPECIFIED`, `CONNECT_FULLY_SPECIFIED_GROUP`.
    pub FullySpecified: FULLY_SPECIFIED,
    /// `CONNECT_LINE_BASED`.
    pub LineBased: LINE_BASED,
    /// `CONNECT_MESSAGE_BASED`.
    pub MessageBased: MESSAGE_BASED,
}

/// The driver names the interrupt itself.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct FULLY_SPECIFIED {
    /// The device.
    pub PhysicalDeviceObject: *mut DEVICE_OBJECT,
    /// Where the interrupt object goes.
    pub InterruptObject: *mut *mut KINTERRUPT,
    /// The ISR.
    pub ServiceRoutine: Option<KSERVICE_ROUTINE>,
    /// Its context.
    pub ServiceContext: *mut c_void,
    /// The lock to hold around it, or null for one of the interrupt's own.
    pub SpinLock: *mut KSPIN_LOCK,
    /// The IRQL at which it runs.
    pub SynchronizeIrql: KIRQL,
    /// Must be false.
    pub FloatingSave: u8,
    /// Others may use the vector.
    pub ShareVector: u8,
    /// The translated vector.
    pub Vector: u32,
    /// The translated level.
    pub Irql: KIRQL,
    /// `KINTERRUPT_MODE`.
    pub InterruptMode: i32,
    /// The translated affinity.
    pub ProcessorEnableMask: usize,
    /// The processor group.
    pub Group: u16,
}

/// The kernel finds the device's line.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct LINE_BASED {
    /// The device.
    pub PhysicalDeviceObject: *mut DEVICE_OBJECT,
    /// Where the interrupt object goes.
    pub InterruptObject: *mut *mut KINTERRUPT,
    /// The ISR.
    pub ServiceRoutine: Option<KSERVICE_ROUTINE>,
    /// Its context.
    pub ServiceContext: *mut c_void,
    /// The lock to hold around it, or null.
    pub SpinLock: *mut KSPIN_LOCK,
    /// The IRQL at which it runs; 0 for the kernel's choice.
    pub SynchronizeIrql: KIRQL,
    /// Must be false.
    pub FloatingSave: u8,
}

/// The kernel connects all of the device's messages, or its line if it has none.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct MESSAGE_BASED {
    /// The device.
    pub PhysicalDeviceObject: *mut DEVICE_OBJECT,
    /// Where the message table, or the interrupt object, goes.
    pub ConnectionContext: *mut *mut c_void,
    /// The ISR.
    pub MessageServiceRoutine: Option<KMESSAGE_SERVICE_ROUTINE>,
    /// Its context, and that of the other.
    pub ServiceContext: *mut c_void,
    /// The lock to hold around it, or null.
    pub SpinLock: *mut KSPIN_LOCK,
    /// The IRQL at which it runs; 0 for the kernel's choice.
    pub SynchronizeIrql: KIRQL,
    /// Must be false.
    pub FloatingSave: u8,
    /// The ISR for the line.
    pub FallBackServiceRoutine: Option<KSERVICE_ROUTINE>,
}

/// The parameters of `IoDisconnectInterruptEx`, and of `IoReportInterruptActive` and
/// `IoReportInterruptInactive` (ns-wdm-_io_disconnect_interrupt_parameters,
/// ns-wdm-_io_report_interrupt_active_state_parameters).
#[repr(C)]
pub struct IO_DISCONNECT_INTERRUPT_PARAMETERS {
    /// `CONNECT_…`, as `IoConnectInterruptEx` left it.
    pub Version: u32,
    /// What `IoConnectInterruptEx` gave: the interrupt object or the message table.
    pub ConnectionContext: *mut c_void,
}

/// `CONNECT_FULLY_SPECIFIED`.
pub const CONNECT_FULLY_SPECIFIED: u32 = 1;
/// `CONNECT_LINE_BASED`.
pub const CONNECT_LINE_BASED: u32 = 2;
/// `CONNECT_MESSAGE_BASED`.
pub const CONNECT_MESSAGE_BASED: u32 = 3;
/// `CONNECT_FULLY_SPECIFIED_GROUP`.
pub const CONNECT_FULLY_SPECIFIED_GROUP: u32 = 4;

/// The messages of a device (ns-wdm-_io_interrupt_message_info).
#[repr(C)]
pub struct IO_INTERRUPT_MESSAGE_INFO {
    /// The IRQL that excludes all of them.
    pub UnifiedIrql: KIRQL,
    /// How many.
    pub MessageCount: u32,
    /// The first.
    pub MessageInfo: [IO_INTERRUPT_MESSAGE_INFO_ENTRY; 1],
}

/// A message (ns-wdm-_io_interrupt_message_info_entry).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct IO_INTERRUPT_MESSAGE_INFO_ENTRY {
    /// Where the device writes.
    pub MessageAddress: i64,
    /// The processors.
    pub TargetProcessorSet: usize,
    /// Its interrupt object.
    pub InterruptObject: *mut KINTERRUPT,
    /// What the device writes.
    pub MessageData: u32,
    /// The vector.
    pub Vector: u32,
    /// The DIRQL.
    pub Irql: KIRQL,
    /// `KINTERRUPT_MODE`.
    pub Mode: i32,
    /// `KINTERRUPT_POLARITY`.
    pub Polarity: i32,
}

/// `KINTERRUPT_MODE::LevelSensitive`.
pub const LevelSensitive: i32 = 0;
/// `KINTERRUPT_MODE::Latched`.
pub const Latched: i32 = 1;
