/*
 * A legacy driver that does what the documentation says not to do, but what Driver Verifier has no
 * bug check for: the test kernel tells of it and goes on.
 *
 * Sources: IoCompleteRequest ("Remarks"), ZwQueryValueKey.
 */
#include <ntddk.h>

#define CODE(function) \
    (ULONG)CTL_CODE(FILE_DEVICE_UNKNOWN, 0x800 + (function), METHOD_BUFFERED, FILE_ANY_ACCESS)

/* Is completed with a spin lock held. */
#define IOCTL_LOCKED CODE(0)
/* Reads a value by a key that was not opened for that. */
#define IOCTL_RIGHTS CODE(1)
/* Is completed as it should be. */
#define IOCTL_RIGHT CODE(2)

/* Protects nothing. Not on the stack: locks there are not watched. */
static KSPIN_LOCK lock;
static UNICODE_STRING link = RTL_CONSTANT_STRING(L"\\DosDevices\\Warned");

static NTSTATUS finish(PIRP irp, NTSTATUS status)
{
    irp->IoStatus.Status = status;
    irp->IoStatus.Information = 0;
    IoCompleteRequest(irp, IO_NO_INCREMENT);
    return status;
}

static NTSTATUS complete_locked(PIRP irp)
{
    KIRQL irql;
    KeAcquireSpinLock(&lock, &irql);
    finish(irp, STATUS_SUCCESS);
    KeReleaseSpinLock(&lock, irql);
    return STATUS_SUCCESS;
}

static NTSTATUS query_without_right(void)
{
    UNICODE_STRING path = RTL_CONSTANT_STRING(L"\\Registry\\Machine\\System\\CurrentControlSet");
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"None");
    UCHAR buffer[64];
    OBJECT_ATTRIBUTES attributes;
    HANDLE key;
    ULONG length;
    NTSTATUS status;
    InitializeObjectAttributes(&attributes, &path, OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE, NULL,
                               NULL);
    status = ZwOpenKey(&key, STANDARD_RIGHTS_READ, &attributes);
    if (!NT_SUCCESS(status))
        return status;
    status = ZwQueryValueKey(key, &name, KeyValuePartialInformation, buffer, sizeof(buffer),
                             &length);
    ZwClose(key);
    /* There is no such value: that the caller may look is what counts. */
    return status == STATUS_OBJECT_NAME_NOT_FOUND ? STATUS_SUCCESS : status;
}

static NTSTATUS NTAPI dispatch_control(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    switch (IoGetCurrentIrpStackLocation(irp)->Parameters.DeviceIoControl.IoControlCode) {
    case IOCTL_LOCKED:
        return complete_locked(irp);
    case IOCTL_RIGHTS:
        return finish(irp, query_without_right());
    case IOCTL_RIGHT:
        return finish(irp, STATUS_SUCCESS);
    default:
        return finish(irp, STATUS_INVALID_DEVICE_REQUEST);
    }
}

static NTSTATUS NTAPI dispatch_create_close(PDEVICE_OBJECT object, PIRP irp)
{
    UNREFERENCED_PARAMETER(object);
    return finish(irp, STATUS_SUCCESS);
}

static VOID NTAPI unload(PDRIVER_OBJECT driver)
{
    IoDeleteSymbolicLink(&link);
    IoDeleteDevice(driver->DeviceObject);
}

NTSTATUS NTAPI DriverEntry(PDRIVER_OBJECT driver, PUNICODE_STRING path)
{
    UNICODE_STRING name = RTL_CONSTANT_STRING(L"\\Device\\Warned");
    PDEVICE_OBJECT object;
    NTSTATUS status;
    UNREFERENCED_PARAMETER(path);
    KeInitializeSpinLock(&lock);
    driver->DriverUnload = unload;
    driver->MajorFunction[IRP_MJ_CREATE] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_CLOSE] = dispatch_create_close;
    driver->MajorFunction[IRP_MJ_DEVICE_CONTROL] = dispatch_control;
    status = IoCreateDevice(driver, 0, &name, FILE_DEVICE_UNKNOWN, FILE_DEVICE_SECURE_OPEN, FALSE,
                            &object);
    if (!NT_SUCCESS(status))
        return status;
    status = IoCreateSymbolicLink(&link, &name);
    if (!NT_SUCCESS(status))
        IoDeleteDevice(object);
    return status;
}
