/*
 * Adapters of the latest version, which the DDK's headers here do not know, and the DMA engine of
 * the device `edu`.
 *
 * Sources: ns-wdm-_dma_operations, ns-wdm-_device_description, and the pages of the routines.
 */
#pragma once
#include "device.h"

#define DEVICE_DESCRIPTION_VERSION3 3
#define DMA_SYNCHRONOUS_CALLBACK 1
/* Opaque: DMA_TRANSFER_CONTEXT_SIZE_V1 bytes. */
typedef struct {
    ULONGLONG words[16];
} TRANSFER_CONTEXT;

typedef struct {
    DEVICE_DESCRIPTION earlier;
    ULONG address_width;
    ULONG controller_instance;
    ULONG request_line;
    PHYSICAL_ADDRESS address;
} DESCRIPTION;

typedef struct {
    DMA_OPERATIONS earlier;
    PVOID GetDmaAdapterInfo;
    PVOID GetDmaTransferInfo;
    NTSTATUS(NTAPI *InitializeDmaTransferContext)(PDMA_ADAPTER, PVOID);
    PVOID AllocateCommonBufferEx;
    NTSTATUS(NTAPI *AllocateAdapterChannelEx)
    (PDMA_ADAPTER, PDEVICE_OBJECT, PVOID, ULONG, ULONG, PDRIVER_CONTROL, PVOID, PVOID *);
    PVOID ConfigureAdapterChannel;
    BOOLEAN(NTAPI *CancelAdapterChannel)(PDMA_ADAPTER, PDEVICE_OBJECT, PVOID);
    NTSTATUS(NTAPI *MapTransferEx)
    (PDMA_ADAPTER, PMDL, PVOID, ULONGLONG, ULONG, PULONG, BOOLEAN, PSCATTER_GATHER_LIST, ULONG,
     PVOID, PVOID);
    NTSTATUS(NTAPI *GetScatterGatherListEx)
    (PDMA_ADAPTER, PDEVICE_OBJECT, PVOID, PMDL, ULONGLONG, ULONG, ULONG, PDRIVER_LIST_CONTROL,
     PVOID, BOOLEAN, PVOID, PVOID, PSCATTER_GATHER_LIST *);
    NTSTATUS(NTAPI *BuildScatterGatherListEx)
    (PDMA_ADAPTER, PDEVICE_OBJECT, PVOID, PMDL, ULONGLONG, ULONG, ULONG, PDRIVER_LIST_CONTROL,
     PVOID, BOOLEAN, PVOID, ULONG, PVOID, PVOID, PSCATTER_GATHER_LIST *);
    NTSTATUS(NTAPI *FlushAdapterBuffersEx)(PDMA_ADAPTER, PMDL, PVOID, ULONGLONG, ULONG, BOOLEAN);
    VOID(NTAPI *FreeAdapterObject)(PDMA_ADAPTER, IO_ALLOCATION_ACTION);
} OPERATIONS;

static ULONG most_registers;

/* An adapter of a device that has so many address bits. */
static inline PDMA_ADAPTER adapter_of(ULONG width, BOOLEAN scatter_gather)
{
    DESCRIPTION description = {
        .earlier =
            {
                .Version = DEVICE_DESCRIPTION_VERSION3,
                .Master = TRUE,
                .ScatterGather = scatter_gather,
                .InterfaceType = PCIBus,
                .MaximumLength = 16 * PAGE_SIZE,
            },
        .address_width = width,
    };
    return IoGetDmaAdapter(physical, &description.earlier, &most_registers);
}

static inline OPERATIONS *operations_of(PDMA_ADAPTER adapter)
{
    return (OPERATIONS *)adapter->DmaOperations;
}

/* edu's engine, and its memory as the engine sees it. */
#define EDU_WIDTH 28
#define EDU_SOURCE 0x80
#define EDU_DESTINATION 0x88
#define EDU_COUNT 0x90
#define EDU_COMMAND 0x98
#define EDU_MEMORY 0x40000
#define EDU_START 1
#define EDU_TO_MEMORY 2

static PUCHAR edu;

static inline VOID edu_register(ULONG offset, ULONGLONG value)
{
    WRITE_REGISTER_ULONG((PULONG)(edu + offset), (ULONG)value);
    WRITE_REGISTER_ULONG((PULONG)(edu + offset + 4), (ULONG)(value >> 32));
}

/* Has the device transfer bytes, and waits until it has. */
static inline VOID edu_transfer(ULONGLONG source, ULONGLONG destination, ULONG bytes, ULONG direction)
{
    if (!edu)
        edu = MmMapIoSpace(memory.u.Memory.Start, memory.u.Memory.Length, MmNonCached);
    edu_register(EDU_SOURCE, source);
    edu_register(EDU_DESTINATION, destination);
    edu_register(EDU_COUNT, bytes);
    WRITE_REGISTER_ULONG((PULONG)(edu + EDU_COMMAND), EDU_START | direction);
    while (READ_REGISTER_ULONG((PULONG)(edu + EDU_COMMAND)) & EDU_START)
        YieldProcessor();
}

static inline VOID edu_reads(PHYSICAL_ADDRESS address, ULONG bytes)
{
    edu_transfer(address.QuadPart, EDU_MEMORY, bytes, 0);
}

static inline VOID edu_writes(PHYSICAL_ADDRESS address, ULONG bytes)
{
    edu_transfer(EDU_MEMORY, address.QuadPart, bytes, EDU_TO_MEMORY);
}

static inline VOID edu_unmap(VOID)
{
    if (edu)
        MmUnmapIoSpace(edu, memory.u.Memory.Length);
    edu = NULL;
}
