/*
 * A driver that checks what is documented of adapters: who has the channel, whose the map
 * registers are, and when a list is given. The device is `edu`, whose bytes are moved.
 *
 * Sources: nc-wdm-pallocate_adapter_channel_ex, nc-wdm-pget_scatter_gather_list_ex,
 * nc-wdm-pfree_adapter_object, nc-wdm-pfree_adapter_channel, nc-wdm-pfree_map_registers,
 * nc-wdm-pcancel_adapter_channel, nc-wdm-pput_scatter_gather_list, nc-wdm-pmap_transfer,
 * MmAllocateMdlForIoSpace, bug check 0xE6 (code 0x1F).
 */
#include "dma.h"

#define TAG 'amDT'
#define SIZE (2 * PAGE_SIZE)

static LONG held, failed;

static VOID rule(PCSTR name, BOOLEAN holds, int line)
{
    if (holds) {
        held++;
    } else {
        failed++;
        DbgPrint("dma: FAILED %s (line %d)\n", name, line);
    }
}

#define RULE(name, condition) rule(name, !!(condition), __LINE__)

static PDMA_ADAPTER adapter;
static OPERATIONS *operations;
static TRANSFER_CONTEXT first, second;
static PUCHAR buffer;
static PMDL mdl;

static NTSTATUS channel_at_once(ULONG registers, PVOID *base)
{
    operations->InitializeDmaTransferContext(adapter, &first);
    return operations->AllocateAdapterChannelEx(adapter, self, &first, registers,
                                                DMA_SYNCHRONOUS_CALLBACK, NULL, NULL, base);
}

static NTSTATUS list_at_once(ULONG length, BOOLEAN write, PSCATTER_GATHER_LIST *list)
{
    operations->InitializeDmaTransferContext(adapter, &second);
    return operations->GetScatterGatherListEx(adapter, self, &second, mdl, 0, length,
                                              DMA_SYNCHRONOUS_CALLBACK, NULL, NULL, write, NULL,
                                              NULL, list);
}

static IO_ALLOCATION_ACTION NTAPI keep_registers(PDEVICE_OBJECT device, PIRP irp, PVOID base,
                                                 PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    *(PVOID *)context = base;
    return DeallocateObjectKeepRegisters;
}

static IO_ALLOCATION_ACTION NTAPI keep_all(PDEVICE_OBJECT device, PIRP irp, PVOID base,
                                           PVOID context)
{
    keep_registers(device, irp, base, context);
    return KeepObject;
}

static VOID check_channel(VOID)
{
    PVOID base = NULL, other = NULL;
    RULE("a synchronous call gives registers", NT_SUCCESS(channel_at_once(2, &base)) && base);
    RULE("one channel only",
         channel_at_once(1, &other) == STATUS_INSUFFICIENT_RESOURCES && !other);
    operations->FreeAdapterObject(adapter, KeepObject);
    RULE("KeepObject has no effect", channel_at_once(1, &other) == STATUS_INSUFFICIENT_RESOURCES);
    operations->FreeAdapterObject(adapter, DeallocateObjectKeepRegisters);
    RULE("kept registers are taken",
         channel_at_once(most_registers - 1, &other) == STATUS_INSUFFICIENT_RESOURCES);
    RULE("the channel is free", NT_SUCCESS(channel_at_once(most_registers - 2, &other)));
    operations->FreeAdapterObject(adapter, DeallocateObject);
    /* That these are still there is what FreeMapRegisters checks. */
    operations->earlier.FreeMapRegisters(adapter, base, 2);
    RULE("all registers are free", NT_SUCCESS(channel_at_once(most_registers, &other)));
    operations->earlier.FreeAdapterChannel(adapter);
}

static VOID check_kept_registers(VOID)
{
    PVOID kept = NULL, base = NULL;
    operations->earlier.AllocateAdapterChannel(adapter, self, 2, keep_registers, &kept);
    operations->earlier.AllocateAdapterChannel(adapter, self, 1, keep_all, &base);
    RULE("the first gave its channel back", kept && base);
    operations->earlier.FreeAdapterChannel(adapter);
    RULE("the second's registers are free, not the first's",
         channel_at_once(most_registers - 1, &base) == STATUS_INSUFFICIENT_RESOURCES);
    operations->earlier.FreeMapRegisters(adapter, kept, 2);
}

static VOID check_waiting(VOID)
{
    PVOID base = NULL, late = NULL;
    channel_at_once(1, &base);
    operations->InitializeDmaTransferContext(adapter, &second);
    RULE("a call may wait",
         NT_SUCCESS(operations->AllocateAdapterChannelEx(adapter, self, &second, 1, 0,
                                                         keep_registers, &late, NULL)));
    RULE("it does", !late);
    RULE("a waiting call can be taken back",
         operations->CancelAdapterChannel(adapter, self, &second));
    operations->FreeAdapterObject(adapter, DeallocateObject);
    RULE("what was taken back is not called", !late);
    RULE("one that does not wait cannot be taken back",
         !operations->CancelAdapterChannel(adapter, self, &second));
}

static VOID check_lists(VOID)
{
    PSCATTER_GATHER_LIST list = NULL, none = NULL;
    PVOID base = NULL;
    int i;
    for (i = 0; i < PAGE_SIZE; i++)
        buffer[i] = (UCHAR)(i * 7);
    RULE("a synchronous call gives a list", NT_SUCCESS(list_at_once(SIZE, TRUE, &list)) && list);
    RULE("it has the channel", list_at_once(SIZE, TRUE, &none) == STATUS_INSUFFICIENT_RESOURCES);
    RULE("there is no other list", !none);
    edu_reads(list->Elements[0].Address, 256);
    operations->FreeAdapterObject(adapter, DeallocateObjectKeepRegisters);
    operations->earlier.PutScatterGatherList(adapter, list, TRUE);
    RtlZeroMemory(buffer, SIZE);
    RULE("the channel was freed", NT_SUCCESS(list_at_once(SIZE, FALSE, &list)));
    edu_writes(list->Elements[0].Address, 256);
    operations->FreeAdapterObject(adapter, DeallocateObject);
    for (i = 0; i < 256 && buffer[i] == (UCHAR)(i * 7); i++)
        ;
    RULE("the device's bytes are there when all was freed", i == 256);
    RULE("the list's registers are free", NT_SUCCESS(channel_at_once(most_registers - 1, &base)));
    operations->FreeAdapterObject(adapter, DeallocateObjectKeepRegisters);
    list = NULL;
    RULE("a list for which there are no registers is not given",
         list_at_once(SIZE, TRUE, &list) == STATUS_INSUFFICIENT_RESOURCES && !list);
    operations->earlier.FreeMapRegisters(adapter, base, most_registers - 1);
}

static ULONG depth, deepest, calls;

static VOID NTAPI ask_again(PDEVICE_OBJECT device, PIRP irp, PSCATTER_GATHER_LIST list,
                            PVOID context)
{
    PSCATTER_GATHER_LIST none = NULL;
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    calls++;
    if (++depth > deepest)
        deepest = depth;
    if (context) {
        RULE("the channel is the routine's",
             list_at_once(1, TRUE, &none) == STATUS_INSUFFICIENT_RESOURCES && !none);
        operations->earlier.GetScatterGatherList(adapter, self, mdl, MmGetMdlVirtualAddress(mdl),
                                                 SIZE, ask_again, NULL, TRUE);
    }
    depth--;
    operations->earlier.PutScatterGatherList(adapter, list, TRUE);
}

static VOID check_routines(VOID)
{
    operations->earlier.GetScatterGatherList(adapter, self, mdl, MmGetMdlVirtualAddress(mdl), SIZE,
                                             ask_again, self, TRUE);
    RULE("both routines were called, one after the other", calls == 2 && deepest == 1);
}

#define MANY 200

static ULONG_PTR lowest, highest;

static VOID NTAPI count_call(PDEVICE_OBJECT device, PIRP irp, PSCATTER_GATHER_LIST list,
                             PVOID context)
{
    ULONG_PTR frame = (ULONG_PTR)__builtin_frame_address(0);
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    UNREFERENCED_PARAMETER(context);
    calls++;
    lowest = min(lowest, frame);
    highest = max(highest, frame);
    operations->earlier.PutScatterGatherList(adapter, list, TRUE);
}

/* Each routine gives back what the next one waits for. */
static VOID check_queue(VOID)
{
    PVOID base = NULL;
    ULONG i;
    calls = 0;
    lowest = ~(ULONG_PTR)0;
    highest = 0;
    RULE("a transfer has all registers", NT_SUCCESS(channel_at_once(most_registers, &base)));
    for (i = 0; i < MANY; i++)
        operations->earlier.GetScatterGatherList(adapter, self, mdl, MmGetMdlVirtualAddress(mdl),
                                                 SIZE, count_call, NULL, TRUE);
    RULE("lists wait for its end", calls == 0);
    operations->FreeAdapterObject(adapter, DeallocateObject);
    RULE("then all are given", calls == MANY);
    RULE("none on the stack of another", lowest == highest);
}

static VOID map_rounded(PMDL part, BOOLEAN write)
{
    PHYSICAL_ADDRESS address;
    PVOID base = NULL, start = MmGetMdlVirtualAddress(part);
    ULONG length = 256;
    RULE("there is a register", NT_SUCCESS(channel_at_once(1, &base)));
    address = operations->earlier.MapTransfer(adapter, part, base, start, &length, write);
    RULE("a length may be rounded up within the page", length == 256);
    if (write)
        edu_reads(address, length);
    else
        edu_writes(address, length);
    RULE("and so flushed",
         operations->earlier.FlushAdapterBuffers(adapter, part, base, start, length, write));
    operations->FreeAdapterObject(adapter, DeallocateObject);
}

static VOID check_rounding(VOID)
{
    PMDL part = IoAllocateMdl(buffer, 100, FALSE, FALSE, NULL);
    int i;
    MmBuildMdlForNonPagedPool(part);
    for (i = 0; i < 256; i++)
        buffer[i] = (UCHAR)(i * 11);
    map_rounded(part, TRUE);
    RtlZeroMemory(buffer, SIZE);
    map_rounded(part, FALSE);
    for (i = 0; i < 256 && buffer[i] == (UCHAR)(i * 11); i++)
        ;
    RULE("all of the rounded length is transferred", i == 256 && !buffer[256]);
    IoFreeMdl(part);
}

/* What MmAllocateMdlForIoSpace takes, which the DDK's headers here do not know. */
typedef struct {
    PHYSICAL_ADDRESS address;
    SIZE_T bytes;
} RANGE;

static VOID check_device_memory(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"MmAllocateMdlForIoSpace");
    NTSTATUS(NTAPI *make)(RANGE *, SIZE_T, PMDL *) = MmGetSystemRoutineAddress(&name);
    RANGE range = {memory.u.Memory.Start, PAGE_SIZE};
    PSCATTER_GATHER_LIST list = NULL;
    PMDL whole = mdl, device = NULL;
    KIRQL irql;
    RULE("device memory has an MDL", make && NT_SUCCESS(make(&range, 1, &device)));
    if (!device)
        return;
    adapter = adapter_of(64, TRUE);
    operations = operations_of(adapter);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    mdl = device;
    RULE("which is mapped", NT_SUCCESS(list_at_once(PAGE_SIZE, TRUE, &list)));
    mdl = whole;
    RULE("directly", list && list->Elements[0].Address.QuadPart == range.address.QuadPart);
    operations->FreeAdapterObject(adapter, DeallocateObject);
    KeLowerIrql(irql);
    operations->earlier.PutDmaAdapter(adapter);
    IoFreeMdl(device);
}

/* There is no memory that a device of so few address bits reaches. */
static VOID check_shortage(VOID)
{
    PSCATTER_GATHER_LIST list = NULL;
    PVOID base = NULL;
    calls = 0;
    RULE("no list is given if memory is short",
         list_at_once(SIZE, TRUE, &list) == STATUS_INSUFFICIENT_RESOURCES && !list);
    RULE("nor is one waited for in vain",
         operations->earlier.GetScatterGatherList(adapter, self, mdl, MmGetMdlVirtualAddress(mdl),
                                                  SIZE, ask_again, NULL,
                                                  TRUE) == STATUS_INSUFFICIENT_RESOURCES);
    RULE("no routine is called", calls == 0);
    RULE("channel and registers were given back",
         NT_SUCCESS(channel_at_once(most_registers, &base)));
    operations->InitializeDmaTransferContext(adapter, &second);
    RULE("a list may wait for what is in use",
         NT_SUCCESS(operations->GetScatterGatherListEx(adapter, self, &second, mdl, 0, SIZE, 0,
                                                       ask_again, NULL, TRUE, NULL, NULL, NULL)));
    operations->FreeAdapterObject(adapter, DeallocateObject);
    RULE("if memory is short then, it waits on, and can be taken back",
         operations->CancelAdapterChannel(adapter, self, &second) && calls == 0);
}

static VOID with_adapter(ULONG width, VOID (*check)(VOID))
{
    KIRQL irql;
    adapter = adapter_of(width, TRUE);
    operations = operations_of(adapter);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    check();
    KeLowerIrql(irql);
    /* At which the verifier looks for what is left. */
    operations->earlier.PutDmaAdapter(adapter);
}

static VOID started(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    buffer = ExAllocatePoolWithTag(NonPagedPoolNx, SIZE, TAG);
    mdl = IoAllocateMdl(buffer, SIZE, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(mdl);
    with_adapter(EDU_WIDTH, check_channel);
    with_adapter(EDU_WIDTH, check_kept_registers);
    with_adapter(EDU_WIDTH, check_waiting);
    with_adapter(EDU_WIDTH, check_lists);
    with_adapter(EDU_WIDTH, check_routines);
    with_adapter(EDU_WIDTH, check_queue);
    with_adapter(EDU_WIDTH, check_rounding);
    check_device_memory();
    with_adapter(12, check_shortage);
    edu_unmap();
    IoFreeMdl(mdl);
    ExFreePoolWithTag(buffer, TAG);
    DbgPrint("dma: %d hold, %d failed\n", held, failed);
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    driver->DriverUnload = unload;
    serve_device(driver);
    return STATUS_SUCCESS;
}
