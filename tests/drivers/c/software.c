/*
 * A WDM driver of a device that is nothing but software: its device is root-enumerated. It
 * reports that device itself as well, which makes no second one of it.
 *
 * Sources: IoReportRootDevice, nc-wdm-driver_add_device, "Plug and Play Minor IRPs".
 */
#include <ntddk.h>

NTKERNELAPI NTSTATUS NTAPI IoReportRootDevice(PDRIVER_OBJECT driver);

/* {8f1f6f0a-38a5-4f36-9d4c-1f1b5a1c0040} */
static const GUID INTERFACE_CLASS = {
    0x8f1f6f0a, 0x38a5, 0x4f36, {0x9d, 0x4c, 0x1f, 0x1b, 0x5a, 0x1c, 0x00, 0x40}};

#define TAG 'tfoS'
/* How often AddDevice was called. */
#define IOCTL_ADDED (ULONG)CTL_CODE(0x9040, 0x800, METHOD_BUFFERED, FILE_ANY_ACCESS)

/* Says that as many bytes have been written as the input tells, and writes those that fit. */
#define IOCTL_TELL (ULONG)CTL_CODE(0x9040, 0x801, METHOD_BUFFERED, FILE_ANY_ACCESS)

typedef struct {
    PDEVICE_OBJECT next;
    IO_REMOVE_LOCK remove_lock;
    UNICODE_STRING interface_name;
} DEVICE;

static LONG added;

static NTSTATUS finish(PIRP irp, NTSTATUS status, ULONG_PTR information)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = information;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

/* ANCHOR: pnp */
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
        /* Software has no resources. */
        if (location->Parameters.StartDevice.AllocatedResources) {
            status = finish(irp, STATUS_DEVICE_CONFIGURATION_ERROR, 0);
            IoReleaseRemoveLock(&device->remove_lock, irp);
            return status;
        }
        status = IoForwardIrpSynchronously(next, irp) ? irp->IoStatus.Status : STATUS_UNSUCCESSFUL;
        if (NT_SUCCESS(status))
            status = IoSetDeviceInterfaceState(&device->interface_name, TRUE);
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
    }
    IoSkipCurrentIrpStackLocation(irp);
    status = IoCallDriver(next, irp);
    IoReleaseRemoveLock(&device->remove_lock, irp);
    return status;
}
/* ANCHOR_END: pnp */

/* ANCHOR: power */
static NTSTATUS NTAPI dispatch_power(PDEVICE_OBJECT object, PIRP irp)
{
    PoStartNextPowerIrp(irp);
    IoSkipCurrentIrpStackLocation(irp);
    return PoCallDriver(((DEVICE *)object->DeviceExtension)->next, irp);
}
/* ANCHOR_END: power */

static NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT object, PIRP irp)
{
    PIO_STACK_LOCATION location = IoGetCurrentIrpStackLocation(irp);
    UNREFERENCED_PARAMETER(object);
    if (location->Parameters.DeviceIoControl.IoControlCode == IOCTL_TELL &&
        location->Parameters.DeviceIoControl.InputBufferLength >= sizeof(ULONG)) {
        ULONG told = *(ULONG *)irp->AssociatedIrp.SystemBuffer;
        RtlFillMemory(irp->AssociatedIrp.SystemBuffer,
                      location->Parameters.DeviceIoControl.InputBufferLength, 0xa5);
        return finish(irp, STATUS_SUCCESS, told);
    }
    if (location->Parameters.DeviceIoControl.IoControlCode != IOCTL_ADDED ||
        location->Parameters.DeviceIoControl.OutputBufferLength < sizeof(ULONG))
        return finish(irp, STATUS_INVALID_DEVICE_REQUEST, 0);
    *(ULONG *)irp->AssociatedIrp.SystemBuffer = added;
    return finish(irp, STATUS_SUCCESS, sizeof(ULONG));
}

static NTSTATUS NTAPI dispatch_create_close(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    return finish(irp, STATUS_SUCCESS, 0);
}

/* ANCHOR: add_device */
static NTSTATUS NTAPI add_device(PDRIVER_OBJECT driver, PDEVICE_OBJECT pdo)
{
    PDEVICE_OBJECT object;
    DEVICE *device;
    ULONG length = 0;
    /* What is installed has a description: its bus does not know it, the installation does. */
    NTSTATUS status =
        IoGetDeviceProperty(pdo, DevicePropertyDeviceDescription, 0, NULL, &length);
    if (status != STATUS_BUFFER_TOO_SMALL || length <= sizeof(WCHAR))
        return STATUS_UNSUCCESSFUL;
    status = IoCreateDevice(driver, sizeof(DEVICE), NULL, FILE_DEVICE_UNKNOWN,
                            FILE_DEVICE_SECURE_OPEN, FALSE, &object);
    if (!NT_SUCCESS(status))
        return status;
    added++;
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
    object->Flags |= DO_BUFFERED_IO | (device->next->Flags & DO_POWER_PAGABLE);
    object->Flags &= ~DO_DEVICE_INITIALIZING;
    return STATUS_SUCCESS;
}
/* ANCHOR_END: add_device */

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    UNREFERENCED_PARAMETER(driver);
}

/* ANCHOR: entry */
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
    return IoReportRootDevice(driver);
}
/* ANCHOR_END: entry */
