//! Constants of the headers, in the types of the parameters and fields that they are for.
//!
//! A macro has no type, and bindings give all of them the same; each is converted here once.

/// Converts at compile time and stops the build if the value does not fit.
macro_rules! typed {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $value:expr;)*) => {$(
        $(#[$doc])*
        pub const $name: $type = {
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be the same value; not every one needs both"
            )]
            const VALUE: $type = ($value) as $type;
            assert!(VALUE as i128 == ($value) as i128, "the constant does not fit its type");
            VALUE
        };
    )*};
}

typed! {
    /// `IO_NO_INCREMENT`: no boost for the thread that waits for a request.
    IO_NO_INCREMENT: i8 = wdk_sys::IO_NO_INCREMENT;
    /// `SL_PENDING_RETURNED`.
    SL_PENDING_RETURNED: u8 = wdk_sys::SL_PENDING_RETURNED;
    /// `KernelMode`.
    KERNEL_MODE: i8 = wdk_sys::_MODE::KernelMode;
    /// `ALL_PROCESSOR_GROUPS`.
    ALL_PROCESSOR_GROUPS: u16 = wdk_sys::ALL_PROCESSOR_GROUPS;
    /// The size that `IoXxxRemoveLockEx` take.
    REMOVE_LOCK_SIZE: u32 = size_of::<wdk_sys::IO_REMOVE_LOCK>();
    /// `UserMode`.
    USER_MODE: i8 = wdk_sys::_MODE::UserMode;
    /// `DISPATCH_LEVEL`.
    DISPATCH_LEVEL: u8 = wdk_sys::DISPATCH_LEVEL;
    /// `NormalPagePriority`, as `MmMapLockedPagesSpecifyCache` takes it: with flags beside it.
    NORMAL_PAGE_PRIORITY: u32 = wdk_sys::_MM_PAGE_PRIORITY::NormalPagePriority;
    /// `IRP_MN_SET_POWER`.
    IRP_MN_SET_POWER_CODE: u8 = wdk_sys::IRP_MN_SET_POWER;
    /// `IRP_MJ_PNP`.
    IRP_MJ_PNP_CODE: u8 = wdk_sys::IRP_MJ_PNP;
    /// `IRP_MN_QUERY_INTERFACE`.
    IRP_MN_QUERY_INTERFACE_CODE: u8 = wdk_sys::IRP_MN_QUERY_INTERFACE;
    /// The size of what a bug check callback gets for secondary dump data.
    SECONDARY_DUMP_DATA_SIZE: u32 = size_of::<wdk_sys::KBUGCHECK_SECONDARY_DUMP_DATA>();
    /// The size of a bus interface.
    BUS_INTERFACE_SIZE: u16 = size_of::<wdk_sys::BUS_INTERFACE_STANDARD>();
    /// `IRP_MN_QUERY_POWER`.
    IRP_MN_QUERY_POWER_CODE: u8 = wdk_sys::IRP_MN_QUERY_POWER;
    /// `PO_FX_FLAG_ASYNC_ONLY`.
    PO_FX_FLAG_ASYNC_ONLY: u32 = wdk_sys::PO_FX_FLAG_ASYNC_ONLY;
    /// `PO_FX_FLAG_BLOCKING`.
    PO_FX_FLAG_BLOCKING: u32 = wdk_sys::PO_FX_FLAG_BLOCKING;
    /// `OBJECT_ATTRIBUTES::Length`.
    OBJECT_ATTRIBUTES_SIZE: u32 = size_of::<wdk_sys::OBJECT_ATTRIBUTES>();
    /// The size of an error log packet.
    ERROR_LOG_PACKET_SIZE: u8 = size_of::<wdk_sys::IO_ERROR_LOG_PACKET>();
    /// `CmResourceTypePort`.
    RESOURCE_TYPE_PORT: u8 = wdk_sys::CmResourceTypePort;
    /// `CmResourceTypeInterrupt`.
    RESOURCE_TYPE_INTERRUPT: u8 = wdk_sys::CmResourceTypeInterrupt;
    /// `CmResourceTypeMemory`.
    RESOURCE_TYPE_MEMORY: u8 = wdk_sys::CmResourceTypeMemory;
    /// `CmResourceTypeMemoryLarge`.
    RESOURCE_TYPE_MEMORY_LARGE: u8 = wdk_sys::CmResourceTypeMemoryLarge;
}

/// `MdlMappingNoExecute`, for the priority of a mapping; see nf-wdm-mmmaplockedpagesspecifycache.
/// Not all header sets have it.
pub const MDL_MAPPING_NO_EXECUTE: u32 = 0x4000_0000;
