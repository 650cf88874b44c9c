/*
 * A WDM driver that tells the plug-and-play manager about its device: that its state or its
 * relations have changed, that it is to be ejected. It also reports to the error log.
 * What it reports its client chooses.
 *
 * Sources: IoInvalidateDeviceState, IoInvalidateDeviceRelations, IoRequestDeviceEject,
 * IRP_MN_QUERY_PNP_DEVICE_STATE, IoAllocateErrorLogEntry, IoWriteErrorLogEntry.
 */
#include <ntddk.h>

/* {8f1f6f0a-38a5-4f36-9d4c-1f1b5a1c0020} */
static const GUID INTERFACE_CLASS = {
    0x8f1f6f0a, 0x38a5, 0x4f36, {0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x20}};

#define TAG 'tatS'
#define CODE(function) (ULONG)CTL_CODE(0x9020, function, METHOD_BUFFERED, FILE_ANY_ACCESS)
/* The PNP_DEVICE_STATE to report from now on. */
#define IOCTL_STATE CODE(0x800)
/* The DEVICE_RELATION_TYPE that is said to have changed. */
#define IOCTL_RELATIONS CODE(0x801)
/* At once if the argument is zero, or with each file that is closed from now on. */
#define IOCTL_EJECT CODE(0x802)
/* How often the state was asked for, then the relations by type. */
#define IOCTL_COUNTS CODE(0x803)
/* The code of an entry for the error log. */
#define IOCTL_LOG CODE(0x804)

typedef struct {
    ULONG state;
    ULONG relations[5];
} COUNTS;

typedef struct {
    PDEVICE_OBJECT pdo;
    PDEVICE_OBJECT next;
    IO_REMOVE_LOCK remove_lock;
    UNICODE_STRING interface_name;
    volatile LONG state;
    volatile LONG eject_on_close;
    COUNTS counts; /* changed by the plug-and-play manager's one request at a time */
} DEVICE;

static NTSTATUS finish(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS log_error(PDEVICE_OBJECT object, ULONG code)
{
    static const WCHAR text[] = L"states";
    PIO_ERROR_LOG_PACKET packet =
        IoAllocateErrorLogEntry(object, sizeof(IO_ERROR_LOG_PACKET) + sizeof(text));
    if (!packet)
        return STATUS_INSUFFICIENT_RESOURCES;
    packet->MajorFunctionCode = IRP_MJ_DEVICE_CONTROL;
    packet->DumpDataSize = sizeof(ULONG);
    packet->DumpData[0] = 0xc0ffee;
    packet->NumberOfStrings = 1;
    packet->StringOffset = sizeof(IO_ERROR_LOG_PACKET);
    packet->ErrorCode = code;
    packet->FinalStatus = STATUS_IO_DEVICE_ERROR;
    RtlCopyMemory((PUCHAR)packet + packet->StringOffset, text, sizeof(text));
    IoWriteErrorLogEntry(packet);
    return STATUS_SUCCESS;
}

static NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    ULONG code = location->Parameters.DeviceIoControl.IoControlCode;
    ULONG *argument = irp->AssociatedIrp.SystemBuffer;
    ULONG_PTR information = 0;
    NTSTATUS status = IoAcquireRemoveLock(&device->remove_lock, irp);
    if (!NT_SUCCESS(status))
        return finish(irp, status, 0);
    if (code != IOCTL_COUNTS && location->Parameters.DeviceIoControl.InputBufferLength != sizeof(ULONG)) {
        status = STATUS_INFO_LENGTH_MISMATCH;
        goto done;
    }
    switch (code) {
    case IOCTL_STATE:
        device->state = *argument;
        IoInvalidateDeviceState(device->pdo);
        break;
    case IOCTL_RELATIONS:
        IoInvalidateDeviceRelations(device->pdo, *argument);
        break;
    case IOCTL_EJECT:
        device->eject_on_close = *argument != 0;
        if (!*argument)
            IoRequestDeviceEject(device->pdo);
        break;
    case IOCTL_COUNTS:
        if (location->Parameters.DeviceIoControl.OutputBufferLength < sizeof(COUNTS)) {
            status = STATUS_BUFFER_TOO_SMALL;
            break;
        }
        *(COUNTS *)argument = device->counts;
        information = sizeof(COUNTS);
        break;
    case IOCTL_LOG:
        status = log_error(object, *argument);
        break;
    default:
        status = STATUS_INVALID_DEVICE_REQUEST;
        break;
    }
done:
    finish(irp, status, information);
    IoReleaseRemoveLock(&device->remove_lock, irp);
    return status;
}

static NTSTATUS NTAPI dispatch_create_close(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    if (IoGetCurrentIrpStackLocation(irp)->MajorFunction == IRP_MJ_CLOSE && device->eject_on_close)
        IoRequestDeviceEject(device->pdo);
    return finish(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI dispatch_pnp(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    PDEVICE_OBJECT next = device->next;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    NTSTATUS status = IoAcquireRemoveLock(&device->remove_lock, irp);
    if (!NT_SUCCESS(status))
        return finish(irp, status, 0);
    switch (location->MinorFunction) {
    case IRP_MN_START_DEVICE:
        status = IoForwardIrpSynchronously(next, irp) ? irp->IoStatus.Status : STATUS_UNSUCCESSFUL;
        if (NT_SUCCESS(status))
            status = IoSetDeviceInterfaceState(&device->interface_name, TRUE);
        /* After a stop for rebalancing it is enabled already. */
        if (status == STATUS_OBJECT_NAME_EXISTS)
            status = STATUS_SUCCESS;
        finish(irp, status, 0);
        IoReleaseRemoveLock(&device->remove_lock, irp);
        return status;
    case IRP_MN_REMOVE_DEVICE:
        IoSetDeviceInterfaceState(&device->interface_name, FALSE);
        IoReleaseRemoveLockAndWait(&device->remove_lock, irp);
        irp->IoStatus.Status = STATUS_SUCCESS;
        IoSkipCurrentIrpStackLocation(irp);
        status = IoCallDriver(next, irp);
        IoDetachDevice(next);
        RtlFreeUnicodeString(&device->interface_name);
        IoDeleteDevice(object);
        return status;
    case IRP_MN_QUERY_PNP_DEVICE_STATE:
        device->counts.state++;
        irp->IoStatus.Information |= device->state;
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_QUERY_DEVICE_RELATIONS:
        if (location->Parameters.QueryDeviceRelations.Type < ARRAYSIZE(device->counts.relations))
            device->counts.relations[location->Parameters.QueryDeviceRelations.Type]++;
        break;
    case IRP_MN_SURPRISE_REMOVAL:
        IoSetDeviceInterfaceState(&device->interface_name, FALSE);
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_QUERY_REMOVE_DEVICE:
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_STOP_DEVICE:
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
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
    device->pdo = pdo;
    IoInitializeRemoveLock(&device->remove_lock, TAG, 0, 0);
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
    object->Flags |= DO_BUFFERED_IO | (device->next->Flags & DO_POWER_PAGABLE);
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
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_CLOSE] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_CLEANUP] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch_control;
    driver->MajorFunction[IRP_MJ_PNP] = dispatch_pnp;
    driver->MajorFunction[IRP_MJ_POWER] = dispatch_power;
    return STATUS_SUCCESS;
}
