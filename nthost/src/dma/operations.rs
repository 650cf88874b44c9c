//! The tables of an adapter's routines, by version (ns-wdm-_dma_operations), and the smallest
//! of the routines.

use core::{
    ffi::c_void,
    mem::{offset_of, size_of},
    ptr::null_mut,
};

use nthost_nt::{
    io::dma::{
        DMA_ADAPTER, DMA_ADAPTER_INFO, DMA_ADAPTER_INFO_V1, DMA_OPERATIONS,
        DMA_TRANSFER_CONTEXT_SIZE_V1, SCATTER_GATHER_LIST,
    },
    mm::MDL,
    status::{NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_NOT_SUPPORTED, STATUS_SUCCESS},
};

use super::{adapter, channel, common, list, transfer};

/// A table that drivers read.
#[repr(transparent)]
pub struct Table(DMA_OPERATIONS);

// SAFETY: it is constant.
unsafe impl Sync for Table {}

impl core::ops::Deref for Table {
    type Target = DMA_OPERATIONS;

    fn deref(&self) -> &DMA_OPERATIONS {
        &self.0
    }
}

/// Up to `PutScatterGatherList`.
pub static VERSION_1: Table = Table(table(offset_of!(
    DMA_OPERATIONS,
    CalculateScatterGatherList
)));
/// Up to `BuildMdlFromScatterGatherList`.
pub static VERSION_2: Table = Table(table(offset_of!(DMA_OPERATIONS, GetDmaAdapterInfo)));
/// All of them.
pub static VERSION_3: Table = Table(table(size_of::<DMA_OPERATIONS>()));

/// A table that ends here. Behind its end nothing is to be called.
const fn table(size: usize) -> DMA_OPERATIONS {
    let mut table = ALL;
    table.Size = size as u32;
    if size <= offset_of!(DMA_OPERATIONS, GetDmaAdapterInfo) {
        table.GetDmaAdapterInfo = None;
        table.GetDmaTransferInfo = None;
        table.InitializeDmaTransferContext = None;
        table.AllocateCommonBufferEx = None;
        table.AllocateAdapterChannelEx = None;
        table.ConfigureAdapterChannel = None;
        table.CancelAdapterChannel = None;
        table.MapTransferEx = None;
        table.GetScatterGatherListEx = None;
        table.BuildScatterGatherListEx = None;
        table.FlushAdapterBuffersEx = None;
        table.FreeAdapterObject = None;
        table.CancelMappedTransfer = None;
        table.FlushDmaBuffer = None;
        table.AllocateCommonBufferWithBounds = None;
    }
    if size <= offset_of!(DMA_OPERATIONS, CalculateScatterGatherList) {
        table.CalculateScatterGatherList = None;
        table.BuildScatterGatherList = None;
        table.BuildMdlFromScatterGatherList = None;
    }
    table
}

/// Simplified: there are no DMA domains and no common buffer vectors; their routines are null.
const ALL: DMA_OPERATIONS = DMA_OPERATIONS {
    Size: 0,
    PutDmaAdapter: Some(adapter::put),
    AllocateCommonBuffer: Some(common::allocate_common_buffer),
    FreeCommonBuffer: Some(common::free_common_buffer),
    AllocateAdapterChannel: Some(channel::allocate),
    FlushAdapterBuffers: Some(transfer::flush_buffers),
    FreeAdapterChannel: Some(channel::free),
    FreeMapRegisters: Some(channel::free_registers),
    MapTransfer: Some(transfer::map_transfer),
    GetDmaAlignment: Some(alignment),
    ReadDmaCounter: Some(counter),
    GetScatterGatherList: Some(list::get),
    PutScatterGatherList: Some(list::put),
    CalculateScatterGatherList: Some(list::calculate),
    BuildScatterGatherList: Some(list::build),
    BuildMdlFromScatterGatherList: Some(build_mdl),
    GetDmaAdapterInfo: Some(adapter_info),
    GetDmaTransferInfo: Some(list::transfer_info),
    InitializeDmaTransferContext: Some(initialize_context),
    AllocateCommonBufferEx: Some(common::allocate_common_buffer_ex),
    AllocateAdapterChannelEx: Some(channel::allocate_ex),
    ConfigureAdapterChannel: Some(channel::configure),
    CancelAdapterChannel: Some(channel::cancel),
    MapTransferEx: Some(transfer::map_transfer_ex),
    GetScatterGatherListEx: Some(list::get_ex),
    BuildScatterGatherListEx: Some(list::build_ex),
    FlushAdapterBuffersEx: Some(transfer::flush_buffers_ex),
    FreeAdapterObject: Some(channel::free_object),
    CancelMappedTransfer: Some(channel::cancel_mapped),
    AllocateDomainCommonBuffer: null_mut(),
    FlushDmaBuffer: Some(flush_buffer),
    JoinDmaDomain: null_mut(),
    LeaveDmaDomain: null_mut(),
    GetDmaDomain: null_mut(),
    AllocateCommonBufferWithBounds: Some(common::allocate_common_buffer_with_bounds),
    AllocateCommonBufferVector: null_mut(),
    GetCommonBufferFromVectorByIndex: null_mut(),
    FreeCommonBufferFromVector: null_mut(),
    FreeCommonBufferVector: null_mut(),
    CreateCommonBufferFromMdl: null_mut(),
};

/// GetDmaAlignment: any address will do.
unsafe extern "win64" fn alignment(adapter: *mut DMA_ADAPTER) -> u32 {
    // SAFETY: the driver's adapter.
    let _this = unsafe { adapter::of(adapter) };
    1
}

/// ReadDmaCounter: for system DMA controllers alone.
unsafe extern "win64" fn counter(adapter: *mut DMA_ADAPTER) -> u32 {
    // SAFETY: the driver's adapter.
    let _this = unsafe { adapter::of(adapter) };
    0
}

/// BuildMdlFromScatterGatherList: not supported where pages go through map registers, as its
/// page allows.
unsafe extern "win64" fn build_mdl(
    adapter: *mut DMA_ADAPTER,
    list: *mut SCATTER_GATHER_LIST,
    _original: *mut MDL,
    _target: *mut *mut MDL,
) -> NTSTATUS {
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    if this.with(|state| state.lists.contains_key(&list.addr())) {
        STATUS_NOT_SUPPORTED
    } else {
        STATUS_INVALID_PARAMETER
    }
}

/// GetDmaAdapterInfo.
unsafe extern "win64" fn adapter_info(
    adapter: *mut DMA_ADAPTER,
    info: *mut DMA_ADAPTER_INFO,
) -> NTSTATUS {
    // SAFETY: the driver's adapter.
    let this = unsafe { adapter::of(adapter) };
    // SAFETY: the driver's structure, of which no more than the version and the first form may be
    // there.
    if unsafe { (*info).Version } != 1 {
        return STATUS_NOT_SUPPORTED;
    }
    let answer = DMA_ADAPTER_INFO_V1 {
        ReadDmaCounterAvailable: 0,
        ScatterGatherLimit: if this.reach.scatter_gather {
            this.registers
        } else {
            1
        },
        DmaAddressWidth: 64 - this.reach.highest.leading_zeros(),
        Flags: 0,
        MinimumTransferUnit: 1,
    };
    // SAFETY: likewise.
    unsafe { (*info).V1 = answer };
    STATUS_SUCCESS
}

/// InitializeDmaTransferContext: the context only names a request.
unsafe extern "win64" fn initialize_context(
    adapter: *mut DMA_ADAPTER,
    context: *mut c_void,
) -> NTSTATUS {
    // SAFETY: the driver's adapter.
    let _this = unsafe { adapter::of(adapter) };
    // SAFETY: the driver's memory for a context.
    unsafe {
        context
            .cast::<u8>()
            .write_bytes(0, DMA_TRANSFER_CONTEXT_SIZE_V1);
    };
    STATUS_SUCCESS
}

/// FlushDmaBuffer: caches are coherent with DMA on this machine.
unsafe extern "win64" fn flush_buffer(
    adapter: *mut DMA_ADAPTER,
    _mdl: *mut MDL,
    _read: u8,
) -> NTSTATUS {
    // SAFETY: the driver's adapter.
    let _this = unsafe { adapter::of(adapter) };
    STATUS_SUCCESS
}
