//! Every kernel structure that the driver or `wdm` touches, compared with Microsoft's own metadata
//! for it (the crate `windows-sys`): size, alignment, and where each field lies.
//!
//! The driver is built with other people's headers. A structure that comes out differently from
//! them is a crash on Windows, so this crate does not compile if one does. The fields compared
//! are those that both sides give the same name; sizes cover the rest. `cargo xtask test` also
//! looks for structures that the sources use and that are not listed here.
#![no_std]

/// Compares one structure after the other: `ours = theirs { fields }`.
macro_rules! compare {
    ($($ours:ident = $($theirs:ident)::+ { $($field:ident),* $(,)? })*) => { $(
        const _: () = {
            type Ours = wdk_sys::$ours;
            type Theirs = windows_sys::$($theirs)::+;
            assert!(
                size_of::<Ours>() == size_of::<Theirs>(),
                concat!("the size of ", stringify!($ours))
            );
            assert!(
                align_of::<Ours>() == align_of::<Theirs>(),
                concat!("the alignment of ", stringify!($ours))
            );
            $(assert!(
                core::mem::offset_of!(Ours, $field) == core::mem::offset_of!(Theirs, $field),
                concat!("the offset of ", stringify!($ours), "::", stringify!($field))
            );)*
        };
    )* };
}

compare! {
    _DRIVER_OBJECT = Wdk::Foundation::DRIVER_OBJECT { Type, Size, DeviceObject, Flags, DriverStart, DriverSize, DriverSection, DriverExtension, DriverName, HardwareDatabase, FastIoDispatch, DriverInit, DriverStartIo, DriverUnload, MajorFunction }
    _DRIVER_EXTENSION = Wdk::Foundation::DRIVER_EXTENSION { DriverObject, AddDevice, Count, ServiceKeyName }
    _FILE_OBJECT = Wdk::Foundation::FILE_OBJECT { Type, Size, DeviceObject, Vpb, FsContext, FsContext2, SectionObjectPointer, PrivateCacheMap, FinalStatus, RelatedFileObject, LockOperation, DeletePending, ReadAccess, WriteAccess, DeleteAccess, SharedRead, SharedWrite, SharedDelete, Flags, FileName, CurrentByteOffset, Waiters, Busy, LastLock, Lock, Event, CompletionContext, IrpListLock, IrpList, FileObjectExtension }
    _IO_CONNECT_INTERRUPT_PARAMETERS = Wdk::System::SystemServices::IO_CONNECT_INTERRUPT_PARAMETERS { Version }
    _IO_DISCONNECT_INTERRUPT_PARAMETERS = Wdk::System::SystemServices::IO_DISCONNECT_INTERRUPT_PARAMETERS { Version, ConnectionContext }
    _IO_INTERRUPT_MESSAGE_INFO = Wdk::System::SystemServices::IO_INTERRUPT_MESSAGE_INFO { UnifiedIrql, MessageCount, MessageInfo }
    _IO_INTERRUPT_MESSAGE_INFO_ENTRY = Wdk::System::SystemServices::IO_INTERRUPT_MESSAGE_INFO_ENTRY { MessageAddress, TargetProcessorSet, InterruptObject, MessageData, Vector, Irql, Mode, Polarity }
    _IO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS = Wdk::System::SystemServices::IO_REPORT_INTERRUPT_ACTIVE_STATE_PARAMETERS { Version, ConnectionContext }
    _IO_CSQ = Wdk::System::SystemServices::IO_CSQ { Type, CsqInsertIrp, CsqRemoveIrp, CsqPeekNextIrp, CsqAcquireLock, CsqReleaseLock, CsqCompleteCanceledIrp, ReservePointer }
    _IO_CSQ_IRP_CONTEXT = Wdk::System::SystemServices::IO_CSQ_IRP_CONTEXT { Type, Irp, Csq }
    _IO_REMOVE_LOCK = Wdk::System::SystemServices::IO_REMOVE_LOCK { Common }
    _IO_REMOVE_LOCK_COMMON_BLOCK = Wdk::System::SystemServices::IO_REMOVE_LOCK_COMMON_BLOCK { Removed, Reserved, IoCount, RemoveEvent }
    _IO_REMOVE_LOCK_DBG_BLOCK = Wdk::System::SystemServices::IO_REMOVE_LOCK_DBG_BLOCK { Signature, HighWatermark, MaxLockedTicks, AllocateTag, LockList, Spin, LowMemoryCount, Reserved1, Reserved2, Blocks }
    _IO_STACK_LOCATION = Wdk::Foundation::IO_STACK_LOCATION { MajorFunction, MinorFunction, Flags, Control, Parameters, DeviceObject, FileObject, CompletionRoutine, Context }
    _KDPC = Wdk::Foundation::KDPC { DpcListEntry, DeferredRoutine, DeferredContext, SystemArgument1, SystemArgument2, DpcData }
    _KEVENT = Wdk::Foundation::KEVENT { Header }
    _KMUTANT = Wdk::Foundation::KMUTANT { Header, MutantListEntry, OwnerThread, ApcDisable }
    _KTIMER = Wdk::System::SystemServices::KTIMER { Header, DueTime, TimerListEntry, Dpc }
    _KSEMAPHORE = Wdk::System::SystemServices::KSEMAPHORE { Header, Limit }
    _LIST_ENTRY = Win32::System::Kernel::LIST_ENTRY { Flink, Blink }
    _PROCESSOR_NUMBER = Win32::System::Kernel::PROCESSOR_NUMBER { Group, Number, Reserved }
    _GROUP_AFFINITY = Win32::System::SystemInformation::GROUP_AFFINITY { Mask, Group, Reserved }
    _UNICODE_STRING = Win32::Foundation::UNICODE_STRING { Length, MaximumLength, Buffer }
    _MDL = Wdk::Foundation::MDL { Next, Size, MdlFlags, Process, MappedSystemVa, StartVa, ByteCount, ByteOffset }
    _DEVICE_DESCRIPTION = Wdk::System::SystemServices::DEVICE_DESCRIPTION { Version, Master, ScatterGather, DemandMode, AutoInitialize, Dma32BitAddresses, IgnoreCount, Reserved1, Dma64BitAddresses, BusNumber, DmaChannel, InterfaceType, DmaWidth, DmaSpeed, MaximumLength, DmaPort, DmaAddressWidth, DmaControllerInstance, DmaRequestLine, DeviceAddress }
    _DMA_ADAPTER = Wdk::System::SystemServices::DMA_ADAPTER { Version, Size, DmaOperations }
    _DMA_TRANSFER_INFO = Wdk::System::SystemServices::DMA_TRANSFER_INFO { Version }
    _DMA_TRANSFER_INFO_V1 = Wdk::System::SystemServices::DMA_TRANSFER_INFO_V1 { MapRegisterCount, ScatterGatherElementCount, ScatterGatherListSize }
    _DMA_ADAPTER_INFO_V1 = Wdk::System::SystemServices::DMA_ADAPTER_INFO_V1 { ReadDmaCounterAvailable, ScatterGatherLimit, DmaAddressWidth, Flags, MinimumTransferUnit }
    _DMA_OPERATIONS = Wdk::System::SystemServices::DMA_OPERATIONS { Size, PutDmaAdapter, AllocateCommonBuffer, FreeCommonBuffer, AllocateAdapterChannel, FlushAdapterBuffers, FreeAdapterChannel, FreeMapRegisters, MapTransfer, GetDmaAlignment, ReadDmaCounter, GetScatterGatherList, PutScatterGatherList, CalculateScatterGatherList, BuildScatterGatherList, BuildMdlFromScatterGatherList, GetDmaAdapterInfo, GetDmaTransferInfo, InitializeDmaTransferContext, AllocateCommonBufferEx, AllocateAdapterChannelEx, ConfigureAdapterChannel, CancelAdapterChannel, MapTransferEx, GetScatterGatherListEx, BuildScatterGatherListEx, FlushAdapterBuffersEx, FreeAdapterObject, CancelMappedTransfer, AllocateDomainCommonBuffer, FlushDmaBuffer, JoinDmaDomain, LeaveDmaDomain, GetDmaDomain, AllocateCommonBufferWithBounds, AllocateCommonBufferVector, GetCommonBufferFromVectorByIndex, FreeCommonBufferFromVector, FreeCommonBufferVector, CreateCommonBufferFromMdl }
    _SCATTER_GATHER_ELEMENT = Wdk::System::SystemServices::SCATTER_GATHER_ELEMENT { Address, Length, Reserved }
    _DEVICE_CAPABILITIES = Wdk::System::SystemServices::DEVICE_CAPABILITIES { Size, Version, Address, UINumber, DeviceState, SystemWake, DeviceWake, D1Latency, D2Latency, D3Latency }
    _POWER_STATE = Wdk::System::SystemServices::POWER_STATE { SystemState, DeviceState }
    _IO_STATUS_BLOCK = Win32::System::IO::IO_STATUS_BLOCK { Information }
    _INTERFACE = Wdk::System::SystemServices::INTERFACE { Size, Version, Context, InterfaceReference, InterfaceDereference }
    _BUS_INTERFACE_STANDARD = Wdk::System::SystemServices::BUS_INTERFACE_STANDARD { Size, Version, Context, InterfaceReference, InterfaceDereference, TranslateBusAddress, GetDmaAdapter, SetBusData, GetBusData }
    _KDEVICE_QUEUE = Wdk::Foundation::KDEVICE_QUEUE { Type, Size, DeviceListHead, Lock }
    _KDEVICE_QUEUE_ENTRY = Wdk::System::SystemServices::KDEVICE_QUEUE_ENTRY { DeviceListEntry, SortKey, Inserted }
    _OBJECT_ATTRIBUTES = Wdk::Foundation::OBJECT_ATTRIBUTES { Length, RootDirectory, ObjectName, Attributes, SecurityDescriptor, SecurityQualityOfService }
    _KEY_VALUE_PARTIAL_INFORMATION = Wdk::System::SystemServices::KEY_VALUE_PARTIAL_INFORMATION { TitleIndex, Type, DataLength, Data }
    _IO_ERROR_LOG_PACKET = Wdk::System::SystemServices::IO_ERROR_LOG_PACKET { MajorFunctionCode, RetryCount, DumpDataSize, NumberOfStrings, StringOffset, EventCategory, ErrorCode, UniqueErrorValue, FinalStatus, SequenceNumber, IoControlCode, DeviceOffset, DumpData }
    _DISPATCHER_HEADER = Wdk::Foundation::DISPATCHER_HEADER { SignalState, WaitListHead }
    _EVENT_DESCRIPTOR = Win32::System::Diagnostics::Etw::EVENT_DESCRIPTOR { Id, Version, Channel, Level, Opcode, Task, Keyword }
    _EVENT_DATA_DESCRIPTOR = Win32::System::Diagnostics::Etw::EVENT_DATA_DESCRIPTOR { Ptr, Size }
    _EX_RUNDOWN_REF = Wdk::System::SystemServices::EX_RUNDOWN_REF {  }
    _KLOCK_QUEUE_HANDLE = Wdk::System::SystemServices::KLOCK_QUEUE_HANDLE { LockQueue, OldIrql }
    _RTL_QUERY_REGISTRY_TABLE = Wdk::System::SystemServices::RTL_QUERY_REGISTRY_TABLE { QueryRoutine, Flags, Name, EntryContext, DefaultType, DefaultData, DefaultLength }
    _KBUGCHECK_REASON_CALLBACK_RECORD = Wdk::System::SystemServices::KBUGCHECK_REASON_CALLBACK_RECORD { Entry, CallbackRoutine, Component, Checksum, Reason, State }
    _KBUGCHECK_SECONDARY_DUMP_DATA = Wdk::System::SystemServices::KBUGCHECK_SECONDARY_DUMP_DATA { InBuffer, InBufferLength, MaximumAllowed, Guid, OutBuffer, OutBufferLength }
    _WAIT_CONTEXT_BLOCK = Wdk::System::SystemServices::WAIT_CONTEXT_BLOCK { DeviceRoutine, DeviceContext, NumberOfMapRegisters, DeviceObject, CurrentIrp, BufferChainingDpc }
}

/// Resource lists, which wdm.h packs to 4 bytes ("pshpack4.h"). The metadata has lost that where
/// a union holds a pointer-sized affinity, so these numbers stand for it: 20 bytes a descriptor,
/// the union at 4, as the header's own comment on its layout for 64 bits has it.
const _: () = {
    use core::mem::offset_of;
    use wdk_sys::{
        _CM_FULL_RESOURCE_DESCRIPTOR as Full, _CM_PARTIAL_RESOURCE_DESCRIPTOR as Partial,
        _CM_PARTIAL_RESOURCE_LIST as PartialList, _CM_RESOURCE_LIST as List,
    };
    assert!(size_of::<Partial>() == 20 && align_of::<Partial>() <= 4);
    assert!(offset_of!(Partial, u) == 4);
    assert!(size_of::<PartialList>() == 8 + 20);
    assert!(offset_of!(PartialList, PartialDescriptors) == 8);
    assert!(size_of::<Full>() == 8 + 8 + 20);
    assert!(offset_of!(Full, PartialResourceList) == 8);
    assert!(size_of::<List>() == 4 + 36 && offset_of!(List, List) == 4);
};

/// Structures whose alignment, or whose flexible array, the metadata has lost: the numbers are
/// those of the genuine headers.
const _: () = {
    use core::mem::offset_of;
    use wdk_sys::{_DEVICE_OBJECT, _IRP, _SCATTER_GATHER_LIST};
    assert!(size_of::<_DEVICE_OBJECT>() == 336 && align_of::<_DEVICE_OBJECT>() == 16);
    assert!(offset_of!(_DEVICE_OBJECT, DeviceObjectExtension) == 312);
    assert!(size_of::<_IRP>() == 208 && align_of::<_IRP>() == 16);
    assert!(offset_of!(_IRP, Tail.Overlay.__bindgen_anon_2.ListEntry) == 168);
    assert!(size_of::<_SCATTER_GATHER_LIST>() == 16);
    assert!(offset_of!(_SCATTER_GATHER_LIST, Elements) == 16);
};

/// Structures of which the metadata knows no more than their name, or that are part of another
/// compared above: a GUID is 16 bytes, a LARGE_INTEGER one 64-bit number, KINTERRUPT and IO_WORKITEM only ever
/// a pointer.
const _: () = {
    assert!(size_of::<wdk_sys::_GUID>() == 16);
    assert!(size_of::<wdk_sys::_LARGE_INTEGER>() == 8);
    assert!(align_of::<wdk_sys::_LARGE_INTEGER>() == 8);
    let _ = size_of::<*mut wdk_sys::_KINTERRUPT>();
    let _ = size_of::<*mut wdk_sys::_IO_WORKITEM>();
};
