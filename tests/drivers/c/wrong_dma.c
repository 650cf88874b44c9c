/*
 * A driver that does wrong with DMA adapters. The device is `edu`.
 *
 * Sources: "DMA Verification" of Driver Verifier; bug check 0xE6.
 */
#define WRONG_DEVICE
#include "wrong.h"

#include "dma.h"

#define SIZE (2 * PAGE_SIZE)

static ULONG registers;

static PDMA_ADAPTER get_adapter(VOID)
{
    DEVICE_DESCRIPTION description = {
        .Version = DEVICE_DESCRIPTION_VERSION,
        .Master = TRUE,
        .Dma32BitAddresses = TRUE,
        .InterfaceType = PCIBus,
        .MaximumLength = 16 * PAGE_SIZE,
    };
    return IoGetDmaAdapter(physical, &description, &registers);
}

static PMDL nonpaged_mdl(VOID)
{
    PMDL mdl =
        IoAllocateMdl(ExAllocatePoolWithTag(NonPagedPoolNx, SIZE, TAG), SIZE, FALSE, FALSE, NULL);
    MmBuildMdlForNonPagedPool(mdl);
    return mdl;
}

static PVOID base;

static IO_ALLOCATION_ACTION NTAPI keep_registers(PDEVICE_OBJECT device, PIRP irp, PVOID given,
                                                 PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    UNREFERENCED_PARAMETER(context);
    base = given;
    return DeallocateObjectKeepRegisters;
}

static IO_ALLOCATION_ACTION NTAPI keep_channel(PDEVICE_OBJECT device, PIRP irp, PVOID given,
                                               PVOID context)
{
    keep_registers(device, irp, given, context);
    return KeepObject;
}

/* Allocates map registers; comes back at DISPATCH_LEVEL. */
static PDMA_ADAPTER with_registers(ULONG count)
{
    PDMA_ADAPTER adapter = get_adapter();
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->AllocateAdapterChannel(adapter, self, count, keep_registers, NULL);
    return adapter;
}

static VOID map(PDMA_ADAPTER adapter, PMDL mdl, PVOID address, ULONG length)
{
    adapter->DmaOperations->MapTransfer(adapter, mdl, base, address, &length, TRUE);
}

static VOID put_adapter_twice(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = get_adapter();
    PDMA_OPERATIONS operations = adapter->DmaOperations;
    UNREFERENCED_PARAMETER(driver);
    operations->PutDmaAdapter(adapter);
    operations->PutDmaAdapter(adapter);
}

static VOID use_adapter_after_put(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = get_adapter();
    PDMA_OPERATIONS operations = adapter->DmaOperations;
    PHYSICAL_ADDRESS address;
    UNREFERENCED_PARAMETER(driver);
    operations->PutDmaAdapter(adapter);
    operations->AllocateCommonBuffer(adapter, SIZE, &address, TRUE);
}

static VOID use_no_adapter(PDRIVER_OBJECT driver)
{
    PHYSICAL_ADDRESS address;
    UNREFERENCED_PARAMETER(driver);
    get_adapter()->DmaOperations->AllocateCommonBuffer(NULL, SIZE, &address, TRUE);
}

static VOID put_adapter_with_common_buffer(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = get_adapter();
    PHYSICAL_ADDRESS address;
    UNREFERENCED_PARAMETER(driver);
    adapter->DmaOperations->AllocateCommonBuffer(adapter, SIZE, &address, TRUE);
    adapter->DmaOperations->PutDmaAdapter(adapter);
}

static VOID free_common_buffer_twice(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = get_adapter();
    PHYSICAL_ADDRESS address;
    PVOID buffer = adapter->DmaOperations->AllocateCommonBuffer(adapter, SIZE, &address, TRUE);
    UNREFERENCED_PARAMETER(driver);
    adapter->DmaOperations->FreeCommonBuffer(adapter, SIZE, address, buffer, TRUE);
    adapter->DmaOperations->FreeCommonBuffer(adapter, SIZE, address, buffer, TRUE);
}

static VOID allocate_common_buffer_at_dispatch(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = get_adapter();
    PHYSICAL_ADDRESS address;
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->AllocateCommonBuffer(adapter, SIZE, &address, TRUE);
}

static VOID allocate_channel_below_dispatch(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = get_adapter();
    UNREFERENCED_PARAMETER(driver);
    adapter->DmaOperations->AllocateAdapterChannel(adapter, self, 1, keep_registers, NULL);
}

static VOID allocate_channel_thrice(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = get_adapter();
    KIRQL irql;
    int i;
    UNREFERENCED_PARAMETER(driver);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    /* The first has the channel, the second waits for it. */
    for (i = 0; i < 3; i++)
        adapter->DmaOperations->AllocateAdapterChannel(adapter, self, 1, keep_channel, NULL);
}

static VOID put_adapter_with_registers(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(2);
    UNREFERENCED_PARAMETER(driver);
    KeLowerIrql(PASSIVE_LEVEL);
    adapter->DmaOperations->PutDmaAdapter(adapter);
}

static VOID free_registers_twice(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(2);
    UNREFERENCED_PARAMETER(driver);
    adapter->DmaOperations->FreeMapRegisters(adapter, base, 2);
    adapter->DmaOperations->FreeMapRegisters(adapter, base, 2);
}

static VOID free_mapped_registers(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(2);
    PMDL mdl = nonpaged_mdl();
    UNREFERENCED_PARAMETER(driver);
    map(adapter, mdl, MmGetMdlVirtualAddress(mdl), PAGE_SIZE);
    adapter->DmaOperations->FreeMapRegisters(adapter, base, 2);
}

static VOID map_more_than_allocated(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(1);
    PMDL mdl = nonpaged_mdl();
    UNREFERENCED_PARAMETER(driver);
    map(adapter, mdl, MmGetMdlVirtualAddress(mdl), SIZE);
}

static VOID map_beyond_mdl(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(2);
    PMDL mdl = nonpaged_mdl();
    UNREFERENCED_PARAMETER(driver);
    map(adapter, mdl, (PUCHAR)MmGetMdlVirtualAddress(mdl) + SIZE, PAGE_SIZE);
}

static VOID map_unlocked_buffer(PDRIVER_OBJECT driver)
{
    PVOID buffer = ExAllocatePoolWithTag(PagedPool, SIZE, TAG);
    PDMA_ADAPTER adapter = with_registers(2);
    UNREFERENCED_PARAMETER(driver);
    map(adapter, IoAllocateMdl(buffer, SIZE, FALSE, FALSE, NULL), buffer, PAGE_SIZE);
}

static VOID flush_what_is_not_mapped(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(2);
    PMDL mdl = nonpaged_mdl();
    UNREFERENCED_PARAMETER(driver);
    adapter->DmaOperations->FlushAdapterBuffers(adapter, mdl, base, MmGetMdlVirtualAddress(mdl),
                                                PAGE_SIZE, TRUE);
}

static PSCATTER_GATHER_LIST list;

static VOID NTAPI have_list(PDEVICE_OBJECT device, PIRP irp, PSCATTER_GATHER_LIST given,
                            PVOID context)
{
    UNREFERENCED_PARAMETER(device);
    UNREFERENCED_PARAMETER(irp);
    UNREFERENCED_PARAMETER(context);
    list = given;
}

static PDMA_ADAPTER with_list(VOID)
{
    PDMA_ADAPTER adapter = get_adapter();
    PMDL mdl = nonpaged_mdl();
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->GetScatterGatherList(adapter, self, mdl, MmGetMdlVirtualAddress(mdl),
                                                 SIZE, have_list, NULL, TRUE);
    return adapter;
}

static VOID put_adapter_with_list(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_list();
    UNREFERENCED_PARAMETER(driver);
    KeLowerIrql(PASSIVE_LEVEL);
    adapter->DmaOperations->PutDmaAdapter(adapter);
}

static VOID put_list_twice(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_list();
    UNREFERENCED_PARAMETER(driver);
    adapter->DmaOperations->PutScatterGatherList(adapter, list, TRUE);
    adapter->DmaOperations->PutScatterGatherList(adapter, list, TRUE);
}

/* What the verifier says when the device or the driver has written where it must not. */

static VOID write_common_buffer(LONG offset)
{
    PDMA_ADAPTER adapter = adapter_of(EDU_WIDTH, TRUE);
    PHYSICAL_ADDRESS address, wrong;
    PVOID buffer = adapter->DmaOperations->AllocateCommonBuffer(adapter, SIZE, &address, TRUE);
    wrong.QuadPart = address.QuadPart + offset;
    edu_writes(wrong, 16);
    adapter->DmaOperations->FreeCommonBuffer(adapter, SIZE, address, buffer, TRUE);
}

static VOID device_writes_before_common_buffer(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    write_common_buffer(-8);
}

static VOID device_writes_behind_common_buffer(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    write_common_buffer(SIZE - 8);
}

static VOID write_behind_common_buffer(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = get_adapter();
    PHYSICAL_ADDRESS address;
    PUCHAR buffer = adapter->DmaOperations->AllocateCommonBuffer(adapter, 100, &address, TRUE);
    UNREFERENCED_PARAMETER(driver);
    buffer[100] = 0;
    adapter->DmaOperations->FreeCommonBuffer(adapter, 100, address, buffer, TRUE);
}

static VOID write_behind_page_of_common_buffer(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = get_adapter();
    PHYSICAL_ADDRESS address;
    PUCHAR buffer = adapter->DmaOperations->AllocateCommonBuffer(adapter, SIZE, &address, TRUE);
    UNREFERENCED_PARAMETER(driver);
    buffer[SIZE] = 0;
}

/* A list of 64 bytes in the middle of a page, of which the device writes 16 from `offset` on. */
static PDMA_ADAPTER write_list(LONG offset)
{
    PDMA_ADAPTER adapter = adapter_of(EDU_WIDTH, TRUE);
    PMDL mdl = nonpaged_mdl();
    PHYSICAL_ADDRESS wrong;
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->GetScatterGatherList(adapter, self, mdl,
                                                 (PUCHAR)MmGetMdlVirtualAddress(mdl) + 256, 64,
                                                 have_list, NULL, FALSE);
    wrong.QuadPart = list->Elements[0].Address.QuadPart + offset;
    if (offset < PAGE_SIZE)
        edu_writes(wrong, 16);
    return adapter;
}

static VOID device_writes_before_list(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = write_list(-8);
    UNREFERENCED_PARAMETER(driver);
    adapter->DmaOperations->PutScatterGatherList(adapter, list, FALSE);
}

static VOID device_writes_behind_list(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = write_list(56);
    UNREFERENCED_PARAMETER(driver);
    adapter->DmaOperations->PutScatterGatherList(adapter, list, FALSE);
}

static VOID device_writes_released_list(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = write_list(PAGE_SIZE);
    PHYSICAL_ADDRESS address = list->Elements[0].Address;
    UNREFERENCED_PARAMETER(driver);
    adapter->DmaOperations->PutScatterGatherList(adapter, list, FALSE);
    KeLowerIrql(PASSIVE_LEVEL);
    edu_writes(address, 16);
    adapter->DmaOperations->PutDmaAdapter(adapter);
}

/* What only an IOMMU stops. */

static VOID device_writes_unmapped_page(PDRIVER_OBJECT driver)
{
    PVOID buffer = ExAllocatePoolWithTag(NonPagedPoolNx, PAGE_SIZE, TAG);
    UNREFERENCED_PARAMETER(driver);
    get_adapter();
    edu_writes(MmGetPhysicalAddress(buffer), 16);
}

static VOID device_reads_freed_common_buffer(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = adapter_of(EDU_WIDTH, TRUE);
    PHYSICAL_ADDRESS address;
    PVOID buffer = adapter->DmaOperations->AllocateCommonBuffer(adapter, SIZE, &address, TRUE);
    UNREFERENCED_PARAMETER(driver);
    edu_reads(address, 16);
    adapter->DmaOperations->FreeCommonBuffer(adapter, SIZE, address, buffer, TRUE);
    edu_reads(address, 16);
}

static VOID device_goes_wrong_way(BOOLEAN write)
{
    PDMA_ADAPTER adapter = adapter_of(EDU_WIDTH, TRUE);
    PMDL mdl = nonpaged_mdl();
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->GetScatterGatherList(adapter, self, mdl, MmGetMdlVirtualAddress(mdl),
                                                 SIZE, have_list, NULL, write);
    KeLowerIrql(irql);
    if (write)
        edu_writes(list->Elements[0].Address, 16);
    else
        edu_reads(list->Elements[0].Address, 16);
}

static VOID device_writes_what_it_is_to_read(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    device_goes_wrong_way(TRUE);
}

static VOID device_reads_what_it_is_to_write(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    device_goes_wrong_way(FALSE);
}

/* Map registers: more than there are, and what is mapped and flushed through them. */

static VOID ask_for_too_many_registers(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    get_adapter();
    with_registers(registers + 1);
}

static IO_ALLOCATION_ACTION NTAPI allocate_again(PDEVICE_OBJECT device, PIRP irp, PVOID given,
                                                 PVOID context)
{
    PDMA_ADAPTER adapter = context;
    adapter->DmaOperations->AllocateAdapterChannel(adapter, device, 1, keep_registers, NULL);
    return keep_registers(device, irp, given, context);
}

static VOID allocate_channel_within_routine(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = get_adapter();
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->AllocateAdapterChannel(adapter, self, 1, allocate_again, adapter);
}

static PDMA_ADAPTER with_channel(VOID)
{
    PDMA_ADAPTER adapter = get_adapter();
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->AllocateAdapterChannel(adapter, self, 2, keep_channel, NULL);
    return adapter;
}

static VOID put_adapter_with_channel(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_channel();
    UNREFERENCED_PARAMETER(driver);
    KeLowerIrql(PASSIVE_LEVEL);
    adapter->DmaOperations->PutDmaAdapter(adapter);
}

static VOID free_channel_twice(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_channel();
    UNREFERENCED_PARAMETER(driver);
    adapter->DmaOperations->FreeAdapterChannel(adapter);
    adapter->DmaOperations->FreeAdapterChannel(adapter);
}

static VOID map_without_flush(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(1);
    PMDL mdl = nonpaged_mdl();
    PUCHAR address = MmGetMdlVirtualAddress(mdl);
    UNREFERENCED_PARAMETER(driver);
    map(adapter, mdl, address, PAGE_SIZE);
    map(adapter, mdl, address + PAGE_SIZE, PAGE_SIZE);
}

static VOID map_twice(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(2);
    PMDL mdl = nonpaged_mdl();
    UNREFERENCED_PARAMETER(driver);
    map(adapter, mdl, MmGetMdlVirtualAddress(mdl), PAGE_SIZE);
    map(adapter, mdl, MmGetMdlVirtualAddress(mdl), 1);
}

static VOID map_nothing(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(2);
    PMDL mdl = nonpaged_mdl();
    UNREFERENCED_PARAMETER(driver);
    map(adapter, mdl, MmGetMdlVirtualAddress(mdl), 0);
}

static VOID map_more_than_mdl(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(3);
    PMDL mdl = nonpaged_mdl();
    UNREFERENCED_PARAMETER(driver);
    map(adapter, mdl, MmGetMdlVirtualAddress(mdl), SIZE + 1);
}

static NTSTATUS map_ex(PDMA_ADAPTER adapter, PMDL mdl, ULONG offset, ULONG length)
{
    static struct {
        SCATTER_GATHER_LIST list;
        SCATTER_GATHER_ELEMENT elements[4];
    } room;
    return operations_of(adapter)->MapTransferEx(adapter, mdl, base, offset, 0, &length, TRUE,
                                                 &room.list, sizeof(room), NULL, NULL);
}

static PDMA_ADAPTER latest_with_registers(VOID)
{
    PDMA_ADAPTER adapter = adapter_of(EDU_WIDTH, TRUE);
    KIRQL irql;
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->AllocateAdapterChannel(adapter, self, 4, keep_registers, NULL);
    return adapter;
}

static VOID map_more_than_chain(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = latest_with_registers();
    UNREFERENCED_PARAMETER(driver);
    map_ex(adapter, nonpaged_mdl(), 0, SIZE + 1);
}

static VOID map_again_before_flush(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = latest_with_registers();
    PMDL mdl = nonpaged_mdl();
    UNREFERENCED_PARAMETER(driver);
    map_ex(adapter, mdl, 0, PAGE_SIZE);
    map_ex(adapter, mdl, PAGE_SIZE, PAGE_SIZE);
}

/* There is no memory that a device of so few address bits reaches, and MapTransfer cannot say so. */
static VOID map_when_memory_is_short(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = adapter_of(12, TRUE);
    PMDL mdl = nonpaged_mdl();
    KIRQL irql;
    UNREFERENCED_PARAMETER(driver);
    KeRaiseIrql(DISPATCH_LEVEL, &irql);
    adapter->DmaOperations->AllocateAdapterChannel(adapter, self, 2, keep_registers, NULL);
    map(adapter, mdl, MmGetMdlVirtualAddress(mdl), SIZE);
}

static VOID flush(PDMA_ADAPTER adapter, PMDL mdl, ULONG offset, ULONG length)
{
    adapter->DmaOperations->FlushAdapterBuffers(
        adapter, mdl, base, (PUCHAR)MmGetMdlVirtualAddress(mdl) + offset, length, TRUE);
}

static VOID flush_more_than_mdl(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(2);
    PMDL mdl = nonpaged_mdl();
    UNREFERENCED_PARAMETER(driver);
    map(adapter, mdl, MmGetMdlVirtualAddress(mdl), SIZE);
    flush(adapter, mdl, PAGE_SIZE, PAGE_SIZE + 1);
}

static VOID flush_other_buffer(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(2);
    PMDL mdl = nonpaged_mdl();
    UNREFERENCED_PARAMETER(driver);
    map(adapter, mdl, MmGetMdlVirtualAddress(mdl), SIZE);
    flush(adapter, nonpaged_mdl(), 0, SIZE);
}

static VOID flush_in_part(PDRIVER_OBJECT driver)
{
    PDMA_ADAPTER adapter = with_registers(2);
    PMDL mdl = nonpaged_mdl();
    UNREFERENCED_PARAMETER(driver);
    map(adapter, mdl, MmGetMdlVirtualAddress(mdl), SIZE);
    flush(adapter, mdl, 0, SIZE - 1);
    adapter->DmaOperations->FreeMapRegisters(adapter, base, 2);
}

static VOID describe_unknown_version(PDRIVER_OBJECT driver)
{
    DEVICE_DESCRIPTION description = {.Version = 4, .Master = TRUE, .Dma32BitAddresses = TRUE};
    UNREFERENCED_PARAMETER(driver);
    IoGetDmaAdapter(physical, &description, &registers);
}

/* This comes to light when the driver is unloaded. */

static VOID leave_adapter(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    get_adapter();
}

const MISDEED misdeeds[] = {
    MISDEED(put_adapter_twice),
    MISDEED(use_adapter_after_put),
    MISDEED(use_no_adapter),
    MISDEED(put_adapter_with_common_buffer),
    MISDEED(free_common_buffer_twice),
    MISDEED(allocate_common_buffer_at_dispatch),
    MISDEED(allocate_channel_below_dispatch),
    MISDEED(allocate_channel_thrice),
    MISDEED(put_adapter_with_registers),
    MISDEED(free_registers_twice),
    MISDEED(free_mapped_registers),
    MISDEED(map_more_than_allocated),
    MISDEED(map_beyond_mdl),
    MISDEED(map_unlocked_buffer),
    MISDEED(flush_what_is_not_mapped),
    MISDEED(put_adapter_with_list),
    MISDEED(put_list_twice),
    MISDEED(device_writes_before_common_buffer),
    MISDEED(device_writes_behind_common_buffer),
    MISDEED(write_behind_common_buffer),
    MISDEED(write_behind_page_of_common_buffer),
    MISDEED(device_writes_before_list),
    MISDEED(device_writes_behind_list),
    MISDEED(device_writes_released_list),
    MISDEED(device_writes_unmapped_page),
    MISDEED(device_reads_freed_common_buffer),
    MISDEED(device_writes_what_it_is_to_read),
    MISDEED(device_reads_what_it_is_to_write),
    MISDEED(ask_for_too_many_registers),
    MISDEED(allocate_channel_within_routine),
    MISDEED(put_adapter_with_channel),
    MISDEED(free_channel_twice),
    MISDEED(map_without_flush),
    MISDEED(map_twice),
    MISDEED(map_nothing),
    MISDEED(map_more_than_mdl),
    MISDEED(map_more_than_chain),
    MISDEED(map_again_before_flush),
    MISDEED(map_when_memory_is_short),
    MISDEED(flush_more_than_mdl),
    MISDEED(flush_other_buffer),
    MISDEED(flush_in_part),
    MISDEED(describe_unknown_version),
    MISDEED(leave_adapter),
    {NULL, NULL},
};
