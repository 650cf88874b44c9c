/*
 * The overlay: mingw-w64's header, with the fields of DMA_OPERATIONS and DEVICE_DESCRIPTION
 * that came after its time, and with what it has lost: the alignment of DEVICE_OBJECT and IRP,
 * and that a SCATTER_GATHER_LIST ends in a flexible array. A name that the header defines is a
 * macro while it is read, so that more comes out than stands there. A test compares the result
 * with what the genuine headers say (../genuine).
 *
 * Sources: ns-wdm-_dma_operations, ns-wdm-_device_description and the pages of the routines.
 */
#ifndef EDUWDM_OVERLAY_WDM_H
#define EDUWDM_OVERLAY_WDM_H

struct _DMA_ADAPTER;
struct _DEVICE_OBJECT;
struct _MDL;
struct _IRP;
struct _SCATTER_GATHER_LIST;
struct _DMA_ADAPTER_INFO;
struct _DMA_TRANSFER_INFO;

#define DmaPort                                                                                    \
    DmaPort;                                                                                       \
    ULONG DmaAddressWidth;                                                                         \
    ULONG DmaControllerInstance;                                                                   \
    ULONG DmaRequestLine;                                                                          \
    PHYSICAL_ADDRESS DeviceAddress

/* Routines that no driver here calls are pointers of no type: they keep the others' places. */
#define BuildMdlFromScatterGatherList                                                              \
    BuildMdlFromScatterGatherList;                                                                 \
    NTSTATUS(NTAPI *GetDmaAdapterInfo)                                                             \
    (struct _DMA_ADAPTER * DmaAdapter, struct _DMA_ADAPTER_INFO * AdapterInfo);                    \
    NTSTATUS(NTAPI *GetDmaTransferInfo)                                                            \
    (struct _DMA_ADAPTER * DmaAdapter, struct _MDL * Mdl, ULONGLONG Offset, ULONG Length,          \
     BOOLEAN WriteOnly, struct _DMA_TRANSFER_INFO * TransferInfo);                                 \
    NTSTATUS(NTAPI *InitializeDmaTransferContext)                                                  \
    (struct _DMA_ADAPTER * DmaAdapter, PVOID DmaTransferContext);                                  \
    PVOID AllocateCommonBufferEx;                                                                  \
    PVOID AllocateAdapterChannelEx;                                                                \
    PVOID ConfigureAdapterChannel;                                                                 \
    BOOLEAN(NTAPI *CancelAdapterChannel)                                                           \
    (struct _DMA_ADAPTER * DmaAdapter, struct _DEVICE_OBJECT * DeviceObject,                       \
     PVOID DmaTransferContext);                                                                    \
    PVOID MapTransferEx;                                                                           \
    NTSTATUS(NTAPI *GetScatterGatherListEx)                                                        \
    (struct _DMA_ADAPTER * DmaAdapter, struct _DEVICE_OBJECT * DeviceObject,                       \
     PVOID DmaTransferContext, struct _MDL * Mdl, ULONGLONG Offset, ULONG Length, ULONG Flags,     \
     VOID(NTAPI * ExecutionRoutine)(struct _DEVICE_OBJECT *, struct _IRP *,                        \
                                    struct _SCATTER_GATHER_LIST *, PVOID),                         \
     PVOID Context, BOOLEAN WriteToDevice, PVOID DmaCompletionRoutine, PVOID CompletionContext,    \
     struct _SCATTER_GATHER_LIST **ScatterGatherList);                                             \
    PVOID BuildScatterGatherListEx;                                                                \
    NTSTATUS(NTAPI *FlushAdapterBuffersEx)                                                         \
    (struct _DMA_ADAPTER * DmaAdapter, struct _MDL * Mdl, PVOID MapRegisterBase, ULONGLONG Offset, \
     ULONG Length, BOOLEAN WriteToDevice);                                                         \
    VOID(NTAPI *FreeAdapterObject)(struct _DMA_ADAPTER * DmaAdapter, ULONG AllocationAction);      \
    PVOID CancelMappedTransfer;                                                                    \
    PVOID AllocateDomainCommonBuffer;                                                              \
    PVOID FlushDmaBuffer;                                                                          \
    PVOID JoinDmaDomain;                                                                           \
    PVOID LeaveDmaDomain;                                                                          \
    PVOID GetDmaDomain;                                                                            \
    PVOID AllocateCommonBufferWithBounds;                                                          \
    PVOID AllocateCommonBufferVector;                                                              \
    PVOID GetCommonBufferFromVectorByIndex;                                                        \
    PVOID FreeCommonBufferFromVector;                                                              \
    PVOID FreeCommonBufferVector;                                                                  \
    PVOID CreateCommonBufferFromMdl

/* MEMORY_ALLOCATION_ALIGNMENT, as what the pool gives is aligned. */
#define _DEVICE_OBJECT __attribute__((aligned(16))) _DEVICE_OBJECT
#define _IRP __attribute__((aligned(16))) _IRP

/* The header's own "[1]" is then the bound of an array that has no size either way. */
#define Elements                                                                                   \
    Elements[0];                                                                                   \
    UCHAR EduwdmEnd[0]

/* Declared by mingw-w64 with an enumeration for a priority that has flags in it. */
#define MmMapLockedPagesSpecifyCache EduwdmOtherMmMapLockedPagesSpecifyCache

#include_next <wdm.h>

#undef MmMapLockedPagesSpecifyCache
#undef DmaPort
#undef BuildMdlFromScatterGatherList
#undef _DEVICE_OBJECT
#undef _IRP
#undef Elements

/* ns-wdm-_dma_adapter_info */
typedef struct _DMA_ADAPTER_INFO_V1 {
    ULONG ReadDmaCounterAvailable;
    ULONG ScatterGatherLimit;
    ULONG DmaAddressWidth;
    ULONG Flags;
    ULONG MinimumTransferUnit;
} DMA_ADAPTER_INFO_V1, *PDMA_ADAPTER_INFO_V1;

/* ns-wdm-_dma_adapter_info_crashdump */
typedef struct _DMA_ADAPTER_INFO_CRASHDUMP {
    DEVICE_DESCRIPTION DeviceDescription;
    SIZE_T DeviceIdSize;
    PVOID DeviceId;
} DMA_ADAPTER_INFO_CRASHDUMP, *PDMA_ADAPTER_INFO_CRASHDUMP;

/*
 * ns-wdm-_dma_adapter_info, as it is in 19041 and again in 26100: V1 directly behind the version.
 * Only the headers of 22621 have it behind 4 bytes of padding.
 */
typedef struct _DMA_ADAPTER_INFO {
    union {
        struct {
            ULONG Version;
            DMA_ADAPTER_INFO_V1 V1;
        };
        struct {
            ULONG Reserved;
            DMA_ADAPTER_INFO_CRASHDUMP Crashdump;
        };
    };
} DMA_ADAPTER_INFO, *PDMA_ADAPTER_INFO;

/* ns-wdm-_dma_transfer_info_v1 */
typedef struct _DMA_TRANSFER_INFO_V1 {
    ULONG MapRegisterCount;
    ULONG ScatterGatherElementCount;
    ULONG ScatterGatherListSize;
} DMA_TRANSFER_INFO_V1, *PDMA_TRANSFER_INFO_V1;

typedef struct _DMA_TRANSFER_INFO_V2 {
    ULONG MapRegisterCount;
    ULONG ScatterGatherElementCount;
    ULONG ScatterGatherListSize;
    ULONG LogicalPageCount;
} DMA_TRANSFER_INFO_V2, *PDMA_TRANSFER_INFO_V2;

/* ns-wdm-_dma_transfer_info */
typedef struct _DMA_TRANSFER_INFO {
    ULONG Version;
    union {
        DMA_TRANSFER_INFO_V1 V1;
        DMA_TRANSFER_INFO_V2 V2;
    };
} DMA_TRANSFER_INFO, *PDMA_TRANSFER_INFO;

#define DMA_TRANSFER_CONTEXT_VERSION1 1
#define DMA_TRANSFER_CONTEXT_SIZE_V1 128
#define DMA_TRANSFER_INFO_VERSION1 1
#define DMA_SYNCHRONOUS_CALLBACK 1
#ifndef DEVICE_DESCRIPTION_VERSION3
#define DEVICE_DESCRIPTION_VERSION3 3
#endif

#endif
