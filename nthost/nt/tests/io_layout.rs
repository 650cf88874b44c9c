//! The structures of the I/O manager lie in memory as Microsoft's metadata (`windows-sys`) say.
//!
//! Where those metadata are known to be wrong for x64, the layout of the headers' own text
//! stands here as numbers: they lost `POINTER_ALIGNMENT`, the 8-byte alignment of many 32-bit
//! parameters of `IO_STACK_LOCATION`, `DECLSPEC_ALIGN` of `IRP` and `DEVICE_OBJECT`, and the 4-byte
//! packing of `CM_PARTIAL_RESOURCE_DESCRIPTOR`.

use std::mem::{align_of, offset_of, size_of};

use nthost_nt::io as ours;
use windows_sys::Wdk::{Foundation as fnd, System::SystemServices as sys};

/// Same size and same offsets; `ours_field = theirs_field` where the names differ.
macro_rules! same_layout {
    ($ours:ty, $theirs:ty $(, $field:ident $(= $other:ident)?)* $(,)?) => {
        assert_eq!(size_of::<$ours>(), size_of::<$theirs>(), stringify!($ours));
        same_fields!($ours, $theirs $(, $field $(= $other)?)*);
    };
}

macro_rules! same_fields {
    ($ours:ty, $theirs:ty $(, $field:ident $(= $other:ident)?)* $(,)?) => {
        $(same_fields!(@one $ours, $theirs, $field $(, $other)?);)*
    };
    (@one $ours:ty, $theirs:ty, $field:ident) => {
        same_fields!(@one $ours, $theirs, $field, $field);
    };
    (@one $ours:ty, $theirs:ty, $field:ident, $other:ident) => {
        assert_eq!(
            offset_of!($ours, $field),
            offset_of!($theirs, $other),
            concat!(stringify!($ours), ".", stringify!($field)),
        );
    };
}

/// Offsets as numbers, where the metadata are wrong.
macro_rules! offsets {
    ($type:ty, $($field:ident: $offset:expr),* $(,)?) => {
        $(assert_eq!(
            offset_of!($type, $field),
            $offset,
            concat!(stringify!($type), ".", stringify!($field)),
        );)*
    };
}

#[test]
fn device_objects_lie_as_in_the_metadata() {
    same_fields!(
        ours::device::DEVICE_OBJECT,
        fnd::DEVICE_OBJECT,
        Type,
        Size,
        ReferenceCount,
        DriverObject,
        NextDevice,
        AttachedDevice,
        CurrentIrp,
        Timer,
        Flags,
        Characteristics,
        Vpb,
        DeviceExtension,
        DeviceType,
        StackSize,
        Queue,
        AlignmentRequirement,
        DeviceQueue,
        Dpc,
        ActiveThreadCount,
        SecurityDescriptor,
        DeviceLock,
        SectorSize,
        Spare1,
        DeviceObjectExtension,
        Reserved,
    );
    // The header aligns it to 16 bytes, which the metadata lost.
    assert_eq!(align_of::<ours::device::DEVICE_OBJECT>(), 16);
    assert_eq!(size_of::<ours::device::DEVICE_OBJECT>(), 336);
    same_layout!(
        ours::device::DEVOBJ_EXTENSION,
        fnd::DEVOBJ_EXTENSION,
        Type,
        Size,
        DeviceObject,
        PowerFlags,
        Dope,
        ExtensionFlags,
        DeviceNode,
        AttachedTo,
        StartIoCount,
        StartIoKey,
        StartIoFlags,
        Vpb,
        DependencyNode,
        InterruptContext,
        InterruptCount,
        VerifierContext,
    );
    same_layout!(
        ours::device::WAIT_CONTEXT_BLOCK,
        sys::WAIT_CONTEXT_BLOCK,
        DeviceRoutine,
        DeviceContext,
        NumberOfMapRegisters,
        DeviceObject,
        CurrentIrp,
        BufferChainingDpc,
    );
}

#[test]
fn driver_objects_lie_as_in_the_metadata() {
    same_layout!(
        ours::driver::DRIVER_OBJECT,
        fnd::DRIVER_OBJECT,
        Type,
        Size,
        DeviceObject,
        Flags,
        DriverStart,
        DriverSize,
        DriverSection,
        DriverExtension,
        DriverName,
        HardwareDatabase,
        FastIoDispatch,
        DriverInit,
        DriverStartIo,
        DriverUnload,
        MajorFunction,
    );
    same_layout!(
        ours::driver::DRIVER_EXTENSION,
        fnd::DRIVER_EXTENSION,
        DriverObject,
        AddDevice,
        Count,
        ServiceKeyName,
    );
}

#[test]
fn file_objects_lie_as_in_the_metadata() {
    same_layout!(
        ours::file::FILE_OBJECT,
        fnd::FILE_OBJECT,
        Type,
        Size,
        DeviceObject,
        Vpb,
        FsContext,
        FsContext2,
        SectionObjectPointer,
        PrivateCacheMap,
        FinalStatus,
        RelatedFileObject,
        LockOperation,
        DeletePending,
        ReadAccess,
        WriteAccess,
        DeleteAccess,
        SharedRead,
        SharedWrite,
        SharedDelete,
        Flags,
        FileName,
        CurrentByteOffset,
        Waiters,
        Busy,
        LastLock,
        Lock,
        Event,
        CompletionContext,
        IrpListLock,
        IrpList,
        FileObjectExtension,
    );
}

#[test]
fn irps_lie_as_in_the_metadata() {
    same_fields!(
        ours::irp::IRP,
        fnd::IRP,
        Type,
        Size,
        MdlAddress,
        Flags,
        AssociatedIrp,
        ThreadListEntry,
        IoStatus,
        RequestorMode,
        PendingReturned,
        StackCount,
        CurrentLocation,
        Cancel,
        CancelIrql,
        ApcEnvironment,
        AllocationFlags,
        UserIosb = Anonymous,
        UserEvent,
        Overlay,
        CancelRoutine,
        UserBuffer,
        Tail,
    );
    assert_eq!(size_of::<ours::irp::IRP>(), 208);
    assert_eq!(align_of::<ours::irp::IRP>(), 16);
    same_fields!(
        ours::irp::IRP_Tail_Overlay,
        fnd::IRP_3_0,
        u = Anonymous1,
        Thread,
        AuxiliaryBuffer,
        ListEntry = Anonymous2,
        OriginalFileObject,
    );
    offsets!(ours::irp::IRP_Tail_Overlay, CurrentStackLocation: 0x40);
}

#[test]
fn stack_locations_lie_as_the_headers_say() {
    use ours::stack::{
        Create, DeviceIoControl, IO_STACK_LOCATION, Power, QueryDeviceText, QueryInterface,
        ReadWrite, ReadWriteConfig, UsageNotification,
    };
    same_layout!(
        IO_STACK_LOCATION,
        fnd::IO_STACK_LOCATION,
        MajorFunction,
        MinorFunction,
        Flags,
        Control,
        Parameters,
        DeviceObject,
        FileObject,
        CompletionRoutine,
        Context,
    );
    offsets!(Create, SecurityContext: 0, Options: 8, FileAttributes: 16, ShareAccess: 18, EaLength: 24);
    offsets!(ReadWrite, Length: 0, Key: 8, ByteOffset: 16);
    offsets!(
        DeviceIoControl,
        OutputBufferLength: 0, InputBufferLength: 8, IoControlCode: 16, Type3InputBuffer: 24,
    );
    offsets!(Power, SystemContext: 0, Type: 8, State: 16, ShutdownType: 24);
    offsets!(ReadWriteConfig, WhichSpace: 0, Buffer: 8, Offset: 16, Length: 24);
    offsets!(QueryDeviceText, DeviceTextType: 0, LocaleId: 8);
    offsets!(UsageNotification, InPath: 0, Type: 8);
    same_layout!(
        QueryInterface,
        fnd::IO_STACK_LOCATION_0_25,
        InterfaceType,
        Size,
        Version,
        Interface,
        InterfaceSpecificData,
    );
}

#[test]
fn resources_lie_as_in_the_metadata() {
    use ours::resource as r;
    same_fields!(r::CM_RESOURCE_LIST, sys::CM_RESOURCE_LIST, Count);
    same_fields!(
        r::CM_FULL_RESOURCE_DESCRIPTOR,
        sys::CM_FULL_RESOURCE_DESCRIPTOR,
        InterfaceType,
        BusNumber,
    );
    same_fields!(
        r::CM_PARTIAL_RESOURCE_LIST,
        sys::CM_PARTIAL_RESOURCE_LIST,
        Version,
        Revision,
        Count,
    );
    offsets!(r::CM_RESOURCE_LIST, Count: 0, List: 4);
    offsets!(r::CM_FULL_RESOURCE_DESCRIPTOR, PartialResourceList: 8);
    offsets!(r::CM_PARTIAL_RESOURCE_LIST, PartialDescriptors: 8);
    offsets!(
        r::CM_PARTIAL_RESOURCE_DESCRIPTOR,
        Type: 0, ShareDisposition: 1, Flags: 2, u: 4,
    );
    offsets!(r::CM_RANGE, Start: 0, Length: 8);
    assert_eq!(size_of::<r::CM_PARTIAL_RESOURCE_DESCRIPTOR>(), 20);
    assert_eq!(size_of::<r::CM_RESOURCE_LIST>(), 40);
    offsets!(r::CM_INTERRUPT, Level: 0, Group: 2, Vector: 4, Affinity: 8);
    offsets!(r::CM_MESSAGE_INTERRUPT_RAW, Group: 0, MessageCount: 2, Vector: 4, Affinity: 8);
    same_layout!(
        r::IO_RESOURCE_REQUIREMENTS_LIST,
        sys::IO_RESOURCE_REQUIREMENTS_LIST,
        ListSize,
        InterfaceType,
        BusNumber,
        SlotNumber,
        Reserved,
        AlternativeLists,
        List,
    );
    same_layout!(
        r::IO_RESOURCE_DESCRIPTOR,
        sys::IO_RESOURCE_DESCRIPTOR,
        Option,
        Type,
        ShareDisposition,
        Spare1,
        Flags,
        Spare2,
        u,
    );
}

#[test]
fn interrupt_parameters_lie_as_in_the_metadata() {
    use ours::interrupt as i;
    same_layout!(
        i::IO_CONNECT_INTERRUPT_PARAMETERS,
        sys::IO_CONNECT_INTERRUPT_PARAMETERS,
        Version,
        u = Anonymous,
    );
    same_layout!(
        i::FULLY_SPECIFIED,
        sys::IO_CONNECT_INTERRUPT_FULLY_SPECIFIED_PARAMETERS,
        PhysicalDeviceObject,
        InterruptObject,
        ServiceRoutine,
        ServiceContext,
        SpinLock,
        SynchronizeIrql,
        FloatingSave,
        ShareVector,
        Vector,
        Irql,
        InterruptMode,
        ProcessorEnableMask,
        Group,
    );
    same_layout!(
        i::LINE_BASED,
        sys::IO_CONNECT_INTERRUPT_LINE_BASED_PARAMETERS,
        PhysicalDeviceObject,
        InterruptObject,
        ServiceRoutine,
        ServiceContext,
        SpinLock,
        SynchronizeIrql,
        FloatingSave,
    );
    same_layout!(
        i::MESSAGE_BASED,
        sys::IO_CONNECT_INTERRUPT_MESSAGE_BASED_PARAMETERS,
        PhysicalDeviceObject,
        ConnectionContext,
        MessageServiceRoutine,
        ServiceContext,
        SpinLock,
        SynchronizeIrql,
        FloatingSave,
        FallBackServiceRoutine,
    );
    same_layout!(
        i::IO_DISCONNECT_INTERRUPT_PARAMETERS,
        sys::IO_DISCONNECT_INTERRUPT_PARAMETERS,
        Version,
        ConnectionContext,
    );
    same_layout!(
        i::IO_INTERRUPT_MESSAGE_INFO,
        sys::IO_INTERRUPT_MESSAGE_INFO,
        UnifiedIrql,
        MessageCount,
        MessageInfo,
    );
    same_layout!(
        i::IO_INTERRUPT_MESSAGE_INFO_ENTRY,
        sys::IO_INTERRUPT_MESSAGE_INFO_ENTRY,
        MessageAddress,
        TargetProcessorSet,
        InterruptObject,
        MessageData,
        Vector,
        Irql,
        Mode,
        Polarity,
    );
}

#[test]
fn dma_structures_lie_as_in_the_metadata() {
    use ours::dma as d;
    same_layout!(
        d::DEVICE_DESCRIPTION,
        sys::DEVICE_DESCRIPTION,
        Version,
        Master,
        ScatterGather,
        DemandMode,
        AutoInitialize,
        Dma32BitAddresses,
        IgnoreCount,
        Reserved1,
        Dma64BitAddresses,
        BusNumber,
        DmaChannel,
        InterfaceType,
        DmaWidth,
        DmaSpeed,
        MaximumLength,
        DmaPort,
        DmaAddressWidth,
        DmaControllerInstance,
        DmaRequestLine,
        DeviceAddress,
    );
    same_layout!(
        d::DMA_ADAPTER,
        sys::DMA_ADAPTER,
        Version,
        Size,
        DmaOperations
    );
    same_layout!(
        d::DMA_OPERATIONS,
        sys::DMA_OPERATIONS,
        Size,
        PutDmaAdapter,
        AllocateCommonBuffer,
        FreeCommonBuffer,
        AllocateAdapterChannel,
        FlushAdapterBuffers,
        FreeAdapterChannel,
        FreeMapRegisters,
        MapTransfer,
        GetDmaAlignment,
        ReadDmaCounter,
        GetScatterGatherList,
        PutScatterGatherList,
        CalculateScatterGatherList,
        BuildScatterGatherList,
        BuildMdlFromScatterGatherList,
        GetDmaAdapterInfo,
        GetDmaTransferInfo,
        InitializeDmaTransferContext,
        AllocateCommonBufferEx,
        AllocateAdapterChannelEx,
        ConfigureAdapterChannel,
        CancelAdapterChannel,
        MapTransferEx,
        GetScatterGatherListEx,
        BuildScatterGatherListEx,
        FlushAdapterBuffersEx,
        FreeAdapterObject,
        CancelMappedTransfer,
        AllocateDomainCommonBuffer,
        FlushDmaBuffer,
        JoinDmaDomain,
        LeaveDmaDomain,
        GetDmaDomain,
        AllocateCommonBufferWithBounds,
        AllocateCommonBufferVector,
        GetCommonBufferFromVectorByIndex,
        FreeCommonBufferFromVector,
        FreeCommonBufferVector,
        CreateCommonBufferFromMdl,
    );
}

#[test]
fn dma_transfers_lie_as_in_the_metadata() {
    use ours::dma as d;
    same_layout!(
        d::SCATTER_GATHER_ELEMENT,
        sys::SCATTER_GATHER_ELEMENT,
        Address,
        Length,
        Reserved,
    );
    same_fields!(
        d::SCATTER_GATHER_LIST,
        sys::SCATTER_GATHER_LIST,
        NumberOfElements,
        Reserved,
        Elements,
    );
    same_layout!(
        d::DMA_TRANSFER_INFO,
        sys::DMA_TRANSFER_INFO,
        Version,
        V2 = Anonymous
    );
    same_layout!(
        d::DMA_TRANSFER_INFO_V2,
        sys::DMA_TRANSFER_INFO_V2,
        MapRegisterCount,
        ScatterGatherElementCount,
        ScatterGatherListSize,
        LogicalPageCount,
    );
}

#[test]
fn pnp_structures_lie_as_in_the_metadata() {
    use ours::{interface as i, pnp as p};
    same_layout!(
        p::DEVICE_CAPABILITIES,
        sys::DEVICE_CAPABILITIES,
        Size,
        Version,
        Flags = _bitfield,
        Address,
        UINumber,
        DeviceState,
        SystemWake,
        DeviceWake,
        D1Latency,
        D2Latency,
        D3Latency,
    );
    same_layout!(
        p::INTERFACE,
        sys::INTERFACE,
        Size,
        Version,
        Context,
        InterfaceReference,
        InterfaceDereference,
    );
    same_layout!(
        i::BUS_INTERFACE_STANDARD,
        sys::BUS_INTERFACE_STANDARD,
        TranslateBusAddress,
        GetDmaAdapter,
        SetBusData,
        GetBusData,
    );
    same_layout!(p::DEVICE_RELATIONS, sys::DEVICE_RELATIONS, Count, Objects);
    same_layout!(
        p::PNP_BUS_INFORMATION,
        sys::PNP_BUS_INFORMATION,
        BusTypeGuid,
        LegacyBusType,
        BusNumber,
    );
}

#[test]
fn queues_lie_as_in_the_metadata() {
    same_layout!(
        ours::csq::IO_CSQ,
        sys::IO_CSQ,
        Type,
        CsqInsertIrp,
        CsqRemoveIrp,
        CsqPeekNextIrp,
        CsqAcquireLock,
        CsqReleaseLock,
        CsqCompleteCanceledIrp,
        ReservePointer,
    );
    same_layout!(
        ours::csq::IO_CSQ_IRP_CONTEXT,
        sys::IO_CSQ_IRP_CONTEXT,
        Type,
        Irp,
        Csq,
    );
    same_layout!(
        ours::remove_lock::IO_REMOVE_LOCK_COMMON_BLOCK,
        sys::IO_REMOVE_LOCK_COMMON_BLOCK,
        Removed,
        Reserved,
        IoCount,
        RemoveEvent,
    );
    same_layout!(
        ours::create::IO_SECURITY_CONTEXT,
        fnd::IO_SECURITY_CONTEXT,
        SecurityQos,
        AccessState,
        DesiredAccess,
        FullCreateOptions,
    );
    same_layout!(
        nthost_nt::ob::OBJECT_ATTRIBUTES,
        fnd::OBJECT_ATTRIBUTES,
        Length,
        RootDirectory,
        ObjectName,
        Attributes,
        SecurityDescriptor,
        SecurityQualityOfService,
    );
}

#[test]
fn property_keys() {
    use nthost_nt::io::property::DEVPROPKEY;
    use windows_sys::Win32::Foundation as w32;

    same_layout!(DEVPROPKEY, w32::DEVPROPKEY, fmtid, pid);
}
