//! DMA adapters.

use core::ffi::c_void;

use super::{device::DEVICE_OBJECT, irp::IRP};
use crate::{mm::MDL, status::NTSTATUS};

/// What a device tells of itself to get an adapter (ns-wdm-_device_description).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DEVICE_DESCRIPTION {
    /// `DEVICE_DESCRIPTION_VERSION…`.
    pub Version: u32,
    /// A bus master.
    pub Master: u8,
    /// It can do scatter/gather.
    pub ScatterGather: u8,
    /// System DMA only.
    pub DemandMode: u8,
    /// System DMA only.
    pub AutoInitialize: u8,
    /// It can address 32 bits.
    pub Dma32BitAddresses: u8,
    /// System DMA only.
    pub IgnoreCount: u8,
    /// Must be false.
    pub Reserved1: u8,
    /// It can address 64 bits.
    pub Dma64BitAddresses: u8,
    /// Unused.
    pub BusNumber: u32,
    /// System DMA only.
    pub DmaChannel: u32,
    /// `INTERFACE_TYPE`.
    pub InterfaceType: i32,
    /// System DMA only.
    pub DmaWidth: i32,
    /// System DMA only.
    pub DmaSpeed: i32,
    /// The longest transfer, in bytes.
    pub MaximumLength: u32,
    /// Unused.
    pub DmaPort: u32,
    /// Version 3: how many address bits it has.
    pub DmaAddressWidth: u32,
    /// System DMA only.
    pub DmaControllerInstance: u32,
    /// System DMA only.
    pub DmaRequestLine: u32,
    /// System DMA only.
    pub DeviceAddress: i64,
}

/// `DEVICE_DESCRIPTION_VERSION`.
pub const DEVICE_DESCRIPTION_VERSION: u32 = 0;
/// `DEVICE_DESCRIPTION_VERSION1`.
pub const DEVICE_DESCRIPTION_VERSION1: u32 = 1;
/// `DEVICE_DESCRIPTION_VERSION2`.
pub const DEVICE_DESCRIPTION_VERSION2: u32 = 2;
/// `DEVICE_DESCRIPTION_VERSION3`.
pub const DEVICE_DESCRIPTION_VERSION3: u32 = 3;

/// A DMA adapter (ns-wdm-_dma_adapter); the HAL's part follows it.
#[repr(C)]
pub struct DMA_ADAPTER {
    /// Of this structure.
    pub Version: u16,
    /// Bytes of the whole.
    pub Size: u16,
    /// Its routines.
    pub DmaOperations: *const DMA_OPERATIONS,
}

/// A piece of a transfer (ns-wdm-_scatter_gather_element).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SCATTER_GATHER_ELEMENT {
    /// Where it lies for the device.
    pub Address: i64,
    /// How many bytes.
    pub Length: u32,
    /// Reserved.
    pub Reserved: usize,
}

/// A transfer as the device sees it (ns-wdm-_scatter_gather_list).
#[repr(C)]
pub struct SCATTER_GATHER_LIST {
    /// How many elements.
    pub NumberOfElements: u32,
    /// Reserved.
    pub Reserved: usize,
    /// The first of them.
    pub Elements: [SCATTER_GATHER_ELEMENT; 0],
}

/// What an adapter can do (ns-wdm-_dma_adapter_info). A driver of version 2004 has no more than
/// the first two fields.
#[repr(C, align(8))]
pub struct DMA_ADAPTER_INFO {
    /// 1.
    pub Version: u32,
    /// The form that drivers ask for.
    pub V1: DMA_ADAPTER_INFO_V1,
    /// The rest of another form, for crash dumps.
    pub reserved: [u64; 8],
}

/// What an adapter can do (ns-wdm-_dma_adapter_info_v1).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMA_ADAPTER_INFO_V1 {
    /// System DMA only.
    pub ReadDmaCounterAvailable: u32,
    /// The most elements of a list.
    pub ScatterGatherLimit: u32,
    /// How many address bits.
    pub DmaAddressWidth: u32,
    /// None defined.
    pub Flags: u32,
    /// Each element's length is a multiple of this.
    pub MinimumTransferUnit: u32,
}

/// What a transfer needs (ns-wdm-_dma_transfer_info).
#[repr(C)]
pub struct DMA_TRANSFER_INFO {
    /// 1 or 2.
    pub Version: u32,
    /// Version 1 has all but the last field.
    pub V2: DMA_TRANSFER_INFO_V2,
}

/// What a transfer needs (ns-wdm-_dma_transfer_info_v2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DMA_TRANSFER_INFO_V2 {
    /// Map registers.
    pub MapRegisterCount: u32,
    /// Elements of the list.
    pub ScatterGatherElementCount: u32,
    /// Bytes for the list.
    pub ScatterGatherListSize: u32,
    /// Version 2: pages.
    pub LogicalPageCount: u32,
}

/// What to do with a channel when `AdapterControl` returns: `IO_ALLOCATION_ACTION`.
pub const KeepObject: i32 = 1;
/// See [`KeepObject`].
pub const DeallocateObject: i32 = 2;
/// See [`KeepObject`].
pub const DeallocateObjectKeepRegisters: i32 = 3;

/// `DMA_SYNCHRONOUS_CALLBACK`: the routine is called before the call returns, or not at all.
pub const DMA_SYNCHRONOUS_CALLBACK: u32 = 0x01;
/// `DMA_ZERO_BUFFERS`.
pub const DMA_ZERO_BUFFERS: u32 = 0x02;
/// Bytes of a transfer context.
pub const DMA_TRANSFER_CONTEXT_SIZE_V1: usize = 128;

/// `AdapterControl` (nc-wdm-driver_control).
pub type DRIVER_CONTROL = unsafe extern "win64" fn(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    map_register_base: *mut c_void,
    context: *mut c_void,
) -> i32;
/// `AdapterListControl` (nc-wdm-driver_list_control).
pub type DRIVER_LIST_CONTROL = unsafe extern "win64" fn(
    device: *mut DEVICE_OBJECT,
    irp: *mut IRP,
    scatter_gather: *mut SCATTER_GATHER_LIST,
    context: *mut c_void,
);

type Adapter = *mut DMA_ADAPTER;
type Device = *mut DEVICE_OBJECT;
type Pointer = *mut c_void;

/// The routines of an adapter (ns-wdm-_dma_operations). A version 1 adapter's end after
/// `PutScatterGatherList`, a version 2 adapter's after `BuildMdlFromScatterGatherList`; their
/// `Size` says so.
#[repr(C)]
#[expect(
    clippy::type_complexity,
    reason = "a name for each would only repeat the field's"
)]
pub struct DMA_OPERATIONS {
    /// Bytes.
    pub Size: u32,
    /// nc-wdm-pput_dma_adapter.
    pub PutDmaAdapter: Option<unsafe extern "win64" fn(Adapter)>,
    /// nc-wdm-pallocate_common_buffer.
    pub AllocateCommonBuffer:
        Option<unsafe extern "win64" fn(Adapter, u32, *mut i64, u8) -> Pointer>,
    /// nc-wdm-pfree_common_buffer.
    pub FreeCommonBuffer: Option<unsafe extern "win64" fn(Adapter, u32, i64, Pointer, u8)>,
    /// nc-wdm-pallocate_adapter_channel.
    pub AllocateAdapterChannel: Option<
        unsafe extern "win64" fn(Adapter, Device, u32, Option<DRIVER_CONTROL>, Pointer) -> NTSTATUS,
    >,
    /// nc-wdm-pflush_adapter_buffers.
    pub FlushAdapterBuffers:
        Option<unsafe extern "win64" fn(Adapter, *mut MDL, Pointer, Pointer, u32, u8) -> u8>,
    /// nc-wdm-pfree_adapter_channel.
    pub FreeAdapterChannel: Option<unsafe extern "win64" fn(Adapter)>,
    /// nc-wdm-pfree_map_registers.
    pub FreeMapRegisters: Option<unsafe extern "win64" fn(Adapter, Pointer, u32)>,
    /// nc-wdm-pmap_transfer.
    pub MapTransfer:
        Option<unsafe extern "win64" fn(Adapter, *mut MDL, Pointer, Pointer, *mut u32, u8) -> i64>,
    /// nc-wdm-pget_dma_alignment.
    pub GetDmaAlignment: Option<unsafe extern "win64" fn(Adapter) -> u32>,
    /// nc-wdm-pread_dma_counter.
    pub ReadDmaCounter: Option<unsafe extern "win64" fn(Adapter) -> u32>,
    /// nc-wdm-pget_scatter_gather_list.
    pub GetScatterGatherList: Option<
        unsafe extern "win64" fn(
            Adapter,
            Device,
            *mut MDL,
            Pointer,
            u32,
            Option<DRIVER_LIST_CONTROL>,
            Pointer,
            u8,
        ) -> NTSTATUS,
    >,
    /// nc-wdm-pput_scatter_gather_list.
    pub PutScatterGatherList:
        Option<unsafe extern "win64" fn(Adapter, *mut SCATTER_GATHER_LIST, u8)>,
    /// nc-wdm-pcalculate_scatter_gather_list_size.
    pub CalculateScatterGatherList: Option<
        unsafe extern "win64" fn(Adapter, *mut MDL, Pointer, u32, *mut u32, *mut u32) -> NTSTATUS,
    >,
    /// nc-wdm-pbuild_scatter_gather_list.
    pub BuildScatterGatherList: Option<
        unsafe extern "win64" fn(
            Adapter,
            Device,
            *mut MDL,
            Pointer,
            u32,
            Option<DRIVER_LIST_CONTROL>,
            Pointer,
            u8,
            Pointer,
            u32,
        ) -> NTSTATUS,
    >,
    /// nc-wdm-pbuild_mdl_from_scatter_gather_list.
    pub BuildMdlFromScatterGatherList: Option<
        unsafe extern "win64" fn(
            Adapter,
            *mut SCATTER_GATHER_LIST,
            *mut MDL,
            *mut *mut MDL,
        ) -> NTSTATUS,
    >,
    /// nc-wdm-pget_dma_adapter_info.
    pub GetDmaAdapterInfo:
        Option<unsafe extern "win64" fn(Adapter, *mut DMA_ADAPTER_INFO) -> NTSTATUS>,
    /// nc-wdm-pget_dma_transfer_info.
    pub GetDmaTransferInfo: Option<
        unsafe extern "win64" fn(
            Adapter,
            *mut MDL,
            u64,
            u32,
            u8,
            *mut DMA_TRANSFER_INFO,
        ) -> NTSTATUS,
    >,
    /// nc-wdm-pinitialize_dma_transfer_context.
    pub InitializeDmaTransferContext:
        Option<unsafe extern "win64" fn(Adapter, Pointer) -> NTSTATUS>,
    /// nc-wdm-pallocate_common_buffer_ex.
    pub AllocateCommonBufferEx:
        Option<unsafe extern "win64" fn(Adapter, *const i64, u32, *mut i64, u8, u32) -> Pointer>,
    /// nc-wdm-pallocate_adapter_channel_ex.
    pub AllocateAdapterChannelEx: Option<
        unsafe extern "win64" fn(
            Adapter,
            Device,
            Pointer,
            u32,
            u32,
            Option<DRIVER_CONTROL>,
            Pointer,
            *mut Pointer,
        ) -> NTSTATUS,
    >,
    /// nc-wdm-pconfigure_adapter_channel.
    pub ConfigureAdapterChannel:
        Option<unsafe extern "win64" fn(Adapter, u32, Pointer) -> NTSTATUS>,
    /// nc-wdm-pcancel_adapter_channel.
    pub CancelAdapterChannel: Option<unsafe extern "win64" fn(Adapter, Device, Pointer) -> u8>,
    /// nc-wdm-pmap_transfer_ex.
    pub MapTransferEx: Option<
        unsafe extern "win64" fn(
            Adapter,
            *mut MDL,
            Pointer,
            u64,
            u32,
            *mut u32,
            u8,
            *mut SCATTER_GATHER_LIST,
            u32,
            Pointer,
            Pointer,
        ) -> NTSTATUS,
    >,
    /// nc-wdm-pget_scatter_gather_list_ex.
    pub GetScatterGatherListEx: Option<
        unsafe extern "win64" fn(
            Adapter,
            Device,
            Pointer,
            *mut MDL,
            u64,
            u32,
            u32,
            Option<DRIVER_LIST_CONTROL>,
            Pointer,
            u8,
            Pointer,
            Pointer,
            *mut *mut SCATTER_GATHER_LIST,
        ) -> NTSTATUS,
    >,
    /// nc-wdm-pbuild_scatter_gather_list_ex.
    pub BuildScatterGatherListEx: Option<
        unsafe extern "win64" fn(
            Adapter,
            Device,
            Pointer,
            *mut MDL,
            u64,
            u32,
            u32,
            Option<DRIVER_LIST_CONTROL>,
            Pointer,
            u8,
            Pointer,
            u32,
            Pointer,
            Pointer,
            *mut *mut SCATTER_GATHER_LIST,
        ) -> NTSTATUS,
    >,
    /// nc-wdm-pflush_adapter_buffers_ex.
    pub FlushAdapterBuffersEx:
        Option<unsafe extern "win64" fn(Adapter, *mut MDL, Pointer, u64, u32, u8) -> NTSTATUS>,
    /// nc-wdm-pfree_adapter_object.
    pub FreeAdapterObject: Option<unsafe extern "win64" fn(Adapter, i32)>,
    /// nc-wdm-pcancel_mapped_transfer.
    pub CancelMappedTransfer: Option<unsafe extern "win64" fn(Adapter, Pointer) -> NTSTATUS>,
    /// nc-wdm-pallocate_domain_common_buffer.
    pub AllocateDomainCommonBuffer: Pointer,
    /// nc-wdm-pflush_dma_buffer.
    pub FlushDmaBuffer: Option<unsafe extern "win64" fn(Adapter, *mut MDL, u8) -> NTSTATUS>,
    /// nc-wdm-pjoin_dma_domain.
    pub JoinDmaDomain: Pointer,
    /// nc-wdm-pleave_dma_domain.
    pub LeaveDmaDomain: Pointer,
    /// nc-wdm-pget_dma_domain.
    pub GetDmaDomain: Pointer,
    /// nc-wdm-pallocate_common_buffer_with_bounds.
    pub AllocateCommonBufferWithBounds: Option<
        unsafe extern "win64" fn(
            Adapter,
            *const i64,
            *const i64,
            u32,
            u32,
            *const i32,
            u32,
            *mut i64,
        ) -> Pointer,
    >,
    /// nc-wdm-pallocate_common_buffer_vector.
    pub AllocateCommonBufferVector: Pointer,
    /// nc-wdm-pget_common_buffer_from_vector_by_index.
    pub GetCommonBufferFromVectorByIndex: Pointer,
    /// nc-wdm-pfree_common_buffer_from_vector.
    pub FreeCommonBufferFromVector: Pointer,
    /// nc-wdm-pfree_common_buffer_vector.
    pub FreeCommonBufferVector: Pointer,
    /// nc-wdm-pcreate_common_buffer_from_mdl.
    pub CreateCommonBufferFromMdl: Pointer,
}
