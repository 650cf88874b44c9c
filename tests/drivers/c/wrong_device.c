/*
 * A driver that does wrong with its device: DMA adapters and interrupts. The device is `edu`.
 *
 * Sources: "DMA Verification" of Driver Verifier; bug checks 0xC4, 0xCE and 0xE6.
 */
#define WRONG_DEVICE
#include "wrong.h"

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

/* edu raises its interrupt when its register at 0x60 is written, until that at 0x64 is. */
#define RAISE 0x60
#define ACKNOWLEDGE 0x64

static PUCHAR device_registers;
static PKINTERRUPT connected;
static volatile LONG interrupted;

static BOOLEAN NTAPI acknowledge(PKINTERRUPT object, PVOID context)
{
    UNREFERENCED_PARAMETER(object);
    UNREFERENCED_PARAMETER(context);
    WRITE_REGISTER_ULONG((PULONG)(device_registers + ACKNOWLEDGE), 1);
    interrupted = 1;
    return TRUE;
}

static BOOLEAN NTAPI lower_irql(PKINTERRUPT object, PVOID context)
{
    acknowledge(object, context);
    KeLowerIrql(DISPATCH_LEVEL);
    return TRUE;
}

static BOOLEAN NTAPI touch_paged(PKINTERRUPT object, PVOID context)
{
    *(volatile UCHAR *)context = 1;
    return acknowledge(object, context);
}

static VOID connect(PKSERVICE_ROUTINE routine, PVOID context)
{
    device_registers = MmMapIoSpace(memory.u.Memory.Start, memory.u.Memory.Length, MmNonCached);
    IoConnectInterrupt(&connected, routine, context, NULL, interrupt.u.Interrupt.Vector,
                       (KIRQL)interrupt.u.Interrupt.Level, (KIRQL)interrupt.u.Interrupt.Level,
                       interrupt.Flags & CM_RESOURCE_INTERRUPT_LATCHED ? Latched : LevelSensitive,
                       interrupt.ShareDisposition == CmResourceShareShared,
                       interrupt.u.Interrupt.Affinity, FALSE);
}

static VOID raise_interrupt(VOID)
{
    WRITE_REGISTER_ULONG((PULONG)(device_registers + RAISE), 1);
    while (!interrupted)
        YieldProcessor();
}

static VOID lower_irql_in_interrupt(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    connect(lower_irql, NULL);
    raise_interrupt();
}

static VOID touch_paged_in_interrupt(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    connect(touch_paged, ExAllocatePoolWithTag(PagedPool, 32, TAG));
    raise_interrupt();
}

/* Lets a minute pass. */
static BOOLEAN NTAPI stay(PKINTERRUPT object, PVOID context)
{
    ULONG i;
    acknowledge(object, context);
    for (i = 0; i < 60000; i++)
        KeStallExecutionProcessor(1000);
    return TRUE;
}

static VOID stay_in_interrupt(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    connect(stay, NULL);
    raise_interrupt();
}

static VOID take_interrupt_lock_twice(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    connect(acknowledge, NULL);
    KeAcquireInterruptSpinLock(connected);
    KeAcquireInterruptSpinLock(connected);
}

/* These come to light when the driver is unloaded. */

static VOID leave_adapter(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    get_adapter();
}

static VOID leave_interrupt(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
    connect(acknowledge, NULL);
    MmUnmapIoSpace(device_registers, memory.u.Memory.Length);
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
    MISDEED(lower_irql_in_interrupt),
    MISDEED(touch_paged_in_interrupt),
    MISDEED(stay_in_interrupt),
    MISDEED(take_interrupt_lock_twice),
    MISDEED(leave_adapter),
    MISDEED(leave_interrupt),
    {NULL, NULL},
};
