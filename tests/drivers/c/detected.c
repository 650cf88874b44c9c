/*
 * A driver from before Plug and Play: it claims resources, finds its device there, and reports
 * it. From then on it gets the plug-and-play requests of the device.
 *
 * Sources: IoReportResourceForDetection, IoReportDetectedDevice.
 */
#include <ntddk.h>

/* Ports that nothing on the machine has, and memory that the devices of its buses have. */
#define FREE_PORT 0x2e0
#define BUS_MEMORY 0xc0000000
#define BUS_MEMORY_LENGTH 0x3ec00000

/* A device's extension. */
typedef struct {
    PDEVICE_OBJECT below;
} DETECTED;

static NTSTATUS finish(PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS NTAPI dispatch_pnp(PDEVICE_OBJECT object, PIRP irp)
{
    PDEVICE_OBJECT next = ((DETECTED *)object->DeviceExtension)->below;
    NTSTATUS status;
    switch (IoGetCurrentIrpStackLocation(irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        /* It was started when it was reported. */
        return finish(irp, STATUS_INVALID_DEVICE_STATE);
    case IRP_MN_REMOVE_DEVICE:
        irp->IoStatus.Status = STATUS_SUCCESS;
        IoSkipCurrentIrpStackLocation(irp);
        status = IoCallDriver(next, irp);
        IoDetachDevice(next);
        IoDeleteDevice(object);
        return status;
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_SURPRISE_REMOVAL:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_STOP_DEVICE:
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    }
    IoSkipCurrentIrpStackLocation(irp);
    return IoCallDriver(next, irp);
}

static NTSTATUS NTAPI dispatch_power(PDEVICE_OBJECT object, PIRP irp)
{
    PoStartNextPowerIrp(irp);
    IoSkipCurrentIrpStackLocation(irp);
    return PoCallDriver(((DETECTED *)object->DeviceExtension)->below, irp);
}

/* One range. */
static VOID list_of(PCM_RESOURCE_LIST list, UCHAR type, ULONG start, ULONG length)
{
    PCM_PARTIAL_RESOURCE_DESCRIPTOR only = list->List[0].PartialResourceList.PartialDescriptors;
    RtlZeroMemory(list, sizeof(*list));
    list->Count = 1;
    list->List[0].InterfaceType = Isa;
    list->List[0].PartialResourceList.Version = 1;
    list->List[0].PartialResourceList.Revision = 1;
    list->List[0].PartialResourceList.Count = 1;
    only->Type = type;
    only->ShareDisposition = CmResourceShareDeviceExclusive;
    only->Flags = type == CmResourceTypePort ? CM_RESOURCE_PORT_IO : CM_RESOURCE_MEMORY_READ_WRITE;
    only->u.Port.Start.QuadPart = start;
    only->u.Port.Length = length;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

/* The driver of a device that was reported. */
static NTSTATUS attach(PDRIVER_OBJECT driver, PDEVICE_OBJECT pdo)
{
    PDEVICE_OBJECT object;
    DETECTED *device;
    NTSTATUS status = IoCreateDevice(driver, sizeof(*device), NULL, FILE_DEVICE_UNKNOWN,
                                     FILE_DEVICE_SECURE_OPEN, FALSE, &object);
    if (!NT_SUCCESS(status))
        return status;
    device = object->DeviceExtension;
    device->below = IoAttachDeviceToDeviceStack(object, pdo);
    if (!device->below) {
        IoDeleteDevice(object);
        return STATUS_NO_SUCH_DEVICE;
    }
    object->Flags |= device->below->Flags & DO_POWER_PAGABLE;
    object->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    CM_RESOURCE_LIST list;
    PDEVICE_OBJECT pdo = NULL, second = NULL, third = NULL;
    BOOLEAN conflict = FALSE;
    NTSTATUS status;
    UNREFERENCED_PARAMETER(path);
    list_of(&list, CmResourceTypeMemory, BUS_MEMORY, BUS_MEMORY_LENGTH);
    status = IoReportResourceForDetection(driver, &list, sizeof(list), NULL, NULL, 0, &conflict);
    if (status != STATUS_CONFLICTING_ADDRESSES || !conflict)
        return STATUS_ASSERTION_FAILURE;
    list_of(&list, CmResourceTypePort, FREE_PORT, 8);
    status = IoReportResourceForDetection(driver, &list, sizeof(list), NULL, NULL, 0, &conflict);
    if (!NT_SUCCESS(status) || conflict)
        return STATUS_ASSERTION_FAILURE;
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_PNP] = dispatch_pnp;
    driver->MajorFunction[IRP_MJ_POWER] = dispatch_power;
    /* Its claim for its device as a whole conflicts with the one that it has for itself. */
    status = IoReportDetectedDevice(driver, Isa, 0, (ULONG)-1, &list, NULL, FALSE, &pdo);
    if (status != STATUS_CONFLICTING_ADDRESSES)
        return STATUS_ASSERTION_FAILURE;
    status = IoReportDetectedDevice(driver, Isa, 0, (ULONG)-1, &list, NULL, TRUE, &pdo);
    if (!NT_SUCCESS(status))
        return status;
    /* Another one, before anybody has attached to the first; and what it has is its own then. */
    list_of(&list, CmResourceTypePort, FREE_PORT + 8, 8);
    status = IoReportDetectedDevice(driver, Isa, 0, (ULONG)-1, &list, NULL, FALSE, &second);
    if (!NT_SUCCESS(status))
        return status;
    if (!second || second == pdo)
        return STATUS_ASSERTION_FAILURE;
    status = IoReportDetectedDevice(driver, Isa, 0, (ULONG)-1, &list, NULL, FALSE, &third);
    if (status != STATUS_CONFLICTING_ADDRESSES || third)
        return STATUS_ASSERTION_FAILURE;
    /* A device cannot be reported twice, and what it was to have is not claimed. */
    list_of(&list, CmResourceTypePort, FREE_PORT + 16, 8);
    third = second;
    status = IoReportDetectedDevice(driver, Isa, 0, (ULONG)-1, &list, NULL, FALSE, &third);
    if (status != STATUS_OBJECT_NAME_COLLISION)
        return STATUS_ASSERTION_FAILURE;
    status = IoReportResourceForDetection(driver, &list, sizeof(list), NULL, NULL, 0, &conflict);
    if (!NT_SUCCESS(status) || conflict)
        return STATUS_ASSERTION_FAILURE;
    status = attach(driver, pdo);
    return NT_SUCCESS(status) ? attach(driver, second) : status;
}
