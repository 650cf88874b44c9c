/*
 * A WDM driver for pci-testdev with a system-managed queue: device-control requests go through
 * IoStartPacket to StartIo, which runs one of the device's tests on its memory BAR, and a timer
 * with its DPC completes the request, so that more requests do wait behind it.
 *
 * IoSetStartIoAttributes asks for StartIo not to be re-entered, and for the request it works on
 * not to be cancelable: with both, only the cancel routine itself takes the cancel spin lock.
 *
 * Sources: "StartIo Routines", IoStartPacket, IoStartNextPacket, IoSetStartIoAttributes.
 */
#include <ntddk.h>

/* {8f1f6f0a-38a5-4f36-9d4c-1f1b5a1c0002} */
static const GUID INTERFACE_CLASS = {
    0x8f1f6f0a, 0x38a5, 0x4f36, {0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x02}};

#define TAG 'oisT'
#define IOCTL_RUN CTL_CODE(0x9001, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* The request: which test, how many writes. The answer: how many the device counted, and how
 * often StartIo was found running already (never, if the attributes hold). */
typedef struct {
    ULONG test;
    ULONG writes;
} RUN_INPUT;

typedef struct {
    ULONG counted;
    ULONG reentered;
} RUN_OUTPUT;

/* The header that each of the device's BARs begins with. */
typedef struct {
    UCHAR test;
    UCHAR width;
    UCHAR pad0[2];
    ULONG offset;
    UCHAR data;
    UCHAR pad1[3];
    ULONG count;
    UCHAR name[];
} TESTDEV_HEADER;

typedef struct {
    PDEVICE_OBJECT self;
    PDEVICE_OBJECT next;
    IO_REMOVE_LOCK remove_lock;
    UNICODE_STRING interface_name;
    PUCHAR registers;
    ULONG register_length;
    KTIMER timer;
    KDPC dpc;
    LONG running;
    ULONG reentered;
} DEVICE;

static NTSTATUS finish(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

/* Runs with the cancel spin lock held, on a request that is in the queue or about to start. */
static VOID NTAPI cancel(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    BOOLEAN queued =
        KeRemoveEntryDeviceQueue(&object->DeviceQueue, &irp->Tail.Overlay.DeviceQueueEntry);
    BOOLEAN current = object->CurrentIrp == irp;
    IoReleaseCancelSpinLock(irp->CancelIrql);
    finish(irp, STATUS_CANCELLED, 0);
    IoReleaseRemoveLock(&device->remove_lock, irp);
    if (!queued && current) {
        KIRQL irql;
        KeRaiseIrql(DISPATCH_LEVEL, &irql);
        IoStartNextPacket(object, TRUE);
        KeLowerIrql(irql);
    }
}

static UCHAR read_byte(DEVICE *device, ULONG offset)
{
    return READ_REGISTER_UCHAR(device->registers + offset);
}

static ULONG read_long(DEVICE *device, ULONG offset)
{
    ULONG value = 0, i;
    for (i = 0; i < 4; i++)
        value |= (ULONG)read_byte(device, offset + i) << (8 * i);
    return value;
}

static VOID NTAPI start_io(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    RUN_INPUT *input = irp->AssociatedIrp.SystemBuffer;
    RUN_OUTPUT *output = irp->AssociatedIrp.SystemBuffer;
    ULONG test = input->test, writes = input->writes, offset;
    LARGE_INTEGER due;
    UCHAR data;

    if (InterlockedExchange(&device->running, 1))
        device->reentered++;
    WRITE_REGISTER_UCHAR(device->registers + FIELD_OFFSET(TESTDEV_HEADER, test), (UCHAR)test);
    offset = read_long(device, FIELD_OFFSET(TESTDEV_HEADER, offset));
    data = read_byte(device, FIELD_OFFSET(TESTDEV_HEADER, data));
    if (offset < device->register_length)
        for (; writes; writes--)
            WRITE_REGISTER_UCHAR(device->registers + offset, data);
    output->counted = read_long(device, FIELD_OFFSET(TESTDEV_HEADER, count));
    output->reentered = device->reentered;
    InterlockedExchange(&device->running, 0);
    due.QuadPart = -10000; /* 1 ms */
    KeSetTimer(&device->timer, due, &device->dpc);
}

static VOID NTAPI timer_dpc(PKDPC dpc, PVOID context, PVOID argument1, PVOID argument2)
{
    DEVICE *device = context;
    PIRP irp = device->self->CurrentIrp;
    UNREFERENCED_PARAMETER(dpc);
    UNREFERENCED_PARAMETER(argument1);
    UNREFERENCED_PARAMETER(argument2);
    finish(irp, STATUS_SUCCESS, sizeof(RUN_OUTPUT));
    IoReleaseRemoveLock(&device->remove_lock, irp);
    IoStartNextPacket(device->self, TRUE);
}

static NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    RUN_INPUT *input = irp->AssociatedIrp.SystemBuffer;
    NTSTATUS status;
    if (location->Parameters.DeviceIoControl.IoControlCode != (ULONG)IOCTL_RUN)
        return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    if (location->Parameters.DeviceIoControl.InputBufferLength != sizeof(RUN_INPUT) ||
        location->Parameters.DeviceIoControl.OutputBufferLength < sizeof(RUN_OUTPUT))
        return finish(irp, STATUS_INFO_LENGTH_MISMATCH, 0);
    if (input->test > 2 || input->writes > 1000)
        return finish(irp, STATUS_INVALID_PARAMETER, 0);
    status = IoAcquireRemoveLock(&device->remove_lock, irp);
    if (!NT_SUCCESS(status))
        return finish(irp, status, 0);
    if (!device->registers) {
        IoReleaseRemoveLock(&device->remove_lock, irp);
        return finish(irp, STATUS_DEVICE_NOT_READY, 0);
    }
    IoMarkIrpPending(irp);
    IoStartPacket(object, irp, NULL, cancel);
    return STATUS_PENDING;
}

static NTSTATUS NTAPI dispatch_create_close(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    return finish(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS start(DEVICE *device, PIRP irp)
{
    PCM_RESOURCE_LIST list =
        IoGetCurrentIrpStackLocation(irp)->Parameters.StartDevice.AllocatedResourcesTranslated;
    ULONG i;
    if (!list)
        return STATUS_DEVICE_CONFIGURATION_ERROR;
    for (i = 0; i < list->List[0].PartialResourceList.Count; i++) {
        PCM_PARTIAL_RESOURCE_DESCRIPTOR resource =
            &list->List[0].PartialResourceList.PartialDescriptors[i];
        if (resource->Type == CmResourceTypeMemory && !device->registers) {
            device->registers =
                MmMapIoSpace(resource->u.Memory.Start, resource->u.Memory.Length, MmNonCached);
            device->register_length = resource->u.Memory.Length;
        }
    }
    return device->registers ? IoSetDeviceInterfaceState(&device->interface_name, TRUE)
                             : STATUS_DEVICE_CONFIGURATION_ERROR;
}

static VOID stop(DEVICE *device)
{
    if (device->registers)
        MmUnmapIoSpace(device->registers, device->register_length);
    device->registers = NULL;
}

static NTSTATUS NTAPI dispatch_pnp(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    PDEVICE_OBJECT next = device->next;
    NTSTATUS status = IoAcquireRemoveLock(&device->remove_lock, irp);
    if (!NT_SUCCESS(status))
        return finish(irp, status, 0);
    switch (IoGetCurrentIrpStackLocation(irp)->MinorFunction) {
    case IRP_MN_START_DEVICE:
        status = IoForwardIrpSynchronously(next, irp) ? irp->IoStatus.Status : STATUS_UNSUCCESSFUL;
        if (NT_SUCCESS(status))
            status = start(device, irp);
        finish(irp, status, 0);
        IoReleaseRemoveLock(&device->remove_lock, irp);
        return status;
    case IRP_MN_REMOVE_DEVICE:
        IoSetDeviceInterfaceState(&device->interface_name, FALSE);
        /* Each request in the queue or on the device holds the lock until it is completed. */
        IoReleaseRemoveLockAndWait(&device->remove_lock, irp);
        KeFlushQueuedDpcs();
        stop(device);
        irp->IoStatus.Status = STATUS_SUCCESS;
        IoSkipCurrentIrpStackLocation(irp);
        status = IoCallDriver(next, irp);
        IoDetachDevice(next);
        RtlFreeUnicodeString(&device->interface_name);
        IoDeleteDevice(object);
        return status;
    case IRP_MN_SURPRISE_REMOVAL:
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_QUERY_STOP_DEVICE:
        /* This driver cannot move its registers: it refuses, and says so at once. */
        finish(irp, STATUS_UNSUCCESSFUL, 0);
        IoReleaseRemoveLock(&device->remove_lock, irp);
        return STATUS_UNSUCCESSFUL;
    default:
        break;
    }
    IoSkipCurrentIrpStackLocation(irp);
    status = IoCallDriver(next, irp);
    IoReleaseRemoveLock(&device->remove_lock, irp);
    return status;
}

static NTSTATUS NTAPI dispatch_power(PDEVICE_OBJECT object, PIRP irp)
{
    PoStartNextPowerIrp(irp);
    IoSkipCurrentIrpStackLocation(irp);
    return PoCallDriver(((DEVICE *)object->DeviceExtension)->next, irp);
}

static NTSTATUS NTAPI add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT pdo)
{
    PDEVICE_OBJECT object;
    DEVICE *device;
    NTSTATUS status = IoCreateDevice(driver, sizeof(DEVICE), NULL, FILE_DEVICE_UNKNOWN,
                                     FILE_DEVICE_SECURE_OPEN, FALSE, &object);
    if (!NT_SUCCESS(status))
        return status;
    device = object->DeviceExtension;
    device->self = object;
    IoInitializeRemoveLock(&device->remove_lock, TAG, 0, 0);
    KeInitializeTimer(&device->timer);
    KeInitializeDpc(&device->dpc, timer_dpc, device);
    IoSetStartIoAttributes(object, TRUE, TRUE);
    status = IoRegisterDeviceInterface(pdo, &INTERFACE_CLASS, NULL, &device->interface_name);
    if (!NT_SUCCESS(status)) {
        IoDeleteDevice(object);
        return status;
    }
    device->next = IoAttachDeviceToDeviceStack(object, pdo);
    if (!device->next) {
        RtlFreeUnicodeString(&device->interface_name);
        IoDeleteDevice(object);
        return STATUS_NO_SUCH_DEVICE;
    }
    object->Flags |= device->next->Flags & DO_POWER_PAGABLE;
    object->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNREFERENCED_PARAMETER(path);
    driver->DriverExtension->AddDevice = add_device;
    driver->DriverUnload = unload;
    driver->DriverStartIo = start_io;
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_CLOSE] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_CLEANUP] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch_control;
    driver->MajorFunction[IRP_MJ_PNP] = dispatch_pnp;
    driver->MajorFunction[IRP_MJ_POWER] = dispatch_power;
    return STATUS_SUCCESS;
}
