/*
 * Buses, physical memory, caches: what older drivers ask of the hardware, and lists of devices.
 */
#include "rules.h"

NTKERNELAPI VOID NTAPI KeInvalidateRangeAllCaches(PVOID address, ULONG length);
NTKERNELAPI NTSTATUS NTAPI IoEnumerateDeviceObjectList(PDRIVER_OBJECT driver, PDEVICE_OBJECT *list,
                                                       ULONG size, PULONG count);

/* Newer than mingw-w64's import library. */
typedef PPHYSICAL_MEMORY_RANGE NTAPI memory_ranges_ex2(PVOID partition, ULONG flags);

static ULONG slot(ULONG device, ULONG function)
{
    return device | function << 5;
}

static VOID configuration_space(VOID)
{
    struct {
        USHORT vendor, device;
        UCHAR behind;
    } ids = {0, 0, 0x5a};
    USHORT command = 0, before = 0;
    UCHAR byte = 0;
    RULE("the host bridge of bus 0 is read, and no byte behind what is asked for",
         HalGetBusDataByOffset(PCIConfiguration, 0, slot(0, 0), &ids, 0, 4) == 4 &&
             ids.vendor == 0x8086 && ids.device == 0x29c0 && ids.behind == 0x5a);
    RULE("a single byte is read",
         HalGetBusDataByOffset(PCIConfiguration, 0, slot(0, 0), &byte, 1, 1) == 1 && byte == 0x80);
    RULE("no function answers with a vendor of ones",
         HalGetBusDataByOffset(PCIConfiguration, 0, slot(0, 7), &ids, 0, 4) == 2 &&
             ids.vendor == 0xffff);
    RULE("no bus is read that is not PCI",
         HalGetBusDataByOffset(Cmos, 0, slot(0, 0), &ids, 0, 4) == 0);
    RULE("a read ends with configuration space",
         HalGetBusDataByOffset(PCIConfiguration, 0, slot(0, 0), &ids, 254, 4) == 2);
    HalGetBusDataByOffset(PCIConfiguration, 0, slot(0, 0), &before, 4, 2);
    command = before;
    RULE("a register is written as long as is asked for",
         HalSetBusDataByOffset(PCIConfiguration, 0, slot(0, 0), &command, 4, 2) == 2);
    RULE("nothing is written where no function is",
         HalSetBusDataByOffset(PCIConfiguration, 0, slot(0, 7), &command, 4, 2) == 0);
}

static VOID memory_ranges(VOID)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"MmGetPhysicalMemoryRangesEx2");
    memory_ranges_ex2 *newest = MmGetSystemRoutineAddress(&name);
    PPHYSICAL_MEMORY_RANGE ranges = newest ? newest(NULL, 0) : NULL;
    PHYSICAL_ADDRESS address;
    BOOLEAN found = FALSE, whole = TRUE;
    ULONG i;
    RULE("the ranges of memory are told", ranges != NULL);
    if (!ranges)
        return;
    address = MmGetPhysicalAddress(ranges);
    for (i = 0; ranges[i].NumberOfBytes.QuadPart; i++) {
        LONGLONG base = ranges[i].BaseAddress.QuadPart;
        found |= address.QuadPart >= base &&
                 address.QuadPart < base + ranges[i].NumberOfBytes.QuadPart;
        whole &= ranges[i].NumberOfBytes.QuadPart > 0;
    }
    RULE("pool is in one of the ranges of memory", found);
    RULE("an empty range ends the list", i > 0 && whole && !ranges[i].BaseAddress.QuadPart);
    ExFreePool(ranges);
    ranges = MmGetPhysicalMemoryRanges();
    RULE("the oldest routine tells the ranges, too", ranges && ranges[0].NumberOfBytes.QuadPart);
    if (ranges)
        ExFreePool(ranges);
}

static VOID caches(VOID)
{
    UCHAR bytes[100];
    ULONG i;
    BOOLEAN kept = TRUE;
    RtlFillMemory(bytes, sizeof(bytes), 0x5a);
    KeInvalidateRangeAllCaches(bytes, sizeof(bytes));
    for (i = 0; i < sizeof(bytes); i++)
        kept &= bytes[i] == 0x5a;
    RULE("memory keeps what was written when the caches are flushed", kept);
}

static VOID device_list(PDRIVER_OBJECT driver)
{
    PDEVICE_OBJECT devices[2] = {NULL, NULL}, list[2] = {NULL, NULL};
    ULONG count = 0;
    LONG references;
    if (!NT_SUCCESS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &devices[0])))
        return;
    RULE("a list without room says how many devices there are",
         IoEnumerateDeviceObjectList(driver, NULL, 0, &count) == STATUS_BUFFER_TOO_SMALL &&
             count == 1);
    if (NT_SUCCESS(IoCreateDevice(driver, 0, NULL, FILE_DEVICE_UNKNOWN, 0, FALSE, &devices[1]))) {
        RULE("a list gets as many devices as it has room for",
             IoEnumerateDeviceObjectList(driver, list, sizeof(PVOID), &count) ==
                     STATUS_BUFFER_TOO_SMALL &&
                 count == 2 && list[0] != NULL && list[1] == NULL);
        ObDereferenceObject(list[0]);
        RULE("a list gets all devices",
             IoEnumerateDeviceObjectList(driver, list, sizeof(list), &count) == STATUS_SUCCESS &&
                 ((list[0] == devices[0] && list[1] == devices[1]) ||
                  (list[0] == devices[1] && list[1] == devices[0])));
        ObReferenceObject(list[0]);
        references = ObDereferenceObject(list[0]);
        RULE("the caller has a reference to each device", references >= 2);
        ObDereferenceObject(list[0]);
        ObDereferenceObject(list[1]);
        IoDeleteDevice(devices[1]);
    }
    IoDeleteDevice(devices[0]);
}

VOID check_hal(PDRIVER_OBJECT driver)
{
    configuration_space();
    memory_ranges();
    caches();
    device_list(driver);
    check_seldom_hal();
}
