/*
 * The function driver of the devices on the bus of bus.c. It has the bus driver note what it is
 * asked to do, before it passes that down.
 *
 * Sources: nc-wdm-driver_add_device, "Plug and Play Minor IRPs".
 */
#include <ntddk.h>

#include "bus.h"

/* {8f1f6f0a-38a5-4f36-9d4c-1f1b5a1c0032} */
static const GUID INTERFACE_CLASS = {
    0x8f1f6f0a, 0x38a5, 0x4f36, {0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x32}};

#define TAG 'hCBC'

typedef struct {
    PDEVICE_OBJECT next;
    IO_REMOVE_LOCK remove_lock;
    UNICODE_STRING interface_name;
    volatile LONG veto;
} DEVICE;

static NTSTATUS finish(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

/* Has the bus driver write it down. PASSIVE_LEVEL. */
static VOID note(PDEVICE_OBJECT next, ULONG what)
{
    KEVENT event;
    IO_STATUS_BLOCK result;
    PIRP irp;
    KeInitializeEvent(&event, NotificationEvent, FALSE);
    irp = IoBuildDeviceIoControlRequest(0, next, NULL, 0, NULL, 0, TRUE, &event, &result);
    if (!irp)
        return;
    IoGetNextIrpStackLocation(irp)->Parameters.Others.Argument1 = (PVOID)(ULONG_PTR)what;
    if (IoCallDriver(next, irp) == STATUS_PENDING)
        KeWaitForSingleObject(&event, Executive, KernelMode, FALSE, NULL);
}

static NTSTATUS NTAPI dispatch_pnp(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    PDEVICE_OBJECT next = device->next;
    UCHAR minor = IoGetCurrentIrpStackLocation(irp)->MinorFunction;
    NTSTATUS status = IoAcquireRemoveLock(&device->remove_lock, irp);
    if (!NT_SUCCESS(status))
        return finish(irp, status, 0);
    note(next, minor);
    switch (minor) {
    case IRP_MN_START_DEVICE:
        status = IoForwardIrpSynchronously(next, irp) ? irp->IoStatus.Status : STATUS_UNSUCCESSFUL;
        if (NT_SUCCESS(status))
            status = IoSetDeviceInterfaceState(&device->interface_name, TRUE);
        if (status == STATUS_OBJECT_NAME_EXISTS)
            status = STATUS_SUCCESS;
        finish(irp, status, 0);
        IoReleaseRemoveLock(&device->remove_lock, irp);
        return status;
    case IRP_MN_QUERY_REMOVE_DEVICE:
        if (device->veto) {
            finish(irp, STATUS_DEVICE_BUSY, 0);
            IoReleaseRemoveLock(&device->remove_lock, irp);
            return STATUS_DEVICE_BUSY;
        }
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_SURPRISE_REMOVAL:
        IoSetDeviceInterfaceState(&device->interface_name, FALSE);
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
    case IRP_MN_CANCEL_REMOVE_DEVICE:
    case IRP_MN_QUERY_STOP_DEVICE:
    case IRP_MN_CANCEL_STOP_DEVICE:
    case IRP_MN_STOP_DEVICE:
        irp->IoStatus.Status = STATUS_SUCCESS;
        break;
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

static NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT object, PIRP irp)
{
    DEVICE *device = object->DeviceExtension;
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    if (location->Parameters.DeviceIoControl.IoControlCode != IOCTL_VETO ||
        location->Parameters.DeviceIoControl.InputBufferLength != sizeof(ULONG))
        return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    device->veto = *(ULONG *)irp->AssociatedIrp.SystemBuffer;
    return finish(irp, STATUS_SUCCESS, 0);
}

static NTSTATUS NTAPI dispatch_create_close(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    return finish(irp, STATUS_SUCCESS, 0);
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
    note(device->next, ADD_DEVICE);
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
