//! Access to the unions of IRPs and stack locations.
//!
//! Every field of these unions is made of integers and raw pointers, for which any bytes are a
//! value, and the I/O manager zeroes an IRP before anyone sees it: so reading one is safe,
//! whichever was written. What a pointer that was read is good for is another matter.

use core::ffi::c_void;

use super::{
    irp::{
        IO_STATUS_BLOCK, IO_STATUS_BLOCK_u, IRP, IRP_AssociatedIrp, IRP_Tail_Overlay,
        IRP_Tail_Overlay_u,
    },
    stack::{
        Create, DeviceIoControl, FilterResourceRequirements, IO_STACK_LOCATION, Others, Parameters,
        Power, QueryCapabilities, QueryDeviceRelations, QueryDeviceText, QueryId, QueryInterface,
        ReadWrite, ReadWriteConfig, StartDevice, UsageNotification, WaitWake,
    },
};
use crate::{po::POWER_STATE, status::NTSTATUS};

/// For each field of a union a getter by reference and a setter for the union.
macro_rules! union_fields {
    ($union:ty { $($(#[$doc:meta])* $get:ident / $set:ident: $field:ident: $type:ty),* $(,)? }) => {
        impl $union {
            $(
                $(#[$doc])*
                #[inline]
                #[must_use]
                pub const fn $get(&self) -> &$type {
                    // SAFETY: any bytes are a value of this type; see above.
                    unsafe { &self.$field }
                }

                $(#[$doc])*
                #[inline]
                pub const fn $set(&mut self) -> &mut $type {
                    // SAFETY: any bytes are a value of this type; see above.
                    unsafe { &mut self.$field }
                }
            )*
        }
    };
}

union_fields!(Parameters {
    /// `IRP_MJ_CREATE`.
    create / create_mut: Create: Create,
    /// `IRP_MJ_READ`, `IRP_MJ_WRITE`.
    read_write / read_write_mut: Read: ReadWrite,
    /// `IRP_MJ_DEVICE_CONTROL`, `IRP_MJ_INTERNAL_DEVICE_CONTROL`.
    device_io_control / device_io_control_mut: DeviceIoControl: DeviceIoControl,
    /// `IRP_MN_QUERY_DEVICE_RELATIONS`.
    query_device_relations / query_device_relations_mut:
        QueryDeviceRelations: QueryDeviceRelations,
    /// `IRP_MN_QUERY_INTERFACE`.
    query_interface / query_interface_mut: QueryInterface: QueryInterface,
    /// `IRP_MN_QUERY_CAPABILITIES`.
    device_capabilities / device_capabilities_mut: DeviceCapabilities: QueryCapabilities,
    /// `IRP_MN_FILTER_RESOURCE_REQUIREMENTS`.
    filter_resource_requirements / filter_resource_requirements_mut:
        FilterResourceRequirements: FilterResourceRequirements,
    /// `IRP_MN_READ_CONFIG`, `IRP_MN_WRITE_CONFIG`.
    read_write_config / read_write_config_mut: ReadWriteConfig: ReadWriteConfig,
    /// `IRP_MN_QUERY_ID`.
    query_id / query_id_mut: QueryId: QueryId,
    /// `IRP_MN_QUERY_DEVICE_TEXT`.
    query_device_text / query_device_text_mut: QueryDeviceText: QueryDeviceText,
    /// `IRP_MN_DEVICE_USAGE_NOTIFICATION`.
    usage_notification / usage_notification_mut: UsageNotification: UsageNotification,
    /// `IRP_MN_WAIT_WAKE`.
    wait_wake / wait_wake_mut: WaitWake: WaitWake,
    /// `IRP_MN_SET_POWER`, `IRP_MN_QUERY_POWER`.
    power / power_mut: Power: Power,
    /// `IRP_MN_START_DEVICE`.
    start_device / start_device_mut: StartDevice: StartDevice,
    /// Anything else.
    others / others_mut: Others: Others,
});

union_fields!(POWER_STATE {
    /// The number of the state, of whichever kind.
    state / state_mut: DeviceState: i32,
});

union_fields!(IO_STATUS_BLOCK_u {
    /// The status.
    status / status_mut: Status: NTSTATUS,
});

union_fields!(IRP_AssociatedIrp {
    /// The IRP that this one is a part of.
    master / master_mut: MasterIrp: *mut IRP,
    /// How many parts are outstanding.
    count / count_mut: IrpCount: i32,
    /// The system buffer.
    system_buffer / system_buffer_mut: SystemBuffer: *mut c_void,
});

union_fields!(IRP_Tail_Overlay_u {
    /// The driver's words.
    driver_context / driver_context_mut: DriverContext: [*mut c_void; 4],
    /// The place in a device queue.
    device_queue_entry / device_queue_entry_mut: DeviceQueueEntry: crate::ke::KDEVICE_QUEUE_ENTRY,
});

impl IO_STATUS_BLOCK {
    /// A status block; the status's other half is zero.
    #[inline]
    #[must_use]
    pub const fn new(status: NTSTATUS, information: usize) -> Self {
        let mut block = Self {
            u: IO_STATUS_BLOCK_u {
                Pointer: core::ptr::null_mut(),
            },
            Information: information,
        };
        *block.u.status_mut() = status;
        block
    }

    /// The status.
    #[inline]
    #[must_use]
    pub const fn status(&self) -> NTSTATUS {
        *self.u.status()
    }
}

impl IRP {
    /// The tail while drivers have the IRP.
    #[inline]
    #[must_use]
    pub const fn overlay(&self) -> &IRP_Tail_Overlay {
        // SAFETY: any bytes are a value of this type; see above.
        unsafe { &self.Tail.Overlay }
    }

    /// The tail while drivers have the IRP.
    #[inline]
    pub const fn overlay_mut(&mut self) -> &mut IRP_Tail_Overlay {
        // SAFETY: any bytes are a value of this type; see above.
        unsafe { &mut self.Tail.Overlay }
    }

    /// The process that an IRP was made in which is finished in an APC of its thread
    /// (`Overlay.AsynchronousParameters.IssuingProcess`, which shares its place with
    /// `UserApcRoutine`).
    #[must_use]
    pub const fn issuing_process(&self) -> *mut c_void {
        // SAFETY: any bytes are a value of this type.
        unsafe { self.Overlay.AsynchronousParameters.UserApcRoutine }
    }

    /// As [`Self::issuing_process`], to be set.
    pub const fn issuing_process_mut(&mut self) -> &mut *mut c_void {
        // SAFETY: any bytes are a value of this type.
        unsafe { &mut self.Overlay.AsynchronousParameters.UserApcRoutine }
    }

    /// The hint of how urgent it is (`IO_PRIORITY_HINT`), if it was given one: three bits of the
    /// flags, one more than the hint.
    #[must_use]
    pub const fn priority_hint(&self) -> Option<u8> {
        match (self.Flags & IRP_PRIORITY_MASK) >> IRP_PRIORITY_SHIFT {
            0 => None,
            field => Some(field.to_le_bytes()[0] - 1),
        }
    }

    /// Gives it a hint, from 0 to 4.
    pub const fn set_priority_hint(&mut self, hint: u8) {
        self.Flags = self.Flags & !IRP_PRIORITY_MASK | (hint as u32 + 1) << IRP_PRIORITY_SHIFT;
    }
}

/// Where the priority hint lies in an IRP's flags: above all `IRP_…` flags that are documented
/// but `IRP_UM_DRIVER_INITIATED_IO`, which lies above it.
const IRP_PRIORITY_SHIFT: u32 = 17;
/// Its bits.
const IRP_PRIORITY_MASK: u32 = 7 << IRP_PRIORITY_SHIFT;

impl IO_STACK_LOCATION {
    /// One with nothing in it.
    pub const EMPTY: Self = Self {
        MajorFunction: 0,
        MinorFunction: 0,
        Flags: 0,
        Control: 0,
        Parameters: Parameters {
            Others: Others {
                Argument1: core::ptr::null_mut(),
                Argument2: core::ptr::null_mut(),
                Argument3: core::ptr::null_mut(),
                Argument4: core::ptr::null_mut(),
            },
        },
        DeviceObject: core::ptr::null_mut(),
        FileObject: core::ptr::null_mut(),
        CompletionRoutine: None,
        Context: core::ptr::null_mut(),
    };
}
